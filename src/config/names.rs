//! What a misspelt or foreign name was probably meant to be.

use super::keys::{self, Key, Section};

/// What people who come from other programs type for our keys. Of a word that may be two keys, the one in the section
/// where it stands is meant, or else the first.
static ALIASES: [(&str, &Key); 22] = [
    ("hosts", &keys::SERVERS),
    ("ensemble", &keys::SERVERS),
    ("connect", &keys::SERVERS),
    ("connect_string", &keys::SERVERS),
    ("connection_string", &keys::SERVERS),
    ("timeout", &keys::SESSION_TIMEOUT),
    ("session", &keys::SESSION_TIMEOUT),
    ("path", &keys::ROOT),
    ("ttl", &keys::LEASE),
    ("cmd", &keys::EXEC),
    ("command", &keys::EXEC),
    ("execute", &keys::EXEC),
    ("path", &keys::EXEC),
    ("cwd", &keys::DIRECTORY),
    ("workdir", &keys::DIRECTORY),
    ("working_directory", &keys::DIRECTORY),
    ("env", &keys::ENVIRONMENT),
    ("grace", &keys::GRACE_PERIOD),
    ("grace_time", &keys::GRACE_PERIOD),
    ("stop_timeout", &keys::GRACE_PERIOD),
    ("kill_timeout", &keys::GRACE_PERIOD),
    ("timeout", &keys::GRACE_PERIOD),
];

/// The key that `name` was probably meant to be: that very one of another section, one it is an alias of, or a near
/// one, of this section first.
pub(super) fn meant_key(section: Option<Section>, name: &str) -> Option<&'static Key> {
    let named = |name: &str| keys::ALL.into_iter().find(|key| key.name == name);
    let here = || section.into_iter().flat_map(Section::keys);
    named(name)
        .or_else(|| find_alias(section, name))
        .or_else(|| nearest(name, here().map(|key| key.name)).and_then(named))
        .or_else(|| nearest(name, keys::ALL.map(|key| key.name)).and_then(named))
}

fn find_alias(section: Option<Section>, name: &str) -> Option<&'static Key> {
    let plain = plain(name);
    let meant = || {
        let same = ALIASES.iter().filter(|(alias, _)| *alias == plain);
        same.map(|(_, key)| *key)
    };
    meant()
        .find(|key| Some(key.section) == section)
        .or_else(|| meant().next())
}

/// The name of `names` that `text` was probably meant to be.
pub(super) fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // No key is longer than 17 characters, and the distance costs the product of the lengths.
    if text.chars().count() > 32 {
        return None;
    }
    let plain = plain(text);
    names
        .into_iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&plain, &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = || keys::ALL.iter().map(|key| key.name);
        for (text, meant) in [
            ("leese", Some("lease")),
            ("sessionTimeout", Some("session_timeout")),
            ("session-timeout", Some("session_timeout")),
            ("EXEC", Some("exec")),
            ("colour", None),
            ("x", None),
            (&"a".repeat(1000), None),
        ] {
            assert_eq!(nearest(text, names()), meant, "{text}");
        }
    }

    #[test]
    fn what_other_programs_call_a_key_is_that_key() {
        use Section::{Command, Election, Zookeeper};
        for (section, name, meant) in [
            (Command, "grace", "grace_period"),
            (Command, "stop-timeout", "grace_period"),
            (Command, "timeout", "grace_period"),
            (Zookeeper, "timeout", "session_timeout"),
            (Election, "timeout", "session_timeout"),
            (Election, "path", "root"),
            (Command, "path", "exec"),
            (Command, "ENV", "environment"),
            (Election, "ttl", "lease"),
        ] {
            let key = meant_key(Some(section), name).map(|key| key.name);
            assert_eq!(key, Some(meant), "{name} in {section:?}");
        }
    }

    #[test]
    fn no_alias_is_a_key() {
        for (alias, _) in ALIASES {
            assert!(keys::ALL.iter().all(|key| key.name != alias), "{alias}");
        }
    }
}
