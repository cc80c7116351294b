//! What the guardian does before it guards: all that needs the heap.

use super::{ELECTOR, End, Guardian, story};
use crate::clock;
use crate::core::guard::Guard;
use crate::core::lease::Timing;
use crate::core::time::Time;
use crate::process::cgroup::Cgroup;
use crate::process::hunt::{GUARDIAN, MASTER, Mark, NAME, TOKEN};
use crate::process::posture::{Posture, block_signals};
use crate::process::spawn::{Program, keep_strays_from_children, lift};
use crate::process::sweep::{Identity, LeftGroups, clear_host};
use crate::process::tree::{Strangers, can_list_children, children};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

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
        keep_strays_from_children();
        nix::sys::prctl::set_child_subreaper(true).map_err(refused("prctl"))?;
        let signals = block_signals().map_err(refused("sigprocmask"))?;
        let inherited = children();
        let cgroup_path = groups
            .map(|groups| groups.path_for(own))
            .unwrap_or_default();
        let cgroup = Cgroup::make(&cgroup_path);
        let config = self.share_config()?;
        open_null_input()?;
        let posture = Posture::take();
        story::ready(&self, &posture, cgroup.as_ref().err());
        Ok(Guardian {
            guard: Guard::new(clock::now(), self.timing),
            signals: SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
                .map_err(refused("signalfd"))?,
            timer: TimerFd::new(
                ClockId::CLOCK_BOOTTIME,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )
            .map_err(refused("timerfd_create"))?,
            child: self.child(own),
            elector: elector(own)?,
            config,
            stop_signal: self.stop_signal,
            cgroup: cgroup.ok(),
            cgroup_path,
            oom_score: posture.oom_score,
            tree: None,
            strangers: Strangers {
                elector: None,
                inherited,
            },
            wire: None,
            parting: None,
            alarm_at: Time::NEVER,
            end: End::NotYet,
        })
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

/// The same binary, by the one name that is right even after the file was replaced.
fn elector(own: Identity) -> Result<Program, Refusal> {
    let mut random = [0; 8];
    let mut source =
        std::fs::File::open("/dev/urandom").map_err(|error| Refusal::System("open", error))?;
    std::io::Read::read_exact(&mut source, &mut random)
        .map_err(|error| Refusal::System("read", error))?;
    let incarnation = format!("{:016x}", u64::from_ne_bytes(random));
    let arguments =
        [ELECTOR.to_owned(), own.to_string(), incarnation].map(|text| c_string(text.into_bytes()));
    let variables = std::env::vars_os().filter(|(name, _)| name != "NOTIFY_SOCKET");
    let joined = |(name, value): (OsString, OsString)| {
        c_string([name.into_vec(), value.into_vec()].join(&b'='))
    };
    let environment = variables.map(joined).collect();
    Ok(Program::new(
        c"/proc/self/exe".to_owned(),
        arguments.into(),
        environment,
        None,
        None,
    ))
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
