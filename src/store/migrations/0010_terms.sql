-- What `like:` weighs words by: in how many of all papers ever seen each term stands (core::terms::Statistics as bytes), and
-- the last paper that was counted. One row, filled when the first `like:` is looked for.
CREATE TABLE term_statistics (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    language INTEGER NOT NULL,              -- what a term is depends on how words are stemmed
    counted  INTEGER NOT NULL,
    counts   BLOB    NOT NULL
) STRICT;
