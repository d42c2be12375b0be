-- What papers say is compressed (Zstandard; store/content.rs), the newest too: it is most of the file, and two texts of
-- 2,000 bytes do not fit on one page. `compressed` is a function that the migration brings along.

CREATE TABLE papers_13 (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL UNIQUE,     -- arxiv:2503.02130
    content    BLOB    NOT NULL,            -- core::paper::Paper as JSON, without its stars, compressed
    read       INTEGER NOT NULL,            -- the read that brought it
    first_seen INTEGER NOT NULL
) STRICT;
INSERT INTO papers_13
    SELECT p.id, p.key, coalesce(a.content, compressed(p.content)), p.read, p.first_seen
    FROM papers p LEFT JOIN archive a ON a.paper = p.id;
DROP TABLE archive;
DROP TABLE papers;
ALTER TABLE papers_13 RENAME TO papers;
CREATE INDEX papers_by_first_seen ON papers (first_seen);

-- The versions of a paper are for ever; what each of them said goes after a while. It is a table of its own, so that whole
-- pages of it become free.
CREATE TABLE former (
    paper   INTEGER NOT NULL,
    read    INTEGER NOT NULL,               -- as in revisions
    content BLOB    NOT NULL,               -- as in papers
    PRIMARY KEY (paper, read)
) STRICT, WITHOUT ROWID;
INSERT INTO former SELECT paper, read, compressed(content) FROM revisions WHERE content <> '';

CREATE TABLE revisions_13 (
    paper INTEGER NOT NULL,
    read  INTEGER NOT NULL,                 -- the read that replaced a content of this paper
    PRIMARY KEY (paper, read)
) STRICT, WITHOUT ROWID;
INSERT INTO revisions_13 SELECT paper, read FROM revisions;
DROP TABLE revisions;
ALTER TABLE revisions_13 RENAME TO revisions;
