//! Where papers are listed: HTTP in, snapshots out.
