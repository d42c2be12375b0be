-- One paper, several describers: names that mean it, papers that turned out to be one, what each source says.

-- Other names of a paper than its key.
CREATE TABLE aliases (
    alias  TEXT    PRIMARY KEY,             -- doi:10.1000/x
    paper  INTEGER,                         -- null: several papers claim it, so it means none
    is_own INTEGER NOT NULL                 -- 1: it was a key; 0: a source claims it
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_paper ON aliases (paper);

-- Papers that are another one. What is known of them stays under their number, as it was; from this read on it is known of the other,
-- which has the smaller number.
CREATE TABLE joined (
    paper  INTEGER PRIMARY KEY REFERENCES papers (id),
    target INTEGER NOT NULL REFERENCES papers (id),
    read   INTEGER NOT NULL
) STRICT;
CREATE INDEX joined_by_target ON joined (target);

-- What a source says otherwise than what is shown (core::paper::describe::otherwise as JSON, compressed like `papers.content`). A
-- source that lists a paper and has no row here says what is shown.
CREATE TABLE descriptions (
    paper   INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (paper, source)
) STRICT, WITHOUT ROWID;

ALTER TABLE sources ADD COLUMN authority TEXT NOT NULL DEFAULT 'index'; -- core::paper::describe::Authority

-- Stars are each source's own, like votes: else two sources that count at different times write a row at every read.
CREATE TABLE stars_16 (
    paper  INTEGER NOT NULL,
    source TEXT    NOT NULL,
    read   INTEGER NOT NULL,
    stars  INTEGER NOT NULL,
    PRIMARY KEY (paper, source, read)
) STRICT, WITHOUT ROWID;
INSERT INTO stars_16
    SELECT s.paper, coalesce(r.source, (SELECT min(source) FROM listings WHERE paper = s.paper)), s.read, s.stars
    FROM stars s LEFT JOIN reads r ON r.id = s.read
    WHERE r.source IS NOT NULL OR EXISTS (SELECT 1 FROM listings WHERE paper = s.paper);
DROP TABLE stars;
ALTER TABLE stars_16 RENAME TO stars;
