-- How subscribers leave, and what mail says back.

-- Two secrets of this database. The one signs tokens (the settings may name another one). The other hashes addresses
-- and never changes: with another key no suppression would be found again.
INSERT INTO meta (key, value) VALUES ('token-key', randomblob(32)), ('suppression-key', randomblob(32));

-- Addresses that must not be written to, as hashes: a list of who left need not say who they are.
CREATE TABLE suppressions (
    hash   BLOB PRIMARY KEY,                -- HMAC-SHA256 of the normalized address
    reason TEXT NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'operator')),
    at     INTEGER NOT NULL,
    note   TEXT
) STRICT, WITHOUT ROWID;

-- What came back. Soft bounces are counted over these rows; the rest is for people.
CREATE TABLE bounces (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    message      BLOB    NOT NULL UNIQUE,   -- SHA-256 of the report: one that is read twice counts once
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    edition      INTEGER,                   -- the mail that came back, as far as it can be told
    at           INTEGER NOT NULL,
    class        TEXT    NOT NULL CHECK (class IN ('hard', 'soft', 'sender', 'complaint')),
    status       TEXT,                      -- 5.1.1
    reply        TEXT    NOT NULL           -- the other side's words, addresses masked
) STRICT;
CREATE INDEX bounces_by_subscription ON bounces (subscription, edition);
CREATE INDEX bounces_by_class ON bounces (class, at);
