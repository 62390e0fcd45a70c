-- The issues that anybody may see, of digests that are public: those that have gone out to one reader at least, also when the
-- rest was cancelled afterwards. While an issue is under way its deliveries say so; at its end `first_sent_at` does.
drop view archived_issues;
create view archived_issues as
select i.id, i.public_id, i.digest, i.number, i.subject, i.issue_date, i.composed_at, p.articles,
       (select max(e.at) from issue_events e where e.issue_id = i.id and e.event = 'withdrawn') as changed_at
from issues i join issue_pages p on p.issue_id = i.id
where i.number is not null and i.state in ('sending', 'sent', 'held', 'cancelled')
  and (i.first_sent_at is not null or i.finished_at is null
       and exists (select 1 from deliveries d where d.issue_id = i.id and d.state = 'sent'));

update issues set first_sent_at = finished_at
where state = 'cancelled' and first_sent_at is null
  and exists (select 1 from deliveries d where d.issue_id = issues.id and d.started_at is not null);
