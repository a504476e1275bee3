-- What HR says beyond names and dates of employment.
ALTER TABLE people ADD COLUMN private_email TEXT;
ALTER TABLE people ADD COLUMN role TEXT;
ALTER TABLE people ADD COLUMN leave_from TEXT;
ALTER TABLE people ADD COLUMN leave_until TEXT;
ALTER TABLE people ADD COLUMN leave_reason TEXT;

-- What an event says, by name (`from: event.until`), and which fields changed. JSON.
ALTER TABLE hr_events ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';

-- How far a file has been taken in. A file that was interrupted goes on behind its last piece.
CREATE TABLE imports (
    id          BIGINT PRIMARY KEY,
    -- SHA-256 of the file and of how it is read.
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,
    -- The local date at its beginning: what a date of the file means does not change half-way.
    told_on     TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'superseded')),
    rows_done   BIGINT NOT NULL,
    started_by  TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX imports_one_running_per_file ON imports (fingerprint) WHERE state = 'running';
INSERT INTO counters (name, value) VALUES ('import', 0);

-- What became of each row: one letter a row (n new, c changed, u unchanged, w wrong).
CREATE TABLE import_pieces (
    import_id BIGINT NOT NULL REFERENCES imports (id),
    first_row BIGINT NOT NULL,
    outcomes  TEXT NOT NULL,
    PRIMARY KEY (import_id, first_row)
);

-- The events that a row led to.
CREATE TABLE import_events (
    import_id  BIGINT NOT NULL REFERENCES imports (id),
    row_number BIGINT NOT NULL,
    event_id   BIGINT NOT NULL REFERENCES hr_events (id),
    PRIMARY KEY (import_id, row_number, event_id)
);
CREATE INDEX import_events_by_event ON import_events (event_id);

-- Secrets about a person, sealed with the person's data key. What was used or is too old is taken out and stays spent.
CREATE TABLE sealed_secrets (
    person_id  BIGINT NOT NULL REFERENCES people (id),
    purpose    TEXT NOT NULL,
    sealed     TEXT,
    created_at BIGINT NOT NULL,
    spent_at   BIGINT,
    PRIMARY KEY (person_id, purpose),
    CHECK ((sealed IS NULL) = (spent_at IS NOT NULL))
);
CREATE INDEX sealed_secrets_by_age ON sealed_secrets (created_at) WHERE sealed IS NOT NULL;

-- Accounts find their person by address without regard to case.
CREATE INDEX people_by_email ON people (lower(email)) WHERE email IS NOT NULL;

-- Why an account belongs to nobody, and whether there are several candidates.
ALTER TABLE accounts ADD COLUMN match_note TEXT;
ALTER TABLE accounts ADD COLUMN match_several BIGINT NOT NULL DEFAULT 0 CHECK (match_several IN (0, 1));
