-- Checkpoints: a Merkle tree over the heads of all runs, which only grows, and its signed heads.
-- 1 once the run's present head is a leaf of the tree; every write to its journal sets it back.
ALTER TABLE runs ADD COLUMN checkpointed BIGINT NOT NULL DEFAULT 0 CHECK (checkpointed IN (0, 1));
CREATE INDEX runs_to_checkpoint ON runs (id) WHERE checkpointed = 0;

CREATE TABLE heads (
    -- The leaf's place in the tree, from 0.
    leaf   BIGINT PRIMARY KEY,
    run_id BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    hash   TEXT NOT NULL
);

CREATE TABLE checkpoints (
    tree_size BIGINT PRIMARY KEY,
    made_at   BIGINT NOT NULL,
    -- The roots of the tree's full subtrees, hex, as a JSON list: what the next checkpoint goes on from.
    peaks     TEXT NOT NULL,
    -- The signed note (C2SP tlog-checkpoint).
    note      TEXT NOT NULL
);
-- Whoever makes a checkpoint holds this row.
INSERT INTO counters (name, value) VALUES ('checkpoint', 0);

-- Secrets that the configuration refers to as { stored = "NAME" }.
CREATE TABLE stored_secrets (
    name     TEXT PRIMARY KEY,
    -- The secret's own key, wrapped.
    data_key TEXT NOT NULL,
    sealed   TEXT NOT NULL,
    set_at   BIGINT NOT NULL,
    set_by   TEXT NOT NULL
);

-- A person who was erased: the row stays, because runs and accounts refer to it, and says nothing about anybody.
ALTER TABLE people ADD COLUMN erased_at BIGINT;
ALTER TABLE people ADD COLUMN erased_by TEXT;
ALTER TABLE people ADD COLUMN erased_reason TEXT;
