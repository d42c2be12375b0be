-- What may be thinned out in time, and what not.

-- Papers that an edition holds, and the read that it was decided after: what was known of them then is kept for a while, so
-- that a mail can be made again and explained. Filled from the editions up to the number in meta ('named-until').
CREATE TABLE named (
    paper INTEGER NOT NULL,
    read  INTEGER NOT NULL,
    PRIMARY KEY (paper, read)
) STRICT, WITHOUT ROWID;

-- A content of `revisions` that is no longer kept is empty; its row still says that there was that version.

-- The papers of a day, without looking at those of years.
CREATE INDEX listings_by_day ON listings (source, day);

-- Contents of papers that nobody has looked at for months, compressed (Zstandard); `papers.content` is empty then. Abstracts
-- are most of the file, and halved they fit three to a page instead of one or two.
CREATE TABLE archive (
    paper   INTEGER PRIMARY KEY REFERENCES papers (id),
    content BLOB NOT NULL
) STRICT;
