//! What the child finds when it starts, and what the command's settings make of it.

use crate::launch::{ELECTED_WITHIN, Host, status};
use crate::support::{Group, Who, environment, secs, shared, wait_for, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid, getsid};
use std::fs;
use std::path::{Path, PathBuf};

/// The value of a variable of a process.
fn variable(pid: Pid, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let mut entries = environment(pid).into_iter();
    entries.find_map(|entry| entry.strip_prefix(&prefix).map(str::to_owned))
}

/// What a descriptor of a process is.
fn descriptor(pid: Pid, number: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/fd/{number}")).expect("the process has it")
}

/// The numbers of all descriptors of a process.
fn descriptors(pid: Pid) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there");
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    names
}

/// How a process is scheduled (`proc_pid_stat(5)`, field 41): 0 is SCHED_OTHER, 1 SCHED_FIFO.
fn policy(pid: Pid) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let fields = stat.rsplit_once(") ").expect("a name in parentheses").1;
    let policy = fields.split(' ').nth(38);
    policy.expect("every kernel has it").into()
}

/// The child that the log tells of, once it has become its program.
#[track_caller]
fn child(host: &Host, program: &str) -> Pid {
    wait_for("the child runs its program", ELECTED_WITHIN, || {
        let pid = host.find("child started")?["pid"].as_i64()?;
        let pid = Pid::from_raw(i32::try_from(pid).ok()?);
        (status(pid, "Name")? == program).then_some(pid)
    })
}

#[test]
fn the_child_is_told_its_name_the_path_of_the_master_and_a_token_that_grows() {
    let group = Group::new(shared());
    let chroot = format!("{}-chroot", group.root());
    group.znodes().create(&chroot, b"");
    let config = group
        .config("a")
        .set("zookeeper.chroot", &format!("{chroot:?}"));
    let _host = config.start();
    let mut run = group.wait_running(ELECTED_WITHIN);
    for _ in 0..2 {
        // With the first renewal: the campaign itself did not know its token.
        wait_until("T has the child's token", secs(5), || {
            let term = group.znodes().read(&format!("{chroot}{}", group.term()));
            let term = term.expect("it is held").json();
            term["token"].as_str() == Some(run.token.to_string().as_str())
        });
        assert_eq!(
            variable(run.pid, "ZK_SUPERVISE_TOKEN"),
            Some(run.token.to_string())
        );
        assert_eq!(variable(run.pid, "ZK_SUPERVISE_NAME").as_deref(), Some("a"));
        let master = format!("{chroot}{}", group.master());
        assert_eq!(
            variable(run.pid, "ZK_SUPERVISE_MASTER"),
            Some(master.clone())
        );
        group.znodes().delete(&master);
        let next = group.wait_takeover(&run, secs(10));
        assert!(next.token > run.token);
        run = next;
    }
}

#[test]
fn the_child_inherits_nothing_of_the_supervisor_but_its_outputs() {
    let group = Group::new(shared());
    let file = group.config("a").exec(&["/bin/sleep", "600"]).write();
    // An input, stray descriptors, a signal that is blocked and one that is ignored, variables of systemd's, a score.
    let host = Host::after(
        "exec </dev/zero 5</dev/null 7>/dev/null 9<&5
        echo 300 >/proc/self/oom_score_adj
        export NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=1 WATCHDOG_PID=1 LISTEN_FDS=1 LISTEN_PID=1 KEPT=yes
        exec env --block-signal=USR2 --ignore-signal=HUP \"$@\"",
        &file,
    );
    let pid = child(&host, "sleep");

    assert_eq!(descriptors(pid), ["0", "1", "2"]);
    assert_eq!(descriptor(pid, 0), Path::new("/dev/null"));
    assert_eq!(descriptor(pid, 1), group.dir().join("a/out"));
    assert_eq!(descriptor(pid, 2), group.dir().join("a/log"));
    for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        assert_eq!(
            status(pid, set).as_deref(),
            Some("0000000000000000"),
            "{set}"
        );
    }
    assert_eq!(getsid(Some(pid)), Ok(pid));
    assert_eq!(getpgid(Some(pid)), Ok(pid));
    let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it is there");
    assert_eq!(score.trim(), "300");
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
    ] {
        assert_eq!(variable(pid, name), None, "{name}");
    }
    assert_eq!(variable(pid, "KEPT").as_deref(), Some("yes"));

    // The elector neither reads a terminal nor speaks to systemd.
    assert_eq!(descriptor(host.elector(), 0), Path::new("/dev/null"));
    assert_eq!(variable(host.elector(), "NOTIFY_SOCKET"), None);
    assert_eq!(variable(host.elector(), "KEPT").as_deref(), Some("yes"));

    assert_eq!(policy(pid), "0");
    assert_eq!(policy(host.elector()), "0");
    let started = host.find("supervisor started").expect("it says so");
    let realtime = if started["realtime"] == "yes" {
        "1"
    } else {
        "0"
    };
    assert_eq!(policy(host.guardian()), realtime);
}

#[test]
fn the_child_runs_where_and_with_what_the_file_says() {
    let group = Group::new(shared());
    let file = group
        .config("a")
        .exec(&["/bin/sleep", "600"])
        .set("command.directory", "\"/usr\"")
        .set("command.clear_environment", "true")
        .set("command.environment", "{ COLOUR = \"blue\", EMPTY = \"\" }")
        .write();
    let host = Host::after("", &file);
    let pid = child(&host, "sleep");
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).expect("it is there");
    assert_eq!(directory, Path::new("/usr"));
    let mut names: Vec<String> = environment(pid)
        .iter()
        .filter_map(|entry| Some(entry.split_once('=')?.0.to_owned()))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "COLOUR",
            "EMPTY",
            "ZK_SUPERVISE_GUARDIAN",
            "ZK_SUPERVISE_MASTER",
            "ZK_SUPERVISE_NAME",
            "ZK_SUPERVISE_TOKEN"
        ]
    );
    assert_eq!(variable(pid, "COLOUR").as_deref(), Some("blue"));
}

#[test]
fn a_shell_command_speaks_on_our_outputs_and_is_stopped_by_the_signal_in_the_file() {
    let group = Group::new(shared());
    let script =
        "trap 'echo bye; exit 7' USR1; echo hello; echo $WHO >&2; while :; do sleep 0.01; done";
    let mut host = group
        .config("a")
        .unset("command.exec")
        .set("command.shell", &format!("{script:?}"))
        .set("command.stop_signal", "\"SIGUSR1\"")
        .set("command.environment", "{ WHO = \"to the log\" }")
        .start();
    let out = || fs::read_to_string(group.dir().join("a/out")).unwrap_or_default();
    wait_until("it speaks on both", ELECTED_WITHIN, || {
        out() == "hello\n" && host.log_text().lines().any(|line| line == "to the log")
    });
    host.signal(Who::Guardian, Signal::SIGTERM);
    assert!(host.wait_exit(secs(10)).success());
    assert_eq!(out(), "hello\nbye\n");
    let log = host.log();
    let ended = log.iter().find(|line| line["message"] == "child ended");
    assert_eq!(ended.expect("it says so")["code"], 7);
}
