//! Every section and key there is: the one description that reading, the messages and `check`'s output share.

use std::time::Duration;

use crate::core::lease::LONGEST_LEASE;

/// A section of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Section {
    Zookeeper,
    Election,
    Command,
    Log,
}

impl Section {
    pub(super) const ALL: [Section; 4] = [
        Section::Zookeeper,
        Section::Election,
        Section::Command,
        Section::Log,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Section::Zookeeper => "zookeeper",
            Section::Election => "election",
            Section::Command => "command",
            Section::Log => "log",
        }
    }

    pub(super) fn named(name: &str) -> Option<Section> {
        Section::ALL
            .into_iter()
            .find(|section| section.name() == name)
    }

    /// The keys that have no default.
    pub(super) fn required(self) -> &'static [&'static Key] {
        static ZOOKEEPER: [&Key; 1] = [&SERVERS];
        static ELECTION: [&Key; 2] = [&ROOT, &MASTER];
        static COMMAND: [&Key; 1] = [&EXEC];
        match self {
            Section::Zookeeper => &ZOOKEEPER,
            Section::Election => &ELECTION,
            Section::Command => &COMMAND,
            Section::Log => &[],
        }
    }

    pub(super) fn keys(self) -> impl Iterator<Item = &'static Key> {
        ALL.iter().copied().filter(move |key| key.section == self)
    }
}

/// What a key's value must look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Servers,
    Text,
    Texts,
    TextTable,
    Duration { least: Duration, most: Duration },
    Fraction,
    Switch,
    Choice(&'static [&'static str]),
}

impl Kind {
    pub(super) fn expected(self) -> &'static str {
        match self {
            Kind::Servers => "an array of strings, or one string",
            Kind::Text => "a string",
            Kind::Texts => "an array of strings",
            Kind::TextTable => "a table of strings",
            Kind::Duration { .. } => "a duration in quotes",
            Kind::Fraction => "a number",
            Kind::Switch => "`true` or `false`",
            Kind::Choice(_) => "a string",
        }
    }
}

/// One key of the file.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) section: Section,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it is, as a comment.
    pub(super) about: &'static str,
    /// What holds where it is not set, as a comment.
    pub(super) unset: &'static str,
    /// A value that is right, as TOML.
    pub(super) example: &'static str,
}

impl Key {
    /// The line that gives this key `value`, which is TOML.
    pub(super) fn set(&self, value: &str) -> String {
        format!("{} = {value}", self.name)
    }
}

const fn duration(least_millis: u64, most: Duration) -> Kind {
    Kind::Duration {
        least: Duration::from_millis(least_millis),
        most,
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// The least interval of anything we do over and over: more than 20 requests a second help nobody.
const LEAST_INTERVAL: u64 = 50;

pub(super) static SERVERS: Key = Key {
    section: Section::Zookeeper,
    name: "servers",
    kind: Kind::Servers,
    about: "the servers of the ensemble, as \"host:port\"",
    unset: "required",
    example: r#"["zk1:2181", "zk2:2181", "zk3:2181"]"#,
};
pub(super) static CHROOT: Key = Key {
    section: Section::Zookeeper,
    name: "chroot",
    kind: Kind::Text,
    about: "every path is below this one; made, with its parents, if missing",
    unset: "default: none",
    example: r#""/chroot""#,
};
pub(super) static SESSION_TIMEOUT: Key = Key {
    section: Section::Zookeeper,
    name: "session_timeout",
    // A stock ensemble (tickTime 2000) grants no less than 4 s; one with a shorter tick may.
    kind: duration(2000, HOUR),
    about: "asked of the ensemble; the other defaults follow it",
    unset: "default: 30s",
    example: r#""30s""#,
};
pub(super) static CONNECT_TIMEOUT: Key = Key {
    section: Section::Zookeeper,
    name: "connect_timeout",
    kind: duration(LEAST_INTERVAL, HOUR),
    about: "how long one server may take to answer",
    unset: "default: session_timeout / 15, at least 1s",
    example: r#""2s""#,
};
pub(super) static ROOT: Key = Key {
    section: Section::Election,
    name: "root",
    kind: Kind::Text,
    about: "the persistent znode of this election; made, with its parents, if missing",
    unset: "required",
    example: r#""/ha/billing""#,
};
pub(super) static MASTER: Key = Key {
    section: Section::Election,
    name: "master",
    kind: Kind::Text,
    about: "below root: the ephemeral znode whose creator is master",
    unset: "required",
    example: r#""/master""#,
};
pub(super) static NAME: Key = Key {
    section: Section::Election,
    name: "name",
    kind: Kind::Text,
    about: "this candidate, another on each host: 1 to 64 of A-Z a-z 0-9 . _ -",
    unset: "default: the host name",
    example: r#""host-1""#,
};
pub(super) static LEASE: Key = Key {
    section: Section::Election,
    name: "lease",
    kind: duration(500, LONGEST_LEASE),
    about: "how long one renewal lets the master's child live",
    unset: "default: 5/6 of the session, or more",
    example: r#""25s""#,
};
pub(super) static RENEW_INTERVAL: Key = Key {
    section: Section::Election,
    name: "renew_interval",
    kind: duration(LEAST_INTERVAL, HOUR),
    about: "from one renewal of the lease to the next",
    unset: "default: session_timeout / 30, at least 100ms",
    example: r#""1s""#,
};
pub(super) static POLL_INTERVAL: Key = Key {
    section: Section::Election,
    name: "poll_interval",
    kind: duration(LEAST_INTERVAL, HOUR),
    about: "how often a standby reads the term record",
    unset: "default: session_timeout / 60, at least 100ms",
    example: r#""500ms""#,
};
pub(super) static CLOCK_RATE_BOUND: Key = Key {
    section: Section::Election,
    name: "clock_rate_bound",
    kind: Kind::Fraction,
    about: "how far the rate of a host's clock may be off, as a fraction",
    unset: "default: 0.01",
    example: "0.01",
};
pub(super) static EXEC: Key = Key {
    section: Section::Command,
    name: "exec",
    kind: Kind::Texts,
    about: "the command: the full path of a program, and its arguments",
    unset: "this or shell is required",
    example: r#"["/opt/billing/bin/billingd", "--foreground"]"#,
};
pub(super) static SHELL: Key = Key {
    section: Section::Command,
    name: "shell",
    kind: Kind::Text,
    about: "the command, as a line for /bin/sh -c",
    unset: "instead of exec",
    example: r#""exec /opt/billing/bin/billingd --foreground""#,
};
pub(super) static DIRECTORY: Key = Key {
    section: Section::Command,
    name: "directory",
    kind: Kind::Text,
    about: "where the command runs, a full path",
    unset: "default: where the supervisor was started",
    example: r#""/var/lib/billing""#,
};
pub(super) static ENVIRONMENT: Key = Key {
    section: Section::Command,
    name: "environment",
    kind: Kind::TextTable,
    about: "variables the command gets in addition",
    unset: "default: none",
    example: r#"{ LANG = "C.UTF-8" }"#,
};
pub(super) static CLEAR_ENVIRONMENT: Key = Key {
    section: Section::Command,
    name: "clear_environment",
    kind: Kind::Switch,
    about: "whether the command gets none of the supervisor's own variables",
    unset: "default: false",
    example: "false",
};
pub(super) static STOP_SIGNAL: Key = Key {
    section: Section::Command,
    name: "stop_signal",
    kind: Kind::Text,
    about: "what asks the command to end",
    unset: "default: SIGTERM",
    example: r#""SIGTERM""#,
};
pub(super) static GRACE_PERIOD: Key = Key {
    section: Section::Command,
    name: "grace_period",
    kind: duration(0, HOUR),
    about: "from the stop signal to SIGKILL",
    unset: "default: session_timeout / 6",
    example: r#""5s""#,
};
pub(super) static KILL_MARGIN: Key = Key {
    section: Section::Command,
    name: "kill_margin",
    kind: duration(100, HOUR),
    about: "from SIGKILL to the end of the lease",
    unset: "default: session_timeout / 15, at least 1s",
    example: r#""2s""#,
};
pub(super) static FORMAT: Key = Key {
    section: Section::Log,
    name: "format",
    kind: Kind::Choice(&["text", "json"]),
    about: "the form of a log line: \"text\" or \"json\"",
    unset: "default: text",
    example: r#""text""#,
};
pub(super) static LEVEL: Key = Key {
    section: Section::Log,
    name: "level",
    kind: Kind::Choice(&["error", "warn", "info", "debug"]),
    about: "the least that is logged: \"error\", \"warn\", \"info\" or \"debug\"",
    unset: "default: info",
    example: r#""info""#,
};

/// All keys, in the order in which `check` prints them.
pub(super) static ALL: [&Key; 21] = [
    &SERVERS,
    &CHROOT,
    &SESSION_TIMEOUT,
    &CONNECT_TIMEOUT,
    &ROOT,
    &MASTER,
    &NAME,
    &LEASE,
    &RENEW_INTERVAL,
    &POLL_INTERVAL,
    &CLOCK_RATE_BOUND,
    &EXEC,
    &SHELL,
    &DIRECTORY,
    &ENVIRONMENT,
    &CLEAR_ENVIRONMENT,
    &STOP_SIGNAL,
    &GRACE_PERIOD,
    &KILL_MARGIN,
    &FORMAT,
    &LEVEL,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_keys_follows_the_sections() {
        assert!(ALL.is_sorted_by_key(|key| key.section));
    }
}
