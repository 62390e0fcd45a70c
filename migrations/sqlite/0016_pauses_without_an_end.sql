-- A file could once have somebody paused without saying until when, so that nothing ever came. They have left: who wants it comes
-- back by themselves, and nobody is mailed what they were not mailed before.
insert into consent_events (subscriber_id, address, event, digest, at, source, actor, evidence)
select b.subscriber_id, s.email, 'left', b.digest, unixepoch() * 1000, 'upgrade', 'operator',
       'a file had it paused without an end, so that nothing was mailed'
from subscriptions b join subscribers s on s.id = b.subscriber_id
where b.state = 'paused' and b.paused_until is null;
update subscribers set state = 'unsubscribed', updated_at = unixepoch() * 1000
where state in ('pending', 'confirmed')
  and exists (select 1 from subscriptions b
      where b.subscriber_id = subscribers.id and b.state = 'paused' and b.paused_until is null)
  and not exists (select 1 from subscriptions b
      where b.subscriber_id = subscribers.id and (b.state = 'active' or b.state = 'paused' and b.paused_until is not null));
update subscriptions set state = 'left', left_at = unixepoch() * 1000 where state = 'paused' and paused_until is null;
