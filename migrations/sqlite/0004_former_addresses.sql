-- Addresses that a subscriber had before the present one, as keyed hashes: whoever brings such an address, a list or an
-- operator, means that person. When its inbox confirms a sign-up, it is an address of its own again.
create table former_addresses (
    address_hash text primary key,
    subscriber_id integer not null references subscribers (id) on delete cascade,
    moved_at integer not null
) strict;
create index former_addresses_by_subscriber on former_addresses (subscriber_id);
