-- What was said of a mail itself, apart from the attempts that met an outage: only that makes it wait longer, and ends it.
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- attempts that concern the mail (core::delivery::Tries)
ALTER TABLE outbox ADD COLUMN tried INTEGER;                    -- when the first of them ended
UPDATE outbox SET tries = attempts, tried = queued WHERE attempts > 0;
