//! One mail, sent at once for a person who waits for the answer.
//!
//! It is a mail of the outbox like any other: rendered, signed, sent and recorded by the same code. But it has one attempt, and
//! limits and holds don't stop it, since a person asked for it: it may show that what caused a hold is mended.

use chrono::{DateTime, Duration, Utc};

use super::{Settings, ended_as, mailbox, renderer};
use crate::clock::Clock;
use crate::compose::Writer;
use crate::core::bounce;
use crate::core::delivery::{Outcome, Receipt, SendError};
use crate::core::mailing::Transactional;
use crate::core::pacing::Ending;
use crate::mail::Transport;
use crate::store::{Recipient, Store, StoreError};

/// How long nobody else takes the mail up.
const LEASE: Duration = Duration::hours(2);

/// What became of the mail.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its number in the outbox.
    pub mail: i64,
    /// The other side's answer.
    pub result: Result<Receipt, SendError>,
}

/// Sends a transactional mail. `domain` is the right side of its Message-ID.
pub async fn run<T: Transport>(
    store: &Store,
    transport: &T,
    settings: &Settings,
    clock: &Clock,
    to: Recipient<'_>,
    mail: &Transactional,
    domain: &str,
) -> Result<Sent, StoreError> {
    let claim = store.enqueue_claimed(to, mail, domain, LEASE)?;
    let (mut pacer, lane) = settings.pace.take(store, clock.now())?;
    let (urgency, begun) = (claim.kind.urgency(), clock.now());
    pacer.begin_anyway(&claim.domain, urgency);
    let writer = Writer::sharing(store.clone(), settings.sender.clone(), settings.shared.clone());
    let result = match renderer::make(&writer, &claim) {
        Ok(mail) => transport.send(&mail).await,
        Err(error) => Err(error),
    };
    let now = clock.now();
    let ending = pacer.weigh(&claim.domain, mailbox(&claim), false, Ending::of(&result));
    let changes = pacer.end(&claim.domain, urgency, begun, now, &ending);
    settings.pace.put_back(pacer, lane);
    let mut recorded = ended_as(&claim, result.clone(), now, &ending);
    if recorded.outcome != Outcome::Sent {
        recorded.outcome = Outcome::Failed;
    }
    let is_lasting = |times: &[DateTime<Utc>]| bounce::is_lasting(times, settings.soft_limit, settings.soft_days);
    store.record(&[recorded], &changes, is_lasting, &[])?;
    Ok(Sent { mail: claim.mail, result })
}
