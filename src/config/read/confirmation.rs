//! `[confirmation]`: how people are asked whether they really want it.

use std::time::Duration;

use crate::config::public::Confirmation;
use crate::config::reader::Table;
use crate::config::values::{self, write_duration};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub fn confirmation(table: &Table<'_>) -> Confirmation {
    let default = Confirmation::default();
    let duration = |name| table.given(name).and_then(|field| field.parse(|text| values::duration(text, HOUR, YEAR)));
    let read = Confirmation {
        valid_for: duration("valid_for").unwrap_or(default.valid_for),
        reminder_after: duration("reminder_after"),
        forget_after: duration("forget_after").unwrap_or(default.forget_after),
        welcome_mail: table.field("welcome_mail").and_then(|field| field.boolean()).unwrap_or(default.welcome_mail),
    };
    if read.reminder_after.is_some_and(|reminder| reminder >= read.valid_for) {
        let end = write_duration(read.valid_for);
        table.wrong(
            "reminder_after",
            format!("comes when the link does not work any more, which it does for {end}; make it shorter"),
        );
    }
    if read.forget_after < read.valid_for {
        let end = write_duration(read.valid_for);
        let name = if table.given("forget_after").is_some() { "forget_after" } else { "valid_for" };
        table.wrong(name, format!("would let people be forgotten while their link still works, which it does for {end}; `forget_after` must not be shorter than `valid_for`"));
    }
    read
}
