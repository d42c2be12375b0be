-- Why no edition of a subscription could be decided, in words for the operator; nearly always null. One that can't be read
-- must not hold up the others, nor be passed over in silence.
ALTER TABLE subscriptions ADD COLUMN fault TEXT;
