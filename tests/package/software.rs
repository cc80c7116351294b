//! The software changes: another file, another version, none at all.

use crate::machine::{Machine, SHARED};
use crate::product::rpm;
use crate::service::set_grace_period;
use crate::site::{FILE, Place, Run, Site, UNIT};
use crate::support::{secs, wait_until};
use crate::{SOON, journal, property, status};
use std::fs;

#[test]
fn a_reload_leaves_the_command_alone_and_says_what_it_refuses_or_puts_off() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    master.run(&format!(
        "cp {FILE} /root/right.toml; echo 'lease = \"1d\"' >>{FILE}"
    ));
    assert!(
        !master.holds(&format!("systemctl reload {UNIT}")),
        "it fails visibly"
    );
    let refusal = master.try_run(&format!("zk-supervise check {FILE}"));
    let refusal = String::from_utf8_lossy(&refusal.stderr).into_owned();
    let place = refusal.lines().next().expect("it says what is wrong");
    wait_until("it says what `check` says", secs(10), || {
        journal(master).contains(place)
    });
    master.run(&format!("cp /root/right.toml {FILE}"));
    master.run(&format!(
        "sed -i 's/^exec = .*/&\\nenvironment = {{ X = \"1\" }}/' {FILE}"
    ));
    set_grace_period(master, "3s");
    wait_until("it says what waits for the next start", secs(10), || {
        journal(master).contains("for the next start of the command: environment")
    });
    let in_force = master.run("cat /run/zk-supervise/billing/app.toml");
    assert!(in_force.contains("grace_period = \"3s\""), "{in_force}");
    assert_untouched(&site, master, &first);
}

#[test]
fn an_upgrade_leaves_the_command_alone() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, standby) = site.by_name(&first.name);
    let guardian = property(master, "MainPID");
    let since = || {
        let status = status(master);
        let told = status.split("master of ").nth(1)?.split(", pid").next()?;
        Some(told.to_owned())
    };
    let master_since = since();
    assert!(master_since.is_some());
    for machine in [standby, master] {
        machine.run(&upgrade());
    }
    assert_eq!(
        image(master),
        "/usr/bin/zk-supervise",
        "not the deleted one"
    );
    assert_eq!(property(master, "MainPID"), guardian);
    assert_untouched(&site, master, &first);
    assert_eq!(property(master, "ActiveState"), "active");
    assert_eq!(since(), master_since);
    // It is what it was: systemd still hears it, and it still hands over.
    master.run(&format!("systemctl stop {UNIT}"));
    assert_ne!(site.place.wait_takeover(&first, secs(10)).name, first.name);
}

#[track_caller]
fn assert_untouched(site: &Site, master: &Machine, run: &Run) {
    assert_eq!(site.place.runs().len(), 1);
    assert!(master.holds(&format!("kill -0 {}", run.pid)));
}

/// The master loses its mastership, and is upgraded while its command takes its time to stop.
#[test]
fn an_upgrade_in_the_middle_of_a_handover_waits_for_its_end() {
    let Some(site) = Site::new() else { return };
    let first = site.place.wait_running(SOON);
    let (master, standby) = site.by_name(&first.name);
    set_grace_period(master, "5s");
    site.place.deafen();
    let group = &site.place.group;
    assert!(group.znodes().delete(&group.master()));
    wait_until("it stops", secs(10), || {
        status(master).contains("stopping the command")
    });
    for machine in [master, standby] {
        machine.run(&upgrade());
        assert_eq!(
            image(machine),
            "/usr/bin/zk-supervise",
            "not the deleted one"
        );
    }
    site.place.wait_takeover(&first, secs(20));
    for machine in [master, standby] {
        assert_eq!(property(machine, "NRestarts"), "0");
    }
    // And while the unit is being stopped.
    let second = site.place.runs().pop().expect("it runs");
    let (master, standby) = site.by_name(&second.name);
    set_grace_period(master, "5s");
    master.run(&format!("systemctl stop --no-block {UNIT}"));
    master.run(&upgrade());
    let third = site.place.wait_takeover(&second, secs(20));
    assert_ne!(third.name, second.name);
    wait_until("it has ended well", secs(10), || {
        property(master, "ActiveState") == "inactive" && property(master, "Result") == "success"
    });
    assert_eq!(property(standby, "NRestarts"), "0");
}

fn upgrade() -> String {
    format!("dpkg --install {SHARED}/zk-supervise.deb")
}

/// The file that the supervisor runs.
fn image(machine: &Machine) -> String {
    let guardian = property(machine, "MainPID");
    let image = machine.run(&format!("readlink /proc/{guardian}/exe"));
    image.trim().to_owned()
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
    let first = site.place.wait_running(SOON);
    let (master, _) = site.by_name(&first.name);
    let listing = "find / /run -xdev -path /run/systemd -prune -o -name '*zk-supervise*' ! -path '/srv/shared/*' -print";
    assert!(master.run(listing).contains("/usr/bin/zk-supervise"));
    master.run("dpkg --remove zk-supervise");
    let second = site.place.wait_takeover(&first, secs(10));
    println!("removed: nobody ran for {:?}", site.place.gap());
    assert_ne!(second.name, first.name);
    assert!(
        !master.holds("pgrep -f '[z]k-supervise'"),
        "nothing of it runs"
    );
    master.run("dpkg --purge zk-supervise");
    assert_eq!(master.run(listing), "");
    assert!(!master.holds("getent passwd zk-supervise"));
}

#[test]
fn an_rpm_is_installed_upgraded_and_removed_like_the_deb() {
    let Some(rpm) = rpm() else { return };
    let place = Place::new();
    place.config("a").write();
    fs::copy(rpm, place.group.dir().join("zk-supervise.rpm")).expect("a package");
    let Some(machine) = Machine::boot("a", place.group.dir()) else {
        return;
    };
    // What it depends on is there, but not from an rpm.
    let install = format!("rpm --upgrade --replacepkgs --nodeps {SHARED}/zk-supervise.rpm");
    machine.run(&install);
    machine.run(&format!("cp {SHARED}/a/app.toml {FILE}"));
    machine.run(&format!("systemctl enable --now {UNIT}"));
    let first = place.wait_running(SOON);
    let guardian = property(&machine, "MainPID");
    machine.run(&install);
    assert_eq!(
        image(&machine),
        "/usr/bin/zk-supervise",
        "not the deleted one"
    );
    assert_eq!(property(&machine, "MainPID"), guardian);
    assert!(machine.holds(&format!("kill -0 {}", first.pid)) && place.runs().len() == 1);
    machine.run("rpm --erase --nodeps zk-supervise");
    assert!(
        !machine.holds("pgrep -f '[z]k-supervise'"),
        "nothing of it runs"
    );
    let left = "find /usr /lib /var/lib/systemd -name '*zk-supervise*'";
    assert_eq!(machine.run(left), "");
    assert!(
        machine.holds(&format!("test -e {FILE}")),
        "the administrator's own"
    );
}
