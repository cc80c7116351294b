//! What the README says is so.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use zk_supervise::core::lease::Wish;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("a README")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zk-supervise"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

#[test]
fn the_table_of_session_timeouts_is_what_the_arithmetic_gives() {
    for seconds in [6, 10, 15, 30] {
        let timing = Wish {
            session_timeout: Some(Duration::from_secs(seconds)),
            ..Wish::default()
        }
        .timing();
        let shown = |duration: Duration| format!("{:.1}s", duration.as_secs_f64());
        // A figure that promises is rounded to the careful side.
        let down =
            |duration: Duration| format!("{:.1}s", (duration.as_secs_f64() * 10.0).floor() / 10.0);
        let up =
            |duration: Duration| format!("{:.1}s", (duration.as_secs_f64() * 10.0).ceil() / 10.0);
        let row = format!(
            " | {} | {} | {} | {} |",
            down(timing.rides_out()),
            shown(timing.stop_after()),
            shown(timing.stop_after() + timing.grace_period),
            up(timing.takeover_after())
        );
        let is_there = readme()
            .lines()
            .any(|line| line.starts_with(&format!("| {seconds}s")) && line.ends_with(&row));
        assert!(is_there, "no row `{seconds}s{row}`");
    }
}

#[test]
fn the_smallest_file_is_the_example() {
    let example =
        std::fs::read_to_string(root().join("examples/minimal.toml")).expect("the example");
    let settings: Vec<&str> = example
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let block = readme()
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a block")
        .to_owned();
    assert_eq!(
        block
            .lines()
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>(),
        settings
    );
}

#[test]
fn every_command_line_it_shows_is_one() {
    let readme = readme();
    let lines = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    zk-supervise "));
    let shown: Vec<&str> = lines
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    assert!(shown.len() >= 4, "{shown:?}");
    for line in shown {
        let arguments: Vec<String> = line
            .split(' ')
            .map(|word| word.replace("app.toml", "/nowhere/app.toml"))
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(78),
            "{line}: the command is right, the file is missing: {complaint}"
        );
    }
}

#[test]
fn the_files_it_links_to_are_there() {
    let readme = readme();
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with('#') && !link.starts_with("http")) {
        assert!(root().join(link).exists(), "{link}");
    }
}

#[test]
fn the_picture_is_of_a_run_in_which_the_promise_held() {
    let picture = "examples/torture.svg";
    assert!(readme().contains(picture));
    let text = std::fs::read_to_string(root().join(picture)).expect(picture);
    let document = roxmltree::Document::parse(&text).expect("well-formed");
    let mut said = document.descendants().filter_map(|node| node.text());
    assert!(
        said.any(|text| text.contains("The promise held")),
        "{picture}"
    );
}

#[test]
fn the_demo_and_the_tests_are_commands() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["examples/demo.sh", "tests/run.sh"] {
        assert!(readme().contains(script), "{script}");
        let mode = std::fs::metadata(root().join(script))
            .expect(script)
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run");
    }
}
