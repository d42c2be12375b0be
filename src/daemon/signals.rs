//! Signals, turned into what [`super::run`] understands: SIGTERM and SIGINT stop, SIGHUP rereads the subscriptions. A
//! second SIGINT or SIGTERM ends the program at once, which is safe.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Listens from now on. The receiver hears of every SIGHUP.
pub fn listen() -> std::io::Result<(CancellationToken, mpsc::Receiver<()>)> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let (sender, receiver) = mpsc::channel(1);
    let stopped = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => stop_or_exit(&stopped, 143),
                _ = int.recv() => stop_or_exit(&stopped, 130),
                // One reread that has yet to begin sees whatever a second one would.
                _ = hup.recv() => { let _ = sender.try_send(()); }
            }
        }
    });
    Ok((stop, receiver))
}

fn stop_or_exit(stop: &CancellationToken, code: i32) {
    if stop.is_cancelled() {
        std::process::exit(code);
    }
    stop.cancel();
}
