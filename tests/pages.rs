//! The manual pages and completions that the packages have, made by the very program that makes them there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};
use zk_supervise::config::reference;

/// The directory with all of them.
fn pages() -> &'static Path {
    static PAGES: OnceLock<PathBuf> = OnceLock::new();
    PAGES.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--locked", "--quiet", "--example", "pages", "--"]);
        let status = cargo.arg(&directory).status().expect("cargo is there");
        assert!(status.success(), "{status}");
        directory
    })
}

fn read(name: &str) -> String {
    fs::read_to_string(pages().join(name)).expect(name)
}

#[test]
fn every_command_and_every_key_has_its_place_in_a_manual_page() {
    let page = read("zk-supervise.1");
    for command in ["run", "check", "status", "release", "reload", "schema"] {
        assert!(page.contains(&format!(".SS {command}\n")), "{command}");
    }
    let page = read("zk-supervise.toml.5");
    for entry in reference() {
        assert!(page.contains(entry.name), "{}", entry.name);
    }
}

#[test]
fn bash_completes_commands_and_their_options() {
    let script = pages().join("zk-supervise.bash");
    let completed = |words: &str, last: &str| {
        let count = words.split(' ').count();
        let line = format!(
            "source {}; COMP_WORDS=({words} {last}); COMP_CWORD={count}; _zk__supervise zk-supervise '{last}' x; echo ${{COMPREPLY[*]}}",
            script.display()
        );
        let output = Command::new("bash").args(["-c", &line]).output();
        String::from_utf8(output.expect("bash is there").stdout).expect("text")
    };
    assert!(completed("zk-supervise", "che").contains("check"));
    assert!(completed("zk-supervise check", "--").contains("--online"));
    assert!(completed("zk-supervise status", "--").contains("--json"));
}
