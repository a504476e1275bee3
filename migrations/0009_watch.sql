-- The outbox carries what goes by mail, and what goes to the webhook.
ALTER TABLE mails ADD COLUMN carrier TEXT NOT NULL DEFAULT 'mail' CHECK (carrier IN ('mail', 'webhook'));

-- Urgent waits are told at once; others once they have waited for ten minutes.
ALTER TABLE waits ADD COLUMN urgent BIGINT NOT NULL DEFAULT 0 CHECK (urgent IN (0, 1));

-- Systems that could not be read when they were read last.
CREATE TABLE unread (
    system TEXT PRIMARY KEY,
    -- Since the first failure in a row.
    since  BIGINT NOT NULL,
    why    TEXT NOT NULL
);

-- When each source of HR's last told everything it had to tell.
CREATE TABLE heard (
    source TEXT PRIMARY KEY,
    at     BIGINT NOT NULL
);
INSERT INTO heard (source, at) SELECT source, MAX(updated_at) FROM imports WHERE state = 'done' GROUP BY source;

-- Grows for ever. A database that shows less than somebody has seen is an older copy.
INSERT INTO counters (name, value) VALUES ('tide', 0);
