-- The first shape of the database. Times are integer seconds, UTC; days and slots are ISO text, so that they read and
-- sort by themselves; lists of numbers are JSON, so that an operator's sqlite3 can look into them with json_each.

-- What this database is: a random id, and whatever else is known once.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every read of a source, good or bad. Its number is the database's own clock: whatever was known "as of" an edition is
-- told by it, for a clock on the wall can step back.
CREATE TABLE reads (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    source    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    outcome   TEXT    NOT NULL,             -- fresh, partial, blocked, failed …
    route     TEXT,                         -- api, page, cards; null when nothing came
    items     INTEGER NOT NULL DEFAULT 0,
    added     INTEGER NOT NULL DEFAULT 0,
    revised   INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    skipped   INTEGER NOT NULL DEFAULT 0,
    message   TEXT                          -- what went wrong, for a person
) STRICT;
CREATE INDEX reads_by_source ON reads (source, id);

-- What the last good read of a source left for the next one: the validators of its addresses.
CREATE TABLE sources (
    name       TEXT PRIMARY KEY,
    validators TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE papers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL UNIQUE,     -- arxiv:2503.02130
    content    TEXT    NOT NULL,            -- core::paper::Paper as JSON, without its stars
    read       INTEGER NOT NULL,            -- the read that brought it
    first_seen INTEGER NOT NULL
) STRICT;
CREATE INDEX papers_by_first_seen ON papers (first_seen);

-- What a paper was until a read revised it: a mail is rendered as of its edition, so that a retry is the same mail.
CREATE TABLE revisions (
    paper   INTEGER NOT NULL,
    read    INTEGER NOT NULL,               -- the read that replaced this content
    content TEXT    NOT NULL,
    PRIMARY KEY (paper, read)
) STRICT, WITHOUT ROWID;

CREATE TABLE listings (
    paper    INTEGER NOT NULL,
    source   TEXT    NOT NULL,
    day      TEXT    NOT NULL,
    rank     INTEGER NOT NULL,
    upvotes  INTEGER,
    comments INTEGER,
    read     INTEGER NOT NULL,              -- the read that first saw it
    PRIMARY KEY (paper, source, day)
) STRICT, WITHOUT ROWID;

-- Votes over time: a row whenever a read found other counts than the one before it.
CREATE TABLE votes (
    paper    INTEGER NOT NULL,
    source   TEXT    NOT NULL,
    read     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    upvotes  INTEGER,
    comments INTEGER,
    PRIMARY KEY (paper, source, read)
) STRICT, WITHOUT ROWID;

-- Stars of a paper's code over time: a row whenever a read found another count. They move daily, so they are no revision.
CREATE TABLE stars (
    paper INTEGER NOT NULL,
    read  INTEGER NOT NULL,
    stars INTEGER NOT NULL,
    PRIMARY KEY (paper, read)
) STRICT, WITHOUT ROWID;

-- What subscribers ordered, each text once. Editions point here, so a changed order never changes a queued mail.
CREATE TABLE definitions (
    id   INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,              -- SHA-256 of the text
    text TEXT NOT NULL                      -- store::subscriptions::Definition as JSON
) STRICT;

-- What is derived from the definitions, so that a million of them need not be parsed for every publish: core::order::Order
-- as bytes, and the literals that its numbers mean. Both are of the version of the language in meta; a program of another
-- version empties them and fills them again.
CREATE TABLE orders (
    definition INTEGER PRIMARY KEY REFERENCES definitions (id),
    rhythm     TEXT NOT NULL,               -- schedule and zone: daily at 08:00 Europe/Berlin
    compiled   BLOB NOT NULL
) STRICT;

CREATE TABLE literals (
    number INTEGER PRIMARY KEY,
    clause TEXT NOT NULL                    -- in the query language
) STRICT;

CREATE TABLE subscriptions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    token       BLOB    NOT NULL UNIQUE,    -- 16 random bytes: how the outside names this subscriber
    address     TEXT    NOT NULL,           -- as given, domain in A-labels
    address_key TEXT    NOT NULL UNIQUE,    -- normalized: one subscription an address
    definition  INTEGER NOT NULL REFERENCES definitions (id),
    origin      TEXT    NOT NULL CHECK (origin IN ('file', 'web')),
    consent     TEXT    NOT NULL CHECK (consent IN ('pending', 'confirmed', 'withdrawn', 'suppressed')),
    paused      INTEGER NOT NULL DEFAULT 0,
    listed      INTEGER NOT NULL DEFAULT 1, -- 0 once the file no longer has it
    created     INTEGER NOT NULL,
    since       TEXT    NOT NULL,           -- papers listed before this day are not sent: no flood at the start
    last_slot   TEXT,                       -- the newest slot that has its edition
    next_at     INTEGER                     -- when the next slot is due; null: never
) STRICT;
CREATE INDEX subscriptions_by_next ON subscriptions (next_at) WHERE listed = 1 AND paused = 0 AND consent = 'confirmed';

-- One row a subscription and slot, written once. It is the decision what to send and, read backwards, the ledger of what
-- a subscriber has been sent: so the ledger can't move without the mail being queued, nor the other way round.
CREATE TABLE editions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    slot         TEXT    NOT NULL,          -- local wall clock, 2026-11-23T08:00
    definition   INTEGER NOT NULL REFERENCES definitions (id),
    read         INTEGER NOT NULL,          -- what was known
    decided      INTEGER NOT NULL,
    papers       TEXT    NOT NULL,          -- [[12,15],[19]]: a list for each profile
    also         TEXT    NOT NULL,          -- [31,8]: shown by title only
    owed         TEXT    NOT NULL,          -- [44]: chosen, cut by a cap, not sent
    newest       INTEGER NOT NULL,          -- the largest paper id in it, 0 when empty
    looked_at    INTEGER NOT NULL,          -- candidates there were
    UNIQUE (subscription, slot)
) STRICT;

CREATE TABLE outbox (
    edition    INTEGER PRIMARY KEY REFERENCES editions (id),
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'claimed', 'sent', 'failed', 'dropped')),
    message_id TEXT    NOT NULL,
    queued     INTEGER NOT NULL,
    due        INTEGER NOT NULL,            -- queued: when to try; claimed: when the lease ends; else: when it ended
    attempts   INTEGER NOT NULL DEFAULT 0,
    unknowns   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_due ON outbox (due) WHERE state IN ('queued', 'claimed');
CREATE INDEX outbox_failed ON outbox (due) WHERE state = 'failed';

-- Every try, with the other side's own words.
CREATE TABLE attempts (
    id       INTEGER PRIMARY KEY,
    edition  INTEGER NOT NULL REFERENCES editions (id),
    at       INTEGER NOT NULL,
    outcome  TEXT    NOT NULL,              -- sent, transient, permanent, unknown, dropped
    phase    TEXT,
    code     INTEGER,
    enhanced TEXT,
    reply    TEXT    NOT NULL
) STRICT;
CREATE INDEX attempts_by_edition ON attempts (edition);
