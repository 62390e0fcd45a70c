-- The schedules that each digest has, or had lately: since when, and while there are several, when each was seen last. Nodes may
-- go by different ones.
create table digest_schedules (
    digest text not null,
    schedule text not null,
    since integer not null,
    seen_at integer not null,
    primary key (digest, schedule)
) strict;
insert into digest_schedules (digest, schedule, since, seen_at)
select digest, schedule, schedule_since, schedule_since from digests;
alter table digests drop column schedule;
alter table digests drop column schedule_since;
