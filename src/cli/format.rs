//! Counts and times as commands show them.

use std::sync::OnceLock;

use chrono::{DateTime, Local, Utc};

use crate::core::zone::Zone;
use crate::zones;

/// `word`, or its plural.
pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// A time as the operator's own clock shows it, and whose clock that is.
pub(super) fn local(at: DateTime<Utc>) -> String {
    static MACHINE: OnceLock<Option<Zone>> = OnceLock::new();
    match MACHINE.get_or_init(|| zones::of_machine(std::env::var("TZ").ok().as_deref())) {
        Some(zone) => in_zone(at, *zone),
        // A clock that follows rules of its own.
        None => at.with_timezone(&Local).format("%Y-%m-%d %H:%M %:z").to_string(),
    }
}

/// A time as a clock in the zone shows it, and which zone that is.
pub(super) fn in_zone(at: DateTime<Utc>, zone: Zone) -> String {
    format!("{} {zone}", at.with_timezone(&zone).format("%Y-%m-%d %H:%M"))
}
