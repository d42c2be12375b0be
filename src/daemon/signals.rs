//! Signals, turned into what [`super::run`] understands: SIGTERM and SIGINT stop. SIGHUP has two meanings: a terminal that is
//! closed ends what runs in it, and a daemon without one takes the subscription files in. A second SIGINT or SIGTERM ends
//! the program at once, which is safe.

use std::fs::File;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Listens from now on. The receiver hears of every SIGHUP that is not the end of a terminal.
pub fn listen() -> std::io::Result<(CancellationToken, mpsc::Receiver<()>)> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let had_terminal = has_terminal();
    // To listen would end what nohup has begun: that the terminal's end doesn't concern us.
    let mut hup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    let stop = CancellationToken::new();
    let (sender, receiver) = mpsc::channel(1);
    let stopped = stop.clone();
    tokio::spawn(async move {
        loop {
            let hangup = async {
                match &mut hup {
                    Some(hup) => hup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = term.recv() => stop_or_exit(&stopped, 143),
                _ = int.recv() => stop_or_exit(&stopped, 130),
                _ = hangup => match had_terminal && !has_terminal() {
                    true => stopped.cancel(),
                    // One reload that has yet to begin sees whatever a second one would.
                    false => { let _ = sender.try_send(()); }
                }
            }
        }
    });
    Ok((stop, receiver))
}

/// Whether there is a terminal whose keys send signals to us; not one that has hung up.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP was ignored before we came: the first bit of the mask, where the system shows it.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn stop_or_exit(stop: &CancellationToken, code: i32) {
    if stop.is_cancelled() {
        std::process::exit(code);
    }
    stop.cancel();
}
