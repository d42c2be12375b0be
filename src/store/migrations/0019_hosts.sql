-- What is known of the hosts that papers are read from; those that work have no row (core/politeness.rs).

CREATE TABLE hosts (
    name     TEXT    PRIMARY KEY,           -- export.arxiv.org:443
    failures INTEGER NOT NULL,              -- requests in a row that failed
    until    INTEGER                        -- when it may be asked again
) STRICT, WITHOUT ROWID;
