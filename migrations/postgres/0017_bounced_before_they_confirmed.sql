-- Whoever never confirmed is forgotten, also where the confirmation bounced.
drop index subscribers_pending;
create index subscribers_unconfirmed on subscribers (created_at)
where state = 'pending' or state = 'bounced' and confirmed_at is null;
