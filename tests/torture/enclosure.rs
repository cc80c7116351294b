//! A run lives in a network of its own, so that all it makes goes with its last process, however it ends.
//!
//! The process that was started only waits; it starts itself again inside new namespaces: as root, or else as the root
//! of a user namespace. Where neither is to be had, the run uses the loopback address, and does without what only wires
//! can do. The one inside has a process group of its own, so that Ctrl-C reaches nobody but the one outside, who tells it.

use crate::draw::Network;
use crate::support::process::{kill_marked, run};
use crate::support::tell;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, exit};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Marks every process of a run: the one outside looks for those that outlived it. Its value is the one outside.
const MARKER: &str = "ZK_SUPERVISE_TORTURE";

/// Tells the one inside what network it has.
const NETWORK: &str = "ZK_SUPERVISE_TORTURE_NETWORK";

/// What a network of our own takes, tried out.
const TRIAL: &str =
    "mount -t tmpfs tmpfs /run && ip netns add trial && ip link add trial type veth";

/// What a run that was killed exits with, as a shell would say it.
const KILLED: u8 = 137;

/// How often we were asked to end.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// The network of this process, if it is the one inside.
pub(crate) fn network() -> Option<Network> {
    match env::var(NETWORK).ok()?.as_str() {
        "namespaces" => Some(Network::Namespaces),
        _ => Some(Network::Loopback),
    }
}

/// Starts this program again, inside, with these arguments, waits for it, and returns its exit code.
pub(crate) fn enter(arguments: &[String]) -> u8 {
    let signals = block();
    let (network, mut command) = inside();
    let own = std::process::id().to_string();
    let program = env::current_exe().expect("/proc is mounted");
    let mut child = command
        .arg(program)
        .args(arguments)
        .env(NETWORK, network)
        .env(MARKER, &own)
        .process_group(0)
        .spawn()
        .expect("a program that runs can be started again");
    forward(signals, &child);
    let code = child.wait().ok().and_then(|status| status.code());
    kill_marked(&format!("{MARKER}={own}"));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(KILLED)
}

/// To be called first by the one inside: from now on a signal asks it to end, and so does the end of the one outside.
pub(crate) fn listen() {
    set_pdeathsig(Signal::SIGINT).expect("the kernel has it");
    let signals = block();
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            if ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
                exit(130);
            }
        }
    });
}

/// Whether it was asked to end.
pub(crate) fn is_asked_to_end() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// Mounts a `/run` of this process's own, where `ip netns` keeps its names.
pub(crate) fn hide_run() -> Result<(), String> {
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"]).map(drop)
}

fn inside() -> (&'static str, Command) {
    let root: &[&str] = &["--net", "--mount"];
    let user: &[&str] = &["--user", "--map-root-user", "--net", "--mount"];
    for arguments in [root, user] {
        if run("unshare", &[arguments, &["sh", "-c", TRIAL]].concat()).is_ok() {
            let mut command = Command::new("unshare");
            command.args(arguments);
            return ("namespaces", command);
        }
    }
    tell(
        "no network namespaces here: everything is on the loopback address, and no leader is cut off",
    );
    ("loopback", Command::new("env"))
}

fn block() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().expect("a signal can be blocked");
    signals
}

fn forward(signals: SigSet, child: &Child) {
    let child = Pid::from_raw(i32::try_from(child.id()).expect("a pid is an i32"));
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            kill(child, Signal::SIGINT).ok();
        }
    });
}
