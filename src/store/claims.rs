//! Claims: who works on which mail, and what the mail is made from.
//!
//! A claim is a lease. What happens at a power cut: before the claim's commit, nothing; after it, the mail is claimed again
//! at the next start, or when the lease ends, with the same Message-ID. So a crash repeats at most the mails that were in
//! flight, and loses none (I5, I10). How an attempt ended, [`super::outbox`] has.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox::{OutboxState, finish, note};
use super::subscriptions::restore;
use super::{Result, Store, from_json, holds, instant, outbox, slot};
use crate::core::delivery::{AttemptOutcome, Tries};
use crate::core::digest::RENDERER;
use crate::core::edition::Told;
use crate::core::matching::NearTerms;
use crate::core::pacing::Room;
use crate::core::subscription::Subscription;
use crate::core::token::SubscriberId;

/// A lease on one mail, and everything the mail is made from, as it stands in the database.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The edition's number.
    pub edition: i64,
    /// The recipient's domain.
    pub domain: String,
    /// The subscription's number: two mails of one are of one mailbox.
    pub subscription: i64,
    /// Which attempt this is, from 1. An outcome counts only for the claim it was made under.
    pub attempt: u32,
    /// What the earlier ones have come to.
    pub tries: Tries,
    /// When the mail was queued.
    pub queued: DateTime<Utc>,
    inputs: Inputs,
}

impl Claim {
    /// What to send. Reading it takes longer than claiming it, so that is left to whoever makes the mail.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`](super::StoreError::Unreadable): another version, or nobody knows who, wrote it.
    pub fn mailing(&self) -> Result<Mailing> {
        self.inputs.read(self.edition)
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

/// The immutable inputs of one mail.
#[derive(Clone, Debug)]
pub struct Mailing {
    /// The edition's number.
    pub edition: i64,
    /// Whose it is and what was ordered when it was decided.
    pub subscription: Subscription,
    /// How the outside names the subscriber.
    pub subscriber: SubscriberId,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// What was known: see [`Store::papers_as_of`].
    pub read: i64,
    /// When it was decided: the mail's Date.
    pub decided: DateTime<Utc>,
    /// Paper numbers by profile.
    pub papers: Vec<Vec<u32>>,
    /// Papers shown by title only.
    pub also: Vec<u32>,
    /// How many papers wait for the next edition.
    pub owed: usize,
    /// Papers that will not come, and whose reader is told so.
    pub told: Told,
    /// For a first mail without papers: over how many days was looked back; else 0.
    pub welcome: u32,
    /// Why its papers are close to what its reader likes.
    pub near: NearTerms,
    /// Candidates there were.
    pub looked_at: u32,
    /// With angle brackets; the same at every attempt.
    pub message_id: String,
}

/// The inputs as texts and numbers.
#[derive(Clone, Debug)]
struct Inputs {
    slot: String,
    read: i64,
    decided: i64,
    papers: String,
    also: String,
    owed: String,
    looked_at: u32,
    told: String,
    welcome: u32,
    near: String,
    address: String,
    token: SubscriberId,
    is_paused: bool,
    definition: String,
    message_id: String,
}

/// When a queued mail is due whose subscription is paused: at the end of the year 9999, behind all others of its lane.
pub(super) const PARKED: i64 = 253_402_300_799;

/// The columns of [`Inputs`], in their order.
const INPUTS: &str = "e.slot, e.read, e.decided, e.papers, e.also, e.owed, e.looked_at, e.told, e.welcome, e.near,
    s.address, s.token, s.paused, d.text, o.message_id
    FROM editions e
    JOIN outbox o ON o.edition = e.id
    JOIN subscriptions s ON s.id = e.subscription
    JOIN definitions d ON d.id = e.definition";

impl Store {
    /// Claims up to `limit` mails that are due at `now` for `lease`. A mail whose subscriber may no longer be written to
    /// is dropped instead: unsubscribed wins over everything queued (I6). One whose subscription is paused stays queued,
    /// and is due again when the pause ends.
    ///
    /// Each recipient domain is a lane. They are asked in turn, beginning behind `after`, and `room` says how many mails a
    /// lane may give. So a lane that gives none costs one step, however many mails wait in it, and holds no other up.
    ///
    /// A lease that has run out is anybody's, but one that `is_held` knows is only renewed: a clock may have been set, a
    /// server may take hours, and whoever asks still works on it.
    pub fn claim(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        lease: Duration,
        after: &str,
        mut room: impl FnMut(&str) -> Room,
        is_held: impl Fn(i64) -> bool,
    ) -> Result<Claimed> {
        self.write(|tx| {
            let mut lanes = Lanes { tx, at: after.to_owned(), after, has_wrapped: false };
            let mut claimed = Claimed::default();
            let soonest = |known: Option<DateTime<Utc>>, at| Some(known.map_or(at, |known| known.min(at)));
            while claimed.claims.len() < limit {
                let Some(domain) = lanes.next()? else {
                    claimed.is_all = true;
                    break;
                };
                let (most, opens) = match room(domain) {
                    Room::Open(mails) => ((mails as usize).min(limit - claimed.claims.len()), now),
                    Room::Closed(Some(at)) => (0, at),
                    Room::Closed(None) => {
                        claimed.waits = true;
                        continue;
                    }
                };
                let first = waiting(tx, domain, most + 1, now)?;
                for (taken, mail) in first.iter().enumerate() {
                    if mail.due > now || taken == most {
                        match mail.due.max(opens) {
                            // It waits for those before it in its lane.
                            due if due <= now => claimed.waits = true,
                            due => claimed.next = soonest(claimed.next, due),
                        }
                        break;
                    }
                    if mail.is_abandoned && is_held(mail.edition) {
                        set_lease(tx, mail.edition, now + lease)?;
                    } else {
                        claimed.claims.extend(take(tx, domain, mail, now, lease)?);
                    }
                }
            }
            claimed.last = lanes.at;
            Ok(claimed)
        })
    }

    /// Which of these claims, given by edition and attempt, may be sent: those whose subscriber may still be written to and
    /// is not paused, and whose lease nobody else has taken over. Asked right before the step that can't be undone.
    pub fn may_send(&self, claims: &[(i64, u32)]) -> Result<Vec<bool>> {
        self.read(|tx| may_send(tx, claims))
    }

    /// Gives claims back untried, as a graceful stop does; they keep their place in their lane.
    pub fn release(&self, claims: &[(i64, u32)], now: DateTime<Utc>) -> Result<()> {
        self.write(|tx| {
            for (edition, attempt) in claims {
                tx.prepare_cached(
                    "UPDATE outbox SET state = 'queued', due = min(queued, ?3), attempts = attempts - 1,
                            renderer = CASE WHEN attempts > 1 THEN renderer END
                     WHERE edition = ?1 AND attempts = ?2 AND state = 'claimed'",
                )?
                .execute(params![edition, attempt, now.timestamp()])?;
            }
            Ok(())
        })
    }

    /// Takes back the claims of a process that is gone. Only for the holder of the database's [`super::Lock`].
    pub fn recover_claims(&self, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            // Nobody knows how far they were.
            let sql = "UPDATE outbox SET state = 'queued', due = ?, in_doubt = 1 WHERE state = 'claimed'";
            Ok(tx.execute(sql, [now.timestamp()])?)
        })
    }

    /// One mail's inputs, whatever its state; `None` when the edition has no mail.
    pub fn mailing(&self, edition: i64) -> Result<Option<Mailing>> {
        self.read(|tx| {
            let known = tx.query_row("SELECT 1 FROM outbox WHERE edition = ?", [edition], |_| Ok(())).optional()?;
            known.map(|()| inputs(tx, edition)?.read(edition)).transpose()
        })
    }
}

/// See [`Store::may_send`].
pub(super) fn may_send(tx: &Transaction<'_>, claims: &[(i64, u32)]) -> Result<Vec<bool>> {
    let mut may = tx.prepare_cached(
        "SELECT s.consent = 'confirmed' AND s.listed = 1 AND s.paused = 0 AND o.state = 'claimed' AND o.attempts = ?2
         FROM outbox o JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
         WHERE o.edition = ?1",
    )?;
    claims.iter().map(|claim| Ok(may.query_row(*claim, |row| row.get(0))?)).collect()
}

/// The domains that have mails waiting or under way, in turn: from behind `after` to the end, then from the start to it.
struct Lanes<'t> {
    tx: &'t Transaction<'t>,
    at: String,
    after: &'t str,
    has_wrapped: bool,
}

impl Lanes<'_> {
    fn next(&mut self) -> Result<Option<&str>> {
        let mut following = self.tx.prepare_cached(
            // Named, because the planner would rather sort all that waits.
            "SELECT domain FROM outbox INDEXED BY outbox_lanes
             WHERE state IN ('queued', 'claimed') AND domain > ? ORDER BY domain LIMIT 1",
        )?;
        loop {
            match following.query_row([&self.at], |row| row.get::<_, String>(0)).optional()? {
                Some(domain) if !self.has_wrapped || domain.as_str() <= self.after => {
                    self.at = domain;
                    return Ok(Some(&self.at));
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

/// A mail in its lane.
struct Waiting {
    edition: i64,
    subscription: i64,
    due: DateTime<Utc>,
    /// Whether its subscriber may be written to.
    is_welcome: bool,
    attempts: u32,
    tries: Tries,
    queued: DateTime<Utc>,
    /// Whether it was claimed and the lease has run out.
    is_abandoned: bool,
    is_paused: bool,
    /// Whether a server may have it: an attempt ended unknown, or never ended.
    is_in_doubt: bool,
    /// Which version of the renderer made it at its first attempt.
    renderer: Option<u32>,
}

/// The first mails of a lane, by the time they are due. Those who have met the hold that their domain is under come last: each
/// time another one finds out whether it is over.
fn waiting(tx: &Transaction<'_>, domain: &str, limit: usize, now: DateTime<Utc>) -> Result<Vec<Waiting>> {
    let first = first(
        tx,
        "AND NOT EXISTS (SELECT 1 FROM probes p WHERE p.domain IN ('', o.domain) AND p.subscription = e.subscription)",
        domain,
        limit,
    )?;
    if first.first().is_some_and(|mail| mail.due <= now)
        || !tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM probes)")?.query_row([], |row| row.get(0))?
    {
        return Ok(first);
    }
    holds::all_have_asked(tx, domain)?;
    self::first(tx, "", domain, limit)
}

fn first(tx: &Transaction<'_>, which: &str, domain: &str, limit: usize) -> Result<Vec<Waiting>> {
    let mut first = tx.prepare_cached(&format!(
        "SELECT o.edition, o.due, s.consent = 'confirmed' AND s.listed = 1, o.attempts, o.tries, o.unknowns,
                o.tried, o.queued, o.state = 'claimed', s.paused, e.subscription, o.in_doubt, o.renderer
         FROM outbox o INDEXED BY outbox_lanes
         JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
         WHERE o.state IN ('queued', 'claimed') AND o.domain = ? {which} ORDER BY o.due, o.edition LIMIT ?",
    ))?;
    let rows = first.query_map(params![domain, limit], |row| {
        Ok(Waiting {
            edition: row.get(0)?,
            due: instant(row.get(1)?),
            is_welcome: row.get(2)?,
            attempts: row.get(3)?,
            tries: Tries {
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
    let edition = mail.edition;
    if !mail.is_welcome {
        finish(tx, edition, OutboxState::Dropped, now)?;
        note(tx, edition, now, AttemptOutcome::Dropped, None, "the subscriber has left")?;
        return Ok(None);
    }
    if mail.is_paused {
        tx.prepare_cached(
            "UPDATE outbox SET state = 'queued', due = ?2, in_doubt = max(in_doubt, ?3) WHERE edition = ?1",
        )?
        .execute(params![edition, PARKED, mail.is_abandoned])?;
        return Ok(None);
    }
    // Another version of the program makes other bytes of it.
    if mail.renderer.is_some_and(|renderer| renderer != RENDERER) {
        if mail.is_in_doubt {
            finish(tx, edition, OutboxState::Failed, now)?;
            let words = "another version of paperpost made this mail, and the server may have it: retry it only if it has not arrived";
            note(tx, edition, now, AttemptOutcome::Unknown, None, words)?;
            return Ok(None);
        }
        outbox::rename(tx, edition)?;
    }
    tx.prepare_cached(
        "UPDATE outbox SET state = 'claimed', due = ?2, attempts = attempts + 1, in_doubt = max(in_doubt, ?3), renderer = ?4
         WHERE edition = ?1",
    )?
    .execute(params![edition, (now + lease).timestamp(), mail.is_abandoned, RENDERER])?;
    Ok(Some(Claim {
        edition,
        domain: domain.to_owned(),
        subscription: mail.subscription,
        attempt: mail.attempts + 1,
        tries: mail.tries,
        queued: mail.queued,
        inputs: inputs(tx, edition)?,
    }))
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

fn set_lease(tx: &Transaction<'_>, edition: i64, end: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE outbox SET due = ?2 WHERE edition = ?1")?.execute(params![edition, end.timestamp()])?;
    Ok(())
}

fn inputs(tx: &Transaction<'_>, edition: i64) -> Result<Inputs> {
    let mut query = tx.prepare_cached(&format!("SELECT {INPUTS} WHERE e.id = ?"))?;
    Ok(query.query_row([edition], |row| {
        Ok(Inputs {
            slot: row.get(0)?,
            read: row.get(1)?,
            decided: row.get(2)?,
            papers: row.get(3)?,
            also: row.get(4)?,
            owed: row.get(5)?,
            looked_at: row.get(6)?,
            told: row.get(7)?,
            welcome: row.get(8)?,
            near: row.get(9)?,
            address: row.get(10)?,
            token: row.get(11)?,
            is_paused: row.get(12)?,
            definition: row.get(13)?,
            message_id: row.get(14)?,
        })
    })?)
}

impl Inputs {
    fn read(&self, edition: i64) -> Result<Mailing> {
        let list = "list of papers";
        let owed: Vec<u32> = from_json(list, &self.owed)?;
        Ok(Mailing {
            edition,
            subscription: restore(&self.address, &self.definition, self.is_paused)?,
            subscriber: self.token,
            slot: slot(&self.slot)?,
            read: self.read,
            decided: instant(self.decided),
            papers: from_json(list, &self.papers)?,
            also: from_json(list, &self.also)?,
            owed: owed.len(),
            told: from_json(list, &self.told)?,
            welcome: self.welcome,
            near: from_json("terms of papers", &self.near)?,
            looked_at: self.looked_at,
            message_id: self.message_id.clone(),
        })
    }
}
