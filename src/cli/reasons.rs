//! `digest reasons`: why people left a digest.

use super::{CliError, Context, output};
use crate::subscribers::Reason;

/// How far back reasons are counted.
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

/// How many notes are shown.
const NOTES: usize = 20;

/// Counts the reasons of the last year, and shows the latest notes.
pub async fn run(context: &Context, id: &str) -> Result<(), CliError> {
    context.digest(id)?;
    let rows = context.open_without_templates().await?.subscribers().reasons(id, YEAR).await?;
    let count = |reason: Reason| rows.iter().filter(|row| row.reason == reason.as_str()).count();
    let notes: Vec<_> = rows.iter().filter(|row| !row.note.is_empty()).take(NOTES).collect();
    if context.json {
        let counts: serde_json::Map<_, _> =
            Reason::ALL.iter().map(|reason| (reason.as_str().to_owned(), count(*reason).into())).collect();
        let notes: Vec<_> = notes
            .iter()
            .map(|row| serde_json::json!({ "at": row.left_at, "reason": row.reason, "note": row.note }))
            .collect();
        return output::json(&serde_json::json!({ "digest": id, "reasons": counts, "notes": notes }));
    }
    for reason in Reason::ALL {
        output::line(format!("{:>6}  {}", count(reason), reason.as_str()))?;
    }
    notes.iter().try_for_each(|row| output::line(format!("{}  {}: {}", row.left_at, row.reason, row.note)))
}
