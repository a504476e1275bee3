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

-- What claims count by. The row is the lock of what is counted on a system: claims that count take it, one after the
-- other, so that two daemons never both take the last place.
CREATE TABLE systems (
    name             TEXT PRIMARY KEY,
    -- How many accounts its last complete reading found, and when; without them nothing is destroyed there.
    population       BIGINT,
    read_at          BIGINT,
    -- Since when starts count: the last release.
    destructive_from BIGINT NOT NULL DEFAULT 0,
    cuts_from        BIGINT NOT NULL DEFAULT 0,
    -- Further destructive steps wait for those of their batch that are under way; looked at again by then.
    canary_until     BIGINT,
    -- Which daemon reads it at the moment is nobody's business; when one began, so that not all do.
    reading_since    BIGINT,
    CHECK ((population IS NULL) = (read_at IS NULL))
);

-- What has started: a destructive step for itself, a cut for its account.
CREATE TABLE starts (
    subject TEXT PRIMARY KEY,
    stops   TEXT NOT NULL CHECK (stops IN ('destructive', 'cuts')),
    system  TEXT NOT NULL,
    step_id BIGINT NOT NULL,
    -- The last time.
    at      BIGINT NOT NULL,
    -- Whether it counts against the thresholds; a batch that was approved as one does not.
    counts  BIGINT NOT NULL CHECK (counts IN (0, 1))
);
CREATE INDEX starts_lately ON starts (stops, system, at);
