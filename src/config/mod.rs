//! From files to settings: what is meant, or every problem at once.
