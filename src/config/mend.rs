//! What a list or table was probably meant to be: for the `help:` of whatever is wrong in it.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::command::{describe_variable, inline_table, mend_variable, signal_numbered};
use super::error::Report;
use super::flaw::{find_in_path, is_program};
use super::home;
use super::keys::{self, Key, Kind};
use super::settings::Setting;
use super::{LONGEST_HELP, quote};

impl Setting<'_> {
    /// Values of the right type that say the same, the likeliest first, and the key they are for.
    pub(super) fn retypings(&self, report: &Report<'_>) -> (&'static Key, Vec<String>) {
        let written = report.text.get(self.value.span()).unwrap_or_default();
        let bare = written.trim_matches('"');
        let mended = || self.mended(report);
        let candidates = match self.key.kind {
            Kind::Texts if self.is_for_a_shell() => {
                let line = self.value.get_ref().as_str().unwrap_or_default();
                return (&keys::SHELL, vec![quote(line)]);
            }
            Kind::Texts | Kind::TextTable => vec![mended()],
            Kind::Servers => vec![quote(bare), format!("[{written}]"), mended()],
            Kind::Text if *self.key == keys::STOP_SIGNAL => {
                let signal = signal_numbered(bare);
                vec![quote(signal.map_or(bare, |signal| signal.as_str()))]
            }
            Kind::Text => vec![quote(bare), mended()],
            Kind::Choice(_) => vec![quote(bare), mended()],
            Kind::Duration { .. } => vec![quote(bare), quote(&format!("{bare}s"))],
            Kind::Fraction => vec![bare.to_owned()],
            Kind::Switch => {
                let is_yes = ["1", "on", "yes", "y", "true"].contains(&bare);
                vec![is_yes.to_string()]
            }
        };
        (self.key, candidates)
    }

    /// Whether this is one line that only a shell could take apart.
    fn is_for_a_shell(&self) -> bool {
        let line = self.value.get_ref().as_str().unwrap_or_default();
        *self.key == keys::EXEC && !line.trim().is_empty() && words(line).is_none()
    }

    /// The value with strings where strings belong, without NUL, unusable variables, or a bare program name.
    pub(super) fn mended(&self, report: &Report<'_>) -> String {
        let text = |item: &Spanned<DeValue<'_>>| {
            let written = report.text.get(item.span()).unwrap_or_default();
            let text = item.get_ref().as_str().unwrap_or(written);
            text.replace('\0', "")
        };
        let is_exec = *self.key == keys::EXEC;
        match self.value.get_ref() {
            _ if self.is_long() => self.key.example.to_owned(),
            DeValue::Array(items) => {
                let mut texts: Vec<_> = items.iter().map(text).collect();
                if let Some(program) = texts.first_mut().filter(|_| is_exec) {
                    *program = full_path(program);
                }
                array(&texts)
            }
            DeValue::Table(entries) => {
                let entries = entries
                    .iter()
                    .map(|(name, value)| (mend_variable(name.get_ref()), text(value)))
                    .filter(|(name, _)| describe_variable(name).is_none());
                inline_table(&entries.collect::<Vec<_>>())
            }
            DeValue::String(line) if is_exec => array(&words(line).unwrap_or_default()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => quote(&text(self.value)),
        }
    }

    /// Whether nobody would read all of the value.
    fn is_long(&self) -> bool {
        let value = self.value.get_ref();
        let items = value.as_array().map_or(0, |items| items.len());
        let entries = value.as_table().map_or(0, DeTable::len);
        self.value.span().len() > LONGEST_HELP || items > MOST_ITEMS || entries > MOST_ITEMS
    }
}

/// The most items of a value that a help repeats.
const MOST_ITEMS: usize = 100;

/// These strings as a TOML array on one line.
pub(super) fn array(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Whether `program` says where it is wherever it is said.
pub(super) fn is_full_path(program: &str) -> bool {
    program.starts_with('/') && !program.ends_with('/')
}

/// The full path of what is run where a shell is told `program`, or else a guess.
fn full_path(program: &str) -> String {
    if is_full_path(program) {
        return program.to_owned();
    }
    let program = program.trim_end_matches('/');
    if is_full_path(program) {
        return program.to_owned();
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    home::expand(program)
        .or_else(|| from_here(program))
        .or_else(|| find_in_path(name))
        .unwrap_or_else(|| format!("/usr/local/bin/{name}"))
}

/// The full path of a program that is named from the current directory.
fn from_here(program: &str) -> Option<String> {
    let path = std::path::absolute(program).ok()?;
    (program.contains('/') && is_program(&path)).then_some(())?;
    Some(path.to_str()?.to_owned())
}

/// What only a shell understands in a command line.
const SHELL_SYNTAX: &[char] = &[
    '"', '\'', '\\', '`', '$', '&', '|', ';', '<', '>', '(', ')', '*', '?', '[', ']', '{', '}',
    '#', '~', '!', '\n',
];

/// A command line as the full path of a program and its arguments; `None` if it takes a shell to tell.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    // A path may have a space in it.
    if is_full_path(line) && is_program(Path::new(line)) {
        return Some(vec![line.to_owned()]);
    }
    let mut words = line.split_whitespace();
    let program = full_path(words.next()?);
    let words: Vec<_> = [program]
        .into_iter()
        .chain(words.map(str::to_owned))
        .collect();
    let is_plain = words.iter().all(|word| !word.contains(SHELL_SYNTAX));
    is_plain.then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_taken_apart_unless_it_takes_a_shell() {
        for (line, expected) in [
            ("/bin/sleep 5", Some(["/bin/sleep", "5"].as_slice())),
            ("/bin/sleep  5 ", Some(&["/bin/sleep", "5"])),
            ("/bin/sh", Some(&["/bin/sh"])),
            ("/bin/echo a | /bin/cat", None),
            ("/bin/echo 'a b'", None),
            ("/bin/echo $A", None),
            ("", None),
        ] {
            let words = words(line);
            assert_eq!(
                words.as_deref(),
                expected
                    .map(|words| words
                        .iter()
                        .map(|word| (*word).to_owned())
                        .collect::<Vec<_>>())
                    .as_deref(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_guessed_program_has_a_full_path() {
        for (program, expected) in [
            ("/bin/sleep/", "/bin/sleep"),
            ("no/such/program", "/usr/local/bin/program"),
            ("./no-such-program", "/usr/local/bin/no-such-program"),
        ] {
            assert_eq!(full_path(program), expected);
        }
    }
}
