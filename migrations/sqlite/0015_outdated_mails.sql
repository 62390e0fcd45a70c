-- The mails of an issue up to this id still have what has been withdrawn; nothing of the issue is started until all of them are
-- made anew. None: no mail has.
alter table issues add column outdated_upto integer;

-- The issues of which nothing is started, and the state that their deliveries have meanwhile.
create view stopped_issues as
select id, case when state = 'cancelled' then state else 'held' end as state from issues
where state in ('held', 'cancelled') or outdated_upto is not null;
