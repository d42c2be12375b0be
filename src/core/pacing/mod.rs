//! Pacing: how many mails may leave now, for whom none may, and until when.
//!
//! Three things hold mails back, all of them kept apart by recipient domain, so that no domain waits for another:
//!
//! - **Limits** ([`Policy`]): mails in a length of time, mails in a day, mails under way at once. They are sliding windows:
//!   over *any* stretch of the stated length no more than the limit goes out, wherever the stretch begins. A mail takes its
//!   place from the moment it begins until the length after it *ended*, so the limit also holds as the server counts.
//! - **Prompt mails** (confirmations, tests) count in all of these, and have a limit of their own besides: so they may be asked
//!   first, and a flood of them leaves room to the others.
//! - **A ramp** ([`Ramp`]): the day's limit of a new sender, which grows from the first mail on.
//! - **Holds** ([`Hold`]): a domain that asked us to slow down is held, twice as long each time, up to a ceiling; one that
//!   refuses us because of our configuration or reputation, or one mailbox after the other, is held for longer. After a hold mails go one at a
//!   time, until as many were taken as the hold had doubled.
//!
//! A server that falls silent in the midst of one mail after the other is away, as if it could not be reached
//! ([`Pacer::is_cut_off`]).
//!
//! Pure: `now` comes in by argument, and a [`Change`] says what to write down. Memory is bounded: a window is at most a few
//! hundred marks whatever its limit is, and a domain without anything to remember is forgotten.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};

use super::mailing::Urgency;

mod ending;
mod hold;
mod policy;
mod window;

pub use ending::Ending;
pub use hold::{Cause, Change, Hold, refuse};
use hold::{deepen, recover};
pub use policy::{Limits, Policy, Ramp, Rate};
use window::Window;

/// Whether mails may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many, and at least one.
    Open(u32),
    /// None until then; `None` until one that is under way has ended.
    Closed(Option<DateTime<Utc>>),
}

impl Room {
    /// What both allow.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open(a), Self::Open(b)) => Self::Open(a.min(b)),
            (Self::Closed(None), _) | (_, Self::Closed(None)) => Self::Closed(None),
            (Self::Closed(a), Self::Closed(b)) => Self::Closed(a.max(b)),
            (closed @ Self::Closed(_), Self::Open(_)) | (Self::Open(_), closed) => closed,
        }
    }
}

/// From so many domains that refuse us, or put us off, with no mail taken in between, it is everybody's matter: everything
/// is held.
const REFUSED_BY_ALL: usize = 3;

/// From so many mailboxes in a row that a domain is said not to have, with no mail taken in between, the domain is not
/// believed: a broken directory says the same of everybody.
const NOT_BELIEVED: u32 = 5;

/// From so many mails in a row that somebody refuses for good, with none taken in between, everything is held: whatever it is,
/// it is none of the mailboxes'.
const REJECTED_BY_ALL: u32 = 10;

/// From so many mails in a row in the midst of which the server fell silent, it is away.
const CUT_OFF: usize = 3;

/// Lanes that are kept before the idle ones among them are forgotten.
const LANES: usize = 1_024;

const DAY: Duration = Duration::days(1);

/// Who may send what now: the limits, and what was sent and said so far.
#[derive(Clone, Debug)]
pub struct Pacer {
    policy: Policy,
    /// When the first mail ever was taken: the ramp begins there.
    first: Option<DateTime<Utc>>,
    rate: Option<Window>,
    day: Option<Window>,
    /// Prompt mails, to everybody together.
    prompt: Window,
    running: u32,
    /// The hold on everything.
    hold: Option<Hold>,
    lanes: HashMap<String, Lane>,
    /// Domains that refused us, or put us off, since the last mail that anybody took.
    refused: BTreeSet<String>,
    /// Domains where one was refused since then for what may be a reason of its own.
    doubted: BTreeSet<String>,
    /// Mails that were refused for good since then.
    rejected: u32,
    /// Mails, by their numbers, in the midst of which the server fell silent one after the other.
    lost: BTreeSet<i64>,
    /// How many lanes there may be before idle ones are looked for.
    tidy_at: usize,
}

/// What is remembered of one domain.
#[derive(Clone, Debug)]
struct Lane {
    rate: Option<Window>,
    day: Option<Window>,
    running: u32,
    connections: u32,
    hold: Option<Hold>,
    /// Mailboxes in a row that it is said not to have …
    missing: u32,
    /// … and whose they are: one that is missing day after day is one.
    absent: BTreeSet<i64>,
    /// Subscriptions that were refused since the last mail that it took, for what may be a reason of theirs.
    doubted: BTreeSet<i64>,
}

impl Pacer {
    /// A pacer that knows of no mail but that the first was taken at `first`.
    pub fn new(policy: Policy, first: Option<DateTime<Utc>>) -> Self {
        let day = policy.day_limit(first, DateTime::UNIX_EPOCH).map(|limit| Window::new(limit, DAY));
        Self {
            rate: policy.rate.map(Window::of),
            day,
            prompt: Window::of(policy.prompt),
            policy,
            first,
            running: 0,
            hold: None,
            lanes: HashMap::new(),
            refused: BTreeSet::new(),
            doubted: BTreeSet::new(),
            rejected: 0,
            lost: BTreeSet::new(),
            tidy_at: LANES,
        }
    }

    /// Adds what is known of the past: `tried` mails of which `taken` were taken, none later than `at`. In order of time.
    pub fn remember(&mut self, domain: &str, at: DateTime<Utc>, tried: u32, taken: u32) {
        let lane = lane(&mut self.lanes, &self.policy, domain);
        for (window, mails) in
            [(&mut self.rate, tried), (&mut lane.rate, tried), (&mut self.day, taken), (&mut lane.day, taken)]
        {
            if let Some(window) = window {
                window.add(at, mails);
            }
        }
    }

    /// Takes over the holds that are written down: a report that came back may have added one, a person ended one. One that
    /// is known keeps its fractions of a second, which tell what was under way when it began.
    pub fn set_holds(&mut self, holds: impl IntoIterator<Item = Change>) {
        let mut known: HashMap<_, _> = self.holds().into_iter().map(|change| (change.domain, change.hold)).collect();
        self.hold = None;
        self.lanes.values_mut().for_each(|lane| lane.hold = None);
        for Change { domain, hold: written } in holds {
            let known = known.remove(&domain).flatten();
            let is_known = known.as_ref().zip(written.as_ref()).is_some_and(|(known, written)| known.is_what(written));
            let hold = if is_known { known } else { written };
            match domain {
                None => self.hold = hold,
                Some(domain) => lane(&mut self.lanes, &self.policy, &domain).hold = hold,
            }
        }
        self.lanes.retain(|_, lane| !lane.is_idle());
    }

    /// Whether any mail may begin at `now`.
    pub fn room(&mut self, now: DateTime<Utc>) -> Room {
        if let (Some(day), Some(limit)) = (&mut self.day, self.policy.day_limit(self.first, now)) {
            day.limit = limit;
        }
        let held = hold::room(self.hold.as_ref(), self.running, now);
        let cut_off = match self.running {
            _ if !self.is_cut_off() => Room::Open(u32::MAX),
            0 => Room::Open(1),
            _ => Room::Closed(None),
        };
        let windows = [&mut self.rate, &mut self.day].into_iter().flatten().map(|window| window.room(now));
        windows.fold(held.and(cut_off), Room::and)
    }

    /// Whether the server has fallen silent in the midst of so many mails in a row that it is away. Then one mail at a time
    /// finds out whether it is back.
    pub fn is_cut_off(&self) -> bool {
        self.lost.len() >= CUT_OFF
    }

    /// Takes note of how this mail ended. Returns whether the server has fallen silent in the midst of others as well, with no
    /// word in between: then none of them is to blame.
    pub fn hears_of(&mut self, mail: i64, ending: &Ending) -> bool {
        match ending {
            Ending::Lost | Ending::Unknown if self.is_cut_off() => {}
            Ending::Lost | Ending::Unknown => drop(self.lost.insert(mail)),
            Ending::Untried => return false,
            _ => self.lost.clear(),
        }
        self.lost.len() > 1
    }

    /// Whether a mail to this domain may begin at `now`, as far as its own limits go. Mails under way at once are no part of it:
    /// that limit is over in a moment, and [`Pacer::begin`] has it.
    pub fn room_for(&mut self, domain: &str, urgency: Urgency, now: DateTime<Utc>) -> Room {
        let own = match urgency {
            Urgency::Prompt => self.prompt.room(now),
            Urgency::Bulk => Room::Open(u32::MAX),
        };
        let Some(lane) = self.lanes.get_mut(domain) else {
            let limits = self.policy.limits(domain);
            let rate = limits.rate.map_or(u32::MAX, |rate| rate.mails);
            return own.and(Room::Open(rate.min(limits.per_day.unwrap_or(u32::MAX))));
        };
        own.and(lane.room(now))
    }

    /// How many mails to this domain are under way.
    pub fn running_for(&self, domain: &str) -> u32 {
        self.lanes.get(domain).map_or(0, |lane| lane.running)
    }

    /// How many mails to this domain may be under way at once.
    pub fn connections_for(&self, domain: &str) -> u32 {
        self.policy.limits(domain).connections.max(1)
    }

    /// Begins a mail to this domain, or says why it may not begin. What has begun has to end.
    pub fn begin(&mut self, domain: &str, urgency: Urgency, now: DateTime<Utc>) -> Result<(), Room> {
        let room = self.room(now).and(self.room_for(domain, urgency, now));
        if !matches!(room, Room::Open(_)) {
            return Err(room);
        }
        let lane = lane(&mut self.lanes, &self.policy, domain);
        if lane.running >= lane.connections {
            return Err(Room::Closed(None));
        }
        self.begin_anyway(domain, urgency);
        Ok(())
    }

    /// Begins a mail that a person has asked for, whatever the limits and holds say. It has to end too.
    pub fn begin_anyway(&mut self, domain: &str, urgency: Urgency) {
        let lane = lane(&mut self.lanes, &self.policy, domain);
        lane.running += 1;
        self.running += 1;
        for window in [&mut self.rate, &mut self.day, &mut lane.rate, &mut lane.day].into_iter().flatten() {
            window.begin();
        }
        if urgency == Urgency::Prompt {
            self.prompt.begin();
        }
    }

    /// Who is meant by what ended the mail of this subscription: its domain, or its mailbox alone. It is the mailbox where others
    /// there were served since it was refused before (`is_alone`), and where it is the first to meet what is not beyond
    /// doubt: so one dead or full mailbox never holds its domain.
    pub fn weigh(&mut self, domain: &str, subscription: i64, is_alone: bool, ending: Ending) -> Ending {
        if !ending.is_of_the_domain() && !matches!(ending, Ending::NoMailbox { .. }) {
            return ending;
        }
        let lane = lane(&mut self.lanes, &self.policy, domain);
        if let Ending::NoMailbox { .. } = ending {
            let is_news = lane.absent.len() >= NOT_BELIEVED as usize || lane.absent.insert(subscription);
            return if is_news { ending } else { Ending::OwnTrouble };
        }
        let mut is_the_mailbox = is_alone;
        if !is_alone && !ending.is_plain() && self.hold.is_none() && lane.hold.is_none() {
            lane.doubted.insert(subscription);
            self.doubted.insert(domain.to_owned());
            is_the_mailbox = lane.doubted.len() == 1 && self.doubted.len() < REFUSED_BY_ALL;
        }
        if is_the_mailbox { ending.of_the_mailbox() } else { ending }
    }

    /// Ends a mail that began at `begun`, and says what is to be written down.
    pub fn end(
        &mut self,
        domain: &str,
        urgency: Urgency,
        begun: DateTime<Utc>,
        now: DateTime<Utc>,
        ending: &Ending,
    ) -> Vec<Change> {
        let is_tried = *ending != Ending::Untried;
        let may_be_taken = matches!(ending, Ending::Taken | Ending::Unknown);
        let lane = lane(&mut self.lanes, &self.policy, domain);
        self.running = self.running.saturating_sub(1);
        lane.running = lane.running.saturating_sub(1);
        for (window, counts) in [
            (&mut self.rate, is_tried),
            (&mut lane.rate, is_tried),
            (&mut self.day, may_be_taken),
            (&mut lane.day, may_be_taken),
        ] {
            if let Some(window) = window {
                window.end(now, counts);
            }
        }
        if urgency == Urgency::Prompt {
            self.prompt.end(now, is_tried);
        }
        let changes = self.judge(domain, begun, now, ending);
        if self.lanes.get(domain).is_some_and(Lane::is_idle) {
            self.lanes.remove(domain);
        }
        if self.lanes.len() > self.tidy_at {
            self.lanes.retain(|_, lane| {
                lane.expire(now);
                // What is no pattern yet is forgotten, so that dead mailboxes of many domains don't fill the memory.
                if lane.missing < NOT_BELIEVED {
                    lane.missing = 0;
                    lane.absent.clear();
                }
                lane.doubted.clear();
                !lane.is_idle()
            });
            self.tidy_at = LANES.max(2 * self.lanes.len());
        }
        changes
    }

    /// Whether this domain is said to have none of its mailboxes any more, so that what is said of one counts for little.
    pub fn disbelieves(&self, domain: &str) -> bool {
        self.lanes.get(domain).is_some_and(|lane| lane.missing >= NOT_BELIEVED)
    }

    /// The holds there are, the one on everything first.
    pub fn holds(&self) -> Vec<Change> {
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.hold.is_some());
        let mut holds: Vec<Change> =
            lanes.map(|(domain, lane)| Change { domain: Some(domain.clone()), hold: lane.hold.clone() }).collect();
        if self.hold.is_some() {
            holds.push(Change { domain: None, hold: self.hold.clone() });
        }
        holds.sort_by(|a, b| a.domain.cmp(&b.domain));
        holds
    }

    /// What follows from the way a mail ended.
    fn judge(&mut self, domain: &str, begun: DateTime<Utc>, now: DateTime<Utc>, ending: &Ending) -> Vec<Change> {
        let Self { policy, hold: all, lanes, refused, doubted, rejected, first, .. } = self;
        let lane = lane(lanes, policy, domain);
        let mut changes = Vec::new();
        let mut note = |domain: Option<&str>, hold: &Option<Hold>| {
            changes.push(Change { domain: domain.map(str::to_owned), hold: hold.clone() });
        };
        match ending {
            Ending::Taken => {
                // A clock that was ahead would else hold the ramp until that day. One that was behind ends it early, but hardly
                // anything is due then.
                *first = Some(first.map_or(now, |first| first.min(now)));
                refused.clear();
                *rejected = 0;
                lane.missing = 0;
                lane.absent.clear();
                lane.doubted.clear();
                doubted.clear();
                if recover(&mut lane.hold, begun, now) {
                    note(Some(domain), &lane.hold);
                }
                if recover(all, begun, now) {
                    note(None, all);
                }
            }
            Ending::Deferred { by_domain, words, .. } => {
                let (whose, hold) = if *by_domain { (Some(domain), &mut lane.hold) } else { (None, &mut *all) };
                let lengths = (policy.backoff, policy.backoff_max);
                if deepen(hold, Cause::Deferred, lengths, begun, now, words) {
                    note(whose, hold);
                }
                if *by_domain {
                    refused.insert(domain.to_owned());
                    if refused.len() >= REFUSED_BY_ALL && deepen(all, Cause::Deferred, lengths, begun, now, words) {
                        note(None, all);
                    }
                }
            }
            Ending::Rejected { words } => {
                *rejected += 1;
                if *rejected >= REJECTED_BY_ALL && refuse(all, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::NoMailbox { words } if lane.missing + 1 < NOT_BELIEVED => {
                lane.missing += 1;
                // A relay, or a mail program, that knows nobody.
                *rejected += 1;
                if *rejected >= REJECTED_BY_ALL && refuse(all, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::Refused { by_domain: true, words, .. } | Ending::NoMailbox { words } => {
                if matches!(ending, Ending::NoMailbox { .. }) {
                    lane.missing = NOT_BELIEVED;
                }
                refused.insert(domain.to_owned());
                if refuse(&mut lane.hold, begun, now, words) {
                    note(Some(domain), &lane.hold);
                }
                if refused.len() >= REFUSED_BY_ALL && refuse(all, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::Refused { by_domain: false, words, .. } => {
                if refuse(all, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::Unknown | Ending::Lost | Ending::OwnTrouble | Ending::Untried => {}
        }
        changes
    }
}

impl Lane {
    fn new(limits: &Limits) -> Self {
        Self {
            rate: limits.rate.map(Window::of),
            day: limits.per_day.map(|limit| Window::new(limit, DAY)),
            running: 0,
            connections: limits.connections.max(1),
            hold: None,
            missing: 0,
            absent: BTreeSet::new(),
            doubted: BTreeSet::new(),
        }
    }

    fn room(&mut self, now: DateTime<Utc>) -> Room {
        let held = hold::room(self.hold.as_ref(), self.running, now);
        let windows = [&mut self.rate, &mut self.day].into_iter().flatten().map(|window| window.room(now));
        windows.fold(held, Room::and)
    }

    fn expire(&mut self, now: DateTime<Utc>) {
        [&mut self.rate, &mut self.day].into_iter().flatten().for_each(|window| window.expire(now));
    }

    /// Whether there is nothing to remember.
    fn is_idle(&self) -> bool {
        let is_empty = |window: &Option<Window>| window.as_ref().is_none_or(Window::is_empty);
        let is_trusted = self.missing == 0 && self.absent.is_empty() && self.doubted.is_empty() && self.hold.is_none();
        self.running == 0 && is_trusted && is_empty(&self.rate) && is_empty(&self.day)
    }
}

fn lane<'l>(lanes: &'l mut HashMap<String, Lane>, policy: &Policy, domain: &str) -> &'l mut Lane {
    if !lanes.contains_key(domain) {
        lanes.insert(domain.to_owned(), Lane::new(policy.limits(domain)));
    }
    lanes.get_mut(domain).expect("it was inserted when it was missing")
}

#[cfg(test)]
mod tests;
