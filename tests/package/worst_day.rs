//! Its worst day: whatever is killed, stopped or runs out of memory, and whenever.

use crate::site::{Site, UNIT};
use crate::support::process::run;
use crate::support::scratch::skip;
use crate::support::{Process, secs, wait_until};
use crate::{AT_ONCE, SOON, journal, status};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_unit_that_is_killed_as_a_whole_is_succeeded_at_once() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    master.run(&format!(
        "systemctl kill --kill-who=all --signal=KILL {UNIT}"
    ));
    let second = site.place.wait_takeover(&first, secs(20));
    let gap = site.place.gap();
    println!("the whole unit killed: nobody ran for {gap:?}");
    assert_ne!(second.name, first.name);
    assert!(gap < AT_ONCE, "{gap:?}");
    wait_until("it says what it did", secs(10), || {
        journal(master).contains("released term ")
    });
    wait_until("it stands by again", secs(20), || {
        status(master).contains("standing by")
    });
}

#[test]
fn both_processes_stopped_are_ended_by_the_watchdog_within_the_lease() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let pid = &first.pid;
    master.run(&format!("systemctl kill --kill-who=main --signal=STOP {UNIT}; pkill -STOP -f '[z]k-supervise: elector'"));
    wait_until("its command is dead", SOON, || {
        !master.holds(&format!("kill -0 {pid}"))
    });
    site.place.wait_takeover(&first, SOON);
    println!("both stopped: nobody ran for {:?}", site.place.gap());
    wait_until("it was the watchdog", secs(10), || {
        journal(master).contains("Watchdog timeout")
    });
}

#[test]
fn a_killed_elector_leaves_the_command_alone_and_a_killed_guardian_is_succeeded() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let before = master.run(ELECTOR);
    master.run("pkill -KILL -f '[z]k-supervise: elector'");
    let is_another = format!("now=$({ELECTOR}) && [ \"$now\" != '{}' ]", before.trim());
    wait_until("there is another", secs(10), || master.holds(&is_another));
    assert!(master.holds(&format!("kill -0 {}", first.pid)) && site.place.runs().len() == 1);
    wait_until("journald knows that it matters", secs(10), || {
        let warnings = master.run(&format!("journalctl --no-pager -p warning -u {UNIT}"));
        warnings.contains("elector ended") && !warnings.contains("elector started")
    });
    master.run(&format!(
        "systemctl kill --kill-who=main --signal=KILL {UNIT}"
    ));
    let second = site.place.wait_takeover(&first, secs(20));
    println!("the guardian killed: nobody ran for {:?}", site.place.gap());
    assert_ne!(second.name, first.name);
}

/// The kernel kills in a group that has no more memory, first what it is told to like best.
#[test]
fn what_the_kernel_kills_for_want_of_memory_is_replaced_or_succeeded() {
    let Some(site) = Site::new() else { return };
    let Some(shortage) = Shortage::new() else {
        return;
    };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let before = master.run(ELECTOR);
    shortage.strike(master.host_pid(&before).expect("it runs"));
    wait_until("there is another elector", secs(10), || {
        master.holds(ELECTOR) && master.run(ELECTOR) != before
    });
    assert!(master.holds(&format!("kill -0 {}", first.pid)) && site.place.runs().len() == 1);
    let guardian = crate::property(master, "MainPID");
    shortage.strike(master.host_pid(&guardian).expect("it runs"));
    let second = site.place.wait_takeover(&first, secs(20));
    let gap = site.place.gap();
    println!("the guardian killed for want of memory: nobody ran for {gap:?}");
    assert_ne!(second.name, first.name);
    assert!(gap < AT_ONCE, "{gap:?}");
}

/// Prints the elector's number, if there is one.
const ELECTOR: &str = "pgrep -f '[z]k-supervise: elector'";

/// A group of processes with little memory.
struct Shortage(PathBuf);

impl Shortage {
    fn new() -> Option<Shortage> {
        let groups = Path::new("/sys/fs/cgroup/memory");
        if !groups.exists() {
            skip("there is no memory controller that a test may use");
            return None;
        }
        let group = groups.join(format!("zk-supervise-tests.{}", std::process::id()));
        fs::create_dir_all(&group).expect("it is ours");
        fs::write(group.join("memory.limit_in_bytes"), "64M").expect("it is ours");
        Some(Shortage(group))
    }

    /// Has the kernel kill it.
    #[track_caller]
    fn strike(&self, pid: Pid) {
        fs::write(format!("/proc/{pid}/oom_score_adj"), "1000").expect("it runs");
        let members = self.0.join("cgroup.procs");
        fs::write(&members, pid.to_string()).expect("it runs");
        let mut command = Command::new("sh");
        let glutton = format!("echo $$ >{}; exec tail /dev/zero", members.display());
        command.args(["-c", &glutton]);
        let mut glutton = Process::spawn("a glutton", command);
        wait_until("it is killed", secs(20), || {
            fs::read_to_string(self.0.join("memory.oom_control"))
                .is_ok_and(|text| !text.contains("oom_kill 0"))
                && !Path::new(&format!("/proc/{pid}/exe")).exists()
        });
        glutton.kill();
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        let path = self.0.to_str().expect("it is ours");
        wait_until("the group is empty", secs(10), || {
            run("rmdir", &[path]).is_ok()
        });
    }
}
