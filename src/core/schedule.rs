//! When an edition is due: wall-clock schedules, resolved to instants in a zone.
//!
//! A schedule runs over local wall-clock time *without a zone*: its slots are what a clock on the wall shows. Only
//! [`instant`] knows about zones: a slot in the gap of spring means the end of the gap, a slot in the fold of autumn its
//! first occurrence. An edition's key is the local slot, so there is exactly one a slot, whatever the clocks do.
//!
//! Five-field lines mean what cron(8) by Paul Vixie means: 0 and 7 are Sunday, and when both day fields are restricted a
//! day that fits either is meant. The `cron` crate below counts from 1 and means both, so lines are translated.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::core::zone::Zone;
use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// A wall-clock schedule with a resolution of one minute. Serialised as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    /// One line, or two when both day fields are restricted; a slot of either is a slot. Shared by clones: a line takes a
    /// kilobyte, and many subscriptions have the same schedule.
    lines: Arc<[cron::Schedule]>,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// What is wrong and what was expected.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// The furthest that a zone's clocks have ever been moved at once, and an hour more.
const MAX_SHIFT: Duration = Duration::hours(25);

impl Schedule {
    /// Parses `daily at 08:00`, `weekdays at 07:30`, `weekly on mon at 08:00` (also `mon, thu`), or five cron fields.
    ///
    /// The last few that were parsed are remembered: many subscriptions have one of a few schedules.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        const MANY: usize = 256;
        static PARSED: LazyLock<Mutex<HashMap<String, Schedule>>> = LazyLock::new(Mutex::default);
        let parsed = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schedule) = parsed().get(text) {
            return Ok(schedule.clone());
        }
        let schedule = Self::parse_anew(text)?;
        let mut parsed = parsed();
        if parsed.len() >= MANY {
            parsed.clear();
        }
        parsed.insert(text.to_owned(), schedule.clone());
        Ok(schedule)
    }

    fn parse_anew(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split(' ').collect();
        let fields = match words.as_slice() {
            ["daily", "at", time] => at(time, "*")?,
            ["weekdays", "at", time] => at(time, "1-5")?,
            ["weekly", "on", days @ .., "at", time] if !days.is_empty() => at(time, &weekdays(days)?)?,
            [a, b, c, d, e] if a.starts_with(|c: char| c.is_ascii_digit() || c == '*') => {
                [a, b, c, d, e].map(|field| field.to_string())
            }
            _ => {
                return Err(error(
                    format!(
                        "expected `daily at HH:MM`, `weekdays at HH:MM`, `weekly on DAY at HH:MM` or five cron fields, found `{text}`"
                    ),
                    Some("for example `daily at 08:00` or `30 7 * * 1-5`"),
                ));
            }
        };
        Ok(Self { lines: translate(&fields)?.into(), text })
    }

    /// The newest slot that is due at `now` and lies after `last`, in local time. Slots that were missed collapse into
    /// it. `None` when nothing is due.
    pub fn due(&self, last: Option<NaiveDateTime>, now: DateTime<Utc>, zone: Zone) -> Option<NaiveDateTime> {
        let wall = now.with_timezone(&zone).naive_local();
        // In a fold, a slot that the wall clock has yet to show may already have been.
        let slot = self.before(wall + MAX_SHIFT).find(|slot| instant(*slot, zone) <= now)?;
        last.is_none_or(|last| slot > last).then_some(slot)
    }

    /// The first slot after `now` and its instant. `None` for a schedule that never comes again, such as 30 February.
    pub fn next(&self, now: DateTime<Utc>, zone: Zone) -> Option<(NaiveDateTime, DateTime<Utc>)> {
        let wall = now.with_timezone(&zone).naive_local();
        self.after(wall - MAX_SHIFT).map(|slot| (slot, instant(slot, zone))).find(|(_, at)| *at > now)
    }

    /// The slots after `wall`, in order.
    fn after(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let mut from = wall;
        std::iter::from_fn(move || {
            let next = self.lines.iter().filter_map(|line| line.after(&from.and_utc()).next()).min()?.naive_utc();
            from = next;
            Some(next)
        })
    }

    /// The slots before `wall`, newest first.
    fn before(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let mut from = wall;
        std::iter::from_fn(move || {
            let past = self.lines.iter().filter_map(|line| line.after(&from.and_utc()).next_back()).max()?;
            from = past.naive_utc();
            Some(from)
        })
    }
}

/// The instant that a local slot means: its first occurrence, or the end of the gap it falls into.
pub fn instant(slot: NaiveDateTime, zone: Zone) -> DateTime<Utc> {
    let mut wall = slot;
    loop {
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return at.to_utc(),
            LocalResult::None => wall += Duration::minutes(1),
        }
        // No zone has skipped more than a day; this only bounds the loop.
        if wall - slot > MAX_SHIFT {
            return slot.and_utc();
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        Self::parse(&text)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.text
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

fn error(message: String, hint: Option<&str>) -> ScheduleError {
    ScheduleError { message, hint: hint.map(str::to_owned) }
}

/// The cron fields of a time of day on certain weekdays.
fn at(time: &str, weekdays: &str) -> Result<[String; 5], ScheduleError> {
    let parts = time.split_once(':').and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?, m.len())));
    match parts {
        Some((hour, minute, 2)) if hour < 24 && minute < 60 => {
            Ok([minute.to_string(), hour.to_string(), "*".into(), "*".into(), weekdays.into()])
        }
        _ => Err(error(format!("expected a time of day as HH:MM from 00:00 to 23:59, found `{time}`"), None)),
    }
}

/// Weekday words (`mon`, `monday,`, `thu`, `and`) as a cron field.
fn weekdays(words: &[&str]) -> Result<String, ScheduleError> {
    let names = words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty() && *word != "and");
    let days: Vec<&str> = names
        .map(|word| {
            let full = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
            let known = word.len() >= 3 && full.iter().any(|day| day.starts_with(word));
            known
                .then(|| &word[..3])
                .ok_or_else(|| error(format!("expected a weekday such as `mon`, found `{word}`"), None))
        })
        .collect::<Result<_, _>>()?;
    if days.is_empty() {
        return Err(error("expected a weekday after `weekly on`".into(), None));
    }
    Ok(days.join(","))
}

struct Field {
    name: &'static str,
    range: (u32, u32),
    /// Names of the values from the range's first on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: (0, 59), names: &[] },
    Field { name: "hour", range: (0, 23), names: &[] },
    Field { name: "day of the month", range: (1, 31), names: &[] },
    Field {
        name: "month",
        range: (1, 12),
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "weekday", range: (0, 7), names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

impl Field {
    /// The values that a field's text names: `*`, numbers, names, `a-b`, `/step`, in lists.
    fn values(&self, text: &str) -> Result<Vec<u32>, ScheduleError> {
        let (first, last) = self.range;
        let wrong = |part: &str| {
            error(
                format!("expected a {} from {first} to {last}, found `{part}`", self.name),
                Some("the five fields are minute, hour, day, month, weekday"),
            )
        };
        let value = |word: &str| {
            let number = self.names.iter().position(|name| *name == word).map(|i| first + i as u32);
            number.or_else(|| word.parse().ok()).filter(|n| (first..=last).contains(n)).ok_or_else(|| wrong(word))
        };
        let mut values = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, step.parse().ok().filter(|s| *s > 0).ok_or_else(|| wrong(part))?),
                None => (part, 1),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (first, last),
                Some((from, to)) => (value(from)?, value(to)?),
                None if part.contains('/') => (value(range)?, last),
                None => (value(range)?, value(range)?),
            };
            if from > to {
                return Err(wrong(part));
            }
            values.extend((from..=to).step_by(step));
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

/// Vixie's five fields as one or two lines of the `cron` crate, which have seconds and count weekdays from 1, Sunday.
fn translate(fields: &[String; 5]) -> Result<Vec<cron::Schedule>, ScheduleError> {
    let mut lists = Vec::new();
    for (field, text) in FIELDS.iter().zip(fields) {
        let mut values = field.values(text)?;
        if field.name == "weekday" {
            values = values.into_iter().map(|day| day % 7 + 1).collect();
            values.sort_unstable();
            values.dedup();
        }
        lists.push(values.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    }
    // "If both fields are restricted (ie, aren't *)", crontab(5): a field that begins with a star is not.
    let open = |index: usize| fields[index].starts_with('*');
    let lines = if open(2) || open(4) {
        vec![(lists[2].as_str(), lists[4].as_str())]
    } else {
        vec![(lists[2].as_str(), "*"), ("*", lists[4].as_str())]
    };
    lines
        .into_iter()
        .map(|(day, weekday)| {
            let line = format!("0 {} {} {day} {} {weekday} *", lists[0], lists[1], lists[3]);
            cron::Schedule::from_str(&line)
                .map_err(|e| error(format!("`{}` is no schedule: {e}", fields.join(" ")), None))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).expect(name)
    }

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text).expect(text)
    }

    fn wall(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect(text)
    }

    fn utc(text: &str) -> DateTime<Utc> {
        wall(text).and_utc()
    }

    /// The editions of a daemon that looks every five minutes.
    fn editions(schedule: &Schedule, zone: Zone, from: &str, to: &str) -> Vec<(String, String)> {
        let (mut now, mut last, mut out) = (utc(from), None, Vec::new());
        last = schedule.due(last, now, zone);
        while now <= utc(to) {
            if let Some(slot) = schedule.due(last, now, zone) {
                out.push((slot.format("%d %H:%M").to_string(), now.format("%d %H:%M").to_string()));
                last = Some(slot);
            }
            now += Duration::minutes(5);
        }
        out
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(slot, at)| (slot.to_string(), at.to_string())).collect()
    }

    #[test]
    fn in_spring_a_slot_in_the_gap_comes_at_its_end() {
        // Berlin 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
        let got = editions(&schedule("daily at 02:30"), zone("Europe/Berlin"), "2026-03-28 00:00", "2026-03-30 12:00");
        assert_eq!(got, pairs(&[("28 02:30", "28 01:30"), ("29 02:30", "29 01:00"), ("30 02:30", "30 00:30")]));
    }

    #[test]
    fn in_autumn_a_slot_in_the_fold_comes_once_and_first() {
        // Berlin 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
        let got = editions(&schedule("daily at 02:30"), zone("Europe/Berlin"), "2026-10-24 01:00", "2026-10-26 12:00");
        assert_eq!(got, pairs(&[("25 02:30", "25 00:30"), ("26 02:30", "26 01:30")]));
    }

    #[test]
    fn a_day_that_a_zone_skipped_is_made_up_at_its_end() {
        // Samoa went from 29 to 31 December 2011.
        assert_eq!(instant(wall("2011-12-30 08:00"), zone("Pacific/Apia")), utc("2011-12-30 10:00"));
    }

    #[test]
    fn missed_slots_collapse_into_the_newest() {
        let daily = schedule("daily at 08:00");
        let now = utc("2026-11-23 09:00");
        assert_eq!(daily.due(Some(wall("2026-11-19 08:00")), now, Zone::UTC), Some(wall("2026-11-23 08:00")));
        assert_eq!(daily.due(Some(wall("2026-11-23 08:00")), now, Zone::UTC), None);
        assert_eq!(daily.due(None, utc("2026-11-23 07:59"), Zone::UTC), Some(wall("2026-11-22 08:00")));
    }

    #[test]
    fn moving_to_another_zone_repeats_no_day() {
        let daily = schedule("daily at 08:00");
        let last = daily.due(None, utc("2026-11-22 23:30"), zone("Asia/Tokyo"));
        assert_eq!(last, Some(wall("2026-11-23 08:00")));
        assert_eq!(daily.due(last, utc("2026-11-23 17:00"), zone("America/Los_Angeles")), None);
    }

    #[test]
    fn weekdays_are_counted_as_vixie_cron_counts_them() {
        let next = |text: &str| schedule(text).next(utc("2026-11-23 00:00"), Zone::UTC).map(|(slot, _)| slot);
        assert_eq!(next("0 8 * * 0"), Some(wall("2026-11-29 08:00")), "0 is Sunday");
        assert_eq!(next("0 8 * * 7"), Some(wall("2026-11-29 08:00")), "7 is Sunday");
        assert_eq!(next("0 8 * * 1"), Some(wall("2026-11-23 08:00")), "1 is Monday");
        assert_eq!(next("0 8 * * 5-7"), Some(wall("2026-11-27 08:00")));
        assert_eq!(next("weekly on Tuesday, Sat at 8:05"), Some(wall("2026-11-24 08:05")));
        assert_eq!(next("weekdays at 00:00"), Some(wall("2026-11-24 00:00")));
        assert_eq!(next("0 8 25 * fri"), Some(wall("2026-11-25 08:00")), "either day field");
        assert_eq!(next("0 8 1 * fri"), Some(wall("2026-11-27 08:00")), "either day field");
        assert_eq!(next("*/20 9-10 * dec *"), Some(wall("2026-12-01 09:00")));
        assert_eq!(next("0 0 30 2 *"), None);
    }

    #[test]
    fn what_is_no_schedule_is_said_with_what_was_expected() {
        for (text, part) in [
            ("99 * * * *", "minute from 0 to 59, found `99`"),
            ("0 24 * * *", "hour from 0 to 23"),
            ("0 8 * * 8", "weekday from 0 to 7"),
            ("0 8 * * mon-xyz", "found `xyz`"),
            ("*/0 8 * * *", "minute"),
            ("daily at 25:00", "HH:MM"),
            ("daily at 8", "HH:MM"),
            ("weekly on moon at 08:00", "weekday such as `mon`"),
            ("every day", "expected `daily at HH:MM`"),
            ("", "expected `daily at HH:MM`"),
            ("0 8 * *", "five cron fields"),
        ] {
            let message = Schedule::parse(text).expect_err(text).message;
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn due_and_next_agree_with_a_walk_over_the_minutes(
            minute in 0u32..60, hour in 0u32..24, weekday in 0u32..8, start in 0i64..500_000, zone_index in 0usize..4,
        ) {
            let zone = zone(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"][zone_index]);
            let schedule = schedule(&format!("{minute} {hour} * * {weekday},3"));
            let now = utc("2026-01-01 00:00") + Duration::minutes(start);
            let (slot, at) = schedule.next(now, zone).expect("weekly schedules always come again");
            prop_assert!(at > now && at <= now + Duration::days(8));
            prop_assert_eq!(schedule.due(None, at, zone), Some(slot));
            prop_assert_ne!(schedule.due(None, at - Duration::seconds(1), zone), Some(slot));
        }
    }
}
