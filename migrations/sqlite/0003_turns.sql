-- When the next turn under a rate begins that nodes share, and how much of it nobody took; microseconds of the database's clock.
create table turns (
    scope text primary key,
    next_at integer not null,
    owed integer not null
) strict;
