//! How a read of a source went, in words: for an operator what happened, for a reader why papers may be missing.

use chrono::{DateTime, Utc};

use super::{DayOutcome, Reading, SourceError};
use crate::core::paper::{ReadOutcome, Route};

/// How a read went, and what went wrong in it, if anything did.
pub fn verdict(result: &Result<Reading, SourceError>) -> (ReadOutcome, Option<String>) {
    let reading = match result {
        Ok(reading) => reading,
        Err(error) if error.is_blocked() => return (ReadOutcome::Blocked, Some(error.to_string())),
        Err(error) => return (ReadOutcome::Failed, Some(error.to_string())),
    };
    let missing = missing(reading);
    if !missing.is_empty() {
        return (ReadOutcome::Partial, Some(missing.join("; ")));
    }
    let is_quiet = reading.days.iter().all(|r| matches!(r.outcome, DayOutcome::Empty | DayOutcome::OtherPeriod));
    (if is_quiet { ReadOutcome::Quiet } else { ReadOutcome::Fresh }, None)
}

/// What the lists had and the reading has not.
fn missing(reading: &Reading) -> Vec<String> {
    let mut missing = Vec::new();
    let failed: Vec<_> = reading.failed().collect();
    if let Some((_, error)) = failed.first() {
        let days: Vec<_> = failed.iter().filter_map(|(report, _)| report.day).map(|day| day.to_string()).collect();
        missing.push(format!("{} could not be read: {error}", days.join(", ")));
    }
    for report in &reading.days {
        let list = report.day.map(|day| format!("{day}: ")).unwrap_or_default();
        if report.lost.count > 0 {
            missing.push(format!("{list}{}", report.lost));
        }
        if let Some(why) = &report.cut {
            missing.push(format!("{list}only the first {} papers could be read: {why}", report.items));
        }
    }
    missing
}

/// One sentence for a reader of digests, when they should know that papers may be missing. `outcome` is of the last read;
/// `worked` and `route` are of the last one that brought anything.
pub fn note(outcome: ReadOutcome, worked: Option<DateTime<Utc>>, route: Option<Route>) -> Option<String> {
    match outcome {
        ReadOutcome::Blocked | ReadOutcome::Failed => {
            let since = worked.map(|at| format!(" since {}", at.format("%-d %B, %H:%M UTC"))).unwrap_or_default();
            Some(format!("The list could not be read{since}; its new papers come once it can."))
        }
        ReadOutcome::Partial => {
            Some("Part of the list could not be read, so papers may be missing or come later.".to_owned())
        }
        ReadOutcome::Fresh | ReadOutcome::Quiet => (route == Some(Route::TitlesOnly))
            .then(|| "Only titles could be read, so papers that fit by their abstract may be missing.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DayReport, FetchError, Lost};
    use super::*;
    use crate::core::paper::describe::Authority;
    use crate::core::paper::{Snapshot, SourceId};

    fn reading(route: Route, outcomes: &[DayOutcome], skipped: u32) -> Result<Reading, SourceError> {
        let source = SourceId::parse("example").expect("a name");
        let day = |days| (DateTime::UNIX_EPOCH + chrono::Duration::days(days)).date_naive();
        let report = |(days, outcome): (i64, &DayOutcome)| DayReport {
            day: Some(day(days)),
            route,
            items: 0,
            lost: (0..skipped).fold(Lost::default(), |mut lost, n| {
                lost.add(|| format!("item {}", n + 1));
                lost
            }),
            cut: None,
            outcome: outcome.clone(),
        };
        Ok(Reading {
            snapshot: Snapshot {
                source,
                authority: Authority::Index,
                taken: DateTime::UNIX_EPOCH,
                route,
                items: Vec::new(),
                skipped,
            },
            days: (0..).zip(outcomes).map(report).collect(),
            visits: Default::default(),
        })
    }

    #[test]
    fn each_end_of_a_read_has_its_word_and_its_reason() {
        use DayOutcome::*;
        let timeout = || SourceError::Fetch(FetchError::Timeout);
        for (result, state, message) in [
            (reading(Route::Main, &[Listed, Empty], 0), ReadOutcome::Fresh, None),
            (reading(Route::Main, &[Unchanged, Unchanged], 0), ReadOutcome::Fresh, None),
            (
                reading(Route::Main, &[Listed], 2),
                ReadOutcome::Partial,
                Some("1970-01-01: 2 items could not be understood: item 1, item 2"),
            ),
            (
                reading(Route::Main, &[Listed], 0).map(|mut reading| {
                    reading.days[0].cut = Some("timed out".to_owned());
                    reading
                }),
                ReadOutcome::Partial,
                Some("1970-01-01: only the first 0 papers could be read: timed out"),
            ),
            (reading(Route::Main, &[Empty, OtherPeriod], 0), ReadOutcome::Quiet, None),
            (
                reading(Route::TitlesOnly, &[Listed, Failed(timeout())], 0),
                ReadOutcome::Partial,
                Some("1970-01-02 could not be read: timed out"),
            ),
            (Err(timeout()), ReadOutcome::Failed, Some("timed out")),
        ] {
            assert_eq!(verdict(&result), (state, message.map(str::to_owned)));
        }
        assert_eq!(verdict(&Err(SourceError::Challenge)).0, ReadOutcome::Blocked);
    }

    #[test]
    fn a_reader_is_told_only_what_may_hide_papers() {
        let at = Some(DateTime::UNIX_EPOCH + chrono::Duration::hours(1));
        assert_eq!(note(ReadOutcome::Fresh, at, Some(Route::Fallback)), None);
        assert_eq!(note(ReadOutcome::Quiet, at, Some(Route::Main)), None);
        assert_eq!(
            note(ReadOutcome::Failed, at, Some(Route::Main)).as_deref(),
            Some("The list could not be read since 1 January, 01:00 UTC; its new papers come once it can.")
        );
        assert!(note(ReadOutcome::Partial, at, Some(Route::Main)).is_some());
        assert!(note(ReadOutcome::Fresh, at, Some(Route::TitlesOnly)).is_some_and(|note| note.contains("Only titles")));
    }
}
