-- Deliveries that were finished long ago become totals: it is not kept for ever who got what.

-- Since when the deliveries of an issue have been folded; none: they are all there.
alter table issues add column folded_at bigint;

-- How many of an issue's deliveries had ended how when they were folded, and from when to when they went.
create table folded_deliveries (
    issue_id bigint not null references issues (id),
    state text not null,
    deliveries bigint not null,
    first_started_at bigint,
    last_finished_at bigint,
    primary key (issue_id, state)
);

-- How many of a correction's deliveries have been folded.
alter table corrections add column folded bigint not null default 0;

-- What belongs to no issue is forgotten by its age.
create index deliveries_of_no_issue on deliveries (finished_at)
    where issue_id is null and correction_id is null and finished_at is not null;
