//! How the program's threads share the cores with others, and with each other.
//!
//! The server that takes the mails often runs on the same cores, and while it waits for one nothing is sent. So no thread of
//! ours that wakes takes a core from who is at work on it, and what can be done ahead is left to cores that nobody else wants
//! (docs/decisions/0008). Where there are cores enough it changes nothing, and where a sandbox forbids it, nothing is changed.
//!
//! Linux alone has a policy for each thread (sched(7)); elsewhere these do nothing.

#[cfg(target_os = "linux")]
use thread_priority::NormalThreadSchedulePolicy;

/// Lets this thread, and those that it starts from now on, wait for a core when they wake, as a batch job does
/// (`SCHED_BATCH`). A policy or a niceness that somebody has given the program is left as it is.
pub fn as_batch() {
    #[cfg(target_os = "linux")]
    linux::change(&[NormalThreadSchedulePolicy::Other], NormalThreadSchedulePolicy::Batch);
}

/// Lets this thread work where no other wants the core (`SCHED_IDLE`); with the same exception.
pub fn in_background() {
    #[cfg(target_os = "linux")]
    linux::change(
        &[NormalThreadSchedulePolicy::Other, NormalThreadSchedulePolicy::Batch],
        NormalThreadSchedulePolicy::Idle,
    );
}

/// Does work that takes a while on a thread where it holds up no task, and awaits it. Whoever stops awaiting doesn't stop
/// the work: it ends unheard, or with the program.
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

#[cfg(target_os = "linux")]
mod linux {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    /// Changes this thread's policy from one of these.
    pub(super) fn change(from: &[NormalThreadSchedulePolicy], to: NormalThreadSchedulePolicy) {
        let policy = thread_schedule_policy();
        let is_ours = matches!(policy, Ok(ThreadSchedulePolicy::Normal(policy)) if from.contains(&policy));
        if !is_ours || rustix::process::getpriority_process(None) != Ok(0) {
            return;
        }
        // The library sets the niceness as well: to what it is.
        let neutral = ThreadPriority::Os(ThreadPriorityOsValue::default());
        let policy = ThreadSchedulePolicy::Normal(to);
        // Where it is forbidden, mails are as good, and slower.
        set_thread_priority_and_policy(thread_native_id(), neutral, policy).ok();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The policy and the niceness of this thread: 41st and 19th field of its stat (proc_pid_stat(5)).
    fn policy() -> [i32; 2] {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("a stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name");
        let field = |number: usize| after_name.split(' ').nth(number - 3).expect("a field").parse().expect("a number");
        [field(41), field(19)]
    }

    const OTHER: i32 = 0;
    const BATCH: i32 = 3;
    const IDLE: i32 = 5;

    #[test]
    fn a_thread_hands_its_policy_on_and_steps_back_but_never_forth() {
        let inner = || {
            let mut seen = vec![policy()];
            in_background();
            seen.push(policy());
            as_batch();
            seen.push(policy());
            seen
        };
        let outer = move || {
            let mut seen = vec![policy()];
            as_batch();
            seen.push(policy());
            seen.extend(std::thread::spawn(inner).join().expect("no panic"));
            seen.push(policy());
            seen
        };
        let seen = std::thread::spawn(outer).join().expect("no panic");
        let given = policy();
        let changed = |policy| if given == [OTHER, 0] { [policy, 0] } else { given };
        assert_eq!(seen, [OTHER, BATCH, BATCH, IDLE, IDLE, BATCH].map(changed));
    }

    #[test]
    fn a_niceness_that_was_given_is_left_with_its_policy() {
        let nice = || {
            rustix::process::nice(5).expect("allowed to everybody");
            as_batch();
            in_background();
            policy()
        };
        let [policy, given] = policy();
        assert_eq!(std::thread::spawn(nice).join().expect("no panic"), [policy, (given + 5).min(19)]);
    }
}
