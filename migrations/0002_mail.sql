-- The outbox. A mail is durable before anything is sent; its Message-ID is the same for every attempt.
INSERT INTO counters (name, value) VALUES ('mail', 0), ('wait', 0);

CREATE TABLE mails (
    id          BIGINT PRIMARY KEY,
    -- Once per key: whoever posts it a second time finds it.
    mail_key    TEXT NOT NULL UNIQUE,
    -- The template's name, or `message`.
    kind        TEXT NOT NULL,
    message_id  TEXT NOT NULL UNIQUE,
    run_id      BIGINT REFERENCES runs (id),
    step        BIGINT,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    due_at      BIGINT,
    -- Also the fence: only the latest attempt says how it ended.
    attempts    BIGINT NOT NULL,
    lease_until BIGINT,
    -- The mail's own key, wrapped. Recipient and subject, the parts, and the server's words are sealed with it.
    data_key    TEXT NOT NULL,
    envelope    TEXT NOT NULL,
    -- Gone once it is sent: it may carry a link that opens an account.
    body        TEXT,
    answer      TEXT,
    queued_at   BIGINT NOT NULL,
    ended_at    BIGINT,
    CHECK ((state = 'queued') = (due_at IS NOT NULL)),
    CHECK ((state = 'queued') = (ended_at IS NULL)),
    CHECK ((state = 'sent') = (body IS NULL)),
    CHECK (lease_until IS NULL OR state = 'queued')
);
CREATE INDEX mails_ready ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_of_run ON mails (run_id, step) WHERE run_id IS NOT NULL;

-- Credentials kept for somebody who hands them over: shown once, then gone.
CREATE TABLE credentials (
    step_id   BIGINT PRIMARY KEY REFERENCES steps (id),
    data_key  TEXT,
    sealed    TEXT,
    sealed_at BIGINT NOT NULL,
    opened_at BIGINT,
    opened_by TEXT,
    CHECK ((sealed IS NULL) = (opened_at IS NOT NULL)),
    CHECK ((sealed IS NULL) = (data_key IS NULL)),
    CHECK ((opened_at IS NULL) = (opened_by IS NULL))
);

-- What waits for somebody, since when, and when they were last told.
CREATE TABLE waits (
    id       BIGINT PRIMARY KEY,
    -- `step:KEY:STATE` or `event:KEY`.
    cause    TEXT NOT NULL UNIQUE,
    kind     TEXT NOT NULL CHECK (kind IN ('task', 'alert')),
    -- The step's key, or the event's.
    about    BIGINT NOT NULL,
    since    BIGINT NOT NULL,
    told     BIGINT NOT NULL,
    told_at  BIGINT,
    -- It waits no more, and those who were told have not heard of it.
    over_at  BIGINT,
    -- What it was, sealed: the all-clear names it.
    data_key TEXT NOT NULL,
    words    TEXT,
    CHECK ((told = 0) = (told_at IS NULL)),
    CHECK (over_at IS NULL OR told > 0)
);
