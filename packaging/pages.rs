//! Writes the manual pages and the shells' completions into the directory that is named: `cargo run --example pages DIR`.
//! Both are made of the descriptions that the command line and the configuration have of themselves.

use clap_complete::Shell;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use std::fs;
use std::io;
use std::path::Path;
use zk_supervise::cli::grammar;
use zk_supervise::config::{Entry, reference};

const NAME: &str = "zk-supervise";

fn main() -> io::Result<()> {
    let directory = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("name a directory"))?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory)?;
    fs::write(directory.join("zk-supervise.1"), command_page().to_roff())?;
    fs::write(directory.join("zk-supervise.toml.5"), file_page().to_roff())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let path = clap_complete::generate_to(shell, &mut grammar(), NAME, directory)?;
        // clap_complete 4.6.11 names the cases of a command with a `-` otherwise than it looks for them.
        let text = fs::read_to_string(&path)?;
        fs::write(path, text.replace("zk__subcmd__supervise", "zk__supervise"))?;
    }
    Ok(())
}

fn title(page: &mut Roff, name: &str, section: &str) {
    let version = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, section, "\"\"", &version, "zk-supervise"]);
}

fn section(page: &mut Roff, name: &str) {
    page.control("SH", [name]);
}

fn paragraph(page: &mut Roff, text: &str) {
    page.control("PP", []);
    page.text([roman(text)]);
}

fn entry(page: &mut Roff, head: Vec<Inline>, text: &str) {
    page.control("TP", []);
    page.text(head);
    page.text([roman(text)]);
}

fn entries(page: &mut Roff, style: fn(&'static str) -> Inline, items: &[(&'static str, &str)]) {
    for (head, text) in items {
        entry(page, vec![style(head)], text);
    }
}

/// Lines as they are.
fn verbatim(page: &mut Roff, text: &str) {
    page.control("PP", []);
    page.control("nf", []);
    for line in text.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

/// `zk-supervise(1)`
fn command_page() -> Roff {
    let mut page = Roff::new();
    let mut command = grammar();
    command.build();
    title(&mut page, "ZK-SUPERVISE", "1");
    section(&mut page, "NAME");
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    page.text([roman(format!("{NAME} - {}", lower(&about)))]);
    section(&mut page, "SYNOPSIS");
    synopsis(&mut page, &command);
    section(&mut page, "DESCRIPTION");
    for text in [DESCRIPTION, PROMISE] {
        paragraph(&mut page, text);
    }
    section(&mut page, "COMMANDS");
    paragraph(&mut page, "A file alone is run.");
    for command in commands(&command) {
        describe(&mut page, command);
    }
    section(&mut page, "SIGNALS");
    entries(&mut page, bold, &SIGNALS);
    section(&mut page, "ENVIRONMENT");
    paragraph(&mut page, "The command finds in its environment:");
    entries(&mut page, bold, &ENVIRONMENT);
    section(&mut page, "FILES");
    entries(&mut page, italic, &FILES);
    section(&mut page, "NOTES");
    let notes = command.get_after_help().map(ToString::to_string);
    verbatim(&mut page, &notes.unwrap_or_default());
    see_also(&mut page, &SEE_ALSO);
    page
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn commands(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
}

fn synopsis(page: &mut Roff, command: &clap::Command) {
    page.text([bold(NAME), roman(" "), italic("FILE")]);
    for command in commands(command) {
        page.control("br", []);
        page.text(usage(command));
    }
}

/// `zk-supervise check [--online] FILE`
fn usage(command: &clap::Command) -> Vec<Inline> {
    let mut words = vec![bold(format!("{NAME} {}", command.get_name()))];
    for option in options(command) {
        let long = option.get_long().unwrap_or_default();
        words.push(roman(format!(" [--{long}]")));
    }
    for argument in command.get_positionals() {
        let name = argument.get_id().as_str().to_uppercase();
        words.extend([roman(" "), italic(name)]);
    }
    words
}

fn options(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    let is_own = |argument: &&clap::Arg| {
        !argument.is_positional() && !["help", "version"].contains(&argument.get_id().as_str())
    };
    command.get_arguments().filter(is_own)
}

fn describe(page: &mut Roff, command: &clap::Command) {
    page.control("SS", [command.get_name()]);
    page.text(usage(command));
    let about = command.get_long_about().or(command.get_about());
    for text in about
        .map(ToString::to_string)
        .unwrap_or_default()
        .split("\n\n")
    {
        paragraph(page, &sentence(text));
    }
    for argument in options(command).chain(command.get_positionals()) {
        let head = match argument.get_long() {
            Some(long) => bold(format!("--{long}")),
            None => italic(argument.get_id().as_str().to_uppercase()),
        };
        let help = argument.get_help().map(ToString::to_string);
        entry(page, vec![head], &sentence(&help.unwrap_or_default()));
    }
}

/// clap's texts have no full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// `zk-supervise.toml(5)`
fn file_page() -> Roff {
    let mut page = Roff::new();
    title(&mut page, "ZK-SUPERVISE.TOML", "5");
    section(&mut page, "NAME");
    page.text([roman(
        "zk-supervise.toml - the configuration of zk-supervise",
    )]);
    section(&mut page, "DESCRIPTION");
    for text in FILE {
        paragraph(&mut page, text);
    }
    let mut current = "";
    for entry in reference() {
        if entry.section != current {
            current = entry.section;
            section(&mut page, &format!("[{current}]"));
        }
        key(&mut page, &entry);
    }
    section(&mut page, "EXAMPLE");
    verbatim(&mut page, include_str!("../examples/minimal.toml"));
    see_also(&mut page, &[("zk-supervise", 1)]);
    page
}

fn key(page: &mut Roff, key: &Entry) {
    page.control("TP", []);
    page.text([bold(key.name), roman(format!(" = {}", key.example))]);
    page.text([roman(sentence(&format!(
        "{} ({})",
        capital(key.about),
        key.remark
    )))]);
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn see_also(page: &mut Roff, pages: &[(&str, u32)]) {
    section(page, "SEE ALSO");
    let mut words = Vec::new();
    for (name, number) in pages {
        if !words.is_empty() {
            words.push(roman(", "));
        }
        words.extend([bold(*name), roman(format!("({number})"))]);
    }
    page.text(words);
}

const DESCRIPTION: &str = "Every host of a group is given the same file and starts a supervisor with it. ZooKeeper elects \
    one of them master: the command in the file runs on that host, and only while it is master. When the master dies, \
    hangs or is cut off, its command and all that it forked are dead before the command starts on another host.";

const PROMISE: &str = "A lease, which the master renews at the ensemble and which a process of its own enforces on each \
    host, sees to that: neither session timeouts nor the time on the hosts' clocks matter, only that those clocks run at \
    nearly the same rate. What takes less than the lease allows, as a restart of one of the servers does, does not touch \
    the command.";

const SIGNALS: [(&str, &str); 2] = [
    (
        "SIGTERM, SIGINT",
        "The command is stopped, the term given back, and the supervisor ends with exit code 0. A second one ends the \
         grace period.",
    ),
    (
        "SIGHUP",
        "The file is read anew, and a newer version of the program takes over, if there is one; the command is not \
         touched. What is refused changes nothing, and is logged with the reason.",
    ),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "ZK_SUPERVISE_TOKEN",
        "The fencing token of this term, a decimal number that only grows. A resource that keeps the highest it has seen \
         and refuses a lower one is safe from a host that was frozen.",
    ),
    ("ZK_SUPERVISE_NAME", "This candidate's name."),
    ("ZK_SUPERVISE_MASTER", "The full path of the master znode."),
    (
        "ZK_SUPERVISE_GUARDIAN",
        "Which supervisor started it: by this a later one, and release, find what was left behind.",
    ),
];

const FILES: [(&str, &str); 3] = [
    (
        "/etc/zk-supervise/NAME.toml",
        "What zk-supervise@NAME.service runs. It must be readable for the unit's user, zk-supervise.",
    ),
    (
        "/run/zk-supervise/NAME/",
        "The term on record, for release, and the configuration in force. They go with the unit.",
    ),
    (
        "/usr/share/doc/zk-supervise/examples/",
        "A file with every key, and a drop-in that restricts what the command may do.",
    ),
];

const SEE_ALSO: [(&str, u32); 3] = [
    ("zk-supervise.toml", 5),
    ("systemd.service", 5),
    ("systemctl", 1),
];

const FILE: [&str; 2] = [
    "A TOML file with the sections below. A duration is a number and a unit, in quotes: \"500ms\", \"15s\", \"1m 30s\". \
     Those that are not set follow from session_timeout, so that one key moves them all.",
    "zk-supervise check prints what is in force, or all that is wrong with a file, each with its place and with what to \
     write instead. zk-supervise schema prints a JSON Schema, by which editors complete and check the file.",
];
