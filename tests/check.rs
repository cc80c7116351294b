//! `check`, as an operator meets it: every message to the letter, and every help applied. The messages are in
//! `check/messages.txt`: `==` names a case, `--` is taken out of the file below, `++` is written instead.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use zk_supervise::{clock, config};

const BASE: &str = "\
[zookeeper]
servers = [\"zk1:2181\", \"zk2:2181\"]

[election]
root = \"/ha/billing\"
master = \"/master\"
name = \"host-1\"

[command]
exec = [\"/bin/sh\", \"-c\", \"true\"]
";

struct Case {
    name: String,
    /// The file.
    text: String,
    /// What is said of it.
    message: String,
}

fn cases() -> Vec<Case> {
    let table = include_str!("check/messages.txt");
    let table = table.strip_prefix("== ").expect("it begins with a case");
    table
        .split("\n== ")
        .map(|block| {
            let lines: Vec<_> = block.lines().collect();
            let (old, rest) = prefixed(&lines[1..], "--");
            let (new, message) = prefixed(rest, "++");
            assert!(BASE.contains(&old), "{block}");
            Case {
                name: lines[0].to_owned(),
                text: BASE.replace(&old, &new),
                message: message.join("\n").trim_end().to_owned(),
            }
        })
        .collect()
}

/// The lines that begin with `prefix`, without it, and those after them.
fn prefixed<'l>(lines: &'l [&'l str], prefix: &str) -> (String, &'l [&'l str]) {
    let end = lines.iter().take_while(|line| line.starts_with(prefix));
    let (mine, rest) = lines.split_at(end.count());
    let strip = |line: &&str| {
        let line = line.strip_prefix(prefix).expect("it was just looked for");
        format!("{}\n", line.strip_prefix(' ').unwrap_or(line))
    };
    (mine.iter().map(strip).collect(), rest)
}

/// A directory of its own for one test.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("check")
        .join(name);
    fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

fn zk_supervise(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zk-supervise"));
    command
        .args(arguments)
        .current_dir(directory)
        .env("PATH", "/bin")
        .env("HOME", "/home/operator");
    command
}

/// Checks `text` as `app.toml` in `directory`.
fn check(directory: &Path, text: impl AsRef<[u8]>) -> Output {
    fs::write(directory.join("app.toml"), text).expect("the directory is ours");
    run(directory, &["check", "app.toml"])
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    zk_supervise(directory, arguments)
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("what we print is UTF-8")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("what we print is UTF-8")
}

/// The help of `message` that is a command for a shell, if it is one.
fn command_in(message: &str) -> Option<&str> {
    let (_, help) = message.split_once("\nhelp: ")?;
    let is_command = ["chmod ", "mkdir ", "install "]
        .iter()
        .any(|command| help.starts_with(command));
    is_command.then_some(help)
}

/// `text` with the help of `message` in the place that it is for; `None` if there is no help.
fn cure(text: &str, message: &str) -> Option<String> {
    let (what, help) = message.split_once("\nhelp: ")?;
    let help: Vec<_> = help
        .lines()
        .map(|line| line.strip_prefix("      ").unwrap_or(line))
        .collect();
    let first = what.lines().next().unwrap_or_default();
    let mut lines: Vec<_> = text.lines().collect();
    let place = what
        .strip_prefix("app.toml:")
        .expect("each message names the file");
    let number = place
        .split(':')
        .next()
        .and_then(|line| line.parse::<usize>().ok());
    let is_move = help.len() > 1 && help[0].starts_with('[');
    match number {
        None => lines.extend(help),
        Some(number) if first.contains("is missing") || first.contains("neither") => {
            lines.splice(number..number, help);
        }
        Some(number) if is_move => {
            lines.remove(number - 1);
            match lines.iter().position(|line| *line == help[0]) {
                Some(header) => drop(lines.splice(header + 1..=header, help[1..].iter().copied())),
                None => lines.extend(help),
            }
        }
        Some(number) => {
            let last = match help[0] {
                comment if comment.starts_with('#') => number + help.len() - 1,
                _ if what.contains("three quotes") => lines.len(),
                _ => number,
            };
            lines.splice(number - 1..last, help);
        }
    }
    Some(lines.join("\n"))
}

/// What each message of `output` says is wrong, without where.
fn complaints(output: &Output) -> Vec<String> {
    let what = |line: &str| {
        let place = line.strip_prefix("app.toml:")?;
        Some(place.splitn(3, ':').last()?.trim().to_owned())
    };
    stderr(output).lines().filter_map(what).collect()
}

#[test]
fn every_message_is_right_to_the_letter() {
    let directory = scratch("messages");
    for Case {
        name,
        text,
        message,
    } in cases()
    {
        let output = check(&directory, &text);
        assert_eq!(stderr(&output).trim_end(), message, "{name}:\n{text}");
        assert_eq!(output.status.code(), Some(78), "{name}");
        assert_eq!(stdout(&output), "", "{name}");
    }
}

#[test]
fn every_help_makes_its_error_go_away() {
    let directory = scratch("help");
    for Case {
        name,
        text,
        message,
    } in cases()
    {
        let cured = cure(&text, &message).expect("each message has a help");
        // These are about this host, whose files are not ours to change: see the next test.
        if command_in(&message).is_some() {
            continue;
        }
        let output = check(&directory, &cured);
        let left = stderr(&output);
        // A program that the help can only guess is not on this host, and that is another error.
        let complaints = complaints(&output);
        let is_guess = matches!(&complaints[..], [one] if one.ends_with("` does not exist"))
            && command_in(left).is_some()
            && !message.contains(&complaints[0]);
        assert!(
            output.status.success() || is_guess,
            "{name}:\n{cured}\n{left}"
        );
    }
}

#[test]
fn every_help_that_is_a_command_mends_the_host() {
    let directory = scratch("commands");
    let path = |name: &str| directory.join(name);
    let _ = fs::remove_dir_all(path("made here"));
    let _ = fs::remove_file(path("script"));
    fs::write(path("program"), "#!/bin/sh\n").expect("the directory is ours");
    fs::write(path("script"), "#!/bin/sh\n").expect("the directory is ours");
    let exec = |name: &str| format!("exec = [{:?}]\n", path(name));
    let in_directory = format!(
        "exec = [\"/bin/sh\"]\ndirectory = {:?}\n",
        path("made here/in/it")
    );
    for setting in [exec("script"), exec("made here/program"), in_directory] {
        let text = BASE.replace("exec = [\"/bin/sh\", \"-c\", \"true\"]\n", &setting);
        let output = check(&directory, &text);
        let command = command_in(stderr(&output)).expect("the help is a command");
        let mended = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&directory)
            .status();
        assert!(mended.is_ok_and(|status| status.success()), "{command}");
        let again = check(&directory, &text);
        assert!(again.status.success(), "{command}\n{}", stderr(&again));
    }
}

#[test]
fn every_error_of_a_file_is_reported_at_once_and_in_its_order() {
    let text = r#"level = "info"
[zookeper]
servers = ["zk1:2181", "zk1", "zk2:99999"]
session-timeout = "15"
lease = "20s"
connect_timeout = 2
[election]
root = "ha//x/"
naem = "a b"
poll_interval = "1fortnight"
clock_rate_bound = 7
colour = "red"
renew_interval = 5s
root = "/b"
[command]
exec = ["billingd", 5]
shell = ""
directory = "data"
environment = { A = 1, "B=C" = "x" }
clear_environment = "no"
stop_signal = "SIGSTOP"
grace_period = 5
[log]
format = "jsn"
[metrics]
listen = "x"
"#;
    let output = check(&scratch("all"), text);
    let lines: Vec<usize> = stderr(&output)
        .lines()
        .filter_map(|line| {
            line.strip_prefix("app.toml:")?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    let expected = [
        1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 16, 16, 17, 17, 18, 19, 19, 20, 21,
        22, 24, 25,
    ];
    assert_eq!(lines, expected, "{}", stderr(&output));
}

#[test]
fn a_file_that_cannot_be_read_is_named_as_a_whole() {
    let directory = scratch("whole");
    for (arguments, message) in [
        (
            "nowhere.toml",
            "nowhere.toml: there is no such file\n  = it is looked for from the current directory\n",
        ),
        (
            ".",
            ".: this is a directory\n  = the configuration is one file\n",
        ),
    ] {
        for command in ["check", "run", "status"] {
            let output = run(&directory, &[command, arguments]);
            assert_eq!(stderr(&output), message, "{command}");
            assert_eq!(output.status.code(), Some(78), "{command}");
        }
    }
    let output = check(&directory, vec![b' '; (1 << 20) + 1]);
    let message =
        "app.toml: the file is too large\n  = a configuration of more than 1 MiB is an accident\n";
    assert_eq!(stderr(&output), message);
}

#[test]
fn a_byte_that_is_not_utf8_is_pointed_at() {
    let output = check(
        &scratch("utf8"),
        b"[log]\n# \xc3\xa9\nlevel = \"\xff\xfe\"\n",
    );
    let message = "\
app.toml:3:10: byte 0xff is not UTF-8
  |
3 | level = \"\u{fffd}\u{fffd}\"
  |          ^
  = a TOML file is UTF-8 throughout
help: level = \"info\"
";
    assert_eq!(stderr(&output), message);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_line_that_was_latin1_is_helped_to_utf8() {
    let output = check(
        &scratch("latin1"),
        b"[command]\ndirectory = \"/srv/b\xfccher\"\n",
    );
    assert!(
        stderr(&output).ends_with("help: directory = \"/srv/b\u{fc}cher\"\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_pipe_with_a_writer_is_read_and_nothing_else_is_waited_for() {
    let directory = scratch("fifo");
    fs::write(directory.join("app.toml"), BASE).expect("the directory is ours");
    let fifo = directory.join("fifo");
    let _ = fs::remove_file(&fifo);
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("the directory is ours");
    let silent =
        "nobody writes to this pipe\n  = a pipe is read to its end, and nothing was in it\n";
    let device = "this is a device\n  = the configuration is a file, or comes through a pipe\n";
    for (line, code, said) in [
        ("check fifo", 78, format!("fifo: {silent}")),
        ("check /dev/null", 78, format!("/dev/null: {device}")),
        ("check /dev/zero", 78, format!("/dev/zero: {device}")),
        ("check /dev/stdin < app.toml", 0, String::new()),
        ("check /dev/stdin < <(/bin/cat app.toml)", 0, String::new()),
        ("check <(/bin/cat app.toml)", 0, String::new()),
        (
            "check /dev/stdin < <(/bin/cat /dev/zero)",
            78,
            "/dev/stdin: the file is too large\n  = a configuration of more than 1 MiB is an accident\n".to_owned(),
        ),
    ] {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_zk-supervise"));
        let output = Command::new("/bin/bash")
            .args(["-c", &line])
            .current_dir(&directory)
            .output()
            .expect("there is a bash");
        assert_eq!((output.status.code(), stderr(&output)), (Some(code), &*said), "{line}");
        assert_eq!(code == 0, stdout(&output).contains("zk1:2181"), "{line}");
    }
}

#[test]
fn a_writer_who_has_not_written_yet_is_waited_for() {
    let mut child = zk_supervise(&scratch("writer"), &["check", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let files = format!("/proc/{}/fd", child.id());
    let is_open = |entry: &fs::DirEntry| {
        let number = entry.file_name().to_str().and_then(|it| it.parse().ok());
        let path = fs::read_link(entry.path()).unwrap_or_default();
        number > Some(2) && path.to_string_lossy().starts_with("pipe:")
    };
    let deadline = clock::now() + Duration::from_secs(60);
    while !fs::read_dir(&files).is_ok_and(|it| it.flatten().any(|it| is_open(&it))) {
        assert!(clock::now() < deadline, "it opens its file");
        clock::pause(Duration::from_millis(5));
    }
    let mut pipe = child.stdin.take().expect("it is piped");
    pipe.write_all(BASE.as_bytes()).expect("it reads");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_check_prints_loads_again_to_the_same() {
    let directory = scratch("print");
    let output = check(&directory, BASE);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let again = check(&directory, stdout(&output));
    assert_eq!(stdout(&again), stdout(&output));
    let parse = |text| config::parse(text, Path::new("app.toml"));
    assert_eq!(parse(BASE), parse(stdout(&output)));
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let directory = scratch("pipe");
    fs::write(directory.join("app.toml"), BASE).expect("the directory is ours");
    for arguments in [&["check", "app.toml"][..], &["--help"]] {
        let mut child = zk_supervise(&directory, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    }
}

#[test]
fn a_wrong_command_line_is_not_a_wrong_file() {
    let directory = scratch("usage");
    for line in [
        "",
        "check",
        "run",
        "--no-such",
        "check --json a",
        "a b",
        "status a b",
    ] {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let output = run(&directory, &arguments);
        assert_eq!(output.status.code(), Some(64), "{line}");
        assert_eq!(stdout(&output), "", "{line}");
        assert!(stderr(&output).contains("Usage: zk-supervise"), "{line}");
    }
}

#[test]
fn help_fits_on_a_screen_and_names_every_exit_code() {
    let output = run(&scratch("usage"), &["--help"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let help = stdout(&output);
    assert!(help.lines().count() <= 40, "{help}");
    assert!(
        help.lines().all(|line| line.chars().count() <= 80),
        "{help}"
    );
    for code in [" 0 ", " 64 ", " 69 ", " 70 ", " 78 "] {
        assert!(help.contains(code), "{code}");
    }
    let version = run(&scratch("usage"), &["--version"]);
    let expected = concat!("zk-supervise ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(stdout(&version), expected);
}

#[test]
fn help_and_version_are_words_too_and_a_mistyped_command_is_named() {
    let directory = scratch("usage");
    for (words, flags) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "check"], &["check", "--help"]),
        (&["version"], &["--version"]),
    ] {
        let (output, expected) = (run(&directory, words), run(&directory, flags));
        assert_eq!(stdout(&output), stdout(&expected), "{words:?}");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    }
    for (words, said) in [
        (
            &["chek", "app.toml"][..],
            "no command `chek`; did you mean `check`?",
        ),
        (&["chek", "--online", "app.toml"], "did you mean `check`?"),
        (&["statsu", "app.toml"], "did you mean `status`?"),
        (
            &["frobnicate", "app.toml"],
            "there is no command `frobnicate`\n",
        ),
    ] {
        let output = run(&directory, words);
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn every_example_loads() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(examples).expect("there are examples");
    let is_toml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let files: Vec<_> = files
        .map(|entry| entry.expect("it is readable").path())
        .filter(is_toml)
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        if let Err(errors) = config::load(&file) {
            panic!("{errors}");
        }
    }
}

#[test]
fn the_full_example_has_every_key() {
    let full = include_str!("../examples/app.toml");
    let config = config::parse(full, Path::new("app.toml")).expect("every example loads");
    assert_eq!(config.zookeeper.chroot, None, "what differs is left out");
    let all = ["chroot", "name", "directory", "environment"]
        .iter()
        .fold(full.to_owned(), |text, key| {
            text.replace(&format!("\n# {key} = "), &format!("\n{key} = "))
        });
    config::parse(&all, Path::new("app.toml")).expect("it loads with all of them, too");
    let rendered = config::render(&config);
    let keys = rendered
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
    for (key, _) in keys {
        assert!(
            all.contains(&format!("\n{key} = ")) || key == "shell",
            "{key}"
        );
    }
}

#[test]
fn the_figures_are_those_of_the_readme() {
    let directory = scratch("figures");
    let rows = include_str!("../README.md").lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let seconds = cells.get(1)?.split(' ').next()?.strip_suffix('s')?;
        Some((seconds.parse::<u32>().ok()?, cells))
    });
    let mut count = 0;
    for (seconds, cells) in rows {
        let text = BASE.replace(
            "[election]",
            &format!("session_timeout = \"{seconds}s\"\n[election]"),
        );
        let output = check(&directory, text);
        for (what, cell) in [
            ("rides out      ", cells[2]),
            ("stop signal    after ", cells[3]),
            ("SIGKILL        after ", cells[4]),
            ("takeover       at most ", cells[5]),
        ] {
            let figure = format!("#   {what}{} s", cell.trim_end_matches('s'));
            let is_there = stdout(&output)
                .lines()
                .any(|line| line.starts_with(&figure));
            assert!(is_there, "{seconds}s: `{figure}`: {}", stdout(&output));
        }
        count += 1;
    }
    assert_eq!(count, 4, "the README has a table");
}

#[test]
fn a_full_disk_is_said_and_a_reader_who_left_is_not() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/minimal.toml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("/opt/billing/bin/billingd", "/bin/true");
    let file = std::env::temp_dir().join(format!("zk-supervise-full-{}.toml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let line = format!(
        "{} check {}",
        env!("CARGO_BIN_EXE_zk-supervise"),
        file.display()
    );
    let sh = |line: &str| {
        Command::new("/bin/bash")
            .args(["-o", "pipefail", "-c", line])
            .output()
            .unwrap()
    };
    let full = sh(&format!("{line} > /dev/full"));
    let left = sh(&format!("{line} | true"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(full.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&full.stderr).contains("could not be written"));
    assert_eq!((left.status.code(), left.stderr.len()), (Some(0), 0));
}
