//! What the log tells an operator: what there is to know, and nothing that misleads.

use crate::measure::{ELECTED_WITHIN, said};
use crate::support::{Group, Supervisor, Who, secs, shared, wait_until};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;

const THE_MASTER_IS: &str = "the master is";

#[test]
fn a_master_that_resumes_is_not_told_who_is_master_and_a_standby_is_told_once() {
    let group = Group::new(shared());
    let host = group.start("a");
    group.wait_running(ELECTED_WITHIN);
    let other = group.start("b");
    wait_until("it hears of a", ELECTED_WITHIN, || {
        said(&other, THE_MASTER_IS) == 1
    });
    // The next elector looks before it resumes.
    host.signal(Who::Elector, Signal::SIGKILL);
    wait_until("the term is resumed", secs(20), || {
        said(&host, "resumed the term") == 1
    });
    assert_eq!(said(&host, THE_MASTER_IS), 0);
    assert_eq!(said(&other, THE_MASTER_IS), 1);
}

/// What a host has said of its child: message and level, and what is of interest of the rest.
fn told_of_child(host: &Supervisor) -> Vec<String> {
    let field = |line: &Value, name: &str| match (line.get(name), line[name].as_str()) {
        (None, _) => String::new(),
        (Some(_), Some(text)) => format!(" {name}={text}"),
        (Some(value), None) => format!(" {name}={value}"),
    };
    let log = host.log();
    let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    let of_child = log
        .iter()
        .filter(|line| message(line).starts_with("child "));
    let text = |line: &Value| {
        let fields = ["level", "code", "reason", "in", "starts"].map(|name| field(line, name));
        message(line) + &fields.concat()
    };
    of_child.map(text).collect()
}

#[test]
fn a_child_that_ends_again_and_again_is_told_of_with_the_pause_and_warned_of_from_the_third_on() {
    let group = Group::new(shared());
    let failing = group.witness(&["--exit-after", "50", "--exit-code", "3"]);
    let host = group.config("a").exec(&failing).start();
    wait_until("it has ended four times", ELECTED_WITHIN + secs(10), || {
        said(&host, "child is started again") >= 4
    });
    let told = told_of_child(&host);
    let expected = [
        "child started level=info",
        "child ended level=info code=3",
        "child is started again level=info in=1s starts=1",
        "child started level=info",
        "child ended level=info code=3",
        "child is started again level=info in=2s starts=2",
        "child started level=info",
        "child ended level=info code=3",
        "child is started again level=warn in=4s starts=3",
        "child started level=info",
        "child ended level=info code=3",
        "child is started again level=warn in=8s starts=4",
    ];
    assert_eq!(told[..expected.len()], expected);
}

#[test]
fn a_command_that_cannot_be_executed_is_not_told_to_have_started() {
    let group = Group::new(shared());
    let path = group.dir().join("fleeting");
    let mut command = group.witness(&[]);
    symlink(&command[0], &path).expect("it was not there");
    command[0] = path.to_str().expect("temporary paths are UTF-8").to_owned();
    let host = group.config("a").exec(&command).start();
    let run = group.wait_running(ELECTED_WITHIN);
    fs::remove_file(&path).expect("it is there");
    kill(run.pid, Signal::SIGKILL).expect("it runs");
    wait_until("it was tried in vain", secs(20), || {
        said(&host, "child could not be started") == 2
    });
    let told = told_of_child(&host);
    let expected = [
        "child started level=info",
        "child ended level=info",
        "child is started again level=info in=1s starts=1",
        "child could not be started level=error reason=No such file or directory",
        "child is started again level=info in=2s starts=2",
        "child could not be started level=error reason=No such file or directory",
    ];
    assert_eq!(told[..expected.len()], expected);
}

#[test]
fn a_child_that_is_stopped_with_its_term_is_not_told_to_be_started_again() {
    let group = Group::new(shared());
    let mut host = group.start("a");
    group.wait_running(ELECTED_WITHIN);
    host.signal(Who::Guardian, Signal::SIGTERM);
    assert!(host.wait_exit(secs(20)).success());
    assert_eq!(said(&host, "child ended"), 1);
    assert_eq!(said(&host, "child is started again"), 0);
}
