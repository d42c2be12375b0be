//! Wider registers, where the machine has them.
//!
//! The program is built for any x86-64, whose vectors hold four numbers; nearly all of them since 2013 have AVX2, whose
//! vectors hold eight. The loops over sets and scores are plain Rust, compiled twice: once for each. So the narrow
//! form is the twin that the wide one is tested against, and the only one on other machines.

/// Does `work` with the widest vectors there are. What it calls has to be inlined into it, or it stays narrow.
#[inline(always)]
pub(super) fn with_simd<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[expect(unsafe_code, reason = "calls a function for machines with AVX2, on a machine that was asked for it")]
        // SAFETY: the features were detected just now.
        return unsafe { with_avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
