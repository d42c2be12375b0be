-- Mails by recipient domain, what holds a domain back, and mails that gave way to a newer one.

ALTER TABLE subscriptions
    ADD COLUMN domain TEXT GENERATED ALWAYS AS (substr(address_key, instr(address_key, '@') + 1)) VIRTUAL;

-- SQLite can't change a CHECK, so the table is made anew: with the state `merged`, the recipient's domain, and a mark that
-- the other side may have the mail.
CREATE TABLE outbox_4 (
    edition    INTEGER PRIMARY KEY REFERENCES editions (id),
    domain     TEXT    NOT NULL,            -- the recipient's, so that one domain never holds another's mails
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'claimed', 'sent', 'failed', 'dropped', 'merged')),
    message_id TEXT    NOT NULL,
    queued     INTEGER NOT NULL,
    due        INTEGER NOT NULL,            -- queued: when to try; claimed: when the lease ends; else: when it ended
    attempts   INTEGER NOT NULL DEFAULT 0,
    unknowns   INTEGER NOT NULL DEFAULT 0,
    in_doubt   INTEGER NOT NULL DEFAULT 0   -- 1 once an attempt ended unknown, or never ended: its papers count as sent
) STRICT;
INSERT INTO outbox_4
    SELECT o.edition, s.domain, o.state, o.message_id, o.queued, o.due, o.attempts, o.unknowns, o.attempts > 0
    FROM outbox o JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription;
DROP TABLE outbox;
ALTER TABLE outbox_4 RENAME TO outbox;

CREATE INDEX outbox_by_state ON outbox (state, due);
-- A lane for each domain: to pass over one that is held is one step, however many mails wait in it.
CREATE INDEX outbox_lanes ON outbox (domain, due) WHERE state IN ('queued', 'claimed');

-- What was sent in the last day counts after a restart too.
CREATE INDEX attempts_by_time ON attempts (at);
INSERT INTO meta (key, value)
    SELECT 'first-mail', CAST(min(at) AS BLOB) FROM attempts WHERE outcome = 'sent' HAVING min(at) IS NOT NULL;

-- Domains that rest (core::pacing::Hold), so that a restart doesn't wake them and `status` can tell.
CREATE TABLE holds (
    domain TEXT    PRIMARY KEY,             -- empty: everything
    cause  TEXT    NOT NULL CHECK (cause IN ('deferred', 'refused')),
    level  INTEGER NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    words  TEXT    NOT NULL                 -- the other side's, addresses masked
) STRICT, WITHOUT ROWID;
