//! The witness: the command that the tests supervise.
//!
//! It takes two file locks without waiting. `lock` is held by this process alone; `tree` is inherited by all that it
//! starts, so a descendant that outlives it refuses the next witness. A refusal is written down and ends it: two ran at
//! once. What it does goes to `record`, a line an event; that it still executes, and each of its descendants, goes to
//! `alive.<pid>`, every 10 ms. SIGUSR1 makes it end as if by itself.
//!
//! `witness --dir DIR [--ignore-term] [--stop-after MS] [--exit-after MS] [--exit-code N] [--children N] [--daemon]
//! [--run-on]`: with the last, a refusal is written down only.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::setsid;
use std::env;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// How often it shows that it executes.
const TICK_MS: u16 = 10;

/// What nothing that a test forgot to kill outlives.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Options {
    dir: PathBuf,
    part: Part,
    ignore_term: bool,
    stop_after: Duration,
    exit_after: Option<Duration>,
    exit_code: u8,
    children: usize,
    daemon: bool,
    run_on: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Witness,
    /// An ordinary child: SIGTERM ends it.
    Child,
    /// The first half of a daemon: leaves the session, starts the second, ends.
    Daemonizer,
    /// The second half: no parent, no terminal, deaf to SIGTERM.
    Daemon,
}

fn main() -> ExitCode {
    let options = options();
    match options.part {
        Part::Witness => witness(&options),
        Part::Child => idle(&options, &SigSet::empty()),
        Part::Daemonizer => {
            setsid().expect("a child leads no process group");
            start(&options, "--part-daemon");
            ExitCode::SUCCESS
        }
        Part::Daemon => idle(&options, &deaf()),
    }
}

/// Reads the arguments; a wrong one ends it loudly, for it is a wrong test.
fn options() -> Options {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the option has a value");
        match argument.as_str() {
            "--dir" => options.dir = value().into(),
            "--ignore-term" => options.ignore_term = true,
            "--stop-after" => options.stop_after = milliseconds(&value()),
            "--exit-after" => options.exit_after = Some(milliseconds(&value())),
            "--exit-code" => options.exit_code = value().parse().expect("a small number"),
            "--children" => options.children = value().parse().expect("a number"),
            "--daemon" => options.daemon = true,
            "--run-on" => options.run_on = true,
            "--part-child" => options.part = Part::Child,
            "--part-daemonizer" => options.part = Part::Daemonizer,
            "--part-daemon" => options.part = Part::Daemon,
            unknown => panic!("unknown option `{unknown}`"),
        }
    }
    options
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("a number of milliseconds"))
}

fn witness(options: &Options) -> ExitCode {
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTERM);
    stop.add(Signal::SIGINT);
    stop.add(Signal::SIGUSR1);
    stop.thread_block().expect("a signal can be blocked");
    let signals = SignalFd::with_flags(&stop, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .expect("a signal descriptor can be made");

    let dir = &options.dir;
    let mut locks = take(dir, "lock").zip(take(dir, "tree"));
    if locks.is_none() && !options.run_on {
        return ExitCode::from(99);
    }
    let alive = alive(dir);
    write_line(dir, "start");
    if let Some((_, tree)) = &locks {
        start_descendants(options, tree);
    }
    run(options, &signals, || {
        show(&alive);
        // Who runs on beside another holds the locks as soon as it can: whoever comes next is to find it alive.
        if locks.is_none() {
            locks = try_lock(dir, "lock").zip(try_lock(dir, "tree"));
            if let Some((_, tree)) = &locks {
                start_descendants(options, tree);
            }
        }
    });
    write_line(dir, "stop");
    ExitCode::from(options.exit_code)
}

/// They hold the lock on the tree, too.
fn start_descendants(options: &Options, tree: &File) {
    fcntl(tree, FcntlArg::F_SETFD(FdFlag::empty())).expect("our own descriptor");
    for _ in 0..options.children {
        start(options, "--part-child");
    }
    if options.daemon {
        start(options, "--part-daemonizer");
    }
}

/// Does something at every tick, until it is time to end.
fn run(options: &Options, signals: &SignalFd, mut tick: impl FnMut()) {
    let began = now();
    let mut end = options.exit_after.map(|span| began + span);
    let mut asked = false;
    while end.is_none_or(|end| now() < end) && now() < began + LONGEST_LIFE {
        tick();
        let mut descriptors = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::from(TICK_MS)).ok();
        let signal = signals.read_signal().ok().flatten();
        if signal.is_some_and(|it| it.ssi_signo == Signal::SIGUSR1 as u32) {
            end = Some(now());
        } else if signal.is_some() && !asked {
            asked = true;
            write_line(&options.dir, "asked");
            if !options.ignore_term {
                end = Some(now() + options.stop_after);
            }
        }
    }
}

/// The file that shows when this process last executed.
fn alive(dir: &Path) -> File {
    let path = dir.join(format!("alive.{}", std::process::id()));
    File::create(path).expect("the directory is writable")
}

fn show(alive: &File) {
    let line = format!("{:020}\n", now().as_nanos());
    alive
        .write_at(line.as_bytes(), 0)
        .expect("the disk has room");
}

/// One of the two locks, or a line that says that another held it.
fn take(dir: &Path, name: &str) -> Option<File> {
    let file = try_lock(dir, name);
    if file.is_none() {
        write_line(dir, &format!("OVERLAP-{name}"));
    }
    file
}

fn try_lock(dir: &Path, name: &str) -> Option<File> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(dir.join(name))
        .expect("the directory is writable");
    file.try_lock().is_ok().then_some(file)
}

/// Starts another part of the witness, which inherits the lock `tree`.
#[expect(
    clippy::zombie_processes,
    reason = "a program that leaves its children to whoever adopts them is what the tests need"
)]
fn start(options: &Options, part: &str) {
    Command::new(env::current_exe().expect("/proc is mounted"))
        .arg("--dir")
        .arg(&options.dir)
        .arg(part)
        .stdin(Stdio::null())
        .spawn()
        .expect("the witness can be started");
}

/// Does nothing but show that it executes, deaf to some signals, for as long as it may.
fn idle(options: &Options, blocked: &SigSet) -> ExitCode {
    blocked.thread_set_mask().expect("a signal mask can be set");
    let alive = alive(&options.dir);
    write_line(&options.dir, "descendant");
    let end = now() + LONGEST_LIFE;
    while now() < end {
        show(&alive);
        poll(&mut [], PollTimeout::from(TICK_MS)).ok();
    }
    ExitCode::SUCCESS
}

fn deaf() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals
}

fn write_line(dir: &Path, kind: &str) {
    let variable = |name| env::var(name).unwrap_or_else(|_| "0".into());
    let line = format!(
        "{kind} {} {} {} {}\n",
        std::process::id(),
        now().as_nanos(),
        variable("ZK_SUPERVISE_NAME"),
        variable("ZK_SUPERVISE_TOKEN"),
    );
    File::options()
        .create(true)
        .append(true)
        .open(dir.join("record"))
        .and_then(|mut record| record.write_all(line.as_bytes()))
        .expect("the directory is writable");
}

fn now() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has it"))
}
