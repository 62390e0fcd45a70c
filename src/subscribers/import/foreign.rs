//! What the rows of other programs' exports say: listmonk's, phpList's and Mailchimp's.

use std::sync::Arc;

use super::columns::Column;
use super::decide::gone;
use super::no_columns::LONGEST_WORD;
use super::noes::{CLEANED, Noes, TIMELESS, UNSUBSCRIBED};
use super::row::{Cells, Claim, Reading};
use super::wishes::Wishes;
use super::{Format, networks, values};
use crate::domain::SubscriberState;

/// What the name of one of Mailchimp's files says about everybody in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// They get the mails.
    Subscribed,
    /// They have left, or were put away.
    Unsubscribed,
    /// Their addresses are dead.
    Cleaned,
    /// They have bought something, say, and were never asked.
    Stranger,
}

impl Told {
    /// Reads a file's name; folders before it do not count.
    pub(super) fn by(name: &str) -> Option<Self> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
        [
            ("subscribed", Self::Subscribed),
            ("unsubscribed", Self::Unsubscribed),
            ("archived", Self::Unsubscribed),
            ("cleaned", Self::Cleaned),
            ("nonsubscribed", Self::Stranger),
            ("non-subscribed", Self::Stranger),
            ("non_subscribed", Self::Stranger),
        ]
        .into_iter()
        .find_map(|(beginning, told)| name.starts_with(beginning).then_some(told))
    }
}

/// What a row says about consent.
pub(super) fn claim(cells: &Cells<'_>, reading: &Reading<'_>) -> Result<Claim, String> {
    let noes = noes(cells, reading);
    let gone = noes.gone();
    if let Some(unclear) = noes.unclear {
        return Err(unclear);
    }
    let mut claim = match reading.layout.format {
        Format::Csv | Format::Detect => csv(cells, reading)?,
        Format::Listmonk => Claim { state: Some(SubscriberState::Confirmed), ..Claim::default() },
        Format::PhpList => phplist(cells)?,
        Format::Mailchimp => mailchimp(cells, reading)?,
    };
    if noes.unconfirmed {
        claim.state = Some(SubscriberState::Pending);
    }
    Ok(claim.with_noes(gone))
}

/// What the fields of a row say of somebody's having gone.
pub(super) fn noes(cells: &Cells<'_>, reading: &Reading<'_>) -> Noes {
    let mut noes = Noes::default();
    match reading.layout.format {
        Format::Csv | Format::Detect => csv_noes(cells, &mut noes),
        Format::Listmonk => listmonk(cells, reading, &mut noes),
        Format::PhpList => {
            // The blacklist has those who left beside those who were put there. `Last Modified` does not say when: it depends on
            // the settings of the database there whether leaving touches it.
            for column in [Column::IsBlacklisted, Column::IsDisabled] {
                match values::flag(cells.text(column)) {
                    Ok(true) => noes.say(TIMELESS, SubscriberState::Unsubscribed, None),
                    Ok(false) => {}
                    Err(why) => noes.doubt(why),
                }
            }
        }
        Format::Mailchimp => mailchimp_noes(cells, reading, &mut noes),
    }
    for (column, text) in reading.layout.noes.iter().zip(cells.noes()) {
        column.note(text, reading.now, &mut noes);
    }
    noes
}

fn csv_noes(cells: &Cells<'_>, noes: &mut Noes) {
    match state_of(cells).map(|text| (text, values::state(text))) {
        Some((text, Ok(state))) => noes.say_state(text, state),
        Some((_, Err(why))) => noes.doubt(why),
        None => {}
    }
    // Files that are none of ours have plain answers there. Their rows are bad, and what they say counts all the same.
    let answers = [Column::Consent, Column::Subscriptions].map(|column| cells.text(column));
    for text in answers.into_iter().filter(|text| !text.is_empty() && text.len() <= LONGEST_WORD) {
        match (values::flag(text), values::state(text)) {
            (Ok(false), _) => noes.say(TIMELESS, SubscriberState::Unsubscribed, None),
            (_, Ok(state)) => noes.say_state(text, state),
            _ => {}
        }
    }
    if values::flag(cells.text(Column::Suppressed)) == Ok(true) {
        noes.say(TIMELESS, SubscriberState::Unsubscribed, None);
    }
}

/// The state of a row: of somebody who is suppressed, the one that they have apart from that.
fn state_of<'r>(cells: &Cells<'r>) -> Option<&'r str> {
    let own = cells.get(Column::Suppressed).and_then(|_| cells.get(Column::OwnState));
    own.or(cells.get(Column::State))
}

fn csv(cells: &Cells<'_>, reading: &Reading<'_>) -> Result<Claim, String> {
    Ok(Claim {
        // One that says no is among the noes.
        state: state_of(cells).map(values::state).transpose()?.filter(|state| !gone(*state)),
        confirmed_at: cells.get(Column::ConfirmedAt).map(|text| values::past(text, reading.now)).transpose()?,
        evidence: cells.get(Column::Evidence).map(values::one_line).transpose()?,
        network: networks::read(cells.text(Column::Network)),
        ..Claim::default()
    })
}

/// The export does not tell who has confirmed a list, so that nobody has evidence. Whoever is on the blocklist has left
/// everything, or was put there: their own confirmation alone brings them back.
fn listmonk(cells: &Cells<'_>, reading: &Reading<'_>, noes: &mut Noes) {
    match cells.text(Column::State).to_lowercase().as_str() {
        "enabled" => {}
        "disabled" | "blocklisted" | "blacklisted" => {
            // At the latest; a time that cannot be read is none.
            let at = cells.get(Column::UpdatedAt).and_then(|at| values::past_at_latest(at, reading.now).ok());
            noes.say(UNSUBSCRIBED, SubscriberState::Unsubscribed, at);
        }
        other => noes.doubt(format!("`{}` is none of listmonk's states", values::shown(other))),
    }
}

/// Whoever was confirmed by an administrator has no evidence.
fn phplist(cells: &Cells<'_>) -> Result<Claim, String> {
    let flag = |column| values::flag(cells.text(column));
    let state = if flag(Column::IsConfirmed)? { SubscriberState::Confirmed } else { SubscriberState::Pending };
    let entered = cells.get(Column::CreatedAt).map(|at| format!(", entered {}", values::shown(at)));
    let evidence =
        flag(Column::Evidence)?.then(|| format!("phpList: confirmed by the person{}", entered.unwrap_or_default()));
    Ok(Claim { state: Some(state), evidence, ..Claim::default() })
}

/// The name of the file says it of everybody in it, and a time of one.
fn mailchimp_noes(cells: &Cells<'_>, reading: &Reading<'_>, noes: &mut Noes) {
    let reason = cells.text(Column::UnsubReason).to_lowercase();
    let left = match reason.contains("abuse") || reason.contains("complaint") {
        true => SubscriberState::Complained,
        false => SubscriberState::Unsubscribed,
    };
    noes.went(UNSUBSCRIBED, left, cells.get(Column::UnsubTime), reading.now);
    noes.went(CLEANED, SubscriberState::Bounced, cells.get(Column::CleanTime), reading.now);
    let has = |column| reading.layout.columns.contains(&Some(column));
    match reading.told {
        Some(Told::Unsubscribed) => noes.say(UNSUBSCRIBED, left, None),
        Some(Told::Cleaned) => noes.say(CLEANED, SubscriberState::Bounced, None),
        None if !noes.any() && (has(Column::UnsubTime) || has(Column::CleanTime)) => noes.doubt(
            "whether this person has left cannot be told: the time is empty, and the file is not called as Mailchimp \
             calls it"
                .to_owned(),
        ),
        Some(Told::Subscribed | Told::Stranger) | None => {}
    }
}

fn mailchimp(cells: &Cells<'_>, reading: &Reading<'_>) -> Result<Claim, String> {
    let at = |column| cells.get(column).map(|text| values::past(text, reading.now)).transpose();
    let confirmed_at = at(Column::ConfirmedAt)?;
    Ok(Claim {
        state: Some(SubscriberState::Confirmed),
        confirmed_at,
        evidence: confirmed_at.map(|_| mailchimp_evidence(cells)),
        network: networks::read(cells.text(Column::Network)).or_else(|| networks::read(cells.text(Column::OptinIp))),
        left_at: at(Column::UnsubTime)?,
        stranger: reading.told == Some(Told::Stranger),
        ..Claim::default()
    })
}

/// When it was asked for there; the time and the network address of the confirmation stand beside it.
fn mailchimp_evidence(cells: &Cells<'_>) -> String {
    let mut evidence = "Mailchimp: confirmed there".to_owned();
    if let Some(at) = cells.get(Column::OptinTime) {
        evidence.push_str(&format!("; asked for {}", values::shown(at)));
    }
    evidence
}

/// The digests and topics of a row: what its groups, or lists, are called here.
pub(super) fn wishes(
    cells: &Cells<'_>,
    record: &csv::StringRecord,
    reading: &mut Reading<'_>,
) -> Result<Arc<Wishes>, String> {
    let mut groups = Vec::new();
    for at in reading.group_columns {
        groups.extend(groups_at(reading, record, *at));
    }
    if groups.is_empty() && cells.text(Column::Membership) == "No Lists" {
        return Ok(Arc::new(Wishes { chosen: true, ..Wishes::default() }));
    }
    reading.chooser.of_groups(&groups)
}

/// The columns of a record that hold something which is called as a digest or a topic here.
pub(super) fn group_columns(record: &csv::StringRecord, reading: &Reading<'_>) -> Vec<usize> {
    let named = |column: &Column| reading.layout.columns.iter().position(|have| have.as_ref() == Some(column));
    let candidates = reading.layout.extra.iter().copied();
    let candidates = candidates.chain([Column::Membership, Column::Lists].iter().filter_map(named));
    candidates.filter(|at| groups_at(reading, record, *at).iter().any(|group| reading.chooser.offers(group))).collect()
}

fn groups_at(reading: &Reading<'_>, record: &csv::StringRecord, at: usize) -> Vec<String> {
    let text = record.get(at).unwrap_or_default();
    if reading.layout.columns.get(at) != Some(&Some(Column::Membership)) {
        return values::groups(text);
    }
    let named = reading.chooser.names_in(text);
    // Lists that are called as nothing here count all the same: this person is in other ones.
    if named.is_empty() && !text.trim().is_empty() { vec![text.trim().to_lowercase()] } else { named }
}
