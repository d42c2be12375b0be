//! The `paperpost` program.
fn main() {}
