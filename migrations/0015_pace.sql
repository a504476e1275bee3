-- How fast a system is asked, where the configuration says so. The system's row is the lock of what has started there, as it is
-- of what counts.

-- What has started within the window of its rate: [[epoch ms, how many], …], the oldest first.
ALTER TABLE systems ADD COLUMN paced TEXT;
-- It has no room: its steps are no candidates until then (epoch ms), or until an attempt there has ended.
ALTER TABLE systems ADD COLUMN paced_until BIGINT;
