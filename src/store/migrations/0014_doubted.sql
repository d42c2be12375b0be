-- A report of a missing mailbox that is not believed yet, because it may have come back for everybody (store/reports.rs).
ALTER TABLE bounces ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bounces_doubted ON bounces (subscription) WHERE doubted = 1;
