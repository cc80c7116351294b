//! A host with systemd as its first process: a directory tree of Debian's, in namespaces of its own.

use crate::support::process::run;
use crate::support::scratch::{number, skip};
use crate::support::time::try_for;
use crate::support::{Process, secs, tell, wait_for, wait_until};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where a machine sees the directory that it shares with others.
pub(crate) const SHARED: &str = "/srv/shared";

/// What a machine is made of: fetched once, and kept below `target/`. Why not, where that cannot be.
fn base() -> &'static Result<PathBuf, String> {
    static BASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BASE.get_or_init(|| {
        if !nix::unistd::geteuid().is_root() {
            return Err("it takes root".to_owned());
        }
        let isolation = ["--fork", "--pid", "--mount", "--cgroup", "--uts", "true"];
        run("unshare", &isolation)?;
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/packaging/bookworm");
        if !base.exists() {
            fetch(&base)?;
        }
        Ok(base)
    })
}

/// Whole, or not at all.
fn fetch(base: &Path) -> Result<(), String> {
    let part = base.with_extension("part");
    let path = part.to_str().expect("target paths are UTF-8");
    run("rm", &["-rf", path])?;
    fs::create_dir_all(&part).map_err(|error| format!("{path}: {error}"))?;
    let packages = "--include=systemd,systemd-sysv,dbus,procps,rpm";
    run(
        "debootstrap",
        &["--variant=minbase", packages, "bookworm", path],
    )?;
    fs::rename(&part, base).map_err(|error| format!("{path}: {error}"))
}

/// A machine that is up; it is gone when this is dropped.
pub(crate) struct Machine {
    name: String,
    process: Process,
    init: Pid,
}

impl Machine {
    /// Boots one, with what it had on its disk when it was up before; `shared` is a directory that all machines of a test
    /// see. None where there can be no machines.
    #[track_caller]
    pub(crate) fn boot(name: &str, shared: &Path) -> Option<Machine> {
        let base = match base() {
            Ok(base) => base,
            Err(why) => {
                skip(&format!("no machine with systemd can be made here: {why}"));
                return None;
            }
        };
        let state = shared.join(format!(".{name}"));
        fs::create_dir_all(&state).expect("the directory is ours");
        let host = format!("zks-{name}-{}-{}", std::process::id(), number());
        let console = fs::File::create(state.join("console")).expect("the directory is ours");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package/boot.sh");
        let mut command = Command::new(script);
        command
            .args([base, &state, shared])
            .arg(&host)
            .stdin(Stdio::null())
            .stdout(console.try_clone().expect("a descriptor"))
            .stderr(console);
        let process = Process::spawn("a machine", command);
        let outer = process.pid();
        let init = wait_for("it has a first process", secs(20), || {
            let path = format!("/proc/{outer}/task/{outer}/children");
            let children = fs::read_to_string(path).ok()?;
            let first = children.split_whitespace().next()?.parse().ok()?;
            let name = fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
            (name.trim() == "systemd").then(|| Pid::from_raw(first))
        });
        let machine = Machine {
            name: host,
            process,
            init,
        };
        wait_until("it is up", secs(60), || {
            machine
                .try_run("systemctl is-active --quiet multi-user.target")
                .status
                .success()
        });
        Some(machine)
    }

    /// The number by which this machine's host knows a process of it.
    pub(crate) fn host_pid(&self, pid: &str) -> Option<Pid> {
        let inside = fs::read_link(format!("/proc/{}/ns/pid", self.init)).ok()?;
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut numbers = processes.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
        let is_it = |number: &i32| {
            let space = fs::read_link(format!("/proc/{number}/ns/pid"));
            let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
            let mut lines = status.lines().filter_map(|it| it.strip_prefix("NSpid:"));
            let last = lines.next().and_then(|it| it.split_whitespace().last());
            space.is_ok_and(|it| it == inside) && last == Some(pid.trim())
        };
        numbers.find(is_it).map(Pid::from_raw)
    }

    /// Runs a line of shell on it.
    pub(crate) fn try_run(&self, line: &str) -> Output {
        let output = Command::new("nsenter")
            .args(["--target", &self.init.to_string(), "--all", "--"])
            .args([
                "/usr/bin/env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "/bin/sh",
                "-c",
                line,
            ])
            .stdin(Stdio::null())
            .output();
        output.expect("util-linux is there")
    }

    /// The same, which must succeed; returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.try_run(line);
        let text = text(&output);
        assert!(output.status.success(), "{}: {line}: {text}", self.name);
        text
    }

    /// Whether it succeeds.
    pub(crate) fn holds(&self, line: &str) -> bool {
        self.try_run(line).status.success()
    }
}

/// What was printed on both outputs.
pub(crate) fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // It may have been shut down.
            let journal = self.try_run(
                "journalctl --no-pager -u 'zk-supervise@*' | grep -v ' DEBUG ' | tail -n 40",
            );
            tell(&format!(
                "the last words of {}:\n{}",
                self.name,
                text(&journal)
            ));
        }
        self.process.kill();
        for groups in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let group = format!("{groups}/{}", self.name);
            let is_gone = try_for(secs(20), || {
                let _ = run(
                    "find",
                    &[&group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
                );
                (!Path::new(&group).exists()).then_some(())
            });
            assert!(
                is_gone.is_some() || std::thread::panicking(),
                "its control groups are in use: {group}"
            );
        }
    }
}
