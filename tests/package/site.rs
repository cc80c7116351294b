//! Two machines with the package, one file on both, and what their command wrote.

use crate::machine::Machine;
use crate::support::scratch::skip;
use crate::support::{Group, secs, shared, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const UNIT: &str = "zk-supervise@billing";

/// The command: it says when it started, and that it executes, by `CLOCK_BOOTTIME` (`proc_uptime(5)`), to 10 ms. Where
/// another holds the lock, two run at once.
const COMMAND: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
exec 9>lock
read -r now _ </proc/uptime
flock --nonblock 9 || echo "overlap $ZK_SUPERVISE_NAME $$ $now" >>record
echo "start $ZK_SUPERVISE_NAME $$ $now" >>record
while :; do
    read -r now _ </proc/uptime
    echo "$now" >"alive.$ZK_SUPERVISE_NAME.$$"
    sleep 0.01
done
"#;

/// One run of the command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) name: String,
    /// On its own machine.
    pub(crate) pid: String,
    start: Duration,
    /// When it was last seen executing.
    end: Duration,
}

pub(crate) struct Site {
    pub(crate) machines: [Machine; 2],
    group: Group,
}

impl Site {
    /// Both machines up, the package installed on each as the README says; none where there is no package.
    pub(crate) fn new() -> Option<Site> {
        let package = package()?;
        let group = Group::new(shared());
        // Its command is no witness of ours: `runs` looks for two at once.
        group.may_overlap();
        let dir = group.dir().to_owned();
        let command = dir.join("command");
        fs::write(&command, COMMAND).expect("the directory is ours");
        for path in [&command, &dir] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
        }
        fs::copy(package, dir.join("zk-supervise.deb")).expect("a package");
        let command = [command.to_str().expect("temporary paths are UTF-8")];
        let machines = ["a", "b"].map(|name| {
            let config = group.config(name).session(secs(30)).exec(&command);
            let file = config.set("log.format", "\"text\"").write();
            let machine = Machine::boot(name, &dir);
            let shared = dir.display();
            machine.run(&format!("dpkg --install {shared}/zk-supervise.deb"));
            machine.run(&format!(
                "cp {} /etc/zk-supervise/billing.toml",
                file.display()
            ));
            machine.run("zk-supervise check /etc/zk-supervise/billing.toml");
            machine.run(&format!("systemctl enable --now {UNIT}"));
            machine
        });
        Some(Site { machines, group })
    }

    /// The package, as the machines see it.
    pub(crate) fn package(&self) -> PathBuf {
        self.group.dir().join("zk-supervise.deb")
    }

    pub(crate) fn master(&self) -> String {
        self.group.master()
    }

    /// The machine of this candidate, and the other.
    pub(crate) fn by_name(&self, name: &str) -> (&Machine, &Machine) {
        let [a, b] = &self.machines;
        if name == "a" { (a, b) } else { (b, a) }
    }

    /// Every run so far. None began beside another.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<Run> {
        let text = fs::read_to_string(self.group.dir().join("record")).unwrap_or_default();
        assert!(!text.contains("overlap"), "two ran at once: {text}");
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines.filter_map(|line| self.run(line.trim_end())).collect()
    }

    fn run(&self, line: &str) -> Option<Run> {
        let fields: Vec<&str> = line.split(' ').collect();
        let ["start", name, pid, start] = fields[..] else {
            return None;
        };
        let start = seconds(start)?;
        let alive = self.group.dir().join(format!("alive.{name}.{pid}"));
        let end = fs::read_to_string(alive)
            .ok()
            .and_then(|text| seconds(&text));
        Some(Run {
            name: name.to_owned(),
            pid: pid.to_owned(),
            start,
            end: end.unwrap_or(start),
        })
    }

    #[track_caller]
    pub(crate) fn wait_running(&self, limit: Duration) -> Run {
        wait_for("the command runs", limit, || self.runs().pop())
    }

    #[track_caller]
    pub(crate) fn wait_takeover(&self, before: &Run, limit: Duration) -> Run {
        wait_for("another command runs", limit, || {
            let last = self.runs().pop()?;
            let is_another = (&last.name, &last.pid) != (&before.name, &before.pid);
            is_another.then_some(last)
        })
    }

    /// How long nobody ran before the last run.
    #[track_caller]
    pub(crate) fn gap(&self) -> Duration {
        let runs = self.runs();
        let [.., before, last] = &runs[..] else {
            panic!("there were no two: {runs:?}")
        };
        assert!(last.start >= before.end, "two ran at once: {runs:?}");
        last.start - before.end
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Some(Duration::from_secs_f64(seconds))
}

/// Of this machine's architecture, the newest.
fn package() -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("ZK_SUPERVISE_PACKAGES") else {
        skip("`ZK_SUPERVISE_PACKAGES` names no directory with a package");
        return None;
    };
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let debs = entries.flatten().map(|entry| entry.path());
    let mut debs: Vec<PathBuf> = debs
        .filter(|path| path.extension().is_some_and(|it| it == "deb"))
        .collect();
    debs.sort();
    Some(
        debs.pop()
            .unwrap_or_else(|| panic!("no package in {directory:?}")),
    )
}
