-- How much that was, to be compared: the most that any mail of the issue lost is kept.
alter table issues add column shortened_by integer not null default 0;
