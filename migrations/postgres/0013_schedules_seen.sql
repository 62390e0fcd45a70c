-- The schedules that each digest has, or had lately: since when, and while there are several, when each was seen last. Nodes may
-- go by different ones.
create table digest_schedules (
    digest text collate "C" not null,
    schedule text collate "C" not null,
    since bigint not null,
    seen_at bigint not null,
    primary key (digest, schedule)
);
insert into digest_schedules (digest, schedule, since, seen_at)
select digest, schedule, schedule_since, schedule_since from digests;
alter table digests drop column schedule;
alter table digests drop column schedule_since;
