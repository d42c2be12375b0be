-- Messages from a mail server's pipe that wait for the daemon, because the token key could not be read there.
CREATE TABLE kept_messages (
    id       INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    message  BLOB NOT NULL
) STRICT;
