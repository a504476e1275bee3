-- Runs that take another run back, step by step.
ALTER TABLE runs ADD COLUMN undoes BIGINT REFERENCES runs (id);
ALTER TABLE steps ADD COLUMN undoes BIGINT;
CREATE INDEX runs_undoing ON runs (undoes) WHERE undoes IS NOT NULL;

-- Events may be noted without a run, and persons deal with parked ones. A CHECK can only be changed with its table.
CREATE TABLE hr_events_new (
    id          BIGINT PRIMARY KEY,
    source      TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('joined', 'changed', 'departure', 'leave', 'return', 'rescinded', 'rehired')),
    person_id   BIGINT NOT NULL REFERENCES people (id),
    effective   TEXT,
    facts       TEXT NOT NULL DEFAULT '{}',
    received_at BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('accepted', 'started', 'noted', 'parked', 'resolved', 'dropped')),
    note        TEXT,
    -- Commands that a person may choose from, as a JSON list.
    proposes    TEXT NOT NULL DEFAULT '[]',
    settled_by  TEXT,
    settled_at  BIGINT,
    reason      TEXT,
    UNIQUE (source, event_key)
);
INSERT INTO hr_events_new (id, source, event_key, kind, person_id, effective, facts, received_at, state, note)
    SELECT id, source, event_key, kind, person_id, effective, facts, received_at, state, note FROM hr_events;
DROP TABLE hr_events;
ALTER TABLE hr_events_new RENAME TO hr_events;
CREATE INDEX hr_events_open ON hr_events (state, id) WHERE state IN ('accepted', 'parked');
CREATE INDEX hr_events_of_person ON hr_events (person_id);
