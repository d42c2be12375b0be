//! What a person is told while a command waits for somebody else: a line on standard error, above the spinner.

use std::time::Duration;

use indicatif::ProgressBar;

use crate::source::progress::Listener;

/// How long a step takes until a person is told that it goes on, and again after each such time.
const SLOW: Duration = Duration::from_secs(5);

/// Says what a read waits for.
pub(super) fn listener(spinner: &ProgressBar) -> Listener {
    let spinner = spinner.clone();
    Listener::new(move |wait| spinner.suspend(|| note!("{wait}")))
}

/// Waits for a step and says that it goes on.
pub(super) async fn telling<T>(spinner: &ProgressBar, what: &str, step: impl Future<Output = T>) -> T {
    let mut step = std::pin::pin!(step);
    let mut so_far = Duration::ZERO;
    loop {
        match tokio::time::timeout(SLOW, &mut step).await {
            Ok(end) => return end,
            Err(_) => so_far += SLOW,
        }
        spinner.suspend(|| note!("{what} ({} s)", so_far.as_secs()));
    }
}
