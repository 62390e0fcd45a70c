-- A story need not have a page of its own.
alter table articles add column address text;
update articles set address = url;
alter table articles drop column url;
alter table articles rename column address to url;

alter table issue_articles add column address text;
update issue_articles set address = url;
alter table issue_articles drop column url;
alter table issue_articles rename column address to url;
