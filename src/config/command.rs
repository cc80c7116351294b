//! `[command]`: what runs while we are master.

use std::path::PathBuf;

use toml::de::DeValue;

use super::error::Report;
use super::excerpt::brief;
use super::flaw;
use super::home;
use super::keys::{self, Section};
use super::mend::is_full_path;
use super::quote;
use super::settings::{Setting, Settings};

pub use nix::sys::signal::Signal;

/// What runs while we are master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What is started.
    pub program: Program,
    /// Where it runs, a full path; where the supervisor was started if `None`.
    pub directory: Option<PathBuf>,
    /// What it gets in its environment, sorted by name.
    pub environment: Vec<(String, String)>,
    /// Whether it gets none of the supervisor's own environment.
    pub clear_environment: bool,
    /// What asks it to end.
    pub stop_signal: Signal,
}

/// What is started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// A program by its full path, and its arguments. Never empty, no NUL in it.
    Exec(Vec<String>),
    /// A line for `/bin/sh -c`. Not blank, no NUL in it.
    Shell(String),
}

impl Program {
    /// What to execute: the first is the full path of a program.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Program::Exec(argv) => argv.clone(),
            Program::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        }
    }
}

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Command> {
    let program = read_program(settings, report);
    let directory = match settings.find(&keys::DIRECTORY) {
        Some(setting) => read_directory(setting, report).map(Some),
        None => Some(None),
    };
    let environment = match settings.find(&keys::ENVIRONMENT) {
        Some(setting) => read_environment(setting, report),
        None => Some(Vec::new()),
    };
    let clear_environment = match settings.find(&keys::CLEAR_ENVIRONMENT) {
        Some(setting) => setting.switch(report),
        None => Some(false),
    };
    let stop_signal = match settings.find(&keys::STOP_SIGNAL) {
        Some(setting) => read_signal(setting, report),
        None => Some(Signal::SIGTERM),
    };
    Some(Command {
        program: program?,
        directory: directory?,
        environment: environment?,
        clear_environment: clear_environment?,
        stop_signal: stop_signal?,
    })
}

fn read_program(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Program> {
    let (exec, shell) = (settings.find(&keys::EXEC), settings.find(&keys::SHELL));
    let argv = exec.map(|setting| read_exec(setting, report));
    let line = shell.map(|setting| read_shell(setting, report));
    match (argv, line) {
        (Some(argv), None) => Some(Program::Exec(argv?)),
        (None, Some(line)) => Some(Program::Shell(line?)),
        (Some(_), Some(_)) => {
            refuse_both(exec?, shell?, report);
            None
        }
        (None, None) => {
            let is_broken = settings.is_broken("exec") || settings.is_broken("shell");
            if !is_broken {
                let what = "neither `exec` nor `shell` is in `[command]`".to_owned();
                let why = "there is nothing to run";
                let help = || vec![keys::EXEC.set(keys::EXEC.example)];
                settings.miss(Section::Command, report, what, why, help);
            }
            None
        }
    }
}

fn refuse_both(exec: &Setting<'_>, shell: &Setting<'_>, report: &mut Report<'_>) {
    let (first, second) = if exec.name.start < shell.name.start {
        (exec, shell)
    } else {
        (shell, exec)
    };
    let span = second.name.start..second.value.span().end;
    let help = report.commented(span);
    report.at(
        second.name.clone(),
        format!("`{}` as well as `{}`", second.key.name, first.key.name),
        "one supervisor runs one command",
        || help,
    );
}

fn read_exec(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<Vec<String>> {
    let texts = setting.texts(report);
    let program = setting.value.get_ref().as_array()?.iter().next();
    let Some(program) = program else {
        let help = || vec![setting.key.set(setting.key.example)];
        let why = "its first string is the program to run";
        report.at(setting.value.span(), "`exec` is empty", why, help);
        return None;
    };
    let name = program.get_ref().as_str()?;
    if is_full_path(name) {
        return Some(texts?.iter().map(|text| text.text.to_owned()).collect());
    }
    let why = match flaw::find_in_path(name) {
        _ if home::is_unexpanded(name) => home::RULE.to_owned(),
        _ if name.starts_with('/') => "what ends in `/` is a directory".to_owned(),
        Some(_) => "what is run must not depend on whose `PATH` it is".to_owned(),
        None if name.contains('/') => {
            "what is run must not depend on where the supervisor was started".to_owned()
        }
        None => format!(
            "it must be a full path, and `{}` is nowhere in `PATH`",
            brief(name)
        ),
    };
    let what = format!("`{}` is not the full path of a program", brief(name));
    let mended = setting.mended(report);
    report.at(program.span(), what, why, || vec![setting.best(&[mended])]);
    None
}

fn read_shell(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<String> {
    let line = setting.text(report)?;
    if line.text.trim().is_empty() {
        let help = || vec![setting.key.set(setting.key.example)];
        report.at(
            line.span,
            "`shell` is empty",
            "there is nothing to run",
            help,
        );
        return None;
    }
    Some(line.text.to_owned())
}

fn read_directory(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<PathBuf> {
    let text = setting.text(report)?;
    if text.text.starts_with('/') {
        return Some(PathBuf::from(text.text));
    }
    let (what, why) = if text.text.is_empty() {
        ("`directory` is empty", "it is where the command runs")
    } else if home::is_unexpanded(text.text) {
        ("`directory` is no full path", home::RULE)
    } else {
        (
            "`directory` is a relative path",
            "where the command runs must not depend on where the supervisor was started",
        )
    };
    let mended = mend_directory(text.text).map(|path| quote(&path));
    report.at(text.span, what, why, || {
        vec![setting.best(mended.as_slice())]
    });
    None
}

fn mend_directory(path: &str) -> Option<String> {
    if home::is_unexpanded(path) {
        return home::expand(path);
    }
    let bare = path.trim_start_matches("./").trim_start_matches("../");
    (!["", ".", ".."].contains(&bare)).then(|| format!("/{bare}"))
}

fn read_environment(
    setting: &Setting<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<(String, String)>> {
    let DeValue::Table(table) = setting.value.get_ref() else {
        setting.refuse_kind(setting.value, report);
        return None;
    };
    let mut environment = Some(Vec::new());
    for (name, value) in table.iter() {
        let text = setting.text_of(value, report);
        let flaw = describe_variable(name.get_ref());
        if let Some((what, why)) = &flaw {
            let mended = setting.mended(report);
            report.at(name.span(), what.clone(), *why, || {
                vec![setting.best(&[mended])]
            });
        }
        environment = match (environment, text, flaw) {
            (Some(mut all), Some(text), None) => {
                all.push((name.get_ref().to_string(), text.text.to_owned()));
                Some(all)
            }
            _ => None,
        };
    }
    environment
}

/// Why `name` cannot be that of a variable.
pub(super) fn describe_variable(name: &str) -> Option<(String, &'static str)> {
    let shown = brief(name);
    if name.is_empty() {
        Some((
            "a variable has no name".to_owned(),
            "a variable is `NAME = \"value\"`",
        ))
    } else if name.contains(char::is_whitespace) {
        Some((
            format!("variable `{shown}` has a space in its name"),
            "no shell can use such a variable",
        ))
    } else if name.contains('=') {
        Some((
            format!("variable `{shown}` has `=` in its name"),
            "the name would end there",
        ))
    } else if name.contains('\0') {
        Some((
            format!("NUL in the name of variable `{shown}`"),
            "the system's strings end at the first NUL",
        ))
    } else if name.starts_with("ZK_SUPERVISE_") {
        Some((
            format!("variable `{shown}` is ours to set"),
            "the command learns its term from the `ZK_SUPERVISE_` variables",
        ))
    } else {
        None
    }
}

/// The name that `name` was probably meant to be.
pub(super) fn mend_variable(name: &str) -> String {
    name.trim().replace(char::is_whitespace, "_")
}

/// `environment`'s value.
pub(super) fn inline_table(entries: &[(String, String)]) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let entry = |(name, value): &(String, String)| {
        let is_bare = !name.is_empty() && name.chars().all(is_bare);
        let name = if is_bare { name.clone() } else { quote(name) };
        format!("{name} = {}", quote(value))
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    match entries.join(", ") {
        empty if empty.is_empty() => "{}".to_owned(),
        entries => format!("{{ {entries} }}"),
    }
}

fn read_signal(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<Signal> {
    let text = setting.text(report)?;
    let (what, why, mended) = match parse_signal(text.text) {
        Some(signal) => match describe_signal(signal) {
            None => return Some(signal),
            Some(why) => (
                format!("`{}` cannot be the stop signal", signal.as_str()),
                why,
                None,
            ),
        },
        None => {
            let names = || Signal::iterator().map(Signal::as_str);
            let near = super::names::nearest(text.text, names())
                .or_else(|| super::names::nearest(&format!("SIG{}", text.text), names()))
                .or_else(|| Some(signal_numbered(text.text)?.as_str()));
            let what = format!("`{}` is not the name of a signal", brief(text.text));
            (
                what,
                "it is a name from signal(7), like `SIGTERM` or `TERM`",
                near,
            )
        }
    };
    let mended = mended.map(quote);
    report.at(text.span, what, why, || {
        vec![setting.best(mended.as_slice())]
    });
    None
}

fn parse_signal(text: &str) -> Option<Signal> {
    let full = format!("SIG{text}");
    Signal::iterator().find(|signal| signal.as_str() == text || signal.as_str() == full)
}

/// The signal whose number `text` is.
pub(super) fn signal_numbered(text: &str) -> Option<Signal> {
    Signal::try_from(text.parse::<i32>().ok()?).ok()
}

/// Why `signal` cannot ask a command to end.
fn describe_signal(signal: Signal) -> Option<&'static str> {
    match signal.as_str() {
        "SIGKILL" => Some("it leaves nothing to wait for; it is sent anyway after `grace_period`"),
        "SIGSTOP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" => {
            Some("it suspends the command instead of ending it")
        }
        "SIGCHLD" | "SIGCONT" | "SIGURG" => Some("programs ignore it unless they were made not to"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_either_name() {
        assert_eq!(parse_signal("SIGTERM"), Some(Signal::SIGTERM));
        assert_eq!(parse_signal("USR1"), Some(Signal::SIGUSR1));
        for bad in ["15", "term", "", "SIG", "SIGSIGTERM"] {
            assert_eq!(parse_signal(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_shell_gets_its_line_unchanged() {
        let program = Program::Shell("exec  a | b".to_owned());
        assert_eq!(program.argv(), ["/bin/sh", "-c", "exec  a | b"]);
    }
}
