//! Pacing: how many mails may leave now, for whom none may, and until when.
//!
//! Three things hold mails back, all of them kept apart by recipient domain, so that no domain waits for another:
//!
//! - **Limits** ([`Policy`]): mails in a length of time, mails in a day, mails under way at once. They are sliding windows:
//!   over *any* stretch of the stated length no more than the limit goes out, wherever the stretch begins. A mail takes its
//!   place from the moment it begins until the length after it *ended*, so the limit also holds as the server counts.
//! - **A ramp** ([`Ramp`]): the day's limit of a new sender, which grows from the first mail on.
//! - **Holds** ([`Hold`]): a domain that asked us to slow down rests, twice as long each time, up to a ceiling; one that
//!   refuses us for a reason of ours rests for longer. After a rest mails go one at a time, until as many were taken as
//!   the rest had doubled.
//!
//! Pure: `now` comes in by argument, and a [`Change`] says what to write down. Memory is bounded: a window is at most a few
//! hundred marks whatever its limit is, and a domain without anything to remember is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};

use super::bounce::{self, Class};
use super::delivery::{Fault, Receipt, SendError};

mod window;

use window::Window;

/// So many mails in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Mails; at least one.
    pub mails: u32,
    /// The length of the window.
    pub per: Duration,
}

/// What one recipient domain gets at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mails in a length of time.
    pub rate: Option<Rate>,
    /// Mails that are taken within 24 hours.
    pub per_day: Option<u32>,
    /// Mails under way at once.
    pub connections: u32,
}

/// How the day's limit of a new sender grows: `start` on the first day, `growth` times as many on each day after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Mails on the first day.
    pub start: u32,
    /// The factor from a day to the next; above 1.
    pub growth: f64,
}

/// Every limit there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Mails in a length of time, to everybody together.
    pub rate: Option<Rate>,
    /// Mails that are taken within 24 hours, by everybody together.
    pub per_day: Option<u32>,
    /// The ramp-up of a new sender, below `per_day`.
    pub ramp: Option<Ramp>,
    /// What a domain gets that has no limits of its own.
    pub domain: Limits,
    /// The limits of some domains, by A-labels in lower case.
    pub domains: BTreeMap<String, Limits>,
    /// How long a domain rests that asked us to slow down, the first time …
    pub backoff: Duration,
    /// … and at most.
    pub backoff_max: Duration,
}

impl Default for Policy {
    /// No limits but on mails under way to one domain.
    fn default() -> Self {
        Self {
            rate: None,
            per_day: None,
            ramp: None,
            domain: Limits { rate: None, per_day: None, connections: 20 },
            domains: BTreeMap::new(),
            backoff: Duration::minutes(1),
            backoff_max: Duration::hours(1),
        }
    }
}

impl Policy {
    /// Whether what was sent in the past matters for what may be sent now.
    pub fn looks_back(&self) -> bool {
        let limits = |limits: &Limits| limits.rate.is_some() || limits.per_day.is_some();
        self.rate.is_some() || self.day_limit(None, DateTime::UNIX_EPOCH).is_some() || {
            std::iter::once(&self.domain).chain(self.domains.values()).any(limits)
        }
    }

    /// What may be taken in the 24 hours before `now`, when the first mail ever was taken at `first`.
    pub fn day_limit(&self, first: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<u32> {
        let ramped = self.ramp.map(|ramp| {
            let days = first.map_or(0, |first| (now - first).num_days().max(0));
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            // A float that is too large becomes the largest number.
            (f64::from(ramp.start) * ramp.growth.powi(days)) as u32
        });
        ramped.into_iter().chain(self.per_day).min()
    }

    fn limits(&self, domain: &str) -> &Limits {
        self.domains.get(domain).unwrap_or(&self.domain)
    }
}

/// Why a domain, or everything, rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The other side asked us to come later.
    Deferred,
    /// The other side refuses us for a reason of ours: policy, standing, a malformed mail.
    Refused,
}

impl Cause {
    /// The word in tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Refused => "refused",
        }
    }

    /// The cause of this word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Deferred, Self::Refused].into_iter().find(|cause| cause.as_str() == word)
    }
}

/// A rest. When it is over it is remembered until as many mails were taken as it had doubled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub cause: Cause,
    /// How often in a row, from 1.
    pub level: u32,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When the next mail may go.
    pub until: DateTime<Utc>,
    /// The other side's words, without addresses.
    pub words: String,
}

/// What to write down, so that it outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The domain; `None` for everything.
    pub domain: Option<String>,
    /// Its hold; `None` when it has none any more.
    pub hold: Option<Hold>,
}

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

/// What a mail's end says about whoever it was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other side has it.
    Taken,
    /// Nobody knows whether the other side has it.
    Unknown,
    /// Come later: not this mailbox, all of us.
    Deferred(String),
    /// Refused for a reason of ours; whether by the recipient's side, or by the server we speak to.
    Refused {
        /// Whether the domain is to blame, as far as can be told.
        by_domain: bool,
        /// The other side's words.
        words: String,
    },
    /// It was tried, and what came of it concerns that mailbox or that mail alone.
    OwnTrouble,
    /// Nobody was asked.
    Untried,
}

impl Ending {
    /// What an attempt's result says.
    pub fn of(result: &Result<Receipt, SendError>) -> Self {
        let error = match result {
            Ok(_) => return Self::Taken,
            Err(SendError::Unknown(_)) => return Self::Unknown,
            Err(error) => error,
        };
        let fault = error.fault();
        let Some(code) = fault.code else {
            return if matches!(fault.phase, "rcpt" | "data" | "body") { Self::OwnTrouble } else { Self::Untried };
        };
        let is_too_large = fault.enhanced.as_deref() == Some("5.3.4");
        match fault.phase {
            // The server we speak to does not take our sender; one mail that is too large for it says nothing of others.
            "mail" if code >= 500 && !is_too_large => Self::Refused { by_domain: false, words: fault.to_string() },
            "mail" => Self::OwnTrouble,
            "rcpt" | "data" | "body" if code < 500 && is_about_us(fault) => Self::Deferred(fault.to_string()),
            "rcpt" | "data" | "body" if code >= 500 && bounce::refusal(fault) == Some(Class::Sender) => {
                // Who has to log in, has to do so for every domain.
                let by_domain = !matches!(code, 503 | 530 | 534 | 535 | 538);
                Self::Refused { by_domain, words: fault.to_string() }
            }
            "rcpt" | "data" | "body" => Self::OwnTrouble,
            _ => Self::Untried,
        }
    }
}

/// Whether a 4yz reply is about how we send, and not about one mailbox (4.1.x, 4.2.x), one mail (4.5.x, 4.6.x) or a
/// greylist, which wants every first mail to come again and is pleased by none that waits.
fn is_about_us(fault: &Fault) -> bool {
    let words = fault.text.to_ascii_lowercase();
    if fault.code == Some(421) {
        return true;
    }
    if ["greylist", "graylist", "grey-list", "gray-list"].iter().any(|word| words.contains(word)) {
        return false;
    }
    match fault.enhanced.as_deref() {
        Some(code) => matches!(code.split('.').nth(1), Some("0" | "3" | "4" | "7")),
        None => matches!(fault.code, Some(450 | 451)),
    }
}

/// How long a domain rests that refuses us for a reason of ours, the first time and at most: a person has to look.
const REFUSED: (Duration, Duration) = (Duration::minutes(15), Duration::hours(4));

/// From so many domains that refuse us with no mail taken in between, the fault is everybody's: everything rests.
const REFUSED_BY_ALL: usize = 3;

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
    running: u32,
    /// The hold on everything.
    hold: Option<Hold>,
    lanes: HashMap<String, Lane>,
    /// Domains that refused us since the last mail that anybody took.
    refused: BTreeSet<String>,
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
}

impl Pacer {
    /// A pacer that knows of no mail but that the first was taken at `first`.
    pub fn new(policy: Policy, first: Option<DateTime<Utc>>) -> Self {
        let day = policy.day_limit(first, DateTime::UNIX_EPOCH).map(|limit| Window::new(limit, DAY));
        Self {
            rate: policy.rate.map(Window::of),
            day,
            policy,
            first,
            running: 0,
            hold: None,
            lanes: HashMap::new(),
            refused: BTreeSet::new(),
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

    /// Adds a hold that is still known.
    pub fn restore(&mut self, change: Change) {
        match change.domain {
            None => self.hold = change.hold,
            Some(domain) => lane(&mut self.lanes, &self.policy, &domain).hold = change.hold,
        }
    }

    /// Whether any mail may begin at `now`.
    pub fn room(&mut self, now: DateTime<Utc>) -> Room {
        if let (Some(day), Some(limit)) = (&mut self.day, self.policy.day_limit(self.first, now)) {
            day.limit = limit;
        }
        let held = room_of_hold(self.hold.as_ref(), self.running, now);
        let windows = [&mut self.rate, &mut self.day].into_iter().flatten().map(|window| window.room(now));
        windows.fold(held, Room::and)
    }

    /// Whether a mail to this domain may begin at `now`, as far as its own limits go. Mails under way at once are no part of it:
    /// that limit is over in a moment, and [`Pacer::begin`] has it.
    pub fn room_for(&mut self, domain: &str, now: DateTime<Utc>) -> Room {
        let Some(lane) = self.lanes.get_mut(domain) else {
            let limits = self.policy.limits(domain);
            let rate = limits.rate.map_or(u32::MAX, |rate| rate.mails);
            return Room::Open(rate.min(limits.per_day.unwrap_or(u32::MAX)));
        };
        lane.room(now)
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
    pub fn begin(&mut self, domain: &str, now: DateTime<Utc>) -> Result<(), Room> {
        let room = self.room(now).and(self.room_for(domain, now));
        if !matches!(room, Room::Open(_)) {
            return Err(room);
        }
        let lane = lane(&mut self.lanes, &self.policy, domain);
        if lane.running >= lane.connections {
            return Err(Room::Closed(None));
        }
        lane.running += 1;
        self.running += 1;
        for window in [&mut self.rate, &mut self.day, &mut lane.rate, &mut lane.day].into_iter().flatten() {
            window.begin();
        }
        Ok(())
    }

    /// Ends a mail that began at `begun`, and says what is to be written down.
    pub fn end(&mut self, domain: &str, begun: DateTime<Utc>, now: DateTime<Utc>, ending: &Ending) -> Vec<Change> {
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
        let changes = self.judge(domain, begun, now, ending);
        if self.lanes.get(domain).is_some_and(Lane::is_idle) {
            self.lanes.remove(domain);
        }
        if self.lanes.len() > self.tidy_at {
            self.lanes.retain(|_, lane| {
                lane.expire(now);
                !lane.is_idle()
            });
            self.tidy_at = LANES.max(2 * self.lanes.len());
        }
        changes
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
        let Self { policy, hold: all, lanes, refused, first, .. } = self;
        let lane = lane(lanes, policy, domain);
        let mut changes = Vec::new();
        let mut note = |domain: Option<&str>, hold: &Option<Hold>| {
            changes.push(Change { domain: domain.map(str::to_owned), hold: hold.clone() });
        };
        match ending {
            Ending::Taken => {
                first.get_or_insert(now);
                refused.clear();
                if recover(&mut lane.hold, begun, now) {
                    note(Some(domain), &lane.hold);
                }
                if recover(all, begun, now) {
                    note(None, all);
                }
            }
            Ending::Deferred(words) => {
                if deepen(&mut lane.hold, Cause::Deferred, (policy.backoff, policy.backoff_max), begun, now, words) {
                    note(Some(domain), &lane.hold);
                }
            }
            Ending::Refused { by_domain: true, words } => {
                refused.insert(domain.to_owned());
                if deepen(&mut lane.hold, Cause::Refused, REFUSED, begun, now, words) {
                    note(Some(domain), &lane.hold);
                }
                if refused.len() >= REFUSED_BY_ALL && deepen(all, Cause::Refused, REFUSED, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::Refused { by_domain: false, words } => {
                if deepen(all, Cause::Refused, REFUSED, begun, now, words) {
                    note(None, all);
                }
            }
            Ending::Unknown | Ending::OwnTrouble | Ending::Untried => {}
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
        }
    }

    fn room(&mut self, now: DateTime<Utc>) -> Room {
        let held = room_of_hold(self.hold.as_ref(), self.running, now);
        let windows = [&mut self.rate, &mut self.day].into_iter().flatten().map(|window| window.room(now));
        windows.fold(held, Room::and)
    }

    fn expire(&mut self, now: DateTime<Utc>) {
        [&mut self.rate, &mut self.day].into_iter().flatten().for_each(|window| window.expire(now));
    }

    /// Whether there is nothing to remember.
    fn is_idle(&self) -> bool {
        let is_empty = |window: &Option<Window>| window.as_ref().is_none_or(Window::is_empty);
        self.running == 0 && self.hold.is_none() && is_empty(&self.rate) && is_empty(&self.day)
    }
}

fn lane<'l>(lanes: &'l mut HashMap<String, Lane>, policy: &Policy, domain: &str) -> &'l mut Lane {
    if !lanes.contains_key(domain) {
        lanes.insert(domain.to_owned(), Lane::new(policy.limits(domain)));
    }
    lanes.get_mut(domain).expect("it was inserted when it was missing")
}

/// None during a rest; after it one at a time.
fn room_of_hold(hold: Option<&Hold>, running: u32, now: DateTime<Utc>) -> Room {
    match hold {
        None => Room::Open(u32::MAX),
        // A clock that was set back must not make a rest longer than it was meant.
        Some(hold) if now < hold.until && now >= hold.since => Room::Closed(Some(hold.until)),
        Some(_) if running > 0 => Room::Closed(None),
        Some(_) => Room::Open(1),
    }
}

/// Another rest, twice as long as the last. A mail that began before the rest knew nothing of it, and changes nothing; a rest
/// that seems to begin later is one of a clock that was ahead.
fn deepen(
    hold: &mut Option<Hold>,
    cause: Cause,
    (first, most): (Duration, Duration),
    begun: DateTime<Utc>,
    now: DateTime<Utc>,
    words: &str,
) -> bool {
    let level = match hold {
        Some(hold) if begun <= hold.since && hold.since <= now => return false,
        Some(hold) if hold.cause == cause => hold.level + 1,
        _ => 1,
    };
    // Once it is at the ceiling it needn't climb: each level is a mail on the way back.
    let doubled = |level: u32| first * 2_i32.pow(level.min(20) - 1);
    let level = if level > 1 && doubled(level - 1) >= most { level - 1 } else { level };
    let rest = doubled(level).min(most);
    *hold = Some(Hold { cause, level, since: now, until: now + rest, words: words.to_owned() });
    true
}

/// A mail was taken after the rest: a level less, or no hold any more.
fn recover(hold: &mut Option<Hold>, begun: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match hold {
        Some(known) if begun > known.since || known.since > now => {
            known.level -= 1;
            if known.level == 0 {
                *hold = None;
            }
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
