//! As a service: what a service manager is told, and what it can give back after it has killed everything.

use crate::launch::{ELECTED_WITHIN, Host};
use crate::measure::{BUSY, LONG, links};
use crate::support::{
    Config, Group, Link, holds_for, is_alive, refuse_all, secs, shared, wait_for, wait_until,
    zk_supervise,
};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::Output;

/// A service manager's socket, and all that was told.
struct Manager {
    socket: UnixDatagram,
    name: String,
    told: Vec<String>,
}

impl Manager {
    fn listen(group: &Group) -> Manager {
        // An abstract name (unix(7)): a path has room for 107 bytes only.
        let root = group.root().replace('/', ".");
        let name = format!("zk-supervise.{}{root}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[..name.len().min(100)]);
        let socket = UnixDatagram::bind_addr(&address.expect("a short name"));
        let socket = socket.expect("nobody else has it");
        socket.set_nonblocking(true).expect("it can be");
        Manager {
            socket,
            name: format!("@{}", &name[..name.len().min(100)]),
            told: Vec::new(),
        }
    }

    /// All lines so far.
    fn told(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.told.extend(message.lines().map(str::to_owned));
        }
        &self.told
    }

    #[track_caller]
    fn wait_told(&mut self, what: &str) {
        wait_until(what, ELECTED_WITHIN, || {
            self.told().iter().any(|line| line.contains(what))
        });
    }
}

/// Ten years, in microseconds.
const OFF: &str = "315360000000000";

/// sd_notify(3): what `systemctl status` shows, and what the watchdog is fed with.
#[test]
fn the_service_manager_is_told_how_things_are() {
    let group = Group::new(shared());
    let mut manager = Manager::listen(&group);
    let script = format!("export NOTIFY_SOCKET={}", manager.name);
    let mut host = Host::after(&script, &group.config("a").write());
    let run = group.wait_running(ELECTED_WITHIN);
    manager.wait_told("READY=1");
    manager.wait_told(&format!("STATUS=master of {} since 2", group.master()));
    manager.wait_told(&format!(", pid {}, lease ", run.pid));
    let told = manager.told();
    let at = |what: &str| told.iter().position(|line| line.contains(what));
    assert!(at("STATUS=standing by for").is_some());
    assert!(at("STATUS=standing by for") < at("STATUS=master of"));
    // It is put off, until the first lease is fed to it, for what is left of that.
    let mut fed = told
        .iter()
        .filter_map(|line| line.strip_prefix("WATCHDOG_USEC="));
    assert_eq!(fed.next(), Some(OFF));
    let fed = fed.next();
    let micros: u64 = fed.and_then(|it| it.parse().ok()).expect("a number");
    let lease = crate::launch::timing(secs(10)).lease;
    assert!(
        u128::from(micros) <= lease.as_micros() && micros > 1_000_000,
        "{micros}"
    );
    let feeds = |manager: &mut Manager| {
        manager
            .told()
            .iter()
            .filter(|it| *it == "WATCHDOG=1")
            .count()
    };
    let before = feeds(&mut manager);
    wait_until("each renewal feeds it", BUSY, || {
        feeds(&mut manager) > before + 2
    });

    host.signal(Signal::SIGTERM);
    assert!(host.wait_exit(BUSY).success());
    let told = manager.told();
    let off = format!("WATCHDOG_USEC={OFF}");
    for line in ["STOPPING=1", "EXTEND_TIMEOUT_USEC=10000000", &off] {
        assert!(told.iter().any(|it| it == line), "{line}: {told:?}");
    }
    assert_eq!(told.iter().filter(|it| *it == "READY=1").count(), 1);
}

/// Ready means that it does what it can: a unit that waits for the ensemble would hold up the boot.
#[test]
fn it_is_ready_although_no_server_answers() {
    let group = Group::new(shared());
    let mut manager = Manager::listen(&group);
    let script = format!("export NOTIFY_SOCKET={}", manager.name);
    let config = group
        .config("a")
        .set("zookeeper.servers", r#"["127.0.0.1:9"]"#);
    let _host = Host::after(&script, &config.write());
    manager.wait_told("READY=1");
    manager.wait_told("STATUS=standing by for");
}

/// A host whose term is put on record.
fn recorded(group: &Group) -> (Host, PathBuf) {
    recorded_by(group, &group.config("a").session(LONG))
}

fn recorded_by(group: &Group, config: &Config) -> (Host, PathBuf) {
    let directory = group.dir().join("run");
    std::fs::create_dir(&directory).expect("the directory is ours");
    let script = format!("export RUNTIME_DIRECTORY={}", directory.display());
    let command = group.witness(&["--daemon", "--children", "2"]);
    let config = config.clone().exec(&command);
    (Host::after(&script, &config.write()), directory)
}

fn release(directory: &std::path::Path) -> Output {
    zk_supervise(&["release", directory.to_str().expect("UTF-8")])
}

#[track_caller]
fn assert_said(output: &Output, code: i32, what: &str) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(what), "{said}");
}

#[track_caller]
fn wait_tree(group: &Group) -> Vec<Pid> {
    wait_for("the whole tree runs", ELECTED_WITHIN, || {
        let tree = group.record().descendants().get(..3)?.to_vec();
        Some(tree)
    })
}

/// R11
#[test]
fn a_term_of_a_supervisor_that_was_killed_as_a_whole_is_given_back() {
    let group = Group::new(shared());
    let (mut host, directory) = recorded(&group);
    let tree = wait_tree(&group);
    let first = group.record().starts()[0].clone();
    let other = group.config("other").session(LONG).start();
    wait_until("both are listed", BUSY, || group.candidates().len() == 2);

    assert_said(&release(&directory), 70, "its supervisor runs");
    assert!(first.is_alive() && group.record().starts().len() == 1);

    host.kill_both();
    assert_said(&release(&directory), 0, "released term ");
    assert!(
        !tree.iter().any(|&pid| is_alive(pid)),
        "nothing of it is left"
    );
    // Its lease of 25 s is not waited out.
    let second = group.wait_takeover(&first, BUSY);
    assert_eq!(second.name, "other");

    assert_said(
        &release(&directory),
        0,
        "is over already: nothing to release",
    );
    assert!(
        second.is_alive() && other.is_running(),
        "another's term is left alone"
    );
    let znode = group.znodes().read(&group.term()).expect("T is there");
    assert_eq!(znode.json()["state"], "held");
}

/// The servers elect another leader, say.
#[test]
fn a_term_is_given_back_once_a_server_answers_again() {
    let group = Group::new(shared());
    let links = links(shared());
    let config = group.config("a").session(LONG).through(&links);
    let (mut host, directory) = recorded_by(&group, &config);
    wait_tree(&group);
    refuse_all(&links);
    host.kill_both();
    let releasing = std::thread::spawn(move || release(&directory));
    holds_for("it tries again", secs(2), || !releasing.is_finished());
    links.iter().for_each(Link::heal);
    let output = releasing.join().expect("it ends");
    assert_said(&output, 0, "released term ");
}

#[test]
fn where_no_term_was_held_there_is_nothing_to_release() {
    let group = Group::new(shared());
    let (mut host, directory) = recorded(&group);
    wait_tree(&group);
    host.signal(Signal::SIGTERM);
    assert!(host.wait_exit(BUSY).success());
    assert_said(
        &release(&directory),
        0,
        "nothing to release: no term was held",
    );
    let nowhere = group.dir().join("nowhere");
    assert_said(
        &release(&nowhere),
        0,
        "nothing to release: no supervisor keeps a record in",
    );
    std::fs::write(directory.join("term"), "term=?").expect("the directory is ours");
    assert_said(&release(&directory), 70, "cannot be read");
}

/// The command gets the normal score, whatever protects its supervisor.
#[test]
fn the_child_of_a_protected_supervisor_is_not_protected() {
    let group = Group::new(shared());
    let script = "echo -900 2>/dev/null >/proc/self/oom_score_adj || true";
    let _host = Host::after(script, &group.config("a").write());
    let run = group.wait_running(ELECTED_WITHIN);
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", run.pid));
    assert_eq!(score.expect("it runs").trim(), "0");
}
