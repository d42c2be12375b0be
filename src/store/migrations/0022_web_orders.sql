-- Readers who came by the web, and whom a file names too.

-- What such a reader ordered by the web. The file's entry is in force meanwhile, in `subscriptions`; this is again once no
-- file names them. There is a row exactly as long as a file names them.
CREATE TABLE web_orders (
    subscription INTEGER PRIMARY KEY REFERENCES subscriptions (id),
    definition   INTEGER NOT NULL REFERENCES definitions (id),
    consent      TEXT    NOT NULL CHECK (consent IN ('pending', 'confirmed'))   -- the reader's own; the file vouches meanwhile
) STRICT;
CREATE INDEX web_orders_by_definition ON web_orders (definition);

-- 1: the reader has paused their mails themselves. No file ends that.
ALTER TABLE subscriptions ADD COLUMN reader_paused INTEGER NOT NULL DEFAULT 0;
UPDATE subscriptions SET reader_paused = 1 WHERE origin = 'web' AND paused = 1;
