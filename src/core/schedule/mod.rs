//! When an edition is due: wall-clock schedules, resolved to instants in a zone.
//!
//! A schedule runs over local wall-clock time *without a zone*: its slots are what a clock on the wall shows. Only
//! [`instant`] knows about zones: a slot in the gap of spring means the end of the gap, a slot in the fold of autumn its
//! first occurrence. An edition's key is the local slot, so there is exactly one a slot, whatever the clocks do.
//!
//! `words` reads what people write, `fields` what cron reads; both end as lines of the `cron` crate.

mod fields;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::core::zone::Zone;
use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// A wall-clock schedule with a resolution of one minute. Serialised as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    /// One line or several; a slot of any is a slot. Shared by clones: a line takes a kilobyte, and many subscriptions have
    /// the same schedule.
    lines: Arc<[cron::Schedule]>,
    /// What is hardly meant in it.
    warnings: Arc<[String]>,
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
    /// Parses `daily at 08:00`, `mon,wed,fri at 8am`, `07:30, 18:00`, `monthly on 31 at 08:00`, five cron fields and the
    /// like. One that never comes, such as on 31 February, is an error.
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
        let parts: Vec<&str> = lower.split(' ').collect();
        let (lines, warnings) = match (words::alias(&lower), parts.as_slice()) {
            (Some(fields), _) => fields::read(&fields)?,
            (None, [a, b, c, d, e]) if a.bytes().all(|b| b.is_ascii_digit() || b"*,-/".contains(&b)) => {
                fields::read(&[a, b, c, d, e])?
            }
            _ => (words::read(&lower).unwrap_or_else(|| Err(unknown(&text)))?, Vec::new()),
        };
        let lines = lines.iter().map(fields::Line::compile).collect::<Result<Vec<_>, _>>()?;
        let schedule = Self { lines: lines.into(), text, warnings: warnings.into() };
        // Any of the days that a schedule can name is in these years.
        if schedule.after(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().into()).next().is_none() {
            return Err(error(
                format!("`{}` never comes: its months don't have such a day", schedule.text),
                Some("`monthly on 31 at 08:00` is the last day of each month"),
            ));
        }
        Ok(schedule)
    }

    /// What is hardly meant in it, though it is right.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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

fn error(message: impl Into<String>, hint: Option<&str>) -> ScheduleError {
    ScheduleError { message: message.into(), hint: hint.map(str::to_owned) }
}

fn unknown(text: &str) -> ScheduleError {
    error(
        format!(
            "expected `daily at HH:MM`, `weekdays at HH:MM`, `mon, thu at HH:MM`, `monthly on 1 at HH:MM` or five cron fields, \
             found `{text}`"
        ),
        Some("for example `daily at 08:00` or `30 7 * * 1-5`"),
    )
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;
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
        let twice = schedule("5/25 8 * * *");
        let minutes = twice.after(wall("2026-11-23 08:00")).take(3).map(|slot| slot.format("%H:%M").to_string());
        assert_eq!(minutes.collect::<Vec<_>>(), ["08:05", "08:30", "08:55"], "from 5 to the end of the hour");
    }

    #[test]
    fn what_is_no_schedule_is_said_with_what_was_expected() {
        for (text, part) in [
            ("99 * * * *", "minute from 0 to 59, found `99`"),
            ("0 24 * * *", "expected an hour from 0 to 23"),
            ("0 8 * * 8", "weekday from 0 to 7"),
            ("0 8 * * mon-xyz", "found `xyz`"),
            ("*/0 8 * * *", "minute"),
            ("daily at 25:00", "HH:MM"),
            ("daily at 24:00", "HH:MM"),
            ("daily at 8:60", "HH:MM"),
            ("daily at 8", "HH:MM"),
            ("daily at", "HH:MM"),
            ("13pm", "HH:MM"),
            ("8:5", "HH:MM"),
            ("5", "expected `daily at HH:MM`"),
            ("weekly at 08:00", "weekday after `weekly on`"),
            ("monthly on 32 at 08:00", "day of the month from 1 to 31"),
            ("monthly on 20-10 at 08:00", "found `20-10`"),
            ("monthly at 08:00", "day after `monthly on`"),
            ("0 8 20-10 * *", "day of the month"),
            ("@reboot", "expected `daily at HH:MM`"),
            ("weekly on moon at 08:00", "weekday such as `mon`"),
            ("now and then", "expected `daily at HH:MM`"),
            ("", "expected `daily at HH:MM`"),
            ("0 8 * *", "five cron fields"),
        ] {
            let message = Schedule::parse(text).expect_err(text).message;
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn what_people_write_is_understood() {
        let slots = |text: &str| -> Vec<String> {
            let schedule = schedule(text);
            let slots = schedule.after(wall("2026-11-26 00:00"));
            slots.take(4).map(|slot| slot.format("%a %d %H:%M").to_string()).collect()
        };
        for (texts, expected) in [
            (
                &[
                    "mon,wed,fri at 08:00",
                    "Mondays, Wednesday and friday at 8am",
                    "weekly on mon, wed, fri 8:00",
                    "8 am on mon wed fri",
                ][..],
                ["Fri 27 08:00", "Mon 30 08:00", "Wed 02 08:00", "Fri 04 08:00"],
            ),
            (
                &["8am", "daily at 8am", "every day at 08:00", "daily", "08:00"],
                ["Thu 26 08:00", "Fri 27 08:00", "Sat 28 08:00", "Sun 29 08:00"],
            ),
            (
                &["07:30, 18:00", "daily at 6pm and 7:30am", "at 18:00 07:30"],
                ["Thu 26 07:30", "Thu 26 18:00", "Fri 27 07:30", "Fri 27 18:00"],
            ),
            (
                &["@weekly", "sun at midnight", "weekly on 7-0 at 00:00"],
                ["Sun 29 00:00", "Sun 06 00:00", "Sun 13 00:00", "Sun 20 00:00"],
            ),
            (
                &["fri-sun", "fri-sun at 08:00", "5-0 at 08:00", "0 8 * * fri-sun", "0 8 * * 5-0", "0 8 * * 5-7"],
                ["Fri 27 08:00", "Sat 28 08:00", "Sun 29 08:00", "Fri 04 08:00"],
            ),
            (
                &["weekends at noon", "12:00 sat-sun", "sat and sun at 12pm"],
                ["Sat 28 12:00", "Sun 29 12:00", "Sat 05 12:00", "Sun 06 12:00"],
            ),
            (&["0 22-1 * * *"], ["Thu 26 01:00", "Thu 26 22:00", "Thu 26 23:00", "Fri 27 00:00"]),
            (&["0 8 1 nov-jan *"], ["Tue 01 08:00", "Fri 01 08:00", "Mon 01 08:00", "Wed 01 08:00"]),
            (
                &["monthly on 1 at 08:00", "monthly on the 1st at 8am"],
                ["Tue 01 08:00", "Fri 01 08:00", "Mon 01 08:00", "Mon 01 08:00"],
            ),
            (
                &["monthly on 31 at 08:00", "monthly on the last day at 08:00"],
                ["Mon 30 08:00", "Thu 31 08:00", "Sun 31 08:00", "Sun 28 08:00"],
            ),
        ] {
            for text in texts {
                assert_eq!(slots(text), expected, "{text}");
            }
        }
        assert_eq!(slots("@daily")[0], "Fri 27 00:00");
        assert_eq!(slots("@monthly")[..2], ["Tue 01 00:00", "Fri 01 00:00"]);
        assert_eq!(slots("@yearly")[..2], ["Fri 01 00:00", "Sat 01 00:00"]);
        assert_eq!(slots("@annually"), slots("@yearly"));
        assert_eq!(slots("@hourly")[0], "Thu 26 01:00");
    }

    #[test]
    fn the_last_day_of_a_month_comes_in_each_month_once() {
        for text in ["monthly on 31 at 08:00", "monthly on 29 at 08:00", "monthly on 30, 31 at 08:00"] {
            let schedule = schedule(text);
            let slots: Vec<_> =
                schedule.after(wall("2026-12-31 09:00")).take_while(|slot| *slot < wall("2029-01-01 00:00")).collect();
            let in_february: Vec<u32> = slots.iter().filter(|slot| slot.month() == 2).map(|slot| slot.day()).collect();
            assert_eq!(in_february, [28, 29], "{text}");
            let months: std::collections::BTreeSet<_> = slots.iter().map(|slot| (slot.year(), slot.month())).collect();
            assert_eq!(months.len(), 24, "{text}");
        }
        // Of the years that end a century, every fourth has 29 days in February.
        for (year, last) in [(2000, 29), (2096, 29), (2099, 28), (2100, 28)] {
            let february = schedule("monthly on 31 at 08:00").after(wall(&format!("{year}-02-01 00:00"))).next();
            assert_eq!(february, Some(wall(&format!("{year}-02-{last} 08:00"))));
        }
        let both = schedule("monthly on 30, 31 at 08:00");
        let both = both.after(wall("2027-01-01 00:00")).take(4).map(|slot| slot.day());
        assert_eq!(both.collect::<Vec<_>>(), [30, 31, 28, 30]);
    }

    #[test]
    fn a_day_has_24_times_at_most() {
        let hours: Vec<String> = (0..24).map(|hour| format!("{hour}:00")).collect();
        let (most, more) = (hours.join(", "), format!("{}, 12:30", hours.join(", ")));
        assert_eq!(schedule(&most).after(wall("2026-11-23 00:00")).nth(23), Some(wall("2026-11-24 00:00")));
        assert!(Schedule::parse(&more).expect_err("25 times").message.contains("at most 24 times a day, found 25"));
    }

    #[test]
    fn a_schedule_is_kept_as_its_text_and_two_are_equal_if_their_texts_are() {
        let kept = serde_json::to_string(&schedule("daily  at 08:00")).expect("JSON");
        assert_eq!(kept, r#""daily at 08:00""#);
        assert_eq!(serde_json::from_str::<Schedule>(&kept).expect("a schedule"), schedule("daily at 08:00"));
        assert_ne!(schedule("daily at 08:00"), schedule("daily at 8:00"));
    }

    #[test]
    fn what_never_comes_is_an_error() {
        for text in ["0 8 31 2 *", "0 8 30 feb *", "0 8 31 4,6,9,11 *"] {
            let message = Schedule::parse(text).expect_err(text).message;
            assert!(message.contains("never comes"), "{text}: {message}");
        }
        for text in ["0 8 29 2 *", "0 8 31 2,3 *", "0 8 31 2 mon"] {
            assert!(schedule(text).next(utc("2026-11-23 00:00"), Zone::UTC).is_some(), "{text}");
        }
    }

    #[test]
    fn a_step_that_does_not_divide_is_warned_of() {
        for (text, part) in [
            ("*/90 8 * * *", "only minute 0"),
            ("*/7 8 * * *", "after minute 56"),
            ("0 */5 * * *", "after hour 20"),
            ("0 8 */2 * *", "after day of the month 31"),
            ("0 8 * */5 *", "after month 11"),
            ("0 8 * * */2", "after weekday 6"),
        ] {
            let schedule = schedule(text);
            assert!(
                schedule.warnings().iter().any(|warning| warning.contains(part)),
                "{text}: {:?}",
                schedule.warnings()
            );
        }
        for text in ["*/15 8 * * *", "0 */6 * * *", "0 8 1-31/2 * *", "daily at 08:00", "@hourly", "0 8 * * *"] {
            assert_eq!(schedule(text).warnings(), [""; 0], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in "[a-z0-9:,@*/ -]{0,24}|(every |at |on |mon|fri-sun|31|8am|07:30|monthly |, ){0,6}") {
            if let Ok(schedule) = Schedule::parse_anew(&text) {
                prop_assert!(schedule.next(utc("2026-11-23 00:00"), Zone::UTC).is_some());
            }
        }

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
