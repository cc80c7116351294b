//! What mends a host that has not the command: another setting, or the shell command that makes the one in the file
//! right.

use std::io::ErrorKind;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::flaw::{CommandFlaw, Reason, find_in_path, is_program};
use super::keys::{self, Key};
use super::mend::{array, words};
use super::quote;

/// For a program that cannot be run; `argv` begins with it.
pub(super) fn for_program(flaw: &CommandFlaw, argv: &[String]) -> String {
    let path = flaw.path.as_path();
    match flaw.reason {
        Reason::NotExecutable => format!("chmod +x {}", shell_word(path)),
        Reason::Hidden(kind) => for_hidden(path, kind, &keys::EXEC),
        Reason::Missing | Reason::NotAFile | Reason::NotADirectory | Reason::NotEnterable => {
            match elsewhere(path, argv) {
                Some(argv) => keys::EXEC.set(&array(&argv)),
                None if flaw.reason == Reason::Missing => for_missing(path),
                None => keys::EXEC.set(keys::EXEC.example),
            }
        }
    }
}

/// For a directory that cannot be entered.
pub(super) fn for_directory(flaw: &CommandFlaw) -> String {
    let path = flaw.path.as_path();
    let shown = shell_word(path);
    match flaw.reason {
        Reason::Missing if path.ancestors().skip(1).any(Path::is_file) => example(&keys::DIRECTORY),
        Reason::Missing => format!("mkdir -p {shown}"),
        Reason::NotEnterable => format!("chmod +x {shown}"),
        Reason::Hidden(kind) => for_hidden(path, kind, &keys::DIRECTORY),
        Reason::NotADirectory | Reason::NotAFile | Reason::NotExecutable => {
            let parent = path.parent().and_then(Path::to_str);
            let parent = parent.map(|parent| keys::DIRECTORY.set(&quote(parent)));
            parent.unwrap_or_else(|| example(&keys::DIRECTORY))
        }
    }
}

/// The same command with a program that is there: the arguments were in the path, or `PATH` has one of that name.
fn elsewhere(path: &Path, argv: &[String]) -> Option<Vec<String>> {
    let words = path.to_str().and_then(words);
    let words = words.filter(|words| words.first().is_some_and(|it| is_program(Path::new(it))));
    let found = || Some(vec![find_in_path(path.file_name()?.to_str()?)?]);
    let start = words.or_else(found)?;
    Some([start.as_slice(), argv.get(1..).unwrap_or_default()].concat())
}

fn for_missing(path: &Path) -> String {
    let name = path.file_name().map(Path::new).unwrap_or(path);
    format!(
        "install -D -m 755 {} {}",
        shell_word(name),
        shell_word(path)
    )
}

/// For what is behind a directory that we may not enter.
fn for_hidden(path: &Path, kind: ErrorKind, key: &Key) -> String {
    let mut above: Vec<_> = path.ancestors().skip(1).collect();
    above.reverse();
    let closed = above
        .into_iter()
        .find(|directory| access(*directory, AccessFlags::X_OK).is_err());
    match closed {
        Some(directory) if kind == ErrorKind::PermissionDenied => {
            format!("chmod +x {}", shell_word(directory))
        }
        Some(_) | None => example(key),
    }
}

fn example(key: &Key) -> String {
    key.set(key.example)
}

/// `path` as one word of a shell's command.
fn shell_word(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if path.chars().all(is_plain) && !path.starts_with('-') {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(path: &str, reason: Reason) -> CommandFlaw {
        let path = path.into();
        CommandFlaw { path, reason }
    }

    #[test]
    fn a_command_for_a_shell_is_quoted_where_it_must_be() {
        for (path, expected) in [
            ("/srv/data", "mkdir -p /srv/data"),
            ("/srv/my data", "mkdir -p '/srv/my data'"),
            ("/srv/it's", "mkdir -p '/srv/it'\\''s'"),
        ] {
            assert_eq!(for_directory(&flaw(path, Reason::Missing)), expected);
        }
    }

    #[test]
    fn arguments_in_the_path_of_a_program_are_taken_out_of_it() {
        let path = "/bin/sh -c";
        let argv = [path, "true"].map(str::to_owned);
        let help = for_program(&flaw(path, Reason::Missing), &argv);
        assert_eq!(help, r#"exec = ["/bin/sh", "-c", "true"]"#);
    }
}
