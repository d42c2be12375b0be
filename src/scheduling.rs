//! How the program's threads share the cores with others, and with each other.
//!
//! The server that takes the mails often runs on the same cores, and while it waits for one nothing is sent. So nothing of
//! ours takes a core from who is at work on it, and whatever can be done ahead is done where nobody else wants a core. On
//! two cores that are shared with the server it made a tenth; where there are cores enough it changes nothing.
//!
//! Linux alone has a policy for each thread (sched(7)); elsewhere these do nothing.

/// Lets this thread, and those that it starts from now on, wait for a core when they wake, as a batch job does
/// (`SCHED_BATCH`). A policy that somebody has given the program is left as it is.
pub fn as_batch() {
    #[cfg(target_os = "linux")]
    linux::change(&[libc::SCHED_OTHER], libc::SCHED_BATCH);
}

/// Lets this thread work where no other wants the core (`SCHED_IDLE`).
pub fn in_background() {
    #[cfg(target_os = "linux")]
    linux::change(&[libc::SCHED_OTHER, libc::SCHED_BATCH], libc::SCHED_IDLE);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    /// Changes this thread's policy from one of these; what a sandbox forbids is left as it is.
    #[expect(unsafe_code, reason = "no library that is kept up sets a policy and leaves the niceness alone")]
    pub(super) fn change(from: &[libc::c_int], to: libc::c_int) {
        let none = libc::sched_param { sched_priority: 0 };
        // SAFETY: 0 names the calling thread, and the second call reads `none`, which lives until it returns.
        let result = unsafe {
            if !from.contains(&libc::sched_getscheduler(0)) {
                return;
            }
            libc::sched_setscheduler(0, to, &raw const none)
        };
        if result != 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "the scheduling policy stays");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The policy of this thread: 41st field of its stat (proc_pid_stat(5)).
    fn policy() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("a stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name");
        after_name.split(' ').nth(38).expect("a policy").parse().expect("a number")
    }

    #[test]
    fn a_thread_hands_its_policy_on_and_steps_back_but_never_forth() {
        let policies = std::thread::spawn(|| {
            let mut policies = vec![policy()];
            as_batch();
            policies.push(policy());
            policies.extend(
                std::thread::spawn(|| (policy(), in_background(), policy(), as_batch(), policy()))
                    .join()
                    .map(|(inherited, (), idle, (), still)| [inherited, idle, still])
                    .expect("no panic"),
            );
            policies.push(policy());
            policies
        });
        let (other, batch, idle) = (libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE);
        assert_eq!(policies.join().expect("no panic"), [other, batch, batch, idle, idle, batch]);
    }
}
