-- Relays that have asked for less speed: until when they rest, in milliseconds of the database's clock, how often they have
-- asked in a row, and how many connections they have had since.
create table slow_relays (
    relay text primary key,
    rests_until integer not null,
    times integer not null,
    connections integer not null,
    words text not null
) strict;
