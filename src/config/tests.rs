//! What holds for every file, whatever is in it. Each message, to the letter: `tests/check.rs`.

use std::path::Path;
use std::time::Duration;

use super::keys::{self, Kind};
use super::*;
use crate::core::path::ZnodePath;

const MINIMAL: &str = "\
[zookeeper]
servers = [\"zk1\"]
[election]
root = \"/ha\"
master = \"/master\"
name = \"a\"
[command]
exec = [\"/bin/true\"]
";

const FULL: &str = r#"
[zookeeper]
servers = "zk1:2181, [::1]:2182/chroot"
session_timeout = "20s"
connect_timeout = "1s 500ms"
[election]
root = "/ha/ä b"
master = "/master"
name = "host-1.example.org"
lease = "15s"
renew_interval = "1s"
poll_interval = "333ms 333us 333ns"
clock_rate_bound = 0.000007
[command]
shell = """
echo "a\tb" \\
	'c' \u001b\u0085\u202e
"""
directory = "/var/lib/a b"
environment = { "A.B" = "x\ny", "ü" = "\"", EMPTY = "", "a-b" = '\' }
clear_environment = true
stop_signal = "USR1"
grace_period = "0s"
kill_margin = "2s"
[log]
format = "json"
level = "debug"
"#;

fn parsed(text: &str) -> Result<Config, String> {
    parse(text, Path::new("app.toml")).map_err(|errors| errors.to_string())
}

#[test]
fn what_is_rendered_loads_again_to_the_same() {
    for text in [MINIMAL, FULL] {
        let config = parsed(text).expect("a good file");
        let rendered = render(&config);
        assert_eq!(parsed(&rendered), Ok(config), "{rendered}");
    }
}

#[test]
fn what_is_rendered_sets_every_key_or_says_that_it_is_not_set() {
    let rendered = render(&parsed(MINIMAL).expect("a good file"));
    for key in keys::ALL {
        let lines = [format!("\n{} = ", key.name), format!("\n# {} = ", key.name)];
        let is_there = lines.iter().any(|line| rendered.contains(line));
        assert!(is_there, "{} is not in {rendered}", key.name);
    }
    let longest = rendered.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(104), "a line has {longest:?} characters");
}

#[test]
fn the_full_file_is_read_as_written() {
    let config = parsed(FULL).expect("a good file");
    let servers: Vec<_> = config
        .zookeeper
        .servers
        .iter()
        .map(Server::to_string)
        .collect();
    assert_eq!(servers, ["zk1:2181", "[::1]:2182"]);
    assert_eq!(config.zookeeper.chroot, ZnodePath::parse("/chroot").ok());
    assert_eq!(config.timing.connect_timeout, Duration::from_millis(1500));
    assert_eq!(config.timing.clock_rate_bound.ppm(), 7);
    assert_eq!(config.command.stop_signal, Signal::SIGUSR1);
    assert_eq!(config.command.environment.len(), 4);
    assert!(config.command.clear_environment);
    assert_eq!(
        config.log,
        Log {
            format: Format::Json,
            level: Level::Debug
        }
    );
}

#[test]
fn every_example_is_right_for_its_key() {
    for key in keys::ALL {
        assert!(accepts(key, key.example), "{}", key.name);
    }
}

#[test]
fn both_ends_of_every_range_are_within_it() {
    for key in keys::ALL {
        let Kind::Duration { least, most } = key.kind else {
            continue;
        };
        for (duration, is_within) in [
            (least, true),
            (most, true),
            (
                least.saturating_sub(Duration::from_nanos(1)),
                least.is_zero(),
            ),
            (most + Duration::from_nanos(1), false),
        ] {
            let setting = key.set(&quote(&timing::show(duration)));
            let text = format!("[{}]\n{setting}\n", key.section.name());
            let message = parsed(&text).expect_err("the rest is missing");
            let is_refused = message.contains("is too short") || message.contains("is too long\n");
            assert_eq!(!is_refused, is_within, "{setting}: {message}");
        }
    }
}

#[test]
fn a_session_of_any_length_has_defaults_that_fit() {
    for seconds in [4, 6, 10, 30, 3600] {
        let text = MINIMAL.replace(
            "servers",
            &format!("session_timeout = \"{seconds}s\"\nservers"),
        );
        assert!(parsed(&text).is_ok(), "{seconds} s");
    }
}

#[test]
fn a_duration_that_humantime_cannot_add_up_is_refused() {
    for bad in [
        "18446744073709551615s 1000000000ns",
        "18446744073709551615s1000ms",
        "1e9s",
        "-1s",
        "1.5",
        " ",
        "\n",
    ] {
        let setting = format!("[election]\nlease = {}\n", quote(bad));
        assert!(parsed(&setting).is_err(), "{bad}");
    }
}

/// Applies every change to [`FULL`] that a seeded generator comes up with.
#[test]
fn no_text_makes_it_panic_and_no_error_is_empty() {
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("less than a usize")
    };
    let pieces = [
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\n",
        "\r\n",
        "\\",
        "#",
        "\0",
        "é",
        "日",
        "\t",
        "\u{feff}",
        "lease",
        "exec",
        "shell = 1\n",
        "[command]\n",
        "zookeeper.x = 1\n",
        "1s",
        "\\u0000",
        "/",
        "//",
    ];
    for round in 0..1500 {
        let mut text: Vec<char> = FULL.chars().collect();
        for _ in 0..=next(4) {
            let at = next(text.len());
            let end = (at + next(12)).min(text.len());
            text.splice(at..end, pieces[next(pieces.len())].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text, Path::new("app.toml")) {
            assert!(errors.count() > 0, "round {round}: {text}");
            assert!(
                errors.to_string().starts_with("app.toml"),
                "round {round}: {text}"
            );
        }
    }
}

#[test]
fn a_huge_or_deep_file_is_refused_like_any_other() {
    const LARGE: usize = 1 << 20;
    for piece in [
        "[",
        "{",
        "a.",
        "a = [",
        "a = {b = ",
        "\"",
        "=",
        "\n",
        "\0",
        "[a]\n",
        "x = 1\n[[x]]\n",
        "é",
    ] {
        let text = piece.repeat(LARGE / piece.len() / 16);
        let errors = parse(&text, Path::new("app.toml")).expect_err(piece);
        assert!(errors.to_string().len() < 100_000, "{piece}");
    }
    for piece in ["k%=1\n", "[s%]\n", "[command]\nenvironment.K%=1\n"] {
        let text: String = (0..20_000)
            .map(|n| piece.replace('%', &n.to_string()))
            .collect();
        assert!(parse(&text, Path::new("app.toml")).is_err(), "{piece}");
    }
}

#[test]
fn more_errors_than_anybody_reads_are_counted() {
    let strays: String = (0..250).map(|n| format!("stray{n} = 1\n")).collect();
    let errors = parse(&strays, Path::new("app.toml")).expect_err("nothing is right");
    assert!(
        errors.to_string().ends_with("app.toml: and 153 more"),
        "{errors}"
    );
}
