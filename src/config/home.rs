//! `~` and `$HOME`, which a shell expands and we do not: what they stand for, for the `help:` of a path that has them.

use std::env;

use nix::unistd::{Uid, User};

/// Why a path that begins with one is none.
pub(super) const RULE: &str =
    "`~` and `$HOME` are for a shell to expand; here it must be a full path";

/// Whether a shell would expand the beginning of `path`.
pub(super) fn is_unexpanded(path: &str) -> bool {
    path.starts_with(['~', '$'])
}

/// `path` as a shell would expand its beginning; `None` if that makes no full path.
pub(super) fn expand(path: &str) -> Option<String> {
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let start = match first.strip_prefix('~') {
        Some("") => variable("HOME").or_else(|| directory(User::from_uid(Uid::current()))),
        Some(user) => directory(User::from_name(user)),
        None => variable(first.strip_prefix('$')?.trim_matches(['{', '}'])),
    }?;
    Some(format!("{}{rest}", start.trim_end_matches('/')))
}

fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    value.starts_with('/').then_some(value)
}

fn directory(user: nix::Result<Option<User>>) -> Option<String> {
    Some(user.ok()??.dir.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_expand_is_expanded() {
        let home = env::var("HOME").expect("cargo needs it too");
        for (text, expected) in [
            ("~/bin/x", Some(format!("{home}/bin/x"))),
            ("$HOME/x", Some(format!("{home}/x"))),
            ("${HOME}", Some(home.clone())),
            ("~root/x", Some("/root/x".to_owned())),
            ("$NO_SUCH_VARIABLE/x", None),
            ("~no-such-user/x", None),
            ("$", None),
            ("$a=b", None),
            ("bin/x", None),
        ] {
            assert_eq!(expand(text), expected, "{text}");
        }
    }
}
