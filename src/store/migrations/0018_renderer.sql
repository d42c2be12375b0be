-- Which version of the renderer made a mail at its first attempt (core::digest::RENDERER): every attempt is the same mail. Null before
-- that; 0 for one that was tried by a program that did not say.
ALTER TABLE outbox ADD COLUMN renderer INTEGER;
UPDATE outbox SET renderer = 0 WHERE state IN ('queued', 'claimed', 'failed') AND attempts > 0;
