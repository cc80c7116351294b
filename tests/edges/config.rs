//! What an operator's file may hold.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use zk_supervise::config::{self, Config, ConfigErrors, render};

use crate::cases;
use crate::meter::most_held;
use crate::mutate::spoilt;
use crate::scratch::Scratch;

/// The tree, its tokens, and a text whose faults are blanked out, for each byte of the file.
const BYTES_PER_BYTE: usize = 300;
/// For a short file: up to a hundred errors, each with its line, its words and a help that was tried.
const BYTES_AT_LEAST: usize = 128 * 1024;

/// The shortest file that works, the one with every key, and both as a shell command's.
fn samples() -> Vec<Vec<u8>> {
    let full = include_str!("../../examples/app.toml");
    let minimal = include_str!("../../examples/minimal.toml");
    let bare: String = full
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let shell = bare.replace(
        "exec = [\"/opt/billing/bin/billingd\", \"--foreground\"]",
        "shell = \"\"\"\nulimit -n 9\nexec '\u{e9}'\"\"\"",
    );
    assert!(shell.contains("shell"));
    [full, minimal, &bare, &shell]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

/// What is read is a `Config`, or errors that a person can follow.
fn check(data: &[u8]) -> Result<(), TestCaseError> {
    let scratch = Scratch::new("edges");
    let path = scratch.join("app.toml");
    fs::write(&path, data).expect("the directory is ours");
    let (read, most) =
        most_held(|| config::load(&path).map_err(|errors| (errors.to_string(), errors)));
    let bound = BYTES_PER_BYTE * data.len() + BYTES_AT_LEAST;
    prop_assert!(most <= bound, "{most} bytes for {}", data.len());
    match read {
        Ok(config) => check_config(&config, &path),
        Err((shown, errors)) => check_errors(&shown, &errors, &path, data),
    }
}

fn check_config(config: &Config, path: &Path) -> Result<(), TestCaseError> {
    prop_assert_eq!(config.timing.misfits(), vec![]);
    let again = config::parse(&render(config), path);
    prop_assert_eq!(again.as_ref().ok(), Some(config));
    Ok(())
}

fn check_errors(
    shown: &str,
    errors: &ConfigErrors,
    path: &Path,
    data: &[u8],
) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<_> = text.split('\n').collect();
    let prefix = format!("{}:", path.display());
    let heads: Vec<_> = shown
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    prop_assert!(!heads.is_empty() && heads.len() <= errors.count().min(101));
    prop_assert!(shown.starts_with(&prefix));
    prop_assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown:?}"
    );
    for head in heads {
        let place: Vec<_> = head
            .splitn(3, ':')
            .map(|part| part.parse::<usize>().ok())
            .collect();
        let [Some(line), Some(column), None] = place[..] else {
            let is_whole = head.starts_with(" section `[") || head.starts_with(" and ");
            prop_assert!(is_whole, "no place: {head}");
            continue;
        };
        prop_assert!(
            (1..=lines.len()).contains(&line),
            "{head}: line of {}",
            lines.len()
        );
        let width = lines[line - 1].chars().count();
        prop_assert!(
            (1..=width + 1).contains(&column),
            "{head}: column of {width}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn any_file_is_a_config_or_errors_with_places(data in spoilt(samples(), b"\n")) {
        check(&data)?;
    }

    #[test]
    fn any_file_with_values_exchanged_is_a_config_or_errors_with_places(data in spoilt(samples(), b"\n=,[]{}\"")) {
        check(&data)?;
    }
}

#[test]
fn files_that_are_empty_blank_or_begin_oddly_are_told_so() {
    for text in [
        "",
        "\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "\u{feff}\n",
        "\t",
        " ",
        "#",
        "\0",
        "\u{65e5}",
        "=",
        "[",
        "\u{feff}[election]\r\nroot = \"/\u{e9}\"\r\n",
    ] {
        check(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
}

#[test]
fn the_dearest_files_cost_no_more() {
    for piece in [
        "a=0\n",
        "[a]\n",
        "[[a]]\n",
        "a.",
        "[",
        "{a=",
        "\"",
        "=",
        "\n",
        "\u{65e5}=\n",
        "a=[0,0,0,0,0,0,0,0]\n",
    ] {
        let text = piece.repeat(16_000 / piece.len());
        check(text.as_bytes()).unwrap_or_else(|error| panic!("{piece:?}: {error}"));
    }
    let keys: String = (0..3000).map(|number| format!("k{number}=0\n")).collect();
    check(keys.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
}
