-- Who may be without a mailbox, who has met a hold, and reports that nobody understands.

-- Mailboxes that are said not to exist, while nothing shows that it is said of them alone (store::suspicions). A mail that
-- is taken removes its own.
CREATE TABLE suspicions (
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    edition      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    is_open      INTEGER NOT NULL,          -- 1 until any mail is taken after it
    words        TEXT    NOT NULL,          -- the other side's, addresses masked
    PRIMARY KEY (subscription, edition)
) STRICT, WITHOUT ROWID;
CREATE INDEX suspicions_open ON suspicions (at) WHERE is_open = 1;

-- Whose mails began or deepened a hold: another one finds out whether it is over.
CREATE TABLE probes (
    domain       TEXT    NOT NULL,          -- that of the hold; empty: everything
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    PRIMARY KEY (domain, subscription)
) STRICT, WITHOUT ROWID;

-- SQLite can't change a CHECK, so the table is made anew: with the class `unclear`, a report that proves itself and is not
-- understood, and with a mark of those that were not counted.
CREATE TABLE bounces_new (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    message      BLOB    NOT NULL UNIQUE,   -- SHA-256 of the report: one that is read twice counts once
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    edition      INTEGER,                   -- the mail that came back, as far as it can be told
    at           INTEGER NOT NULL,
    class        TEXT    NOT NULL CHECK (class IN ('hard', 'soft', 'sender', 'complaint', 'unclear')),
    status       TEXT,                      -- 5.1.1
    reply        TEXT    NOT NULL,          -- the other side's words, addresses masked
    is_held      INTEGER NOT NULL DEFAULT 0 -- 1 when it came while its domain, or everything, rested for a reason of ours
) STRICT;
INSERT INTO bounces_new SELECT *, 0 FROM bounces;
DROP TABLE bounces;
ALTER TABLE bounces_new RENAME TO bounces;
CREATE INDEX bounces_by_subscription ON bounces (subscription, edition);
CREATE INDEX bounces_by_class ON bounces (class, at);
