-- What is owed, told and remembered: see core::edition::settle and store::ledger.

-- What an edition tells its reader of papers that will not come: {"left":[7,3],"cut":[12],"refused":[5]}. Part of the
-- decision, so that every attempt tells the same.
ALTER TABLE editions ADD COLUMN told TEXT NOT NULL DEFAULT '{}';
-- Papers in it, owed or told, that a refused mail has returned: [12]. A second refusal settles them.
ALTER TABLE editions ADD COLUMN again TEXT NOT NULL DEFAULT '[]';
-- A first mail without papers: over how many days was looked back; else 0.
ALTER TABLE editions ADD COLUMN welcome INTEGER NOT NULL DEFAULT 0;

-- 1: failed for good, or dropped, before anybody could have it; its papers come again with the next edition.
ALTER TABLE outbox ADD COLUMN comes_again INTEGER NOT NULL DEFAULT 0;

-- When the newest edition was decided; null: there is none yet, and the next one is the first.
ALTER TABLE subscriptions ADD COLUMN decided INTEGER;
UPDATE subscriptions SET decided = (SELECT max(decided) FROM editions WHERE subscription = subscriptions.id);

-- What was sent or told by editions that are gone.
CREATE TABLE ledgers (
    subscription INTEGER PRIMARY KEY REFERENCES subscriptions (id),
    newest       INTEGER NOT NULL,              -- the largest paper number that it covers
    floor        INTEGER NOT NULL DEFAULT 0,    -- papers up to this number count as sent: nobody kept what was
    papers       BLOB    NOT NULL               -- paper numbers, packed
) STRICT;
-- Editions were removed after 90 days without this. What was known before that may have been in one of them.
INSERT INTO ledgers (subscription, newest, floor, papers)
    SELECT s.id, p.newest, p.newest, x''
    FROM subscriptions s
    JOIN (SELECT max(id) AS newest FROM papers
          WHERE first_seen < (SELECT max(decided) FROM editions) - 90 * 86400) p
    WHERE p.newest IS NOT NULL AND s.decided IS NOT NULL AND (SELECT min(id) FROM editions) > 1;
