-- The terms that make an edition's papers close to what its reader likes: {"12":{"0":["state space","scans"]}}, by paper and by the
-- place of the `like:` among those of its profile (core::matching::NearTerms).
ALTER TABLE editions ADD COLUMN near TEXT NOT NULL DEFAULT '{}';
