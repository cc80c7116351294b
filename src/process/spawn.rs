//! Starts a process without the heap: everything is prepared beforehand, so that a guardian under memory pressure
//! does not hesitate between arming a lease and starting the child under it.

use crate::clock;
use crate::core::time::Time;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

/// Room for `ZK_SUPERVISE_TOKEN=` and a number of 64 bits.
const TOKEN_ROOM: usize = 48;

/// A program with its arguments and environment, ready for `execve(2)`.
#[derive(Debug)]
pub struct Program {
    path: CString,
    _arguments: Vec<CString>,
    argv: Vec<*const c_char>,
    _environment: Vec<CString>,
    envp: Vec<*const c_char>,
    token: Box<[u8; TOKEN_ROOM]>,
    directory: Option<CString>,
}

/// What surrounds the new process.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Where it stands among the processes.
    pub kind: Kind,
    /// Descriptors it gets, from ours to the number it knows.
    pub descriptors: &'a [(RawFd, RawFd)],
    /// Not started at or after this time.
    pub deadline: Time,
    /// The `cgroup.procs` it joins.
    pub cgroup: Option<RawFd>,
    /// What is written into its `oom_score_adj`: the guardian's own may be lower.
    pub oom_score: Option<&'a [u8]>,
}

/// Where a process stands among the processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The child: leader of its own session, killed by the kernel when the guardian dies.
    Child,
    /// The elector: leader of its own process group, so that Ctrl-C does not reach it; it outlives the guardian.
    Elector,
}

/// What a process that was forked has become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not yet its program.
    Starting,
    /// Its program.
    Started,
    /// Nothing, for this reason.
    Failed(Errno),
}

/// A process that was forked. It may yet fail to become its program.
#[derive(Debug)]
pub struct Spawned {
    /// Its number.
    pub pid: Pid,
    failure: OwnedFd,
}

impl Program {
    /// Prepares `path` with its arguments (the first is its name) and environment. With `token`, the variable of that
    /// name is added, to be set by [`Program::set_token`].
    #[must_use]
    pub fn new(
        path: CString,
        arguments: Vec<CString>,
        environment: Vec<CString>,
        token: Option<&str>,
        directory: Option<CString>,
    ) -> Program {
        let mut buffer = Box::new([0; TOKEN_ROOM]);
        let mut envp: Vec<*const c_char> = environment
            .iter()
            .map(|variable| variable.as_ptr())
            .collect();
        if let Some(name) = token {
            buffer[..name.len()].copy_from_slice(name.as_bytes());
            buffer[name.len()] = b'=';
            envp.push(buffer.as_ptr().cast());
        }
        envp.push(ptr::null());
        let argv = arguments
            .iter()
            .map(|argument| argument.as_ptr())
            .chain([ptr::null()])
            .collect();
        Program {
            path,
            _arguments: arguments,
            argv,
            _environment: environment,
            envp,
            token: buffer,
            directory,
        }
    }

    /// Sets the token variable.
    pub fn set_token(&mut self, token: i64) {
        use std::io::Write;
        let start = self
            .token
            .iter()
            .position(|&byte| byte == b'=')
            .map_or(0, |at| at + 1);
        let mut rest = &mut self.token[start..];
        write!(rest, "{token}\0").expect("a number of 64 bits fits");
    }

    /// Starts it. Only the main thread of a process may call this: `PR_SET_PDEATHSIG` counts threads.
    ///
    /// # Errors
    /// No process or descriptor could be had. What fails later is in [`Spawned::progress`].
    pub fn spawn(&self, surroundings: &Surroundings<'_>) -> nix::Result<Spawned> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let parent = nix::unistd::getpid();
        // SAFETY: this process has one thread, and the new one calls nothing but system calls until it execs or exits.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Spawned {
                pid: child,
                failure: reader,
            }),
            ForkResult::Child => {
                let errno = self.become_program(surroundings, parent);
                _ = nix::unistd::write(&writer, &(errno as i32).to_ne_bytes());
                // SAFETY: `_exit` runs no handlers of the process we are a copy of.
                unsafe { libc::_exit(127) }
            }
        }
    }

    /// Becomes it, in place of what this process is: does not return unless that failed.
    pub fn become_this(&self) -> Errno {
        // SAFETY: the arrays end in null and point to strings that `self` owns.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
        Errno::last()
    }

    /// In the new process: does not return unless something failed.
    fn become_program(&self, surroundings: &Surroundings<'_>, parent: Pid) -> Errno {
        match self.prepare(surroundings, parent) {
            Err(errno) => errno,
            Ok(()) => self.become_this(),
        }
    }

    fn prepare(&self, surroundings: &Surroundings<'_>, parent: Pid) -> nix::Result<()> {
        match surroundings.kind {
            Kind::Child => {
                nix::unistd::setsid()?;
                die_with(parent)?;
            }
            Kind::Elector => nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?,
        }
        reset_signals();
        if let Some(procs) = surroundings.cgroup {
            write_raw(procs, b"0")?;
        }
        if let Some(score) = surroundings.oom_score {
            write_file(c"/proc/self/oom_score_adj", score);
        }
        place_descriptors(surroundings.descriptors)?;
        if let Some(directory) = &self.directory {
            nix::unistd::chdir(directory.as_c_str())?;
        }
        if clock::now() >= surroundings.deadline {
            Err(Errno::ETIME)
        } else {
            Ok(())
        }
    }
}

impl Spawned {
    /// A process that is known to have become its program.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn started(pid: Pid) -> nix::Result<Spawned> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let failure = nix::fcntl::open("/dev/null", flags, Mode::empty())?;
        Ok(Spawned { pid, failure })
    }

    /// What it has become. A failure is told once.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut errno = [0; 4];
        match nix::unistd::read(&self.failure, &mut errno) {
            // The other end was closed by exec; or by a death before it, which nobody can tell apart.
            Ok(0) => Progress::Started,
            Ok(_) => Progress::Failed(Errno::from_raw(i32::from_ne_bytes(errno))),
            Err(_) => Progress::Starting,
        }
    }
}

impl AsFd for Spawned {
    /// Ready when there is progress.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.failure.as_fd()
    }
}

/// Asks the kernel to kill us with our parent, and makes sure that it was not dead before we asked (`prctl(2)`).
fn die_with(parent: Pid) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid() == parent {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}

/// Default dispositions and an empty mask: both are inherited through exec (`signal(7)`). By the system call, for the C
/// library refuses its own two signals, which a `posix_spawn(3)` of our parent's may have left ignored.
fn reset_signals() {
    let default = [0_u64; 4];
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel reads a handler, flags, a restorer and a mask, all zero; it refuses SIGKILL and SIGSTOP.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set that `sigprocmask` then reads.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Puts each descriptor at the number its program knows. Ours are all higher than those ([`lift`]), so none is lost.
fn place_descriptors(descriptors: &[(RawFd, RawFd)]) -> nix::Result<()> {
    for &(from, to) in descriptors {
        // SAFETY: `dup2` takes numbers; in the copy of a process nobody else uses them.
        Errno::result(unsafe { libc::dup2(from, to) })?;
    }
    Ok(())
}

fn write_raw(fd: RawFd, bytes: &[u8]) -> nix::Result<()> {
    // SAFETY: the buffer lives during the call.
    Errno::result(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }).map(drop)
}

/// Best effort: a score that cannot be set does not keep the child from starting.
fn write_file(path: &CStr, bytes: &[u8]) {
    if let Ok(file) = nix::fcntl::open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        _ = write_raw(file.as_raw_fd(), bytes);
    }
}

/// A copy of `fd` whose number is above all that a new process is given, closed on exec.
///
/// # Errors
/// No more descriptors (`fcntl(2)`).
pub fn lift(fd: &OwnedFd) -> nix::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(64))?;
    // SAFETY: `fcntl` has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes the descriptor that our parent put at `number`, closed on exec from now on. Each is to be taken once.
///
/// # Panics
/// There is none.
#[must_use]
pub fn inherit(number: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the call takes numbers, and fails for one that is not open.
    let is_open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    assert!(
        is_open,
        "the parent of this process gives it descriptor {number}"
    );
    // SAFETY: it is open, and ours alone: nothing in this process has opened it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Closes on exec whatever descriptors above standard error we were started with: the child gets none of them.
pub fn keep_strays_from_children() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for number in numbers.filter(|&number| number > 2) {
        // SAFETY: the flag of a descriptor changes nothing for whoever else uses it in this process.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> Program {
        let text = |text: &str| CString::new(text).unwrap();
        Program::new(
            text("/bin/sh"),
            vec![text("sh"), text("-c"), text(script)],
            vec![],
            Some("TOKEN"),
            None,
        )
    }

    /// `fork` in a test has other threads beside it; the new process makes system calls only, so that is no harm.
    fn exit_code(program: &Program, deadline: Time) -> (i32, Progress) {
        use nix::sys::wait::{WaitStatus, waitpid};
        let surroundings = Surroundings {
            kind: Kind::Elector,
            descriptors: &[],
            deadline,
            cgroup: None,
            oom_score: None,
        };
        let spawned = program.spawn(&surroundings).unwrap();
        match waitpid(spawned.pid, None) {
            Ok(WaitStatus::Exited(_, code)) => (code, spawned.progress()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_program_finds_its_token_and_no_other_variable() {
        let mut program = program(
            r#"test "$TOKEN" = 9223372036854775807 && test "$(/usr/bin/env | wc -l)" -le 4"#,
        );
        program.set_token(7);
        program.set_token(i64::MAX);
        assert_eq!(exit_code(&program, Time::NEVER), (0, Progress::Started));
    }

    #[test]
    fn a_program_that_does_not_exist_says_so() {
        let mut program = program("");
        program.path = c"/nowhere".to_owned();
        assert_eq!(
            exit_code(&program, Time::NEVER),
            (127, Progress::Failed(Errno::ENOENT))
        );
    }

    #[test]
    fn nothing_starts_after_its_deadline() {
        assert_eq!(
            exit_code(&program("true"), Time::default()),
            (127, Progress::Failed(Errno::ETIME))
        );
    }
}
