-- A request to reload may ask for the settings too: those are read first, and how that ended is part of the answer.
ALTER TABLE reloads ADD COLUMN settings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reloads ADD COLUMN outcome TEXT;    -- store::SettingsReport as JSON, once they were read
