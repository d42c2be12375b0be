//! Work that takes a while, on threads where it holds up no task.

/// Does work that takes a while on a thread where it holds up no task, and awaits it. When the caller stops awaiting, the
/// work goes on: its result is dropped, or the program ends first.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}
