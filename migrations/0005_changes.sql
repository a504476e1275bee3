-- Runs that take another run back, step by step.
ALTER TABLE runs ADD COLUMN undoes BIGINT REFERENCES runs (id);
ALTER TABLE steps ADD COLUMN undoes BIGINT;
CREATE INDEX runs_undoing ON runs (undoes) WHERE undoes IS NOT NULL;

-- How an event ended, where `state` has no word for it: noted without a run (`started`), or dealt with by a person
-- (`dropped`). The CHECK of `state` could only be changed with the whole table, which other tables refer to.
ALTER TABLE hr_events ADD COLUMN ended TEXT CHECK (ended IN ('noted', 'resolved'));
-- Commands that a person may choose from, as a JSON list.
ALTER TABLE hr_events ADD COLUMN proposes TEXT NOT NULL DEFAULT '[]';
-- Who dealt with it, when, and why.
ALTER TABLE hr_events ADD COLUMN settled_by TEXT;
ALTER TABLE hr_events ADD COLUMN settled_at BIGINT;
ALTER TABLE hr_events ADD COLUMN reason TEXT;
CREATE INDEX hr_events_open ON hr_events (state, id) WHERE state IN ('accepted', 'parked');
CREATE INDEX hr_events_of_person ON hr_events (person_id);
