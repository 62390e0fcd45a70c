-- What was taken away from an issue so that mail programs do not cut it off; none: nothing.
alter table issues add column shortened text;
