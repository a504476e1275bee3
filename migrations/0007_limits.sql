INSERT INTO counters (name, value) VALUES ('trip', 0);

-- Guards that have tripped: what they stop waits until a person releases them.
CREATE TABLE trips (
    id          BIGINT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('threshold', 'canary', 'clock', 'restore')),
    -- Without one: everything.
    system      TEXT,
    stops       TEXT NOT NULL CHECK (stops IN ('destructive', 'cuts', 'everything')),
    words       TEXT NOT NULL,
    tripped_at  BIGINT NOT NULL,
    released_by TEXT,
    released_at BIGINT,
    reason      TEXT,
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CHECK ((released_at IS NULL) = (reason IS NULL))
);
CREATE UNIQUE INDEX trips_one_open ON trips (kind, stops, COALESCE(system, '')) WHERE released_at IS NULL;
