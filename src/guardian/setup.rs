//! What the guardian does before it guards: all that needs the heap.

use super::herald::Herald;
use super::recorded::{DIRECTORY, Ledger, Recorded};
use super::state::{self, Shell, State};
use super::succession::{Succession, TRIAL};
use super::{ELECTOR, End, Guardian, story};
use crate::clock;
use crate::core::guard::Guard;
use crate::core::lease::Timing;
use crate::core::time::Time;
use crate::observe::notify;
use crate::process::cgroup::Cgroup;
use crate::process::hunt::{GUARDIAN, MASTER, Mark, NAME, TOKEN};
use crate::process::posture::{Posture, block_signals};
use crate::process::spawn::{Program, keep_strays_from_children, lift};
use crate::process::sweep::{Identity, LeftGroups, clear_host, sweep};
use crate::process::tree::{Strangers, Tree, can_list_children, children};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many descriptors guardian and elector must be allowed: those that are handed on are numbered from 64, and sockets
/// to servers come and go.
const DESCRIPTORS: u64 = 128;

/// What a guardian needs to know; plain values, all of them checked.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Every duration.
    pub timing: Timing,
    /// The command: its path and its arguments, the path again among them.
    pub argv: Vec<String>,
    /// Where it runs, if not where we do.
    pub directory: Option<PathBuf>,
    /// Its environment, besides what it inherits.
    pub environment: Vec<(String, String)>,
    /// Whether it inherits ours.
    pub inheritance: Inheritance,
    /// What stops it.
    pub stop_signal: Signal,
    /// The full path of the master znode.
    pub master: String,
    /// The candidate's name.
    pub name: String,
    /// The configuration in force, for the elector.
    pub config: String,
    /// The file it is read from anew at a reload.
    pub file: PathBuf,
}

/// Whether the child inherits the supervisor's environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inheritance {
    /// It does.
    Inherit,
    /// It gets what the configuration says, and no more.
    Nothing,
}

/// Why this host cannot be guarded.
#[derive(Debug)]
pub enum Refusal {
    /// The kernel does not list a process's children, so nothing could be proven dead.
    NoChildrenList,
    /// This process may open no more descriptors than that.
    FewDescriptors(u64),
    /// A system call was refused.
    System(&'static str, std::io::Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoChildrenList => f.write_str(
                "this host's `/proc` does not list the children of a process: without that list nothing can be proven \
                 dead\nhelp: mount `/proc`, and use a kernel with CONFIG_PROC_CHILDREN (every current distribution's)",
            ),
            Refusal::FewDescriptors(limit) => write!(
                f,
                "this process may open {limit} files only, and needs {DESCRIPTORS}: `RLIMIT_NOFILE`, getrlimit(2)\n\
                 help: `ulimit -n 1024`, or `LimitNOFILE=1024` in a systemd unit"
            ),
            Refusal::System(call, error) => write!(f, "`{call}` was refused: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// How long what is left is killed and looked for where this host cannot be guarded any more.
const SWEPT_WITHIN: Duration = Duration::from_secs(5);

impl Setup {
    /// Clears this host of what earlier supervisors of this candidate left, and takes the guardian's place.
    ///
    /// # Errors
    /// This host cannot be guarded.
    pub fn prepare(self) -> Result<Guardian, Refusal> {
        let own = Identity::own();
        check_descriptors()?;
        if !can_list_children() {
            return Err(Refusal::NoChildrenList);
        }
        let groups = LeftGroups::of(&self.master, &self.name);
        self.clear_host(groups.as_ref());
        let signals = take_charge()?;
        let strangers = children();
        let path = groups.map(|groups| groups.path_for(own));
        let cgroup = Cgroup::make(&path.clone().unwrap_or_default());
        let posture = Posture::take();
        story::ready(&self, &posture, cgroup.as_ref().err());
        let shell = Shell {
            incarnation: random()?,
            cgroup: path.filter(|_| cgroup.is_ok()).unwrap_or_default(),
            oom_score: posture.oom_score,
            strangers,
            master_since: None,
        };
        let guard = Guard::new(clock::now(), self.timing);
        self.guard(own, &signals, shell, cgroup.ok(), guard, None)
    }

    /// Takes the place of an earlier image of this very process, in the middle of all that it did.
    ///
    /// # Errors
    /// This host cannot be guarded any more; then nothing of the child is left, if it dies within seconds.
    pub fn take_over(self, state: State) -> Result<Guardian, Refusal> {
        let (main, group) = (state.main, state.shell.cgroup.clone());
        self.inherit(state).inspect_err(|_| {
            let group = Cgroup::open(&group).ok();
            _ = sweep(Identity::own(), main, group.as_ref(), SWEPT_WITHIN);
        })
    }

    fn inherit(self, state: State) -> Result<Guardian, Refusal> {
        let signals = take_charge()?;
        let cgroup = match state.shell.cgroup.as_os_str().is_empty() {
            true => None,
            false => Some(Cgroup::open(&state.shell.cgroup).map_err(refused("open"))?),
        };
        _ = Posture::take();
        story::resumed(&self, &state.core, state.main);
        let tree = match state.main {
            Some(main) => Some(Tree::inherited(Pid::from_raw(main)).map_err(refused("open"))?),
            None => None,
        };
        let guard = Guard::resumed(clock::now(), self.timing, &state.core);
        self.guard(Identity::own(), &signals, state.shell, cgroup, guard, tree)
    }

    fn guard(
        self,
        own: Identity,
        signals: &SigSet,
        shell: Shell,
        cgroup: Option<Cgroup>,
        guard: Guard,
        tree: Option<Tree>,
    ) -> Result<Guardian, Refusal> {
        let config = self.share_config()?;
        open_null_input()?;
        Ok(Guardian {
            guard,
            signals: SignalFd::with_flags(signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
                .map_err(refused("signalfd"))?,
            timer: TimerFd::new(
                ClockId::CLOCK_BOOTTIME,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )
            .map_err(refused("timerfd_create"))?,
            child: self.child(own),
            elector: elector(own, shell.incarnation),
            config,
            stop_signal: self.stop_signal,
            cgroup,
            oom_score: shell.oom_score.to_string().into_bytes(),
            tree,
            strangers: Strangers {
                inherited: shell.strangers.clone(),
                ..Strangers::default()
            },
            wire: None,
            parting: None,
            alarm_at: Time::NEVER,
            ledger: self.ledger(own, &shell.cgroup),
            herald: Herald::new(&self.master, self.timing.kill_margin),
            succession: self.succession()?,
            shell,
            end: End::NotYet,
        })
    }

    /// The image that our file holds when it is asked for: as it is tried, and as it takes our place.
    fn succession(&self) -> Result<Succession, Refusal> {
        let image = std::env::current_exe().map_err(|error| Refusal::System("readlink", error))?;
        let image = c_string(undeleted(image.into_os_string().into_vec()));
        let file = self.file.clone().into_os_string().into_vec();
        let trial = [TRIAL.as_bytes().to_vec(), file].map(c_string);
        let next = std::env::args_os().map(|word| c_string(word.into_vec()));
        let without = |name: &str| own_environment(&[name, state::VARIABLE]);
        Ok(Succession::new(
            Program::new(
                image.clone(),
                trial.into(),
                without(notify::SOCKET),
                None,
                None,
            ),
            Program::new(
                image,
                next.collect(),
                without(state::VARIABLE),
                Some(state::VARIABLE),
                None,
            ),
        ))
    }

    /// Where the service manager has given us a directory (`RuntimeDirectory=`, `systemd.exec(5)`).
    fn ledger(&self, own: Identity, cgroup: &Path) -> Option<Ledger> {
        let directory = Recorded::directory()?;
        match Ledger::make(&directory, &self.config, own, cgroup) {
            Ok(ledger) => Some(ledger),
            Err(error) => {
                story::nothing_recorded(&directory, &error);
                None
            }
        }
    }

    /// Before any campaign: what an earlier supervisor of this candidate left here is found, said and killed.
    fn clear_host(&self, groups: Option<&LeftGroups>) {
        let mark = Mark::LeftBehind {
            master: self.master.clone(),
            name: self.name.clone(),
        };
        clear_host(&mark, groups, story::left_behind);
    }

    fn child(&self, own: Identity) -> Program {
        let inherited =
            std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec()));
        let mut variables: BTreeMap<Vec<u8>, Vec<u8>> = match self.inheritance {
            Inheritance::Inherit => inherited.collect(),
            Inheritance::Nothing => BTreeMap::new(),
        };
        for name in [
            "NOTIFY_SOCKET",
            "WATCHDOG_PID",
            "WATCHDOG_USEC",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_FDNAMES",
            DIRECTORY,
            state::VARIABLE,
            TOKEN,
        ] {
            variables.remove(name.as_bytes());
        }
        let ours = [
            (NAME, &self.name),
            (MASTER, &self.master),
            (GUARDIAN, &own.to_string()),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value.clone()));
        for (name, value) in self.environment.iter().cloned().chain(ours) {
            variables.insert(name.into_bytes(), value.into_bytes());
        }
        let environment = variables
            .into_iter()
            .map(|(name, value)| c_string([name, value].join(&b'=')))
            .collect();
        let arguments: Vec<CString> = self
            .argv
            .iter()
            .map(|argument| c_string(argument.clone().into_bytes()))
            .collect();
        let directory = self
            .directory
            .clone()
            .map(|path| c_string(path.into_os_string().into_vec()));
        Program::new(
            arguments[0].clone(),
            arguments,
            environment,
            Some(TOKEN),
            directory,
        )
    }

    /// The elector reads the very configuration that is in force here, whatever becomes of the file.
    fn share_config(&self) -> Result<OwnedFd, Refusal> {
        let fd = memfd_create("zk-supervise.toml", MFdFlags::MFD_CLOEXEC)
            .map_err(refused("memfd_create"))?;
        let mut rest = self.config.as_bytes();
        while !rest.is_empty() {
            let written = nix::unistd::write(&fd, rest).map_err(refused("write"))?;
            rest = &rest[written..];
        }
        lift(&fd).map_err(refused("fcntl"))
    }
}

/// Before anything is begun: an elector that runs out of them would be replaced again and again.
fn check_descriptors() -> Result<(), Refusal> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).map_err(refused("getrlimit"))?;
    if limit < DESCRIPTORS {
        return Err(Refusal::FewDescriptors(limit));
    }
    Ok(())
}

/// From here on this process is told of signals, and given whoever loses its parent.
fn take_charge() -> Result<SigSet, Refusal> {
    keep_strays_from_children();
    nix::sys::prctl::set_child_subreaper(true).map_err(refused("prctl"))?;
    block_signals().map_err(refused("sigprocmask"))
}

fn random() -> Result<u64, Refusal> {
    let mut random = [0; 8];
    let mut source =
        std::fs::File::open("/dev/urandom").map_err(|error| Refusal::System("open", error))?;
    std::io::Read::read_exact(&mut source, &mut random)
        .map_err(|error| Refusal::System("read", error))?;
    Ok(u64::from_ne_bytes(random))
}

/// The same binary, by the one name that is right even after the file was replaced.
fn elector(own: Identity, incarnation: u64) -> Program {
    let words = [
        ELECTOR.to_owned(),
        own.to_string(),
        format!("{incarnation:016x}"),
    ];
    let arguments = words.map(|text| c_string(text.into_bytes()));
    let environment = own_environment(&[notify::SOCKET, state::VARIABLE]);
    let path = c"/proc/self/exe".to_owned();
    Program::new(path, arguments.into(), environment, None, None)
}

fn own_environment(without: &[&str]) -> Vec<CString> {
    let variables = std::env::vars_os().filter(|(name, _)| !without.iter().any(|it| name == it));
    let joined = |(name, value): (OsString, OsString)| {
        c_string([name.into_vec(), value.into_vec()].join(&b'='))
    };
    variables.map(joined).collect()
}

/// Standard input is nobody's: neither the child nor an elector shall take a terminal's.
fn open_null_input() -> Result<(), Refusal> {
    let null = std::fs::File::open("/dev/null").map_err(|error| Refusal::System("open", error))?;
    nix::unistd::dup2_stdin(&null).map_err(refused("dup2"))
}

fn refused(call: &'static str) -> impl Fn(nix::Error) -> Refusal {
    move |errno| Refusal::System(call, errno.into())
}

fn c_string(bytes: Vec<u8>) -> CString {
    CString::new(bytes).expect("neither the configuration nor the environment has a NUL in it")
}

/// The path of a program whose file was replaced while it started (`proc_pid_exe(5)`).
fn undeleted(mut path: Vec<u8>) -> Vec<u8> {
    if path.ends_with(DELETED) {
        path.truncate(path.len() - DELETED.len());
    }
    path
}

const DELETED: &[u8] = b" (deleted)";

#[cfg(test)]
mod tests;
