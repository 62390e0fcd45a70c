-- The deliveries that may be started, from `since` on; the last look before a mail goes out. It says the same as before,
-- and asks for the subscription in one place: PostgreSQL prepares each place anew for each message.
--
-- A digest and a welcome need a live subscription; a correction too, but a pause does not hold it up. An answer about a
-- subscription goes also to those who have none: but never to whoever complained, and to a suppressed address only the
-- confirmation that was asked for, where that can lift it. Mails to staff are no subscriber's.
drop view startable;
create view startable as
select d.id, case
    when d.kind in ('digest', 'welcome', 'correction') then
        (select case when d.kind = 'correction' then 0 else l.since end
         from live_subscriptions l where l.subscriber_id = d.subscriber_id and l.digest = d.digest)
    when d.kind in ('test', 'alert', 'review') then case when d.subscriber_id is null then 0 end
    else (select 0 from subscribers s where s.id = d.subscriber_id and s.state <> 'complained' and not exists (
        select 1 from suppressions x where x.address_hash = coalesce(d.address_hash, s.address_hash)
          and not (d.kind = 'confirmation' and x.reason in ('erased', 'bounced'))))
    end as since
from deliveries d;
