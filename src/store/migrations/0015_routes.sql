-- A route has words that fit every kind of source; they were those of one.

UPDATE reads SET route = CASE route WHEN 'api' THEN 'main' WHEN 'page' THEN 'fallback' ELSE 'titles' END
WHERE route IS NOT NULL;
