-- Addresses that a subscriber had before the present one, as keyed hashes: whoever brings such an address, a list or an
-- operator, means that person. When its inbox confirms a sign-up, it is an address of its own again.
create table former_addresses (
    address_hash text collate "C" primary key,
    subscriber_id bigint not null references subscribers (id) on delete cascade,
    moved_at bigint not null
);
create index former_addresses_by_subscriber on former_addresses (subscriber_id);
