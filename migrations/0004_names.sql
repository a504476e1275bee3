-- Whoever names a new account holds this row: two daemons never give one name twice.
INSERT INTO counters (name, value) VALUES ('name', 0);

-- The names that a run has chosen: one work address for all its systems, and a sign-in name where a system has a
-- convention of its own. Chosen once, whatever is tried again.
CREATE TABLE chosen_names (
    run_id    BIGINT NOT NULL REFERENCES runs (id),
    -- Empty for the work address, else the system.
    system    TEXT NOT NULL,
    name      TEXT NOT NULL,
    chosen_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, system)
);
CREATE INDEX chosen_names_by_name ON chosen_names (name);

-- Addresses and sign-in names that were somebody's: nobody else gets them until the time is over.
CREATE TABLE former_names (
    name      TEXT NOT NULL,
    -- Who had it; they may have it again.
    person_id BIGINT REFERENCES people (id),
    since     BIGINT NOT NULL,
    until     BIGINT NOT NULL,
    why       TEXT NOT NULL,
    PRIMARY KEY (name, since)
);
