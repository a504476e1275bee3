-- One text for SQLite and PostgreSQL. The one word that must differ, `BIGINT PRIMARY KEY`, is read as
-- `INTEGER PRIMARY KEY` on SQLite (src/store/migrate.rs), where only that makes the key the row's own address.
-- Instants are epoch milliseconds, JSON is TEXT, truth values are 0 and 1.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('run', 0), ('person', 0), ('account', 0), ('version', 0), ('freeze', 0), ('event', 0);

-- Every version of a workflow that a run has ever been pinned to.
CREATE TABLE workflow_versions (
    id       BIGINT PRIMARY KEY,
    name     TEXT NOT NULL,
    version  TEXT NOT NULL UNIQUE,
    source   TEXT NOT NULL,
    added_at BIGINT NOT NULL
);

CREATE TABLE people (
    id              BIGINT PRIMARY KEY,
    employee_number TEXT NOT NULL UNIQUE,
    given_name      TEXT NOT NULL,
    family_name     TEXT NOT NULL,
    display_name    TEXT NOT NULL,
    email           TEXT,
    manager_number  TEXT,
    department      TEXT,
    timezone        TEXT,
    language        TEXT,
    start_date      TEXT,
    last_day        TEXT,
    status          TEXT NOT NULL CHECK (status IN ('prehire', 'active', 'on_leave', 'leaving', 'left')),
    data_key        TEXT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE TABLE accounts (
    id           BIGINT PRIMARY KEY,
    system       TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    login        TEXT NOT NULL,
    person_id    BIGINT REFERENCES people (id),
    bound_by     TEXT,
    status       TEXT NOT NULL CHECK (status IN ('enabled', 'disabled', 'deleted', 'purged')),
    attributes   TEXT NOT NULL,
    last_sign_in BIGINT,
    purge_due    BIGINT,
    seen_at      BIGINT NOT NULL,
    UNIQUE (system, external_id)
);
CREATE INDEX accounts_of_person ON accounts (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX accounts_to_purge ON accounts (purge_due) WHERE status = 'deleted';

CREATE TABLE runs (
    id          BIGINT PRIMARY KEY,
    workflow    TEXT NOT NULL,
    version_id  BIGINT NOT NULL REFERENCES workflow_versions (id),
    subject     TEXT NOT NULL CHECK (subject IN ('person', 'account', 'organisation')),
    person_id   BIGINT REFERENCES people (id),
    account_id  BIGINT REFERENCES accounts (id),
    state       TEXT NOT NULL CHECK (state IN ('open', 'paused', 'needs_attention', 'completed', 'closed_with_exceptions', 'cancelled')),
    trigger_key TEXT,
    started_by  TEXT NOT NULL,
    asked_by    TEXT NOT NULL,
    inputs      TEXT NOT NULL,
    zone        TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    lane        BIGINT NOT NULL CHECK (lane IN (0, 1)),
    -- The journal's chain ends here; compared and set with every write.
    seq         BIGINT NOT NULL,
    head        TEXT NOT NULL,
    CHECK ((subject = 'person') = (person_id IS NOT NULL AND account_id IS NULL)),
    CHECK ((subject = 'account') = (account_id IS NOT NULL)),
    CHECK ((state IN ('completed', 'closed_with_exceptions', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX runs_once_per_key ON runs (trigger_key) WHERE trigger_key IS NOT NULL;
CREATE UNIQUE INDEX runs_one_open_per_person ON runs (person_id, workflow)
    WHERE subject = 'person' AND ended_at IS NULL;
CREATE UNIQUE INDEX runs_one_open_per_account ON runs (account_id, workflow)
    WHERE subject = 'account' AND ended_at IS NULL;
CREATE INDEX runs_of_person ON runs (person_id) WHERE person_id IS NOT NULL;

-- The queue and the truth. A state that can be claimed is exactly one that has a due time.
CREATE TABLE steps (
    -- The run's key times 1024, plus the step's ordinal.
    id          BIGINT PRIMARY KEY,
    run_id      BIGINT NOT NULL REFERENCES runs (id),
    name        TEXT NOT NULL,
    action      TEXT NOT NULL,
    system      TEXT,
    account_id  BIGINT REFERENCES accounts (id),
    needs       TEXT NOT NULL,
    at_instant  BIGINT,
    at_local    TEXT,
    at_fold     TEXT,
    delay       TEXT,
    of_step     BIGINT,
    lane        BIGINT NOT NULL CHECK (lane IN (0, 1)),
    state       TEXT NOT NULL CHECK (state IN ('blocked', 'waiting', 'leased', 'unknown', 'done', 'failed', 'held',
                    'awaiting_approval', 'awaiting_person', 'skipped', 'cancelled')),
    due_at      BIGINT,
    fence       BIGINT NOT NULL,
    observe     BIGINT NOT NULL CHECK (observe IN (0, 1)),
    lease_until BIGINT,
    lease_owner TEXT,
    data        TEXT,
    first_due   BIGINT,
    decision    TEXT,
    CHECK ((state IN ('waiting', 'unknown')) = (due_at IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_owner IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'held', 'awaiting_person', 'skipped')) = (data IS NOT NULL))
);
-- What claims read. A future step is behind the range, a blocked or finished one is not in it at all.
CREATE INDEX steps_ready ON steps (lane, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX steps_leased ON steps (lease_until) WHERE lease_until IS NOT NULL;
-- One attempt at a time per account, over all runs.
CREATE UNIQUE INDEX steps_one_lease_per_account ON steps (account_id)
    WHERE state = 'leased' AND account_id IS NOT NULL;
CREATE INDEX steps_for_people ON steps (state)
    WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person');

-- Append-only: nothing in usher changes or deletes an entry.
CREATE TABLE journal (
    run_id BIGINT NOT NULL REFERENCES runs (id),
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    step   BIGINT,
    actor  TEXT NOT NULL,
    body   TEXT NOT NULL,
    sealed TEXT NOT NULL,
    hash   TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE freezes (
    id        BIGINT PRIMARY KEY,
    system    TEXT,
    workflow  TEXT,
    all_steps BIGINT NOT NULL CHECK (all_steps IN (0, 1)),
    reason    TEXT NOT NULL,
    set_by    TEXT NOT NULL,
    set_at    BIGINT NOT NULL,
    lifted_by TEXT,
    lifted_at BIGINT
);

-- What HR told us, once per (source, event id).
CREATE TABLE hr_events (
    id          BIGINT PRIMARY KEY,
    source      TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('joined', 'changed', 'departure', 'leave', 'return', 'rescinded', 'rehired')),
    person_id   BIGINT NOT NULL REFERENCES people (id),
    effective   TEXT,
    received_at BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('accepted', 'started', 'parked', 'dropped')),
    note        TEXT,
    UNIQUE (source, event_key)
);

-- The last tick of each scheduled workflow that has been dealt with.
CREATE TABLE schedules (
    workflow  TEXT PRIMARY KEY,
    last_tick BIGINT NOT NULL
);
