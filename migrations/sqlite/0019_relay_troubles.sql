-- Relays that do not work, as whoever delivers has found: since when, and when they are tried next, in milliseconds of the
-- database's clock, and in which words. With a sender: they refuse that one while they take mail from others.
create table relay_troubles (
    relay text not null,
    sender text not null,
    since integer not null,
    next_try integer not null,
    words text not null,
    primary key (relay, sender)
) strict;
