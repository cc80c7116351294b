//! `status` and `check --online`: what an operator is told.

use crate::support::{
    Ensemble, Group, Link, Netns, Who, Znodes, holds_for, is_alive, millis, secs, shared, wait_for,
    wait_until, zk_supervise,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use zookeeper_client::{Acls, Client, CreateMode};

/// How long hosts that start together may take until one runs the command.
const ELECTED_WITHIN: Duration = secs(20);

/// Twice what it takes: two sessions, and a pause between two looks.
const ANSWERED_WITHIN: Duration = secs(20);

fn ask(words: &[&str], file: &Path) -> Output {
    let file = file.to_str().expect("temporary paths are UTF-8");
    zk_supervise(&[words, &[file]].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("we print UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("we print UTF-8")
}

/// What `status` prints; it has to succeed.
#[track_caller]
fn status(file: &Path) -> String {
    let output = ask(&["status"], file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

/// What `status --json` prints.
#[track_caller]
fn json(file: &Path) -> Value {
    let output = ask(&["status", "--json"], file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn codes(json: &Value) -> Vec<&str> {
    let warnings = json["warnings"].as_array().expect("a list");
    warnings
        .iter()
        .filter_map(|it| it["code"].as_str())
        .collect()
}

/// The name and the state of each candidate, as they are listed.
fn states(json: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    let candidates = json["candidates"].as_array().expect("a list");
    let pair = |it: &Value| (text(&it["name"]), text(&it["state"]));
    candidates.iter().map(pair).collect()
}

/// Waits until `status --json` has a state of each of these candidates, and returns it.
#[track_caller]
fn wait_states(file: &Path, expected: &[(&str, &str)]) -> Value {
    wait_for(&format!("{expected:?}"), secs(15), || {
        let json = json(file);
        let states = states(&json);
        let states = states.iter().map(|(a, b)| (a.as_str(), b.as_str()));
        states.eq(expected.iter().copied()).then_some(json)
    })
}

#[test]
fn an_election_that_never_began_has_no_master() {
    let group = Group::new(shared());
    let file = group.config("a").write();
    let text = status(&file);
    let root = group.root();
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>().join(" "),
        format!(
            "nobody is master: `{root}` does not exist: no supervisor ever ran here election {root}/master"
        )
    );
    let json = json(&file);
    assert_eq!(json["master"], Value::Null);
    assert_eq!(json["nobody"]["code"], "root-missing");
    assert_eq!(json["term"]["state"], "root-missing");
    assert_eq!(json["candidates"], Value::Array(vec![]));
    assert!(!group.znodes().exists(root), "it was only looked at");
}

#[test]
fn a_master_and_its_standby_are_shown() {
    let group = Group::new(shared());
    let master = group.start("a");
    let run = group.wait_running(ELECTED_WITHIN);
    let standby = group.start("b");
    let file = group.config("c").write();
    let json = wait_states(&file, &[("a", "master"), ("b", "standby")]);
    println!("{json:#}");

    let text = status(&file);
    let pid = master.pid(Who::Guardian);
    let first = text.lines().next().expect("an answer");
    assert!(first.starts_with("master: a (host "), "{first}");
    assert!(first.contains(&format!("pid {pid}) since ")), "{first}");
    assert!(first.ends_with(" ago"), "{first}");
    assert!(text.contains(&run.token.to_string()), "{text}");
    assert!(text.contains("8.3s, renewed "), "{text}");
    assert!(!text.contains("warning"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));

    assert_eq!(json["format"], 1);
    assert_eq!(json["path"], group.master());
    assert_eq!(json["nobody"], Value::Null);
    assert_eq!(json["warnings"], Value::Array(vec![]));
    assert_eq!(json["master"]["name"], "a");
    assert_eq!(json["master"]["pid"], pid.as_raw());
    assert_eq!(json["master"]["state"], "master");
    assert_eq!(json["master"]["renewing"], true);
    let session = format!("{:#x}", group.master_session());
    assert_eq!(json["master"]["session"], session);
    assert_eq!(json["term"]["state"], "held");
    assert_eq!(json["term"]["token"], run.token.to_string());
    assert_eq!(json["term"]["generation"], 0);
    assert_eq!(json["term"]["lease_ms"], 8333);
    assert_eq!(json["term"]["holder"], "a");
    let standby_pid = standby.pid(Who::Guardian).as_raw();
    assert_eq!(json["candidates"][1]["pid"], standby_pid);
    for time in [
        &json["time"],
        &json["master"]["since"],
        &json["term"]["written"],
        &json["candidates"][0]["since"],
    ] {
        let time = time.as_str().expect("a time");
        assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 24);
    }
}

#[test]
fn a_master_without_a_standby_is_warned_of_and_nobody_is_left_after_it() {
    let group = Group::new(shared());
    let mut master = group.start("a");
    group.wait_running(ELECTED_WITHIN);
    let file = group.config("b").write();
    let alone = wait_states(&file, &[("a", "master")]);
    assert_eq!(codes(&alone), ["no-standby"]);
    master.signal(Who::Guardian, Signal::SIGTERM);
    assert!(master.wait_exit(secs(5)).success());
    let left = wait_states(&file, &[]);
    assert_eq!(left["nobody"]["code"], "no-candidates");
    assert_eq!(left["term"]["state"], "released");
    assert!(status(&file).starts_with("nobody is master: no supervisor of this election"));
}

#[test]
fn a_master_whose_host_died_is_silent_and_its_lease_is_waited_out() {
    let group = Group::new(shared());
    // Long enough to be looked at twice before a standby takes over.
    let config = |name| group.config(name).session(secs(12));
    let mut master = config("a").start();
    let run = group.wait_running(ELECTED_WITHIN);
    let _standby = config("b").start();
    let file = config("c").write();
    wait_states(&file, &[("a", "master"), ("b", "standby")]);
    master.crash();
    let json = wait_for("it is noticed", secs(8), || {
        let json = json(&file);
        (json["master"]["renewing"] == false).then_some(json)
    });
    assert_eq!(json["master"]["name"], "a");
    assert!(codes(&json).contains(&"silent-master"), "{json:#}");
    let text = status(&file);
    assert!(text.starts_with("master: a (host "), "{text}");
    assert!(text.contains("; SILENT for "), "{text}");
    assert!(text.contains("takes over within "), "{text}");
    group.wait_takeover(&run, secs(25));
    wait_until("the next is shown", secs(10), || {
        let text = status(&file);
        text.starts_with("master: b (host ") && !text.contains("SILENT")
    });
}

#[test]
fn a_standby_that_was_elected_says_that_it_waits_the_lease_out() {
    let group = Group::new(shared());
    let config = |name| group.config(name).session(secs(12));
    let mut master = config("a").start();
    group.wait_running(ELECTED_WITHIN);
    // Gone with its session, and its lease of 10 s still runs.
    master.crash();
    let session = group.master_session();
    crate::support::expire(&shared().servers()[0], session).expect("it is alive");
    let _standby = config("b").start();
    let file = config("c").write();
    let json = wait_states(&file, &[("b", "waiting-out")]);
    assert_eq!(json["master"]["name"], "b");
    assert_eq!(json["master"]["state"], "waiting-out");
    let text = status(&file);
    let first: Vec<&str> = text.split_whitespace().collect();
    let first = first.join(" ");
    assert!(
        first.contains("; its command starts when the last master's lease is over"),
        "{text}"
    );
    wait_states(&file, &[("b", "master")]);
}

#[test]
fn two_candidates_of_one_name_are_warned_of_and_do_not_block_each_other() {
    let group = Group::hasty(shared());
    let start = |dir: &str| {
        let config = group.config(dir).set("election.name", "\"twin\"");
        config.start()
    };
    let mut hosts = vec![start("first")];
    let run = group.wait_running(ELECTED_WITHIN);
    hosts.push(start("second"));
    let file = group.config("c").write();
    let json = wait_states(&file, &[("twin", "master"), ("twin", "standby")]);
    assert_eq!(codes(&json), ["same-name"]);
    let text = status(&file);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("warning: 2 candidates are called twin ("),
        "{text}"
    );
    assert!(words.contains("they do not block each other"), "{text}");
    for host in &hosts {
        let pid = host.pid(Who::Guardian).to_string();
        assert!(text.contains(&format!("pid {pid}")), "{text}");
    }
    wait_until("the log says so too", secs(5), || {
        let twin = "another live candidate has the same name: set `[election] name` on one of them";
        hosts[1].logged(twin) > 0
    });
    hosts[0].crash();
    let next = group.wait_takeover(&run, secs(10));
    assert_eq!(Some(next.pid), hosts[1].child());
}

#[test]
fn a_master_znode_of_another_program_is_named() {
    let group = Group::new(shared());
    let file = group.config("a").write();
    group.znodes().create(&group.master(), b"\x1b[2Jmine");
    let found = json(&file);
    assert_eq!(found["master"], Value::Null);
    assert_eq!(found["nobody"]["code"], "foreign-master");
    let _host = group.start("b");
    let found = wait_states(&file, &[("b", "unable")]);
    assert_eq!(found["nobody"]["code"], "foreign-master");
    let text = status(&file);
    assert!(
        text.starts_with("nobody is master: another program made"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text:?}");
}

#[test]
fn znodes_that_cannot_be_read_are_named_and_the_table_stays_in_shape() {
    let group = Group::new(shared());
    let file = group.config("a").write();
    let candidates = format!("{}.candidates", group.master());
    group.znodes().create(&group.term(), br#"{"format":9}"#);
    let stranger = |name: &str, data: &[u8]| {
        group.znodes().create(&format!("{candidates}/{name}"), data);
    };
    stranger("odd", b"hello");
    let long = format!(
        r#"{{"format":1,"name":"{}","incarnation":"7","host":"\u202e\u0007evil\nhost","pid":1,"state":"{}","version":"9"}}"#,
        "n".repeat(300),
        "s".repeat(300),
    );
    stranger("long", long.as_bytes());
    let found = json(&file);
    assert_eq!(found["term"]["state"], "unreadable");
    assert_eq!(found["nobody"], Value::Null);
    assert_eq!(found["unknown"]["code"], "unreadable-term");
    assert!(codes(&found).contains(&"unreadable-term"));
    assert!(codes(&found).contains(&"unreadable-candidate"));
    let text = status(&file);
    assert!(text.contains("`format` is 9"), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{7}']), "{text:?}");
    let table: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("NAME"))
        .collect();
    assert_eq!(table.iter().take_while(|line| !line.is_empty()).count(), 3);
}

#[test]
fn a_released_term_under_a_master_is_odd() {
    let group = Group::new(shared());
    let file = group.config("a").write();
    let released = br#"{"format":1,"state":"released","holder":"x","version":"0.1.0"}"#;
    group.znodes().create(&group.term(), released);
    let master = br#"{"format":1,"name":"x","host":"h","pid":7,"term":null,"version":"0.1.0"}"#;
    group.znodes().create_ephemeral(&group.master(), master);
    let found = json(&file);
    assert_eq!(found["master"], Value::Null, "the record decides");
    assert_eq!(found["nobody"]["code"], "term-mismatch");
    let first = one_line(&status(&file));
    assert!(
        first.starts_with("nobody is master: the term record says so, although `"),
        "{first}"
    );
}

/// The whole text as one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a hand did to the master znode of a master that renews.
enum Harm {
    Overwritten,
    Foreign,
    Persistent,
}

/// Holds that `a`, whose command runs on, is shown as master, with this advice; then M goes.
#[track_caller]
fn is_master_still(harm: &Harm, code: &str, advice: &str) {
    let group = Group::hasty(shared());
    let host = group.start("a");
    let run = group.wait_running(ELECTED_WITHIN);
    let file = group.config("c").write();
    wait_states(&file, &[("a", "master")]);
    let _standby = group.start("b");
    wait_states(&file, &[("a", "master"), ("b", "standby")]);
    let by_hand = Znodes::of(shared());
    match harm {
        Harm::Overwritten => by_hand.write(&group.master(), b"garbage"),
        Harm::Foreign => by_hand.replace_by_ephemeral(&group.master(), b"garbage"),
        Harm::Persistent => by_hand.replace_by_persistent(&group.master(), b"garbage"),
    }
    let text = status(&file);
    let pid = host.pid(Who::Guardian).as_raw();
    assert!(text.starts_with("master: a (host "), "{text}");
    assert!(
        !text.contains("SILENT") && !text.contains("past master"),
        "{text}"
    );
    assert!(one_line(&text).contains(advice), "{text}");
    let found = json(&file);
    assert_eq!(found["master"]["pid"], pid);
    assert_eq!(found["master"]["renewing"], true);
    assert_eq!(found["nobody"], Value::Null);
    assert!(codes(&found).contains(&code), "{found:#}");
    // Longer than the lease: it is renewed.
    holds_for("the child runs on", secs(4), || run.is_alive());
    assert!(status(&file).starts_with("master: a (host "));
    if let Harm::Overwritten = harm {
        return;
    }
    // As the warning says.
    assert!(by_hand.delete(&group.master()));
    group.wait_takeover(&run, secs(20));
}

#[test]
fn a_master_whose_znode_was_overwritten_is_master_still() {
    is_master_still(
        &Harm::Overwritten,
        "foreign-master",
        "nothing has to be done, it goes with its session",
    );
}

#[test]
fn a_master_whose_znode_was_made_anew_by_another_session_is_master_still() {
    is_master_still(
        &Harm::Foreign,
        "foreign-master",
        "nothing has to be done; when it goes, a is demoted and the command is started anew",
    );
}

#[test]
fn a_master_whose_znode_was_made_persistent_is_master_still_and_it_is_to_be_deleted() {
    is_master_still(
        &Harm::Persistent,
        "foreign-master",
        "no standby can take over: run `delete ",
    );
}

#[test]
fn a_spoilt_record_is_not_known_to_be_anybodys_until_it_is_deleted_as_advised() {
    let group = Group::hasty(shared());
    let host = group.start("a");
    let run = group.wait_running(ELECTED_WITHIN);
    let file = group.config("c").write();
    wait_states(&file, &[("a", "master")]);
    group.znodes().write(&group.term(), b"garbage");
    wait_until("the child is stopped", secs(10), || !run.is_alive());
    for _ in 0..2 {
        let text = status(&file);
        println!("{text}");
        let first = one_line(&text);
        let expected = format!(
            "it is not known who is master: `{}` is unreadable, and the command may run somewhere",
            group.term()
        );
        assert!(first.starts_with(&expected), "{text}");
        let advice = format!("run `delete {}` in zkCli.sh", group.term());
        assert!(first.contains(&advice), "{text}");
        assert!(
            !text.contains("nobody") && !text.contains("SILENT"),
            "{text}"
        );
        let found = json(&file);
        assert_eq!(
            (&found["master"], &found["nobody"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(found["unknown"]["code"], "unreadable-term");
    }
    drop(host);
    group.znodes().delete(&group.term());
    let _host = group.start("b");
    let next = group.wait_takeover(&run, secs(30));
    assert_eq!(next.name, "b");
}

#[test]
fn without_a_server_status_and_check_say_why_and_exit_69_in_time() {
    let group = Group::new(shared());
    let silent = Link::to(shared().servers()[0].socket());
    let refusing = Link::to(shared().servers()[0].socket());
    silent.blackhole();
    refusing.refuse();
    let links = [silent, refusing];
    let file = group.config("a").through(&links).write();
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["check", "--online"],
    ] {
        let mut output = None;
        let took = wait_until("it answers", ANSWERED_WITHIN, || {
            output = Some(ask(words, &file));
            true
        });
        let output = output.expect("it was run");
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let why = stderr(&output);
        println!("after {took:?}: {why}");
        assert!(why.starts_with("no server answers\n"), "{why}");
        assert!(why.contains("connection refused"), "{why}");
        assert!(
            why.contains("connected, but no session was opened"),
            "{why}"
        );
    }
    let output = ask(&["check", "--online"], &file);
    assert!(
        stdout(&output).contains("[election]"),
        "the file is printed all the same"
    );
}

#[test]
fn without_a_network_status_exits_69_in_time() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::new(shared());
    let file = group.config("a").inside(&netns).write();
    netns.unplug();
    wait_until("it answers", secs(30), || {
        let output = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", netns.name()))
            .args([env!("CARGO_BIN_EXE_zk-supervise"), "status"])
            .arg(&file)
            .output()
            .expect("util-linux is there");
        println!("{}", stderr(&output));
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        true
    });
}

#[test]
fn a_file_that_is_wrong_asks_nobody() {
    let group = Group::new(shared());
    let file = group.config("a").set("election.root", "\"ha\"").write();
    for words in [&["status"][..], &["check", "--online"]] {
        let output = ask(words, &file);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains("app.toml:"), "{output:?}");
    }
}

#[test]
fn check_online_prints_a_file_that_loads_again_and_leaves_nothing_behind() {
    let group = Group::new(shared());
    let file = group.config("a").write();
    let output = ask(&["check", "--online"], &file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stderr(&output), "");
    let text = stdout(&output);
    let offline = stdout(&ask(&["check"], &file));
    assert!(text.starts_with(&offline), "{text}");
    let (_, online) = text
        .split_once("# What the ensemble says:\n")
        .expect("it says");
    println!("{online}");
    for server in shared().addresses() {
        assert!(online.contains(&format!("{server}   serves")), "{online}");
    }
    assert!(online.contains("10s, as asked for"), "{online}");
    assert!(online.contains("will be made below `/"), "{online}");
    assert!(!group.znodes().exists(group.root()));

    let again = group.dir().join("again.toml");
    std::fs::write(&again, &text).expect("the directory is ours");
    assert_eq!(stdout(&ask(&["check"], &again)), offline);

    let _host = group.start("b");
    group.wait_running(ELECTED_WITHIN);
    let text = stdout(&ask(&["check", "--online"], &file));
    let writable = format!("`{}` may be written", group.master());
    assert!(text.contains(&writable), "{text}");
    let run = group.record();
    let run = run.current().expect("the check touches nobody");
    assert!(is_alive(run.pid));
}

#[test]
fn one_server_of_several_that_does_not_serve_is_a_warning() {
    let group = Group::new(shared());
    let servers = shared().servers().iter();
    let links: Vec<Link> = servers.map(|server| Link::to(server.socket())).collect();
    let file = group.config("a").through(&links).write();
    links[0].refuse();
    links[1].blackhole();
    let output = ask(&["check", "--online"], &file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let why = stderr(&output);
    println!("{why}");
    for (link, reason) in [
        (&links[0], "connection refused"),
        (&links[1], "connected, but no session was opened"),
    ] {
        let warning = format!(
            "warning: server {} does not serve: {reason}\n",
            link.address()
        );
        assert!(why.contains(&warning), "{why}");
    }
    assert!(stdout(&output).contains(&format!("{}   serves", links[2].address())));
    assert!(status(&file).starts_with("nobody is master"));
}

#[test]
fn a_session_that_the_ensemble_shortens_is_explained() {
    // Stock: at most 40 s.
    let ensemble = Ensemble::start(1);
    let group = Group::new(&ensemble);
    let config = group.config("a").session(secs(60));
    let output = ask(&["check", "--online"], &config.write());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    println!("{}", stderr(&output));
    assert!(stderr(&output).contains("a session of 40s, not the 1m asked for"));
    assert!(stderr(&output).contains("the lease is 33s 333ms, not 50s"));
    assert!(stdout(&output).contains("40s, not the 1m asked for"));
    let text = status(&config.write());
    assert!(
        text.contains("warning: the ensemble grants sessions of 40s"),
        "{text}"
    );

    let config = config.set("command.grace_period", "\"34s\"");
    let output = ask(&["check", "--online"], &config.write());
    let why = stderr(&output);
    println!("{why}");
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(why.contains("would not campaign"), "{why}");
    assert!(
        why.contains("`maxSessionTimeout` in the servers' zoo.cfg to 60000"),
        "{why}"
    );
    assert!(stdout(&output).contains("none: this candidate would not campaign"));

    let (_, value) = why.split_once("grace_period = ").expect("a help");
    let config = config.set("command.grace_period", value.trim());
    let output = ask(&["check", "--online"], &config.write());
    assert_eq!(output.status.code(), Some(0), "the help helps: {output:?}");
}

#[test]
fn a_longer_session_than_asked_for_is_said_and_no_harm() {
    // Stock: at least 4 s.
    let ensemble = Ensemble::start(1);
    let group = Group::new(&ensemble);
    let config = group.config("a").session(millis(3500));
    let output = ask(&["check", "--online"], &config.write());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains("4s, not the 3s 500ms asked for"));
}

/// Makes a znode that everybody may look at and nobody may change.
fn make_read_only(path: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let client = Client::connect(&shared().addresses().join(","))
            .await
            .expect("the ensemble serves");
        let parents = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let parent = path.rsplit_once('/').expect("a path").0;
        client.mkdir(parent, &parents).await.expect("we may");
        let options = CreateMode::Persistent.with_acls(Acls::anyone_read());
        client.create(path, b"", &options).await.expect("we may");
    });
}

#[test]
fn what_the_ensemble_forbids_is_said_with_what_to_do() {
    let group = Group::new(shared());
    make_read_only(group.root());
    let file = group.config("a").write();
    let output = ask(&["check", "--online"], &file);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let why = stderr(&output);
    println!("{why}");
    let root = group.root();
    let forbidden = format!("the ensemble forbids what must be done at `{root}`: ");
    assert!(why.starts_with(&forbidden), "{why}");
    assert!(
        why.contains(&format!("setAcl {root} world:anyone:cdrwa")),
        "{why}"
    );
    // To look is allowed.
    let text = one_line(&status(&file));
    let closed = format!("nobody is master: the ACL of `{root}` lets nobody create znodes there");
    assert!(text.starts_with(&closed), "{text}");
    assert_eq!(json(&file)["nobody"]["code"], "closed");

    let host = group.start("c");
    let forbidden = "the ensemble forbids what we must do";
    wait_until("it complains", ELECTED_WITHIN, || {
        host.logged(forbidden) > 0
    });
    let log = host.log();
    let line = log.iter().find(|line| line["message"] == forbidden);
    let line = line.expect("it was just there");
    let reason = line["reason"].as_str().expect("it says why");
    assert!(
        reason.ends_with(&format!("the ACL of `{root}` lacks `create`")),
        "{reason}"
    );
    let help = line["help"].as_str().expect("it says what to do");
    assert!(help.contains("`setAcl`"), "{help}");
    let text = one_line(&status(&file));
    assert!(text.starts_with(&closed), "{text}");
    drop(host);

    let below = format!("{root}/deeper");
    let file = group
        .config("b")
        .set("election.root", &format!("{below:?}"))
        .write();
    let output = ask(&["check", "--online"], &file);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let why = stderr(&output);
    println!("{why}");
    assert!(
        why.contains(&format!("create {below} \"\" world:anyone:cdrwa")),
        "{why}"
    );
}

#[test]
fn candidates_that_cannot_be_listed_are_not_called_absent() {
    let group = Group::new(shared());
    let candidates = format!("{}.candidates", group.master());
    make_read_only(&candidates);
    let host = group.start("a");
    group.wait_running(ELECTED_WITHIN);
    let unlisted =
        "the candidate znode cannot be written: `status` does not show what this candidate does";
    wait_until("it says so", ELECTED_WITHIN, || host.logged(unlisted) > 0);
    let log = host.log();
    let line = log.iter().find(|line| line["message"] == unlisted);
    let reason = line.expect("it was just there")["reason"].clone();
    let reason = reason.as_str().expect("it says why");
    let expected = format!("the ACL of `{candidates}` lacks `create`");
    assert!(reason.ends_with(&expected), "{reason}");
    let file = group.config("c").write();
    let text = status(&file);
    assert!(text.starts_with("master: a (host "), "{text}");
    let expected = format!(
        "warning: the ACL of `{candidates}` lets nobody create znodes there: who stands by cannot be known"
    );
    assert!(one_line(&text).contains(&expected), "{text}");
    assert!(!text.contains("nobody stands by"), "{text}");
    assert_eq!(codes(&json(&file)), ["closed"]);
}
