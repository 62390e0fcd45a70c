-- Warnings that are told once and that the webhook has not taken yet: how often each has been tried again, and when it is next.
create table unposted_alerts (
    name text primary key,
    subject text not null,
    body text not null,
    raised_at bigint not null,
    tries bigint not null,
    due_at bigint not null
);
