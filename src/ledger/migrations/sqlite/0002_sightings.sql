-- Of two processes one may see what the other misses: an absence is believed by who knows of all sightings.
ALTER TABLE resources ADD COLUMN sightings INTEGER NOT NULL DEFAULT 0;
