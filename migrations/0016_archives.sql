-- What is kept of archives (mailboxes, files, calendars) outside the record: which they were, and their checksums. A deletion
-- that relies on one is held against this, and not against what whoever can write there says. `place` is the SHA-256 of the
-- archive's name: names hold accounts' ids, which go when somebody is erased.
CREATE TABLE archives (
    place TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    kept_at BIGINT NOT NULL
);
