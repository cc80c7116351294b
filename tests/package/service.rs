//! Its everyday life: enabled, booted, restricted, stopped, shut down.

use crate::machine::Machine;
use crate::site::{FILE, Place, Site, UNIT};
use crate::support::{Link, refuse_all, secs, shared, wait_until};
use crate::{AT_ONCE, SOON, journal, property, status};

#[test]
fn enabled_and_started_it_is_all() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, standby) = site.by_name(&first.name);
    let shown = format!("master of {} since ", site.place.group.master());
    wait_until("the status says so", secs(10), || {
        status(master).contains(&shown)
    });
    assert!(
        status(standby).contains("standing by for"),
        "{}",
        status(standby)
    );
    // Of the child's own: not the supervisor's group, its user, not its protection.
    let pid = &first.pid;
    let child = master.run(&format!(
        "cat /proc/{pid}/cgroup /proc/{pid}/oom_score_adj; stat -c %U /proc/{pid}"
    ));
    assert!(
        child.contains("/zk-supervise.") && child.contains("\n0\nzk-supervise\n"),
        "{child}"
    );
    master.run(&format!("systemctl stop {UNIT}"));
    let second = site.place.wait_takeover(&first, secs(10));
    println!("a planned stop: nobody ran for {:?}", site.place.gap());
    assert_ne!(second.name, first.name);
}

/// The unit's own patience is shorter than the command's grace period.
#[test]
fn a_long_grace_period_is_waited_for() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    add_drop_in(master, "TimeoutStopSec=2s");
    set_grace_period(master, "7s");
    site.place.deafen();
    master.run(&format!("systemctl stop {UNIT}"));
    assert_eq!(property(master, "Result"), "success");
    let second = site.place.wait_takeover(&first, secs(10));
    assert_ne!(second.name, first.name);
    let said = journal(master);
    assert!(!said.contains("timed out"), "{said}");
}

#[test]
fn a_host_that_is_shut_down_hands_over() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    master.try_run("systemctl poweroff");
    let second = site.place.wait_takeover(&first, secs(20));
    let gap = site.place.gap();
    println!("a host shut down: nobody ran for {gap:?}");
    assert_ne!(second.name, first.name);
    assert!(gap < AT_ONCE, "{gap:?}");
}

#[test]
fn a_host_that_boots_before_the_ensemble_waits_for_it() {
    let place = Place::new();
    let links: Vec<Link> = shared()
        .servers()
        .iter()
        .map(|it| Link::to(it.socket()))
        .collect();
    let config = place.config("a").through(&links);
    let Some(machine) = place.machine("a", &config) else {
        return;
    };
    machine.run(&format!("systemctl enable {UNIT}"));
    drop(machine);
    refuse_all(&links);
    // Which waits until all of the boot is done.
    let machine = Machine::boot("a", place.group.dir()).expect("it was up before");
    wait_until("it says what it waits for", secs(20), || {
        status(&machine).contains("standing by for")
    });
    assert_eq!(property(&machine, "NRestarts"), "0");
    assert!(place.runs().is_empty());
    links.iter().for_each(Link::heal);
    place.wait_running(SOON);
    assert_eq!(property(&machine, "NRestarts"), "0");
}

#[test]
fn every_restriction_of_the_example_and_a_credential_do_no_harm() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (machine, other) = site.by_name(&first.name);
    other.run(&format!("systemctl stop {UNIT}"));
    machine.run("echo secret >/etc/token; chmod 600 /etc/token");
    let all = "sed -n 's/^#\\([A-Z][A-Za-z]*=\\)/\\1/p' /usr/share/doc/zk-supervise/examples/hardening.conf";
    let restrictions = machine.run(all);
    assert!(
        restrictions.contains("NoNewPrivileges=yes") && restrictions.contains("ProtectSystem=")
    );
    add_drop_in(
        machine,
        &format!("{restrictions}LoadCredential=token:/etc/token"),
    );
    machine.run(&format!("systemctl restart {UNIT}"));
    let second = site.place.wait_takeover(&first, SOON);
    let pid = &second.pid;
    let child = machine.run(&format!(
        "grep NoNewPrivs: /proc/{pid}/status; cat /proc/{pid}/cgroup; tr '\\0' '\\n' </proc/{pid}/environ"
    ));
    assert!(
        child.contains("NoNewPrivs:\t1") && child.contains("/zk-supervise."),
        "{child}"
    );
    let credentials = "CREDENTIALS_DIRECTORY=";
    let directory = child
        .lines()
        .find_map(|line| line.strip_prefix(credentials));
    let directory = directory.expect("it is told where they are");
    assert_eq!(machine.run(&format!("cat {directory}/token")), "secret\n");
    machine.run(&format!("systemctl stop {UNIT}"));
    assert_eq!(property(machine, "Result"), "success");
}

/// A line for its `[Service]` section.
fn add_drop_in(machine: &Machine, lines: &str) {
    let directory = format!("/etc/systemd/system/{UNIT}.service.d");
    machine.run(&format!(
        "mkdir -p {directory}; printf '[Service]\\n%s\\n' '{lines}' >{directory}/more.conf; systemctl daemon-reload"
    ));
}

/// In the file, and in force.
pub(crate) fn set_grace_period(machine: &Machine, span: &str) {
    machine.run(&format!(
        "sed -i 's/^grace_period.*/grace_period = \"{span}\"/' {FILE}"
    ));
    machine.run(&format!("systemctl reload {UNIT}"));
}
