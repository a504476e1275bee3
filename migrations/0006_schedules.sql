-- What a schedule did last, and whether a person has stopped it.
ALTER TABLE schedules ADD COLUMN fired_at BIGINT;
ALTER TABLE schedules ADD COLUMN paused_at BIGINT;
ALTER TABLE schedules ADD COLUMN paused_by TEXT;
ALTER TABLE schedules ADD COLUMN paused_reason TEXT;
-- What `schedule list` asks of each: the runs that its last tick started.
CREATE INDEX runs_of_workflow ON runs (workflow, started_by);
