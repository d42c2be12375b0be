//! Schedules as people write them: `daily at 08:00`, `mon,wed,fri at 8am`, `07:30, 18:00`, `monthly on 31 at 08:00`.
//!
//! A phrase names days and times, in any order. Without days it means every day; without a time, [`USUAL`]. A day that a month
//! doesn't have means its last, so `monthly on 31` comes twelve times a year.

use super::fields::Line;
use super::{ScheduleError, error};

/// The time of a phrase that names none.
const USUAL: (u32, u32) = (8, 0);

/// As many editions a day are nobody's wish.
const MOST_TIMES: usize = 24;

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The years that lines can tell apart, and those of them with 29 days in February.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=2100;

/// cron's own short names, as five fields.
pub(super) fn alias(text: &str) -> Option<[&'static str; 5]> {
    Some(match text {
        "@hourly" => ["0", "*", "*", "*", "*"],
        "@daily" | "@midnight" => ["0", "0", "*", "*", "*"],
        "@weekly" => ["0", "0", "*", "*", "0"],
        "@monthly" => ["0", "0", "1", "*", "*"],
        "@yearly" | "@annually" => ["0", "0", "1", "1", "*"],
        _ => return None,
    })
}

/// Reads a phrase in lower case; `None` when it is none at all.
pub(super) fn read(text: &str) -> Option<Result<Vec<Line>, ScheduleError>> {
    let words = words(text);
    if words.is_empty() {
        return None;
    }
    let times: Vec<&str> = words.iter().map(String::as_str).filter(|word| is_time(word)).collect();
    let days: Vec<&str> = words.iter().map(String::as_str).filter(|word| !is_time(word) && *word != "at").collect();
    if let Some(at) = words.iter().position(|word| word == "at") {
        let next = words.get(at + 1).map_or("nothing", String::as_str);
        if !is_time(next) {
            return Some(Err(no_time(next)));
        }
    }
    Some(of_days(&days)?.and_then(|days| lines(&days, &times)))
}

fn lines(days: &[Line], times: &[&str]) -> Result<Vec<Line>, ScheduleError> {
    let mut times = times.iter().map(|word| time(word)).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    times.dedup();
    if times.len() > MOST_TIMES {
        return Err(error(format!("expected at most {MOST_TIMES} times a day, found {}", times.len()), None));
    }
    if times.is_empty() {
        times.push(USUAL);
    }
    let at = |(hour, minute): (u32, u32)| {
        days.iter().map(move |line| Line { minutes: vec![minute], hours: vec![hour], ..line.clone() })
    };
    Ok(times.into_iter().flat_map(at).collect())
}

/// The words that say something, `8 am` as one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !matches!(*word, "" | "and" | "the" | "on" | "every" | "each")) {
        match words.last_mut() {
            Some(last) if matches!(word, "am" | "pm") && last.ends_with(|c: char| c.is_ascii_digit()) => {
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The days that words name, as lines without times; `None` when they don't speak of days.
fn of_days(words: &[&str]) -> Option<Result<Vec<Line>, ScheduleError>> {
    let on = |weekdays: &[u32]| Some(Ok(vec![Line { weekdays: weekdays.to_vec(), ..Line::default() }]));
    match words {
        [] | ["daily" | "day" | "days" | "everyday"] => Some(Ok(vec![Line::default()])),
        ["weekdays" | "weekday" | "workdays"] => on(&[1, 2, 3, 4, 5]),
        ["weekends" | "weekend"] => on(&[0, 6]),
        ["weekly"] => {
            Some(Err(error("expected a weekday after `weekly on`", Some("for example `weekly on mon at 08:00`"))))
        }
        ["monthly"] => {
            Some(Err(error("expected a day after `monthly on`", Some("for example `monthly on 1 at 08:00`"))))
        }
        ["monthly", days @ ..] => Some(of_month(days)),
        ["weekly", days @ ..] => Some(weekdays(days)),
        days if days.iter().all(|word| weekday_range(word).is_some()) => Some(weekdays(days)),
        _ => None,
    }
}

fn weekdays(words: &[&str]) -> Result<Vec<Line>, ScheduleError> {
    let mut weekdays = Vec::new();
    for word in words {
        let (from, to) = weekday_range(word)
            .ok_or_else(|| error(format!("expected a weekday such as `mon`, found `{word}`"), None))?;
        weekdays.extend((0..7).map(|more| (from + more) % 7).take((to + 7 - from) as usize % 7 + 1));
    }
    weekdays.sort_unstable();
    weekdays.dedup();
    Ok(vec![Line { weekdays, ..Line::default() }])
}

/// `mon`, `mondays`, or `fri-sun`, `5-0`: numbers count as cron's.
fn weekday_range(word: &str) -> Option<(u32, u32)> {
    let name = |word: &str| {
        let is_day = |day: &&str| word.len() >= 3 && (day.starts_with(word) || word.strip_suffix('s') == Some(*day));
        WEEKDAYS.iter().position(is_day).map(|day| day as u32)
    };
    match word.split_once('-') {
        None => name(word).map(|day| (day, day)),
        Some((from, to)) => {
            let day = |word: &str| name(word).or_else(|| word.parse().ok().filter(|day| *day <= 7));
            day(from).zip(day(to))
        }
    }
}

/// `1`, `15th`, `1-7`, `last`.
fn of_month(words: &[&str]) -> Result<Vec<Line>, ScheduleError> {
    let wrong = |word: &str| {
        error(
            format!("expected a day of the month from 1 to 31, or `last`, found `{word}`"),
            Some("31 is the last day"),
        )
    };
    let number = |word: &str| {
        let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        digits.parse().ok().filter(|day| (1..=31).contains(day))
    };
    let mut days: Vec<u32> = Vec::new();
    for word in words.iter().filter(|word| !matches!(**word, "day" | "days")) {
        match word.split_once('-') {
            _ if *word == "last" => days.push(31),
            Some((from, to)) => {
                let (from, to) =
                    number(from).zip(number(to)).filter(|(from, to)| from <= to).ok_or_else(|| wrong(word))?;
                days.extend(from..=to);
            }
            None => days.push(number(word).ok_or_else(|| wrong(word))?),
        }
    }
    days.sort_unstable();
    days.dedup();
    let Some(latest) = days.last().copied() else { return Err(wrong("nothing")) };
    let line = |days: Vec<u32>, months: &[u32], years: Vec<u32>| Line {
        days,
        months: months.to_vec(),
        years,
        ..Line::default()
    };
    if latest <= 28 {
        return Ok(vec![line(days, &[], Vec::new())]);
    }
    let up_to = |most: u32| {
        let mut shorter: Vec<u32> = days.iter().map(|day| (*day).min(most)).collect();
        shorter.dedup();
        shorter
    };
    let (leap, common) = YEARS.partition(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    Ok(vec![
        line(days.clone(), &[1, 3, 5, 7, 8, 10, 12], Vec::new()),
        line(up_to(30), &[4, 6, 9, 11], Vec::new()),
        line(up_to(29), &[2], leap),
        line(up_to(28), &[2], common),
    ])
}

fn is_time(word: &str) -> bool {
    let begins_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
    matches!(word, "noon" | "midnight") || begins_with_digit && (word.contains(':') || word.ends_with('m'))
}

/// `08:00`, `8:05`, `8am`, `8:30pm`, `noon`: hour and minute.
fn time(word: &str) -> Result<(u32, u32), ScheduleError> {
    let (digits, half) = match word {
        "noon" => return Ok((12, 0)),
        "midnight" => return Ok((0, 0)),
        _ => match (word.strip_suffix("am"), word.strip_suffix("pm")) {
            (Some(digits), _) => (digits, Some(0)),
            (_, Some(digits)) => (digits, Some(12)),
            _ => (word, None),
        },
    };
    let (hour, minute) = match digits.split_once(':') {
        Some((hour, minute)) if minute.len() == 2 => (hour.parse().ok(), minute.parse().ok()),
        Some(_) => (None, None),
        None => (digits.parse().ok(), half.map(|_| 0)),
    };
    let hour = match half {
        Some(half) => hour.filter(|hour| (1..=12).contains(hour)).map(|hour: u32| hour % 12 + half),
        None => hour.filter(|hour| *hour < 24),
    };
    hour.zip(minute.filter(|minute| *minute < 60)).ok_or_else(|| no_time(word))
}

fn no_time(found: &str) -> ScheduleError {
    error(format!("expected a time of day as HH:MM from 00:00 to 23:59, or like `8am`, found `{found}`"), None)
}
