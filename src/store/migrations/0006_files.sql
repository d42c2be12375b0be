-- Which file a subscriber is in, who is missing from it and held, what was read of the files, and requests to read them anew.

ALTER TABLE subscriptions ADD COLUMN file TEXT;     -- the path of the file that has it, or had it last
-- Not null: it is missing from its file, and nobody has said that it should be. It is paused meanwhile; this is what
-- `paused` was before.
ALTER TABLE subscriptions ADD COLUMN held INTEGER;
-- 1 once our own command has taken it out of its file: it is not missing.
ALTER TABLE subscriptions ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- The subscription files as they were last taken in, to tell whether they have changed since.
CREATE TABLE files (
    path   TEXT PRIMARY KEY,
    hash   BLOB,                            -- SHA-256; null when it can't be read
    state  TEXT NOT NULL,                   -- config::listing::FileState
    taken  INTEGER NOT NULL,
    errors TEXT NOT NULL                    -- ["subscriptions.toml:3:1: unknown key `keyword`"]
) STRICT, WITHOUT ROWID;

-- Requests to take the files in (`paperpost reload`), answered by whoever holds the database's lock.
CREATE TABLE reloads (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    asked    INTEGER NOT NULL,
    accepts  TEXT,                          -- removals are meant, if the files are these: [["/etc/…/subscriptions.toml","9f86…"]]
    answered INTEGER,
    answer   TEXT                           -- store::subscriptions::SyncReport as JSON
) STRICT;
