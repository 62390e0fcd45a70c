-- Deliveries that were finished long ago become totals: it is not kept for ever who got what.

-- Since when the deliveries of an issue have been folded; none: they are all there.
alter table issues add column folded_at integer;

-- How many of an issue's deliveries had ended how when they were folded, and from when to when they went.
create table folded_deliveries (
    issue_id integer not null references issues (id),
    state text not null,
    deliveries integer not null,
    first_started_at integer,
    last_finished_at integer,
    primary key (issue_id, state)
) strict;

-- How many of a correction's deliveries have been folded.
alter table corrections add column folded integer not null default 0;

-- What belongs to no issue is forgotten by its age.
create index deliveries_of_no_issue on deliveries (finished_at)
    where issue_id is null and correction_id is null and finished_at is not null;
