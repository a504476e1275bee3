-- Where the steps and the journal of runs go that have been over for long. A run's row stays where it is: keys,
-- checkpoints, undoings and erasing go by it. What holds of the rows held when they were written; what can still be
-- claimed never gets here. The columns are those of `steps` and `journal`, in their order (a test compares them).
ALTER TABLE runs ADD COLUMN archived_at BIGINT;
-- What is old enough is found by its end, however many runs there are.
CREATE INDEX runs_to_archive ON runs (ended_at) WHERE ended_at IS NOT NULL AND archived_at IS NULL;
-- Whoever moves runs holds this row.
INSERT INTO counters (name, value) VALUES ('archive', 0);

CREATE TABLE archived_steps (
    id          BIGINT PRIMARY KEY,
    run_id      BIGINT NOT NULL,
    name        TEXT NOT NULL,
    action      TEXT NOT NULL,
    system      TEXT,
    account_id  BIGINT,
    needs       TEXT NOT NULL,
    at_instant  BIGINT,
    at_local    TEXT,
    at_fold     TEXT,
    delay       TEXT,
    of_step     BIGINT,
    lane        BIGINT NOT NULL,
    state       TEXT NOT NULL,
    due_at      BIGINT CHECK (due_at IS NULL),
    fence       BIGINT NOT NULL,
    observe     BIGINT NOT NULL,
    lease_until BIGINT CHECK (lease_until IS NULL),
    lease_owner TEXT,
    data        TEXT,
    first_due   BIGINT,
    decision    TEXT,
    undoes      BIGINT,
    lapses_at   BIGINT
);

CREATE TABLE archived_journal (
    run_id BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    step   BIGINT,
    actor  TEXT NOT NULL,
    body   TEXT NOT NULL,
    sealed TEXT NOT NULL,
    hash   TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- A step whose credentials are kept may be in either table: the reference to `steps` goes.
CREATE TABLE credentials_kept (
    step_id   BIGINT PRIMARY KEY,
    data_key  TEXT,
    sealed    TEXT,
    sealed_at BIGINT NOT NULL,
    opened_at BIGINT,
    opened_by TEXT,
    CHECK ((sealed IS NULL) = (opened_at IS NOT NULL)),
    CHECK ((sealed IS NULL) = (data_key IS NULL)),
    CHECK ((opened_at IS NULL) = (opened_by IS NULL))
);
INSERT INTO credentials_kept (step_id, data_key, sealed, sealed_at, opened_at, opened_by)
    SELECT step_id, data_key, sealed, sealed_at, opened_at, opened_by FROM credentials;
DROP TABLE credentials;
ALTER TABLE credentials_kept RENAME TO credentials;
