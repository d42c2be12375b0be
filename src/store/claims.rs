//! Claims: who works on which mail.
//!
//! A claim is a lease. What happens at a power cut: before the claim's commit, nothing; after it, the mail is claimed again
//! at the next start, or when the lease ends, with the same Message-ID. So a crash repeats at most the mails that were in
//! flight, and loses none (I5, I10). How an attempt ended, [`super::outbox`] has.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::inputs::{Content, Inputs, inputs};
use super::mail::{OutboxState, PARKED, finish, may_send, note, rename};
use super::sqlite::lanes_of;
use super::{Result, Store, holds, instant};
use crate::core::delivery::{AttemptOutcome, RetryState};
use crate::core::digest::RENDERER;
use crate::core::mailing::{MailKind, Urgency};
use crate::core::pacing::Room;

/// A lease on one mail, and everything the mail is made from, as it is in the database.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The mail's number.
    pub mail: i64,
    /// What it is.
    pub kind: MailKind,
    /// The recipient's domain.
    pub domain: String,
    /// The subscription's number: two mails of one are of one mailbox. `None` for a mail to an address alone.
    pub subscription: Option<i64>,
    /// Which attempt this is, from 1. An outcome counts only for the claim it was made under.
    pub attempt: u32,
    /// What the earlier ones have come to.
    pub tries: RetryState,
    /// When the mail was queued.
    pub queued: DateTime<Utc>,
    inputs: Inputs,
}

impl Claim {
    /// What to send. Reading it takes longer than claiming it, so the renderer does that.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`](super::StoreError::Unreadable): another version wrote it, or something damaged it.
    pub fn content(&self) -> Result<Content> {
        self.inputs.read()
    }
}

/// What a look into the lanes brought.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The claims.
    pub claims: Vec<Claim>,
    /// The lane that was asked last: where to go on.
    pub last: String,
    /// Whether every lane was asked.
    pub is_all: bool,
    /// Whether more is due in a lane that gives no more before some mail under way has ended.
    pub waits: bool,
    /// When the next mail is due in a lane that is open by then, as far as the lanes were asked.
    pub next: Option<DateTime<Utc>>,
}

impl Store {
    /// Claims up to `limit` mails that are due at `now` for `lease`. A mail whose subscriber may no longer be written to
    /// is dropped instead: unsubscribed wins over everything queued (I6). One whose subscription is paused stays queued,
    /// and is due again when the pause ends.
    ///
    /// Each recipient domain is a lane, and has one more for prompt mails: those come first. Lanes are asked in turn,
    /// beginning behind `after`, and `room` says how many mails a lane may give. So a lane that gives none costs one step,
    /// however many mails wait in it, and holds no other up.
    ///
    /// A lease that has run out is anybody's, but one that `is_held` knows is only renewed: a clock may have been set, a
    /// server may take hours, and the caller still works on it.
    pub fn claim(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        lease: Duration,
        after: &str,
        mut room: impl FnMut(&str, Urgency) -> Room,
        is_held: impl Fn(i64) -> bool,
    ) -> Result<Claimed> {
        self.write(|tx| {
            let mut claimed = Claimed { last: after.to_owned(), ..Claimed::default() };
            let soonest = |known: Option<DateTime<Utc>>, at| Some(known.map_or(at, |known| known.min(at)));
            let (prompt, bulk) = (Lanes::new(tx, Urgency::Prompt, ""), Lanes::new(tx, Urgency::Bulk, after));
            let mut lanes = prompt.chain(bulk);
            while claimed.claims.len() < limit {
                let Some((domain, urgency)) = lanes.next().transpose()? else {
                    claimed.is_all = true;
                    break;
                };
                if urgency == Urgency::Bulk {
                    claimed.last.clone_from(&domain);
                }
                let (most, opens) = match room(&domain, urgency) {
                    Room::Open(mails) => ((mails as usize).min(limit - claimed.claims.len()), now),
                    Room::Closed(Some(at)) => (0, at),
                    Room::Closed(None) => {
                        claimed.waits = true;
                        continue;
                    }
                };
                let first = waiting(tx, &domain, urgency, most + 1, now)?;
                for (taken, mail) in first.iter().enumerate() {
                    if mail.due > now || taken == most {
                        match mail.due.max(opens) {
                            // It waits for those before it in its lane.
                            due if due <= now => claimed.waits = true,
                            due => claimed.next = soonest(claimed.next, due),
                        }
                        break;
                    }
                    if mail.is_abandoned && is_held(mail.id) {
                        set_lease(tx, mail.id, now + lease)?;
                    } else {
                        claimed.claims.extend(take(tx, &domain, mail, now, lease)?);
                    }
                }
            }
            Ok(claimed)
        })
    }

    /// Which of these claims, given by mail and attempt, may be sent: those whose subscriber may still be written to and
    /// is not paused, and whose lease nobody else has taken over. Asked right before the step that can't be undone.
    pub fn may_send(&self, claims: &[(i64, u32)]) -> Result<Vec<bool>> {
        self.read(|tx| may_send(tx, claims))
    }

    /// Gives claims back untried, as a graceful stop does; they keep their place in their lane.
    pub fn release(&self, claims: &[(i64, u32)], now: DateTime<Utc>) -> Result<()> {
        self.write(|tx| {
            for (mail, attempt) in claims {
                tx.prepare_cached(
                    "UPDATE outbox SET state = 'queued', due = min(queued, ?3), attempts = attempts - 1,
                            renderer = CASE WHEN attempts > 1 THEN renderer END
                     WHERE id = ?1 AND attempts = ?2 AND state = 'claimed'",
                )?
                .execute(params![mail, attempt, now.timestamp()])?;
            }
            Ok(())
        })
    }

    /// Takes back the claims of a process that is gone. Only for the holder of the database's [`super::Lock`].
    pub fn recover_claims(&self, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            // Who asked for a test has gone.
            tx.execute(
                "UPDATE outbox SET state = 'dropped', due = ? WHERE state = 'claimed' AND kind = 'test'",
                [now.timestamp()],
            )?;
            // Nobody knows how far they were.
            let sql = "UPDATE outbox SET state = 'queued', due = ?, in_doubt = 1 WHERE state = 'claimed'";
            Ok(tx.execute(sql, [now.timestamp()])?)
        })
    }
}

/// The domains that have mails of one urgency waiting or under way, in turn: from behind `after` to the end, then from the
/// start to it.
struct Lanes<'t> {
    tx: &'t Transaction<'t>,
    urgency: Urgency,
    at: String,
    after: &'t str,
    has_wrapped: bool,
}

/// Which mails are of one urgency.
fn kinds_of(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Prompt => "kind <> 'edition'",
        Urgency::Bulk => "kind = 'edition'",
    }
}

impl<'t> Lanes<'t> {
    fn new(tx: &'t Transaction<'t>, urgency: Urgency, after: &'t str) -> Self {
        Self { tx, urgency, at: after.to_owned(), after, has_wrapped: false }
    }

    fn following(&mut self) -> Result<Option<String>> {
        let (index, which) = (lanes_of(self.urgency), kinds_of(self.urgency));
        let mut following = self.tx.prepare_cached(&format!(
            "SELECT domain FROM outbox {index}
             WHERE state IN ('queued', 'claimed') AND {which} AND domain > ? ORDER BY domain LIMIT 1",
        ))?;
        loop {
            match following.query_row([&self.at], |row| row.get::<_, String>(0)).optional()? {
                Some(domain) if !self.has_wrapped || domain.as_str() <= self.after => {
                    self.at.clone_from(&domain);
                    return Ok(Some(domain));
                }
                None if !self.has_wrapped && !self.after.is_empty() => {
                    self.has_wrapped = true;
                    self.at.clear();
                }
                _ => return Ok(None),
            }
        }
    }
}

impl Iterator for Lanes<'_> {
    type Item = Result<(String, Urgency)>;

    fn next(&mut self) -> Option<Self::Item> {
        let urgency = self.urgency;
        self.following().transpose().map(|domain| domain.map(|domain| (domain, urgency)))
    }
}

/// A mail in its lane.
struct Waiting {
    id: i64,
    kind: MailKind,
    subscription: Option<i64>,
    due: DateTime<Utc>,
    /// Whether its subscriber may be written to.
    is_welcome: bool,
    attempts: u32,
    tries: RetryState,
    queued: DateTime<Utc>,
    /// Whether it was claimed and the lease has run out.
    is_abandoned: bool,
    is_paused: bool,
    /// Whether a server may have it: an attempt ended unknown, or never ended.
    is_in_doubt: bool,
    /// Which version of the renderer made it at its first attempt.
    renderer: Option<u32>,
}

/// The first mails of a lane, by the time they are due. Mails that have met their domain's hold come last: each
/// time another one finds out whether it is over.
fn waiting(
    tx: &Transaction<'_>,
    domain: &str,
    urgency: Urgency,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Vec<Waiting>> {
    let first = first(
        tx,
        "AND NOT EXISTS (SELECT 1 FROM probes p WHERE p.domain IN ('', o.domain) AND p.subscription = o.subscription)",
        domain,
        urgency,
        limit,
    )?;
    if first.first().is_some_and(|mail| mail.due <= now)
        || !tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM probes)")?.query_row([], |row| row.get(0))?
    {
        return Ok(first);
    }
    holds::all_have_asked(tx, domain)?;
    self::first(tx, "", domain, urgency, limit)
}

fn first(tx: &Transaction<'_>, which: &str, domain: &str, urgency: Urgency, limit: usize) -> Result<Vec<Waiting>> {
    let (index, kinds) = (lanes_of(urgency), kinds_of(urgency));
    let mut first = tx.prepare_cached(&format!(
        "SELECT o.id, o.due,
                CASE o.kind WHEN 'edition' THEN s.consent = 'confirmed' AND s.listed = 1
                            ELSE coalesce(s.consent, '') <> 'suppressed' END,
                o.attempts, o.tries, o.unknowns, o.tried, o.queued, o.state = 'claimed',
                o.kind = 'edition' AND s.paused, o.subscription, o.in_doubt, o.renderer, o.kind
         FROM outbox o {index} LEFT JOIN subscriptions s ON s.id = o.subscription
         WHERE o.state IN ('queued', 'claimed') AND o.{kinds} AND o.domain = ? {which} ORDER BY o.due, o.id LIMIT ?",
    ))?;
    let rows = first.query_map(params![domain, limit], |row| {
        Ok(Waiting {
            id: row.get(0)?,
            kind: row.get(13)?,
            due: instant(row.get(1)?),
            is_welcome: row.get(2)?,
            attempts: row.get(3)?,
            tries: RetryState {
                count: row.get(4)?,
                unknowns: row.get(5)?,
                first: row.get::<_, Option<i64>>(6)?.map(instant),
            },
            queued: instant(row.get(7)?),
            is_abandoned: row.get(8)?,
            subscription: row.get(10)?,
            is_paused: row.get(9)?,
            is_in_doubt: row.get::<_, bool>(11)? || row.get(8)?,
            renderer: row.get(12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Claims a mail, or ends it when its subscriber may not be written to any more.
fn take(
    tx: &Transaction<'_>,
    domain: &str,
    mail: &Waiting,
    now: DateTime<Utc>,
    lease: Duration,
) -> Result<Option<Claim>> {
    let id = mail.id;
    if !mail.is_welcome {
        finish(tx, id, OutboxState::Dropped, now)?;
        note(tx, id, now, AttemptOutcome::Dropped, None, "the subscriber has left")?;
        return Ok(None);
    }
    if mail.is_paused {
        tx.prepare_cached("UPDATE outbox SET state = 'queued', due = ?2, in_doubt = max(in_doubt, ?3) WHERE id = ?1")?
            .execute(params![id, PARKED, mail.is_abandoned])?;
        return Ok(None);
    }
    // Another version of the program makes other bytes of it.
    if mail.renderer.is_some_and(|renderer| renderer != RENDERER) {
        if mail.is_in_doubt {
            finish(tx, id, OutboxState::Failed, now)?;
            let words = "another version of paperpost made this mail, and the server may have it: retry it only if it has not arrived";
            note(tx, id, now, AttemptOutcome::Unknown, None, words)?;
            return Ok(None);
        }
        rename(tx, id)?;
    }
    tx.prepare_cached(
        "UPDATE outbox SET state = 'claimed', due = ?2, attempts = attempts + 1, in_doubt = max(in_doubt, ?3), renderer = ?4
         WHERE id = ?1",
    )?
    .execute(params![id, (now + lease).timestamp(), mail.is_abandoned, RENDERER])?;
    Ok(Some(Claim {
        mail: id,
        kind: mail.kind,
        domain: domain.to_owned(),
        subscription: mail.subscription,
        attempt: mail.attempts + 1,
        tries: mail.tries,
        queued: mail.queued,
        inputs: inputs(tx, id)?,
    }))
}

/// The claim of a mail whose first attempt has just begun.
pub(super) fn claim_of(tx: &Transaction<'_>, mail: i64) -> Result<Claim> {
    let sql = "SELECT kind, domain, subscription, attempts, queued FROM outbox WHERE id = ? AND state = 'claimed'";
    let inputs = inputs(tx, mail)?;
    Ok(tx.prepare_cached(sql)?.query_row([mail], |row| {
        Ok(Claim {
            mail,
            kind: row.get(0)?,
            domain: row.get(1)?,
            subscription: row.get(2)?,
            attempt: row.get(3)?,
            tries: RetryState::default(),
            queued: instant(row.get(4)?),
            inputs,
        })
    })?)
}

/// Lets the mails go on that a pause has stopped.
pub(super) fn unpark(tx: &Transaction<'_>, subscription: i64, now: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached(
        "UPDATE outbox SET due = min(queued, ?3)
         WHERE due = ?2 AND state = 'queued' AND edition IN (SELECT id FROM editions WHERE subscription = ?1)",
    )?
    .execute(params![subscription, PARKED, now.timestamp()])?;
    Ok(())
}

fn set_lease(tx: &Transaction<'_>, mail: i64, end: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE outbox SET due = ?2 WHERE id = ?1")?.execute(params![mail, end.timestamp()])?;
    Ok(())
}
