//! Five cron fields, and any other times and days, as lines of the `cron` crate.
//!
//! Five-field lines mean what cron(8) by Paul Vixie means: 0 and 7 are Sunday, and when both day fields are restricted a day that
//! fits either is meant. The `cron` crate counts weekdays from 1 and means both, so lines are translated. Beyond Vixie's, a
//! range may go around the end: `fri-sun`, `5-0`, `22-2`, `nov-feb`.

use std::str::FromStr;

use super::{ScheduleError, error};

/// One line: on these days, at these hours and minutes.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) minutes: Vec<u32>,
    pub(super) hours: Vec<u32>,
    /// Empty: every day of the month.
    pub(super) days: Vec<u32>,
    /// Empty: every month.
    pub(super) months: Vec<u32>,
    /// From 0, Sunday; empty: every weekday.
    pub(super) weekdays: Vec<u32>,
    /// Empty: every year.
    pub(super) years: Vec<u32>,
}

impl Line {
    /// The line as the crate has it, which begins with seconds and counts weekdays from 1, Sunday.
    pub(super) fn compile(&self) -> Result<cron::Schedule, ScheduleError> {
        let field = |values: &[u32], add: u32| match values {
            [] => "*".to_owned(),
            values => values.iter().map(|value| (value + add).to_string()).collect::<Vec<_>>().join(","),
        };
        let Self { minutes, hours, days, months, weekdays, years } = self;
        let fields = [(minutes, 0), (hours, 0), (days, 0), (months, 0), (weekdays, 1), (years, 0)];
        let line = fields.map(|(values, add)| field(values, add)).join(" ");
        cron::Schedule::from_str(&format!("0 {line}"))
            .map_err(|wrong| error(format!("`{line}` is no schedule: {wrong}"), None))
    }
}

struct Field {
    name: &'static str,
    range: (u32, u32),
    /// Names of the values from the range's first on.
    names: &'static [&'static str],
    /// How many values follow each other in a circle, for ranges that go around; a month has no fixed number of days.
    circle: Option<u32>,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: (0, 59), names: &[], circle: Some(60) },
    Field { name: "hour", range: (0, 23), names: &[], circle: Some(24) },
    Field { name: "day of the month", range: (1, 31), names: &[], circle: None },
    Field {
        name: "month",
        range: (1, 12),
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        circle: Some(12),
    },
    Field {
        name: "weekday",
        range: (0, 7),
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        circle: Some(7),
    },
];

impl Field {
    /// The values that a field's text names: `*`, numbers, names, `a-b`, `/step`, in lists. A step of the whole field that
    /// leaves a shorter or longer gap at its end is a warning: hardly anybody means that.
    fn values(&self, text: &str, warnings: &mut Vec<String>) -> Result<Vec<u32>, ScheduleError> {
        let (first, last) = self.range;
        let article = if self.name == "hour" { "an" } else { "a" };
        let wrong = |part: &str| {
            error(
                format!("expected {article} {} from {first} to {last}, found `{part}`", self.name),
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
                _ if range == "*" => (first, if self.name == "weekday" { 6 } else { last }),
                Some((from, to)) => (value(from)?, value(to)?),
                None if part.contains('/') => (value(range)?, last),
                None => (value(range)?, value(range)?),
            };
            let count = match (to.checked_sub(from), self.circle) {
                (Some(more), _) => more + 1,
                (None, Some(circle)) => to + circle + 1 - from,
                (None, None) => return Err(wrong(part)),
            };
            let found: Vec<u32> = (0..count).step_by(step as usize).map(|more| self.around(from + more)).collect();
            if range == "*" && count % step != 0 {
                warnings.push(self.uneven(part, step, &found));
            }
            values.extend(found);
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// A value that may be behind the end, as one in the field; 7 is Sunday too.
    fn around(&self, value: u32) -> u32 {
        let (first, _) = self.range;
        match self.circle {
            Some(circle) => (value - first) % circle + first,
            None => value,
        }
    }

    fn uneven(&self, part: &str, step: u32, found: &[u32]) -> String {
        let name = self.name;
        match found {
            [only] => format!("`{part}` means only {name} {only}: {step} is more than there are"),
            [.., last] => {
                format!("after {name} {last}, `{part}` begins again at {}: {step} does not divide them", found[0])
            }
            [] => format!("`{part}` means no {name}"),
        }
    }
}

/// Vixie's five fields as one line, or two when both day fields are restricted, and what is hardly meant in them.
pub(super) fn read(fields: &[&str; 5]) -> Result<(Vec<Line>, Vec<String>), ScheduleError> {
    let (mut lists, mut warnings) = (Vec::new(), Vec::new());
    for (field, text) in FIELDS.iter().zip(fields) {
        lists.push(field.values(text, &mut warnings)?);
    }
    let [minutes, hours, days, months, weekdays] = lists.try_into().unwrap_or_default();
    let line = |days, weekdays| Line {
        minutes: minutes.clone(),
        hours: hours.clone(),
        months: months.clone(),
        days,
        weekdays,
        years: Vec::new(),
    };
    // "If both fields are restricted (ie, aren't *)", crontab(5): a field that begins with a star is not.
    let is_open = |index: usize| fields[index].starts_with('*');
    let lines = if is_open(2) || is_open(4) {
        vec![line(days, weekdays)]
    } else {
        vec![line(days, Vec::new()), line(Vec::new(), weekdays)]
    };
    Ok((lines, warnings))
}
