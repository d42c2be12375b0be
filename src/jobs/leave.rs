//! Leave: a subscriber withdraws their consent by the page. (By mail: [`super::bounce`].)
//!
//! One transaction; after it nothing more is sent, not even what is queued (I6). A second time changes nothing.

use chrono::{DateTime, Utc};

use crate::core::token::SubscriberId;
use crate::store::{Reason, Store, StoreError};

/// Withdraws the consent of the subscriber that a verified token named. A
/// subscriber who is not known any more has left already.
pub fn run(store: &Store, subscriber: &SubscriberId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let news = store.suppress_subscriber(subscriber, Reason::Unsubscribed, Some("by the page"), now)?;
    // Who it was stands in the database; the log needs only the fact.
    tracing::info!(how = "by the page", is_news = news == Some(true), "a subscriber left");
    Ok(())
}
