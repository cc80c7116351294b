//! How the guardian makes itself, and what it kills, hard to delay: best effort, never fatal; the default kill margin
//! does without it.

use nix::sys::mman::MlockAllFlags;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

/// Above ordinary processes, below what a kernel or an audio server uses.
const PRIORITY: i32 = 50;
/// Above ordinary processes only.
const PRIORITY_OF_THE_KILLED: i32 = 1;
/// As low as systemd sets for its own daemons.
const OOM_SCORE: &str = "-900";

/// What the guardian got.
#[derive(Clone, Debug)]
pub struct Posture {
    /// It runs before every ordinary process (`sched(7)`).
    pub realtime: bool,
    /// Its memory is never paged out (`mlockall(2)`).
    pub locked: bool,
    /// The kernel will kill it late when memory runs out.
    pub oom_protected: bool,
    /// The score that its children are given: its own before, or zero where it was protected already.
    pub oom_score: i32,
}

impl Posture {
    /// Takes what can be had.
    #[must_use]
    pub fn take() -> Posture {
        let inherited = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let inherited: i32 = inherited.trim().parse().unwrap_or_default();
        Posture {
            realtime: run_before_others(0, PRIORITY),
            locked: lock_memory(),
            oom_protected: std::fs::write("/proc/self/oom_score_adj", OOM_SCORE).is_ok(),
            oom_score: inherited.max(0),
        }
    }
}

/// Lets an ordinary thread whose process was sent SIGKILL run before the others: it has nothing left to do but to end,
/// for which it needs a processor, and they may have taken them all.
pub(super) fn hurry(thread: i32) {
    // SAFETY: the call takes a number only.
    let policy = unsafe { libc::sched_getscheduler(thread) };
    if [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE].contains(&policy) {
        run_before_others(thread, PRIORITY_OF_THE_KILLED);
    }
}

/// SCHED_FIFO for this thread alone, zero being our own: what it forks is scheduled as usual.
fn run_before_others(thread: i32, priority: i32) -> bool {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters live during the call.
    unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) == 0 }
}

/// Only what is used, as it is used: `MCL_ONFAULT` (Linux 4.4). Under a limit it is left alone: once that is reached, a
/// locked process dies of the next page its stack needs (`mlock(2)`).
fn lock_memory() -> bool {
    let flags =
        MlockAllFlags::MCL_CURRENT.bits() | MlockAllFlags::MCL_FUTURE.bits() | libc::MCL_ONFAULT;
    // SAFETY: the call takes flags only.
    has_no_lock_limit() && unsafe { libc::mlockall(flags) == 0 }
}

fn has_no_lock_limit() -> bool {
    const CAP_IPC_LOCK: u64 = 1 << 14;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    let is_unlimited =
        getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    is_unlimited || effective.is_some_and(|set| set & CAP_IPC_LOCK != 0)
}

/// Blocks every signal that is not this process's own fault, so that they come as events. Blocked, not ignored: an
/// ignored one would be ignored by the child too (`signal(7)`).
///
/// # Errors
/// Never, for a set that is valid.
pub fn block_signals() -> nix::Result<SigSet> {
    let mut all = SigSet::all();
    for fault in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGABRT,
        Signal::SIGSYS,
    ] {
        all.remove(fault);
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
    Ok(all)
}
