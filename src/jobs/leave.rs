//! Leave: a subscriber withdraws their consent by the page, and may take that back. (By mail: [`super::bounce`].)
//!
//! One transaction; after it nothing more is sent, not even what is queued (I6). A second time changes nothing.

use chrono::{DateTime, Days, Utc};

use crate::core::token::SubscriberId;
use crate::store::{Departure, Store, StoreError};

/// Withdraws the consent of the subscriber that a verified token named. A subscriber who is not known any more has left
/// already.
pub fn run(store: &Store, subscriber: &SubscriberId, now: DateTime<Utc>) -> Result<Departure, StoreError> {
    let departure = store.leave(subscriber, "by the page", now)?;
    // The database has who it was; the log needs only the fact.
    tracing::info!(how = "by the page", is_known = departure.is_some(), "a subscriber left");
    Ok(departure.unwrap_or(Departure { at: now, undo: None }))
}

/// Takes back the leaving that a verified token named. Whether mails come again.
pub fn undo(store: &Store, subscriber: &SubscriberId, undo: &[u8; 16], now: DateTime<Utc>) -> Result<bool, StoreError> {
    let is_back = store.undo_leaving(subscriber, undo, now)?;
    tracing::info!(is_back, "a subscriber took their leaving back");
    Ok(is_back)
}

/// Forgets address and name of who left more than `keep_days` days ago; returns how many.
pub fn forget(store: &Store, keep_days: u32, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let Some(before) = now.checked_sub_days(Days::new(keep_days.into())) else { return Ok(0) };
    let forgotten = store.forget_departed(before)?;
    if forgotten > 0 {
        tracing::info!(subscribers = forgotten, "forgot who left");
    }
    Ok(forgotten)
}
