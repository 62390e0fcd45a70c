-- From which the mails of a correction are made anew when a story is withdrawn that names them. Older ones have none.
alter table corrections add column body text;
