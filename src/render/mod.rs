//! An issue to mails with slots.
