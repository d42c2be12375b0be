//! How the program's threads share the cores with others, and with each other.
//!
//! The server that takes the mails often runs on the same cores, and while it waits for one nothing is sent. So nothing of
//! ours takes a core from who is at work on it, and whatever can be done ahead is done where nobody else wants a core
//! (docs/decisions/0008). Where there are cores enough it changes nothing.
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

#[cfg(target_os = "linux")]
mod linux {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    /// What the library takes for niceness 0, which it sets beside the policy.
    const NEUTRAL: u8 = 48;

    /// Changes this thread's policy from one of these; what a sandbox forbids is left as it is.
    pub(super) fn change(from: &[NormalThreadSchedulePolicy], to: NormalThreadSchedulePolicy) {
        let is_ours =
            matches!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Normal(policy)) if from.contains(&policy));
        if !is_ours || rustix::process::getpriority_process(None) != Ok(0) {
            return;
        }
        let Ok(neutral) = ThreadPriorityValue::try_from(NEUTRAL).map(ThreadPriority::Crossplatform) else { return };
        if let Err(error) =
            set_thread_priority_and_policy(thread_native_id(), neutral, ThreadSchedulePolicy::Normal(to))
        {
            tracing::debug!(?error, "the scheduling policy stays");
        }
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
        let [_, given] = policy();
        let changed = |policy| if given == 0 { policy } else { OTHER };
        assert_eq!(seen, [OTHER, BATCH, BATCH, IDLE, IDLE, BATCH].map(|policy| [changed(policy), given]));
    }

    #[test]
    fn a_niceness_that_was_given_is_left_with_its_policy() {
        let nice = || {
            rustix::process::nice(5).expect("allowed to everybody");
            as_batch();
            in_background();
            policy()
        };
        let [_, given] = policy();
        assert_eq!(std::thread::spawn(nice).join().expect("no panic"), [OTHER, (given + 5).min(19)]);
    }
}
