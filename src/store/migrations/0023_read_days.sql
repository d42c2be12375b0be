-- Which days of a source were ever read: a first edition looks back over some, and its mail must not speak of others.
CREATE TABLE read_days (
    source TEXT NOT NULL,
    day    TEXT NOT NULL,
    PRIMARY KEY (source, day)
) STRICT, WITHOUT ROWID;

-- Of before, the days are known that had papers, and those on which something could be read.
INSERT INTO read_days SELECT DISTINCT source, day FROM listings;
INSERT OR IGNORE INTO read_days SELECT DISTINCT source, date(at, 'unixepoch') FROM reads WHERE route IS NOT NULL;
