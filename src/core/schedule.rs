//! When an edition is due.

/// A wall-clock schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    text: String,
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

impl Schedule {
    /// Parses `daily at 08:00`, `weekdays at 07:30`, `weekly on mon at 08:00` or five cron fields.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        Ok(Self { text: text.to_owned() })
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
