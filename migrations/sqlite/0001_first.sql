-- The tables of the domain. Times are UTC milliseconds; ids are never used again.

-- Facts about the store itself, such as the fingerprint of the keys that it was made with.
create table meta (
    name text primary key,
    value text not null
) strict;

-- What is known of each source of the configuration.
create table sources (
    source text primary key,
    url text not null,
    title text,
    etag text,
    last_modified text,
    polled_at integer,
    succeeded_at integer,
    status text not null,
    failures integer not null,
    error text
) strict;

-- One row for each story that a source has had. `guid` is the source's own id, else the canonical address.
create table articles (
    id integer primary key autoincrement,
    source text not null,
    guid text not null,
    url text not null,
    canonical text not null,
    title text not null,
    published_at integer,
    excerpt text not null,
    author text,
    image text,
    topic text not null,
    first_seen_at integer not null,
    updated_at integer not null,
    unique (source, guid)
) strict;

-- When a digest was first seen with its present schedule: no period before that is caught up. None that is due while it
-- is held gets an issue; without an end, it is held until somebody resumes it.
create table digests (
    digest text primary key,
    schedule text not null,
    schedule_since integer not null,
    held_since integer,
    held_until integer
) strict;

-- The first contact of a digest with a source, at which the backlog was decided.
create table digest_sources (
    digest text not null,
    source text not null,
    first_contact_at integer not null,
    primary key (digest, source)
) strict;

-- Articles that a digest will never have: the backlog of a first contact.
create table dropped_articles (
    digest text not null,
    article_id integer not null references articles (id),
    reason text not null,
    dropped_at integer not null,
    primary key (digest, article_id)
) strict;

-- One row for each digest and period; issues out of schedule have a key of their own.
create table issues (
    id integer primary key autoincrement,
    public_id text not null unique,
    digest text not null,
    issue_key text not null,
    number integer,
    state text not null,
    reason text,
    subject text not null,
    issue_date text not null,
    scheduled_at integer,
    composed_at integer not null,
    layout_after integer not null,
    laid_out_at integer,
    finished_at integer,
    first_sent_at integer,
    pinged_at integer,
    recipients integer not null,
    unique (digest, issue_key)
) strict;
create index issues_by_state on issues (state);

-- The frozen copies of an issue's articles; a story that several sources have is there for each of them, since their
-- topics differ, and the first holds the claim on the address. The two claims keep an article, and its address, from a second issue of
-- the digest; an issue that is cancelled before its first delivery gives them up. What is withdrawn keeps them.
create table issue_articles (
    id integer primary key autoincrement,
    issue_id integer not null references issues (id),
    digest text not null,
    article_id integer not null references articles (id),
    claimed_article integer,
    claimed_canonical text,
    canonical text not null,
    position integer not null,
    listed integer not null,
    topic text not null,
    source text not null,
    url text not null,
    title text not null,
    published_at integer,
    excerpt text not null,
    author text,
    image text,
    withdrawn_at integer,
    unique (issue_id, position),
    unique (digest, claimed_article),
    unique (digest, claimed_canonical)
) strict;

-- An issue, or another kind of mail, rendered for one variant: encoded, with markers where the slots are. A mail never
-- changes: when an article is withdrawn, `replaced_by` names the one that goes out from then on.
create table mails (
    id integer primary key autoincrement,
    issue_id integer references issues (id),
    replaced_by integer references mails (id),
    kind text not null,
    digest text,
    topics text not null,
    locale text not null,
    subject text not null,
    html text not null,
    body_text text not null,
    mime text not null,
    marker text not null,
    salt text not null,
    fingerprint text,
    created_at integer not null
) strict;
create index mails_by_issue on mails (issue_id);
create index mails_by_fingerprint on mails (fingerprint) where fingerprint is not null;

-- Which mail a choice of topics and a locale gets in an issue; none: nothing of it is for them. A locale of '' is the
-- digest's own.
create table issue_variants (
    issue_id integer not null references issues (id),
    topics text not null,
    locale text not null,
    mail_id integer references mails (id),
    primary key (issue_id, topics, locale)
) strict;

-- The whole issue as the archive shows it, in the digest's own locale, frozen like its mails.
create table issue_pages (
    issue_id integer primary key references issues (id),
    locale text not null,
    articles integer not null,
    content text not null
) strict;

-- Where the counted links of an issue's mails lead, and how often they were followed: by all readers together.
create table issue_links (
    issue_id integer not null references issues (id),
    place integer not null,
    url text not null,
    clicks integer not null,
    primary key (issue_id, place)
) strict;

-- What was done with an issue after it was made, by whom and why. Append-only.
create table issue_events (
    id integer primary key autoincrement,
    issue_id integer not null references issues (id),
    event text not null,
    at integer not null,
    actor text not null,
    note text,
    subject text
) strict;
create index issue_events_by_issue on issue_events (issue_id, id);

-- Corrections of an issue, laid out like it; the same text is sent once.
create table corrections (
    id integer primary key autoincrement,
    issue_id integer not null references issues (id),
    fingerprint text not null,
    mail_id integer not null references mails (id),
    layout_after integer not null,
    laid_out_at integer,
    created_at integer not null,
    unique (issue_id, fingerprint)
) strict;

-- One address has one row: its hash is unique, whatever the case of its letters.
create table subscribers (
    id integer primary key autoincrement,
    public_id text not null unique,
    email text not null,
    address_hash text not null,
    name text not null,
    state text not null,
    locale text,
    created_at integer not null,
    updated_at integer not null,
    confirmed_at integer
) strict;
create unique index subscribers_by_address_hash on subscribers (address_hash);
create index subscribers_pending on subscribers (created_at) where state = 'pending';

-- Ids under which a subscriber was known before two became one, by a change of address: the links that were mailed
-- then work on.
create table former_ids (
    public_id text primary key,
    subscriber_id integer not null references subscribers (id) on delete cascade
) strict;
create index former_ids_by_subscriber on former_ids (subscriber_id);

-- `topics` is `*` for all, later ones included, else the chosen ids, sorted, with commas between.
create table subscriptions (
    id integer primary key autoincrement,
    subscriber_id integer not null references subscribers (id),
    digest text not null,
    state text not null,
    topics text not null,
    paused_until integer,
    created_at integer not null,
    left_at integer,
    unique (subscriber_id, digest)
) strict;
create index subscriptions_by_digest on subscriptions (digest, state, subscriber_id);

-- What was asked for and waits for the answer: the name and language that somebody typed, which count when this very
-- request is confirmed. The link in the mail says which one it is, by its moment.
create table join_requests (
    id integer primary key autoincrement,
    subscriber_id integer not null references subscribers (id) on delete cascade,
    asked_at integer not null,
    choice text not null,
    name text not null,
    locale text,
    reminded_at integer,
    unique (subscriber_id, asked_at)
) strict;
create index join_requests_by_time on join_requests (asked_at);

-- When the last three mails went to an address that a stranger can set off, whoever is behind it, known or erased; and
-- how many more were asked for since.
create table notice_slots (
    address_hash text primary key,
    first_at integer not null,
    second_at integer not null,
    last_at integer not null,
    refused integer not null
) strict;
create index notice_slots_by_time on notice_slots (last_at);

-- The one queue of every mail. Test sends go to addresses that are no subscriber's. Notices carry the hash of their address,
-- since it need not be the subscriber's own.
create table deliveries (
    id integer primary key autoincrement,
    mail_id integer not null references mails (id),
    issue_id integer references issues (id),
    kind text not null,
    digest text,
    subscriber_id integer references subscribers (id),
    address text not null,
    name text not null,
    state text not null,
    priority integer not null,
    due_at integer not null,
    first_due_at integer not null,
    attempts integer not null,
    owner text,
    started_at integer,
    finished_at integer,
    relay text,
    answer text,
    link text,
    address_hash text,
    correction_id integer references corrections (id),
    unique (issue_id, subscriber_id)
) strict;
-- What a delivery passes through in the course of an attempt is in none of the indexes but the one of its owner, so that a
-- start changes no index, and a result one.
create index deliveries_queued on deliveries (priority, due_at, id) where state = 'queued';
create index deliveries_deferred on deliveries (due_at) where state = 'deferred';
create index deliveries_owned on deliveries (owner) where owner is not null;
create index deliveries_by_state on deliveries (issue_id, state) where state not in ('claimed', 'sending', 'sent');
create index deliveries_by_subscriber on deliveries (subscriber_id);
create unique index deliveries_by_correction on deliveries (correction_id, subscriber_id) where correction_id is not null;

-- Append-only evidence: what was asked and agreed, when, from where, in which wording.
create table consent_events (
    id integer primary key autoincrement,
    subscriber_id integer,
    address text not null,
    event text not null,
    digest text,
    at integer not null,
    source text not null,
    actor text not null,
    network text,
    agent text,
    wording text,
    evidence text
) strict;
create index consent_events_by_subscriber on consent_events (subscriber_id);
create index consent_events_with_network on consent_events (at) where network is not null or agent is not null;

-- Why people left, where they said so: one answer for each leaving. When they are forgotten, the count stays.
create table leave_reasons (
    id integer primary key autoincrement,
    subscriber_id integer references subscribers (id) on delete set null,
    digest text not null,
    left_at integer not null,
    reason text not null,
    note text not null,
    unique (subscriber_id, digest, left_at)
) strict;
create index leave_reasons_by_digest on leave_reasons (digest, left_at);

-- Keyed hashes of addresses that must not be mailed, whatever is imported.
create table suppressions (
    id integer primary key autoincrement,
    address_hash text not null unique,
    reason text not null,
    note text not null,
    created_at integer not null
) strict;

-- People whom an import brought without evidence, and when each is asked to confirm.
create table asks (
    subscriber_id integer primary key references subscribers (id) on delete cascade,
    due_at integer not null,
    source text not null
) strict;
create index asks_by_due on asks (due_at);

-- The subscriptions that a digest may be mailed to, from `since` on: the one place that says who. Confirmed, not left,
-- not suppressed; a pause that is not over lies ahead.
create view live_subscriptions as
select b.subscriber_id, b.digest, b.topics, coalesce(s.locale, '') as locale, s.email, s.name,
       case when b.state = 'paused' then b.paused_until else 0 end as since
from subscriptions b join subscribers s on s.id = b.subscriber_id
where b.state in ('active', 'paused') and s.state = 'confirmed'
  and not exists (select 1 from suppressions x where x.address_hash = s.address_hash);

-- The issues that anybody may see, of digests that are public: sent, or being sent, to one reader at least. What was
-- cancelled is nobody's.
create view archived_issues as
select i.id, i.public_id, i.digest, i.number, i.subject, i.issue_date, i.composed_at, p.articles,
       (select max(e.at) from issue_events e where e.issue_id = i.id and e.event = 'withdrawn') as changed_at
from issues i join issue_pages p on p.issue_id = i.id
where i.number is not null and i.state in ('sending', 'sent', 'held')
  and (i.first_sent_at is not null or exists (select 1 from deliveries d where d.issue_id = i.id and d.state = 'sent'));

-- The deliveries that may be started, from `since` on; the last look before a mail goes out.
--
-- A digest and a welcome need a live subscription; a correction too, but a pause does not hold it up. An answer about a
-- subscription goes also to those who have none: but never to whoever complained, and to a suppressed address only the
-- confirmation that was asked for, where that can lift it. Mails to staff are no subscriber's.
create view startable as
select d.id, case
    when d.kind in ('digest', 'welcome') then
        (select l.since from live_subscriptions l where l.subscriber_id = d.subscriber_id and l.digest = d.digest)
    when d.kind = 'correction' then
        (select 0 from live_subscriptions l where l.subscriber_id = d.subscriber_id and l.digest = d.digest)
    when d.kind in ('test', 'alert', 'review') then case when d.subscriber_id is null then 0 end
    else (select 0 from subscribers s where s.id = d.subscriber_id and s.state <> 'complained' and not exists (
        select 1 from suppressions x where x.address_hash = coalesce(d.address_hash, s.address_hash)
          and not (d.kind = 'confirmation' and x.reason in ('erased', 'bounced'))))
    end as since
from deliveries d;

-- When each warning to the operator was given last, so that no process repeats it too soon.
create table alerts (
    name text primary key,
    raised_at integer not null
) strict;

-- Processes that deliver, with a counter that a living one raises.
create table nodes (
    node text primary key,
    beat integer not null,
    started_at integer not null
) strict;

-- How many places of a quota have been taken in which minute since 1970, by whichever node. The row of minute 0 is the one
-- that whoever counts locks first.
create table quotas (
    scope text not null,
    minute integer not null,
    taken integer not null,
    primary key (scope, minute)
) strict;
