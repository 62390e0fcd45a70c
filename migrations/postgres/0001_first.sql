-- The tables of the domain. Times are UTC milliseconds; ids are never used again; text compares bytewise.

-- Facts about the store itself, such as the fingerprint of the keys that it was made with.
create table meta (
    name text collate "C" primary key,
    value text collate "C" not null
);

-- What is known of each source of the configuration.
create table sources (
    source text collate "C" primary key,
    url text collate "C" not null,
    title text collate "C",
    etag text collate "C",
    last_modified text collate "C",
    polled_at bigint,
    succeeded_at bigint,
    status text collate "C" not null,
    failures bigint not null,
    error text collate "C"
);

-- One row for each story that a source has had. `guid` is the source's own id, else the canonical address.
create table articles (
    id bigint generated always as identity primary key,
    source text collate "C" not null,
    guid text collate "C" not null,
    url text collate "C" not null,
    canonical text collate "C" not null,
    title text collate "C" not null,
    published_at bigint,
    excerpt text collate "C" not null,
    author text collate "C",
    image text collate "C",
    topic text collate "C" not null,
    first_seen_at bigint not null,
    updated_at bigint not null,
    unique (source, guid)
);

-- When a digest was first seen with its present schedule: no period before that is caught up. None that is due while it
-- is held gets an issue; without an end, it is held until somebody resumes it.
create table digests (
    digest text collate "C" primary key,
    schedule text collate "C" not null,
    schedule_since bigint not null,
    held_since bigint,
    held_until bigint
);

-- The first contact of a digest with a source, at which the backlog was decided.
create table digest_sources (
    digest text collate "C" not null,
    source text collate "C" not null,
    first_contact_at bigint not null,
    primary key (digest, source)
);

-- Articles that a digest will never have: the backlog of a first contact.
create table dropped_articles (
    digest text collate "C" not null,
    article_id bigint not null references articles (id),
    reason text collate "C" not null,
    dropped_at bigint not null,
    primary key (digest, article_id)
);

-- One row for each digest and period; issues out of schedule have a key of their own.
create table issues (
    id bigint generated always as identity primary key,
    public_id text collate "C" not null unique,
    digest text collate "C" not null,
    issue_key text collate "C" not null,
    number bigint,
    state text collate "C" not null,
    reason text collate "C",
    subject text collate "C" not null,
    issue_date text collate "C" not null,
    scheduled_at bigint,
    composed_at bigint not null,
    layout_after bigint not null,
    laid_out_at bigint,
    finished_at bigint,
    first_sent_at bigint,
    pinged_at bigint,
    recipients bigint not null,
    unique (digest, issue_key)
);
create index issues_by_state on issues (state);

-- The frozen copies of an issue's articles; a story that several sources have is there for each of them, since their
-- topics differ, and the first holds the claim on the address. The two claims keep an article, and its address, from a second issue of
-- the digest; an issue that is cancelled before its first delivery gives them up. What is withdrawn keeps them.
create table issue_articles (
    id bigint generated always as identity primary key,
    issue_id bigint not null references issues (id),
    digest text collate "C" not null,
    article_id bigint not null references articles (id),
    claimed_article bigint,
    claimed_canonical text collate "C",
    canonical text collate "C" not null,
    position bigint not null,
    listed bigint not null,
    topic text collate "C" not null,
    source text collate "C" not null,
    url text collate "C" not null,
    title text collate "C" not null,
    published_at bigint,
    excerpt text collate "C" not null,
    author text collate "C",
    image text collate "C",
    withdrawn_at bigint,
    unique (issue_id, position),
    unique (digest, claimed_article),
    unique (digest, claimed_canonical)
);

-- An issue, or another kind of mail, rendered for one variant: encoded, with markers where the slots are. A mail never
-- changes: when an article is withdrawn, `replaced_by` names the one that goes out from then on.
create table mails (
    id bigint generated always as identity primary key,
    issue_id bigint references issues (id),
    replaced_by bigint references mails (id),
    kind text collate "C" not null,
    digest text collate "C",
    topics text collate "C" not null,
    locale text collate "C" not null,
    subject text collate "C" not null,
    html text collate "C" not null,
    body_text text collate "C" not null,
    mime text collate "C" not null,
    marker text collate "C" not null,
    salt text collate "C" not null,
    fingerprint text collate "C",
    created_at bigint not null
);
create index mails_by_issue on mails (issue_id);
create index mails_by_fingerprint on mails (fingerprint) where fingerprint is not null;

-- Which mail a choice of topics and a locale gets in an issue; none: nothing of it is for them. A locale of '' is the
-- digest's own.
create table issue_variants (
    issue_id bigint not null references issues (id),
    topics text collate "C" not null,
    locale text collate "C" not null,
    mail_id bigint references mails (id),
    primary key (issue_id, topics, locale)
);

-- The whole issue as the archive shows it, in the digest's own locale, frozen like its mails.
create table issue_pages (
    issue_id bigint primary key references issues (id),
    locale text collate "C" not null,
    articles bigint not null,
    content text collate "C" not null
);

-- Where the counted links of an issue's mails lead, and how often they were followed: by all readers together.
create table issue_links (
    issue_id bigint not null references issues (id),
    place bigint not null,
    url text collate "C" not null,
    clicks bigint not null,
    primary key (issue_id, place)
);

-- What was done with an issue after it was made, by whom and why. Append-only.
create table issue_events (
    id bigint generated always as identity primary key,
    issue_id bigint not null references issues (id),
    event text collate "C" not null,
    at bigint not null,
    actor text collate "C" not null,
    note text collate "C",
    subject text collate "C"
);
create index issue_events_by_issue on issue_events (issue_id, id);

-- Corrections of an issue, laid out like it; the same text is sent once.
create table corrections (
    id bigint generated always as identity primary key,
    issue_id bigint not null references issues (id),
    fingerprint text collate "C" not null,
    mail_id bigint not null references mails (id),
    layout_after bigint not null,
    laid_out_at bigint,
    created_at bigint not null,
    unique (issue_id, fingerprint)
);

-- One address has one row: its hash is unique, whatever the case of its letters.
create table subscribers (
    id bigint generated always as identity primary key,
    public_id text collate "C" not null unique,
    email text collate "C" not null,
    address_hash text collate "C" not null,
    name text collate "C" not null,
    state text collate "C" not null,
    locale text collate "C",
    created_at bigint not null,
    updated_at bigint not null,
    confirmed_at bigint
);
create unique index subscribers_by_address_hash on subscribers (address_hash);
create index subscribers_pending on subscribers (created_at) where state = 'pending';

-- Ids under which a subscriber was known before two became one, by a change of address: the links that were mailed
-- then work on.
create table former_ids (
    public_id text collate "C" primary key,
    subscriber_id bigint not null references subscribers (id) on delete cascade
);
create index former_ids_by_subscriber on former_ids (subscriber_id);

-- `topics` is `*` for all, later ones included, else the chosen ids, sorted, with commas between.
create table subscriptions (
    id bigint generated always as identity primary key,
    subscriber_id bigint not null references subscribers (id),
    digest text collate "C" not null,
    state text collate "C" not null,
    topics text collate "C" not null,
    paused_until bigint,
    created_at bigint not null,
    left_at bigint,
    unique (subscriber_id, digest)
);
create index subscriptions_by_digest on subscriptions (digest, state, subscriber_id);

-- What was asked for and waits for the answer: the name and language that somebody typed, which count when this very
-- request is confirmed. The link in the mail says which one it is, by its moment.
create table join_requests (
    id bigint generated always as identity primary key,
    subscriber_id bigint not null references subscribers (id) on delete cascade,
    asked_at bigint not null,
    choice text collate "C" not null,
    name text collate "C" not null,
    locale text collate "C",
    reminded_at bigint,
    unique (subscriber_id, asked_at)
);
create index join_requests_by_time on join_requests (asked_at);

-- When the last three mails went to an address that a stranger can set off, whoever is behind it, known or erased; and
-- how many more were asked for since.
create table notice_slots (
    address_hash text collate "C" primary key,
    first_at bigint not null,
    second_at bigint not null,
    last_at bigint not null,
    refused bigint not null
);
create index notice_slots_by_time on notice_slots (last_at);

-- The one queue of every mail. Test sends go to addresses that are no subscriber's. Notices carry the hash of their address,
-- since it need not be the subscriber's own.
create table deliveries (
    id bigint generated always as identity primary key,
    mail_id bigint not null references mails (id),
    issue_id bigint references issues (id),
    kind text collate "C" not null,
    digest text collate "C",
    subscriber_id bigint references subscribers (id),
    address text collate "C" not null,
    name text collate "C" not null,
    state text collate "C" not null,
    priority bigint not null,
    due_at bigint not null,
    first_due_at bigint not null,
    attempts bigint not null,
    owner text collate "C",
    started_at bigint,
    finished_at bigint,
    relay text collate "C",
    answer text collate "C",
    link text collate "C",
    address_hash text collate "C",
    correction_id bigint references corrections (id),
    unique (issue_id, subscriber_id)
);
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
    id bigint generated always as identity primary key,
    subscriber_id bigint,
    address text collate "C" not null,
    event text collate "C" not null,
    digest text collate "C",
    at bigint not null,
    source text collate "C" not null,
    actor text collate "C" not null,
    network text collate "C",
    agent text collate "C",
    wording text collate "C",
    evidence text collate "C"
);
create index consent_events_by_subscriber on consent_events (subscriber_id);
create index consent_events_with_network on consent_events (at) where network is not null or agent is not null;

-- Why people left, where they said so: one answer for each leaving. When they are forgotten, the count stays.
create table leave_reasons (
    id bigint generated always as identity primary key,
    subscriber_id bigint references subscribers (id) on delete set null,
    digest text collate "C" not null,
    left_at bigint not null,
    reason text collate "C" not null,
    note text collate "C" not null,
    unique (subscriber_id, digest, left_at)
);
create index leave_reasons_by_digest on leave_reasons (digest, left_at);

-- Keyed hashes of addresses that must not be mailed, whatever is imported.
create table suppressions (
    id bigint generated always as identity primary key,
    address_hash text collate "C" not null unique,
    reason text collate "C" not null,
    note text collate "C" not null,
    created_at bigint not null
);

-- People whom an import brought without evidence, and when each is asked to confirm.
create table asks (
    subscriber_id bigint primary key references subscribers (id) on delete cascade,
    due_at bigint not null,
    source text collate "C" not null
);
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
    name text collate "C" primary key,
    raised_at bigint not null
);

-- Processes that deliver, with a counter that a living one raises.
create table nodes (
    node text collate "C" primary key,
    beat bigint not null,
    started_at bigint not null
);

-- How many places of a quota have been taken in which minute since 1970, by whichever node. The row of minute 0 is the one
-- that whoever counts locks first.
create table quotas (
    scope text collate "C" not null,
    minute bigint not null,
    taken bigint not null,
    primary key (scope, minute)
);
