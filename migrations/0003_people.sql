-- What HR says beyond names and dates of employment.
ALTER TABLE people ADD COLUMN private_email TEXT;
ALTER TABLE people ADD COLUMN role TEXT;
ALTER TABLE people ADD COLUMN leave_from TEXT;
ALTER TABLE people ADD COLUMN leave_until TEXT;
ALTER TABLE people ADD COLUMN leave_reason TEXT;

-- What an event says, by name (`from: event.until`), and which fields changed. JSON.
ALTER TABLE hr_events ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';
