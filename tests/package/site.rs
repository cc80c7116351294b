//! Two machines with the package, one file on both, and what their command wrote.

use crate::machine::{Machine, SHARED};
use crate::product::deb;
use crate::support::{Config, Group, secs, shared, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

pub(crate) const UNIT: &str = "zk-supervise@billing";

/// Its file, on each machine.
pub(crate) const FILE: &str = "/etc/zk-supervise/billing.toml";

/// The command: it says when it started, and that it executes, by `CLOCK_BOOTTIME` (`proc_uptime(5)`), to 10 ms. Where
/// another holds the lock, two run at once. It can be made deaf to SIGTERM.
const COMMAND: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
exec 9>lock
read -r now _ </proc/uptime
flock --nonblock 9 || echo "overlap $ZK_SUPERVISE_NAME $$ $now" >>record
echo "start $ZK_SUPERVISE_NAME $$ $now" >>record
while :; do
    [ ! -e deaf ] || trap '' TERM
    read -r now _ </proc/uptime
    echo "$now" >>"alive.$ZK_SUPERVISE_NAME.$$"
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

/// What the machines of a test share: an election, a directory, the command in it.
pub(crate) struct Place {
    pub(crate) group: Group,
}

impl Place {
    pub(crate) fn new() -> Place {
        let group = Group::new(shared());
        // Its command is no witness of ours: `runs` looks for two at once.
        group.may_overlap();
        let dir = group.dir().to_owned();
        let command = dir.join("command");
        fs::write(&command, COMMAND).expect("the directory is ours");
        for path in [&command, &dir] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
        }
        fs::copy(deb(), dir.join("zk-supervise.deb")).expect("a package");
        Place { group }
    }

    pub(crate) fn config(&self, name: &str) -> Config {
        let config = self.group.config(name).session(secs(30));
        let command = format!("{SHARED}/command");
        config
            .exec(&[command])
            .set("log.format", "\"text\"")
            .set("command.grace_period", "\"2s\"")
    }

    /// A machine with the package and the file, as the README says; nothing of it runs yet.
    #[track_caller]
    pub(crate) fn machine(&self, name: &str, config: &Config) -> Option<Machine> {
        config.write();
        let machine = Machine::boot(name, self.group.dir())?;
        machine.run(&format!("dpkg --install {SHARED}/zk-supervise.deb"));
        machine.run(&format!("cp {SHARED}/{name}/app.toml {FILE}"));
        machine.run(&format!("zk-supervise check {FILE}"));
        Some(machine)
    }

    /// Makes the command deaf to SIGTERM, from the next hundredth of a second on.
    pub(crate) fn deafen(&self) {
        fs::write(self.group.dir().join("deaf"), "").expect("the directory is ours");
        let seen = || self.runs().last().map(|run| run.end);
        let before = seen();
        wait_for("it has looked", secs(10), || {
            (seen() > before.map(|end| end + secs(1))).then_some(())
        });
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
        // Killed in the middle of a line, it leaves half of one.
        let text = fs::read_to_string(alive).unwrap_or_default();
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole);
        let end = whole.and_then(|it| seconds(it.lines().last()?));
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

/// The place, and both machines up.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) machines: [Machine; 2],
}

impl Site {
    /// Supervised on both; none where this machine has no room for others.
    #[track_caller]
    pub(crate) fn new() -> Option<Site> {
        let place = Place::new();
        let host = |name: &str| {
            let machine = place.machine(name, &place.config(name))?;
            machine.run(&format!("systemctl enable --now {UNIT}"));
            Some(machine)
        };
        let machines = [host("a")?, host("b")?];
        Some(Site { place, machines })
    }

    /// The machine of this candidate, and the other.
    pub(crate) fn by_name(&self, name: &str) -> (&Machine, &Machine) {
        let [a, b] = &self.machines;
        if name == "a" { (a, b) } else { (b, a) }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Some(Duration::from_secs_f64(seconds))
}
