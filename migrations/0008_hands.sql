-- Legal holds. A row stays for ever: an end is written into it.
CREATE TABLE holds (
    id         BIGINT PRIMARY KEY,
    person_id  BIGINT NOT NULL REFERENCES people (id),
    reason     TEXT NOT NULL,
    set_by     TEXT NOT NULL,
    set_at     BIGINT NOT NULL,
    -- Where it ends by itself.
    until_at   BIGINT,
    ended_at   BIGINT,
    -- Who released it; usher where its time was over.
    ended_by   TEXT,
    end_reason TEXT,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX holds_on ON holds (person_id) WHERE ended_at IS NULL;
CREATE INDEX holds_ending ON holds (until_at) WHERE ended_at IS NULL AND until_at IS NOT NULL;
-- When an approval that was given lapses: what reminders look for.
ALTER TABLE steps ADD COLUMN lapses_at BIGINT;
CREATE INDEX steps_lapsing ON steps (lapses_at) WHERE lapses_at IS NOT NULL;

INSERT INTO counters (name, value) VALUES ('hold', 0), ('governing', 0);
