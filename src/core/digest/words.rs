//! Small pieces of prose: numbers, days, growth and subjects.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use super::excerpt::clip;
use crate::core::trend::Vote;
use crate::core::zone::Zone;

/// The longest subject, in characters.
pub(super) const MAX_SUBJECT: usize = 120;

/// How much the votes grew since about a day before the last reading, for a reader whose day is `today` in `zone`:
/// `+41 since yesterday`, `+41 since Friday`. `None` without an older reading or without growth.
pub fn trend(votes: &[Vote], today: NaiveDate, zone: Zone) -> Option<String> {
    let last = votes.last()?;
    let base = votes.iter().rev().find(|vote| last.at - vote.at >= TimeDelta::hours(18))?;
    let growth = last.upvotes.checked_sub(base.upvotes).filter(|&growth| growth > 0)?;
    Some(format!("+{growth} since {}", moment(base.at, today, zone)))
}

/// `early today`, `yesterday`, `Friday`, `3 November`, `3 November 2025`: no more exact than a reader needs.
fn moment(at: DateTime<Utc>, today: NaiveDate, zone: Zone) -> String {
    let local = at.with_timezone(&zone);
    match (today - local.date_naive()).num_days() {
        0 => "early today".to_owned(),
        1 => "yesterday".to_owned(),
        2..=6 => local.format("%A").to_string(),
        _ => day(local.date_naive(), today),
    }
}

/// When a source was read: `today at 07:40 (Europe/Berlin)`, `yesterday at 07:40 (UTC)`, `3 November at 07:40 (UTC)`.
pub(super) fn read_at(at: DateTime<Utc>, today: NaiveDate, zone: Zone) -> String {
    let local = at.with_timezone(&zone);
    let day = match (today - local.date_naive()).num_days() {
        0 => "today".to_owned(),
        _ => moment(at, today, zone),
    };
    format!("{day} at {} ({zone})", local.format("%H:%M"))
}

/// `3 November`, with its year when that is not `today`'s.
pub(super) fn day(day: NaiveDate, today: NaiveDate) -> String {
    let format = if day.year() == today.year() { "%-d %B" } else { "%-d %B %Y" };
    day.format(format).to_string()
}

/// `Monday, 23 November 2026`.
pub(super) fn long_day(day: NaiveDate) -> String {
    day.format("%A, %-d %B %Y").to_string()
}

/// `1 paper`, `3 papers`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The subject of a digest: how many papers, and the first of them; `section` is the profile's name where there is
/// only one. At most [`MAX_SUBJECT`] characters.
pub(super) fn subject(count: usize, top: &str, section: &str) -> String {
    let section = if section.is_empty() { String::new() } else { format!("{}, ", clip(section, 40)) };
    let tail = match count {
        0 | 1 => String::new(),
        2 => ", and 1 more".to_owned(),
        _ => format!(", and {} more", count - 1),
    };
    let head = format!("{section}{}: ", counted(count, "paper"));
    let room = MAX_SUBJECT - head.chars().count() - tail.chars().count();
    format!("{head}{}{tail}", clip(top, room))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, day, hour, 0, 0).unwrap()
    }

    fn grown(readings: &[(DateTime<Utc>, u32)], zone: &str) -> Option<String> {
        let votes: Vec<Vote> = readings.iter().map(|&(at, upvotes)| Vote { at, upvotes }).collect();
        trend(&votes, NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(), Zone::named(zone).expect(zone))
    }

    #[test]
    fn growth_names_the_day_it_is_counted_from() {
        let now = at(23, 6);
        assert_eq!(grown(&[(at(22, 6), 37), (now, 78)], "Europe/Berlin").as_deref(), Some("+41 since yesterday"));
        assert_eq!(grown(&[(at(20, 6), 37), (now, 78)], "Europe/Berlin").as_deref(), Some("+41 since Friday"));
        assert_eq!(grown(&[(at(3, 6), 37), (now, 78)], "Europe/Berlin").as_deref(), Some("+41 since 3 November"));
        // 22 November 20:00 in UTC is the 23rd in Tokyo.
        assert_eq!(
            grown(&[(at(22, 20), 37), (at(23, 14), 78)], "Asia/Tokyo").as_deref(),
            Some("+41 since early today")
        );
    }

    #[test]
    fn growth_is_counted_from_about_a_day_before() {
        let readings = [(at(20, 6), 1), (at(22, 5), 10), (at(22, 12), 20), (at(23, 1), 30), (at(23, 6), 35)];
        assert_eq!(grown(&readings, "Europe/Berlin").as_deref(), Some("+15 since yesterday"));
    }

    #[test]
    fn without_growth_that_is_known_nothing_is_said() {
        assert_eq!(grown(&[], "Europe/Berlin"), None);
        assert_eq!(grown(&[(at(23, 6), 78)], "Europe/Berlin"), None);
        assert_eq!(grown(&[(at(23, 3), 37), (at(23, 6), 78)], "Europe/Berlin"), None, "too short a time");
        assert_eq!(grown(&[(at(22, 6), 78), (at(23, 6), 78)], "Europe/Berlin"), None);
        assert_eq!(grown(&[(at(22, 6), 79), (at(23, 6), 78)], "Europe/Berlin"), None);
    }

    #[test]
    fn the_subject_counts_the_papers_and_names_the_first() {
        assert_eq!(subject(1, "Sparse Retrieval at Scale", ""), "1 paper: Sparse Retrieval at Scale");
        assert_eq!(subject(3, "Sparse Retrieval", ""), "3 papers: Sparse Retrieval, and 2 more");
        assert_eq!(subject(2, "Sparse Retrieval", "Search"), "Search, 2 papers: Sparse Retrieval, and 1 more");
        let long = subject(12, &"word ".repeat(60), "");
        assert!(long.chars().count() <= MAX_SUBJECT && long.ends_with("word…, and 11 more"), "{long}");
    }
}
