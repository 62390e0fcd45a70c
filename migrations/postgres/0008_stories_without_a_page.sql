-- A story need not have a page of its own.
alter table articles alter column url drop not null;
alter table issue_articles alter column url drop not null;
