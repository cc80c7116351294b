//! The package as an administrator meets it: installed on two hosts with systemd, beside an ensemble.
//!
//! `packaging/build.sh`, then `ZK_SUPERVISE_PACKAGES=target/packages cargo test --test package`; root, and `debootstrap`,
//! which fetches Debian once. Without packages there is nothing to test.

mod machine;
mod site;
#[expect(
    dead_code,
    unused_imports,
    reason = "it serves the tests of `cluster` too, which use the rest"
)]
#[path = "../support/mod.rs"]
mod support;

use site::{Site, UNIT};
use support::{millis, secs, wait_until};

/// How long two candidates may take until one runs the command; more than a lease.
const SOON: std::time::Duration = secs(40);

/// What is promised: the command runs on the other host within half a second.
const AT_ONCE: std::time::Duration = millis(500);

#[test]
fn enabled_and_started_it_is_all() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, standby) = site.by_name(&first.name);
    let status = |machine: &machine::Machine| machine.run(&format!("systemctl status {UNIT} || :"));
    let shown = format!("master of {} since ", site.master());
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
    let second = site.wait_takeover(&first, secs(10));
    println!("a planned stop: nobody ran for {:?}", site.gap());
    assert_ne!(second.name, first.name);
}

#[test]
fn a_unit_that_is_killed_as_a_whole_is_succeeded_at_once() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    master.run(&format!(
        "systemctl kill --kill-who=all --signal=KILL {UNIT}"
    ));
    let second = site.wait_takeover(&first, secs(20));
    let gap = site.gap();
    println!("the whole unit killed: nobody ran for {gap:?}");
    assert_ne!(second.name, first.name);
    assert!(gap < AT_ONCE, "{gap:?}");
    let journal = format!("journalctl --no-pager -u {UNIT}");
    wait_until("it says what it did", secs(10), || {
        master.run(&journal).contains("released term ")
    });
    wait_until("it stands by again", secs(20), || {
        master
            .run(&format!("systemctl status {UNIT} || :"))
            .contains("standing by")
    });
}

#[test]
fn both_processes_stopped_are_ended_by_the_watchdog_within_the_lease() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let pid = &first.pid;
    master.run(&format!("systemctl kill --kill-who=main --signal=STOP {UNIT}; pkill -STOP -f '[z]k-supervise: elector'"));
    wait_until("its command is dead", SOON, || {
        !master.holds(&format!("kill -0 {pid}"))
    });
    site.wait_takeover(&first, SOON);
    println!("both stopped: nobody ran for {:?}", site.gap());
    wait_until("it was the watchdog", secs(10), || {
        master
            .run(&format!("journalctl --no-pager -u {UNIT}"))
            .contains("Watchdog timeout")
    });
}

#[test]
fn a_killed_elector_leaves_the_command_alone_and_a_killed_guardian_is_succeeded() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let electors = "pgrep -f '[z]k-supervise: elector'";
    let before = master.run(electors);
    master.run("pkill -KILL -f '[z]k-supervise: elector'");
    wait_until("there is another", secs(10), || {
        master.try_run(electors).status.success() && master.run(electors) != before
    });
    assert!(master.holds(&format!("kill -0 {}", first.pid)) && site.runs().len() == 1);
    master.run(&format!(
        "systemctl kill --kill-who=main --signal=KILL {UNIT}"
    ));
    let second = site.wait_takeover(&first, secs(20));
    println!("the guardian killed: nobody ran for {:?}", site.gap());
    assert_ne!(second.name, first.name);
}

#[test]
fn a_reload_and_an_upgrade_leave_the_command_alone() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, standby) = site.by_name(&first.name);
    let is_untouched = || {
        let runs = site.runs().len() == 1;
        runs && master.holds(&format!("kill -0 {}", first.pid))
    };
    let file = "/etc/zk-supervise/billing.toml";
    let main = || master.run(&format!("systemctl show -P MainPID {UNIT}"));
    let guardian = main();

    master.run(&format!(
        "cp {file} /root/right.toml; echo 'lease = \"1d\"' >>{file}"
    ));
    assert!(
        !master.holds(&format!("systemctl reload {UNIT}")),
        "it fails visibly"
    );
    let journal = || master.run(&format!("journalctl --no-pager -u {UNIT}"));
    wait_until("it says why", secs(10), || journal().contains("lease"));
    master.run(&format!(
        "sed 's/\\[command\\]/&\\ngrace_period = \"3s\"/' /root/right.toml >{file}"
    ));
    master.run(&format!("systemctl reload {UNIT}"));
    assert!(
        master
            .run("cat /run/zk-supervise/billing/app.toml")
            .contains("grace_period = \"3s\"")
    );
    assert!(is_untouched());

    for machine in [standby, master] {
        machine.run(&format!("dpkg --install {}", site.package().display()));
    }
    let image = format!("readlink /proc/{}/exe", guardian.trim());
    assert_eq!(
        master.run(&image).trim(),
        "/usr/bin/zk-supervise",
        "not the deleted one"
    );
    assert_eq!(main(), guardian);
    assert!(is_untouched());
    assert!(
        master
            .run(&format!("systemctl is-active {UNIT}"))
            .contains("active")
    );
    // It is what it was: systemd still hears it, and it still hands over.
    master.run(&format!("systemctl stop {UNIT}"));
    assert_ne!(site.wait_takeover(&first, secs(10)).name, first.name);
}

#[test]
fn a_wrong_file_is_said_and_not_tried_again() {
    let Some(site) = Site::new() else { return };
    let machine = &site.machines[0];
    machine.run(
        "echo '[zookeeper]' >/etc/zk-supervise/wrong.toml; systemctl start zk-supervise@wrong || :",
    );
    wait_until("it has failed", secs(10), || {
        machine.holds("systemctl is-failed --quiet zk-supervise@wrong")
    });
    let restarts = machine.run("systemctl show -P NRestarts zk-supervise@wrong");
    assert_eq!(restarts.trim(), "0");
    let journal = machine.run("journalctl --no-pager -u zk-supervise@wrong");
    assert!(
        journal.contains("/etc/zk-supervise/wrong.toml") && journal.contains("servers"),
        "{journal}"
    );
}

#[test]
fn what_is_removed_is_stopped_and_what_is_purged_leaves_nothing() {
    let Some(site) = Site::new() else { return };
    let first = site.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let listing = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log -o -path /var/lib/systemd \\) -prune -o -name '*zk-supervise*' -print";
    assert!(master.run(listing).contains("/usr/bin/zk-supervise"));
    master.run("dpkg --remove zk-supervise");
    let second = site.wait_takeover(&first, secs(10));
    println!("removed: nobody ran for {:?}", site.gap());
    assert_ne!(second.name, first.name);
    assert!(
        !master.holds("pgrep -f '[z]k-supervise'"),
        "nothing of it runs"
    );
    master.run("dpkg --purge zk-supervise");
    assert_eq!(master.run(listing), "");
    assert!(!master.holds("getent passwd zk-supervise"));
}
