//! Which days further back are read again.
//!
//! A paper collects most of its votes in its first days and some for weeks. The last few days are read every time; a day
//! beyond them only if a paper of it can still reach the votes that a subscriber asks for, which the caller knows, and then
//! the more rarely the older it is: when a tenth of its age has passed, and of many days those that have waited longest.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// The most that are read again in one read.
const MOST: usize = 8;

/// The shortest time between two readings of such a day.
const SHORTEST: TimeDelta = TimeDelta::hours(12);

/// The lists among `older` whose turn it is at `now`. `last` says when one was last read.
pub(super) fn due<T>(
    older: Vec<T>,
    today: NaiveDate,
    now: DateTime<Utc>,
    day: impl Fn(&T) -> Option<NaiveDate>,
    last: impl Fn(&T) -> Option<DateTime<Utc>>,
) -> Vec<T> {
    let mut due: Vec<(f64, T)> = older
        .into_iter()
        .filter_map(|list| {
            let age = (today - day(&list)?).max(TimeDelta::zero());
            let waited = last(&list).map_or(TimeDelta::MAX, |at| now - at);
            // A little sooner, so that a daily run doesn't miss a daily turn by a minute.
            let turns = waited.num_minutes() as f64 / (age / 10).max(SHORTEST).num_minutes() as f64;
            // A reading from after now is of a clock that was ahead.
            (turns >= 0.9 || waited < TimeDelta::zero()).then_some((turns, list))
        })
        .collect();
    due.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    due.truncate(MOST);
    due.into_iter().map(|(_, list)| list).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 31).expect("a day")
    }

    /// How often each of the days 5 to 89 days back is read within a week, at a read every so many hours.
    fn readings(hours: usize) -> (Vec<usize>, usize) {
        let ages: Vec<u64> = (5..90).collect();
        let mut last = vec![None; ages.len()];
        let (mut counts, mut most) = (vec![0; ages.len()], 0);
        // A month to settle.
        for hour in (0..24 * 60).step_by(hours) {
            let now = today().and_hms_opt(0, 0, 0).expect("midnight").and_utc() + TimeDelta::hours(hour);
            let read = due(
                (0..ages.len()).collect(),
                today(),
                now,
                |i| today().checked_sub_days(Days::new(ages[*i])),
                |i| last[*i],
            );
            most = most.max(read.len());
            for index in read {
                last[index] = Some(now);
                counts[index] += usize::from(hour >= 24 * 30);
            }
        }
        (counts, most)
    }

    #[test]
    fn older_days_are_read_the_more_rarely_and_none_is_forgotten() {
        for hours in [1, 3, 24] {
            let (counts, most) = readings(hours);
            assert!(most <= MOST, "every {hours} h: {most}");
            assert!(counts.iter().all(|count| *count >= 1), "every {hours} h: {counts:?}");
            assert!(counts[0] >= 2 * counts[60], "every {hours} h: {counts:?}");
            assert!(counts[0] <= 67, "twice a day at most: {counts:?}");
        }
    }

    #[test]
    fn a_day_that_was_never_read_comes_first_and_one_read_just_now_not_at_all() {
        let now = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
        let lists = vec![
            (6, Some(TimeDelta::hours(30))),
            (9, None),
            (7, Some(TimeDelta::hours(1))),
            (8, Some(-TimeDelta::days(3))),
        ];
        let read = due(
            lists,
            today(),
            now,
            |(age, _)| today().checked_sub_days(Days::new(*age)),
            |(_, ago)| ago.map(|ago| now - ago),
        );
        assert_eq!(read.into_iter().map(|(age, _)| age).collect::<Vec<_>>(), [9, 6, 8]);
    }
}
