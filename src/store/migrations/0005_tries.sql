-- What was said of a mail itself, apart from the attempts that met an outage: only that makes it wait longer, and ends it.
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- attempts that concern the mail (core::delivery::Tries)
ALTER TABLE outbox ADD COLUMN tried INTEGER;                    -- when the first of them ended
UPDATE outbox SET tries = attempts, tried = queued WHERE attempts > 0;

-- The attempt that was taken stands with its mail: a row of its own, in three trees, is half of what sending a mail writes.
ALTER TABLE outbox ADD COLUMN reply TEXT;                       -- sent: the other side's own words
UPDATE outbox SET reply = (SELECT reply FROM attempts a WHERE a.edition = outbox.edition AND a.outcome = 'sent')
    WHERE state = 'sent';
DELETE FROM attempts WHERE outcome = 'sent' AND edition IN (SELECT edition FROM outbox WHERE state = 'sent');
