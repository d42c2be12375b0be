//! Changes to a subscription file that keep the rest of it.
