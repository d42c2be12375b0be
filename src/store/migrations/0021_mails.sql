-- The outbox holds mails, each with a number of its own; editions are one kind. Tables are copied where SQLite can't change a
-- constraint. Numbers stay: a mail of before has its edition's, which Message-IDs and reports name.

-- A slot is unique per subscription and kind, so that a reader may have a daily digest and a weekly round-up.
CREATE TABLE editions_20 (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    kind         TEXT    NOT NULL DEFAULT 'digest' CHECK (kind IN ('digest')),
    slot         TEXT    NOT NULL,          -- local wall clock, 2026-11-23T08:00
    definition   INTEGER NOT NULL REFERENCES definitions (id),
    read         INTEGER NOT NULL,          -- what was known
    decided      INTEGER NOT NULL,
    papers       TEXT    NOT NULL,          -- [[12,15],[19]]: a list for each profile
    also         TEXT    NOT NULL,          -- [31,8]: shown by title only
    owed         TEXT    NOT NULL,          -- [44]: chosen, cut by a cap, not sent
    newest       INTEGER NOT NULL,          -- the largest paper id in it, 0 when empty
    looked_at    INTEGER NOT NULL,          -- candidates there were
    told         TEXT    NOT NULL DEFAULT '{}', -- papers that will not come: {"left":[7,3],"cut":[12],"refused":[5]}
    again        TEXT    NOT NULL DEFAULT '[]', -- papers in it, owed or told, that a refused mail has returned
    welcome      INTEGER NOT NULL DEFAULT 0,    -- a first mail without papers: over how many days was looked back; else 0
    near         TEXT    NOT NULL DEFAULT '{}', -- core::matching::NearTerms
    UNIQUE (subscription, kind, slot)
) STRICT;
INSERT INTO editions_20 (id, subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at, told, again, welcome, near)
    SELECT id, subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at, told, again, welcome, near
    FROM editions;
DELETE FROM sqlite_sequence WHERE name = 'editions_20';
INSERT INTO sqlite_sequence (name, seq) SELECT 'editions_20', seq FROM sqlite_sequence WHERE name = 'editions';

CREATE TABLE outbox_20 (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- the mail's number; Message-IDs begin with it
    kind         TEXT    NOT NULL CHECK (kind IN ('edition', 'confirmation', 'test')), -- core::mailing::MailKind
    edition      INTEGER UNIQUE REFERENCES editions_20 (id), -- what an edition's mail is made from …
    content      TEXT,                      -- … and what any other is (core::mailing::Transactional as JSON)
    subscription INTEGER REFERENCES subscriptions (id), -- whose mail it is …
    address      TEXT,                      -- … or to whom, where there is no subscription
    domain       TEXT    NOT NULL,          -- the recipient's, so that one domain never holds another's mails
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'claimed', 'sent', 'failed', 'dropped', 'merged')),
    message_id   TEXT    NOT NULL,
    queued       INTEGER NOT NULL,
    due          INTEGER NOT NULL,          -- queued: when to try; claimed: when the lease ends; else: when it ended
    attempts     INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0, -- attempts that concern the mail (core::delivery::Tries)
    unknowns     INTEGER NOT NULL DEFAULT 0,
    tried        INTEGER,                   -- when the first of those ended
    in_doubt     INTEGER NOT NULL DEFAULT 0, -- 1 once an attempt ended unknown, or never ended: its papers count as sent
    comes_again  INTEGER NOT NULL DEFAULT 0, -- 1: nobody got it; its papers come again with the next edition
    renderer     INTEGER,                   -- which renderer made it at its first attempt (core::digest::RENDERER)
    reply        TEXT,                      -- sent: the other side's own words
    CHECK ((kind = 'edition') = (edition IS NOT NULL)),
    CHECK ((kind = 'edition') = (content IS NULL)),
    CHECK ((subscription IS NULL) = (address IS NOT NULL))
) STRICT;
INSERT INTO outbox_20 (id, kind, edition, subscription, domain, state, message_id, queued, due, attempts, tries, unknowns, tried,
                       in_doubt, comes_again, renderer, reply)
    SELECT o.edition, 'edition', o.edition, e.subscription, o.domain, o.state, o.message_id, o.queued, o.due, o.attempts, o.tries,
           o.unknowns, o.tried, o.in_doubt, o.comes_again, o.renderer, o.reply
    FROM outbox o JOIN editions e ON e.id = o.edition;
-- Numbers go on where those of editions end: reports of mails that are gone name them.
DELETE FROM sqlite_sequence WHERE name = 'outbox_20';
INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox_20', seq FROM sqlite_sequence WHERE name = 'editions';

CREATE TABLE attempts_20 (
    id       INTEGER PRIMARY KEY,
    mail     INTEGER NOT NULL REFERENCES outbox_20 (id),
    at       INTEGER NOT NULL,
    outcome  TEXT    NOT NULL,              -- transient, permanent, unknown, dropped, merged
    phase    TEXT,
    code     INTEGER,
    enhanced TEXT,
    reply    TEXT    NOT NULL
) STRICT;
INSERT INTO attempts_20 SELECT * FROM attempts WHERE edition IN (SELECT edition FROM outbox);

DROP TABLE attempts;
DROP TABLE outbox;
DROP TABLE editions;
ALTER TABLE editions_20 RENAME TO editions;
ALTER TABLE outbox_20 RENAME TO outbox;
ALTER TABLE attempts_20 RENAME TO attempts;

CREATE INDEX outbox_by_state ON outbox (state, due);
-- A lane for each domain: to pass over one that is held is one step, however many mails wait in it. Mails that somebody waits for
-- have lanes of their own, before all editions.
CREATE INDEX outbox_lanes ON outbox (domain, due) WHERE state IN ('queued', 'claimed') AND kind = 'edition';
CREATE INDEX outbox_prompt ON outbox (domain, due) WHERE state IN ('queued', 'claimed') AND kind <> 'edition';
CREATE INDEX attempts_by_mail ON attempts (mail);
CREATE INDEX attempts_by_time ON attempts (at);

ALTER TABLE bounces RENAME COLUMN edition TO mail;
ALTER TABLE suspicions RENAME COLUMN edition TO mail;
