//! A sliding window: over any stretch of its length no more than its limit.
//!
//! It remembers when mails ended, not how many there were since some full minute. Mails that ended close together share a
//! mark with the time of the last of them: so a limit of a million takes no more memory than one of ten, and the mistake,
//! a 256th of the length, is on the side of waiting.

use std::collections::VecDeque;

use chrono::{DateTime, Duration, Utc};

use super::{Rate, Room};

/// Marks for a length of time, about.
const MARKS: i32 = 256;

#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) limit: u32,
    length: Duration,
    /// In order of time.
    marks: VecDeque<Mark>,
    /// Mails in all marks.
    counted: u32,
    /// Mails that have begun and not ended.
    running: u32,
}

/// Mails that ended within a short time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    mails: u32,
}

impl Window {
    pub(super) fn new(limit: u32, length: Duration) -> Self {
        Self { limit, length, marks: VecDeque::new(), counted: 0, running: 0 }
    }

    pub(super) fn of(rate: Rate) -> Self {
        Self::new(rate.mails, rate.per)
    }

    pub(super) fn begin(&mut self) {
        self.running += 1;
    }

    /// Ends a mail, which stays in the window from now on if it `counts`.
    pub(super) fn end(&mut self, now: DateTime<Utc>, counts: bool) {
        self.running = self.running.saturating_sub(1);
        if counts {
            self.add(now, 1);
        }
    }

    pub(super) fn add(&mut self, at: DateTime<Utc>, mails: u32) {
        if mails == 0 {
            return;
        }
        self.counted = self.counted.saturating_add(mails);
        match self.marks.back_mut() {
            Some(mark) if at - mark.first < self.length / MARKS => {
                mark.last = mark.last.max(at);
                mark.mails = mark.mails.saturating_add(mails);
            }
            _ => self.marks.push_back(Mark { first: at, last: at, mails }),
        }
    }

    /// Forgets what is out of the window.
    pub(super) fn expire(&mut self, now: DateTime<Utc>) {
        // A clock that was set back: what seems to come counts from now, so nobody waits longer than the length.
        for mark in self.marks.iter_mut().rev().take_while(|mark| mark.last > now) {
            (mark.first, mark.last) = (mark.first.min(now), now);
        }
        while let Some(mark) = self.marks.front().filter(|mark| mark.last + self.length <= now) {
            self.counted = self.counted.saturating_sub(mark.mails);
            self.marks.pop_front();
        }
    }

    pub(super) fn room(&mut self, now: DateTime<Utc>) -> Room {
        self.expire(now);
        let free = self.limit.saturating_sub(self.counted.saturating_add(self.running));
        if free > 0 {
            return Room::Open(free);
        }
        let mut taken = self.counted.saturating_add(self.running);
        for mark in &self.marks {
            taken = taken.saturating_sub(mark.mails);
            if taken < self.limit {
                return Room::Closed(Some(mark.last + self.length));
            }
        }
        Room::Closed(None)
    }

    #[cfg(test)]
    pub(super) fn marks(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running == 0 && self.marks.is_empty()
    }
}
