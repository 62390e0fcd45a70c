//! Who the mails are from: `[sender]`, and what a digest has of its own over it.

use url::Url;

use super::Scene;
use crate::config::reader::{Field, Table, shown};
use crate::config::settings::Sender;
use crate::config::urls;
use crate::domain::EmailAddress;

pub fn sender(table: &Table<'_>, scene: &Scene<'_>) -> Option<Sender> {
    let email = table.required("email", "give the address that the mails come from");
    let email = email.and_then(|field| address(&field, scene));
    let reply_to = table.given("reply_to").and_then(|field| address(&field, scene));
    let unsubscribe_email = table.given("unsubscribe_email").and_then(|field| address(&field, scene));
    let line = |name| table.given(name).and_then(|field| field.line()).unwrap_or_default().to_owned();
    let name = line("name");
    let postal_address = table.given("postal_address").and_then(|field| field.text()).unwrap_or_default().trim();
    if scene.real_relay && postal_address.is_empty() {
        let remedy = "the law asks for one in every newsletter, and a PO box will do";
        table.wrong("postal_address", format!("is missing, and the relay is not on this machine; {remedy}"));
    }
    let legal = line("legal");
    let contact_url = table.given("contact_url").and_then(|field| field.parse(urls::link));
    let social = social(table);
    let email = email?;
    Some(Sender {
        name: if name.is_empty() { email.domain().to_owned() } else { name },
        email,
        reply_to,
        unsubscribe_email,
        postal_address: postal_address.to_owned(),
        legal,
        contact_url,
        social,
    })
}

/// A digest's sender: its own name and addresses over those of `[sender]`.
pub fn own_sender(table: &Table<'_>, common: Option<&Sender>, scene: &Scene<'_>) -> Option<Sender> {
    let name = table.given("name").and_then(|field| field.line()).map(str::to_owned);
    let email = table.given("email").and_then(|field| address(&field, scene));
    let reply_to = table.given("reply_to").and_then(|field| address(&field, scene));
    let mut sender = common?.clone();
    if let Some(name) = name {
        sender.name = name;
    }
    if let Some(email) = email {
        sender.email = email;
    }
    sender.reply_to = reply_to.or(sender.reply_to);
    Some(sender)
}

/// An address that mails come from or go to; in front of a real relay not one of the example.
pub fn address(field: &Field<'_>, scene: &Scene<'_>) -> Option<EmailAddress> {
    let text = field.text()?;
    let address = field.accept(EmailAddress::parse(text).map_err(|error| match error.to_string() {
        message if message.contains(';') => message,
        message => format!("{message}; one looks like `digest@example.org`"),
    }))?;
    if scene.real_relay && urls::is_example(address.domain()) {
        let shown = shown(address.as_str());
        field.fail(format!(
            "`{shown}` is an example, and the relay is not on this machine; write an address of your own"
        ));
    }
    Some(address)
}

fn social(table: &Table<'_>) -> Vec<(String, Url)> {
    let Some(links) = table.field("social").and_then(|field| field.entries()) else { return Vec::new() };
    let link = |(name, field): (&str, Field<'_>)| match field.text() {
        Some(text) if text.trim().is_empty() => None,
        Some(_) => Some((name.to_owned(), field.parse(urls::web)?)),
        None => None,
    };
    links.into_iter().filter_map(link).collect()
}
