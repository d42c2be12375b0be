//! Leave: a subscriber withdraws their consent, by the page or by mail.
//!
//! One transaction; after it nothing more is sent, not even what is queued (I6). A second time changes nothing.

use chrono::{DateTime, Utc};

use crate::core::token::SubscriberId;
use crate::store::{Reason, Store, StoreError};

/// Withdraws the consent of the subscriber that a verified token named. `how` is for the list of who left: `by mail`. A
/// subscriber who is not known any more has left already.
pub fn run(store: &Store, subscriber: &SubscriberId, how: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let news = store.suppress_subscriber(subscriber, Reason::Unsubscribed, Some(how), now)?;
    // Who it was stands in the database; the log needs only the fact.
    tracing::info!(how, is_news = news == Some(true), "a subscriber left");
    Ok(())
}
