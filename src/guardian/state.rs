//! What a guardian hands to the image that takes its place: a text, because the two may be of different versions.
//!
//! It is written without the heap. Whatever was ever written can be read for good: a format is added, never changed.

use crate::core::election::{TermId, Token};
use crate::core::guard::{Carried, ChildExit, Grant};
use crate::core::time::Time;
use crate::observe::text::Text;
use crate::process::spawn::inherit;
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The format that is written.
const FORMAT: u32 = 1;
/// The variable by which the next image finds it: the number of a descriptor.
pub(super) const VARIABLE: &str = "ZK_SUPERVISE_STATE";
/// The last line.
const END: &str = "end";
/// Longer than any: the path of a control group has at most 4096 bytes (`path_resolution(7)`).
const LONGEST: usize = 8192;

/// What the guardian's shell knows, beside what its core does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shell {
    /// Random, one for each start of the supervisor: the candidate's znode is named after it.
    pub(super) incarnation: u64,
    /// The control group of the tree; empty where there is none.
    pub(super) cgroup: PathBuf,
    /// What is written into the child's `oom_score_adj`.
    pub(super) oom_score: i32,
    /// Children that the process had before it became a guardian.
    pub(super) strangers: Vec<i32>,
    /// Since when it has been master, by the clock on the wall, to a second.
    pub(super) master_since: Option<SystemTime>,
}

/// All that the next image must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    pub(super) core: Carried,
    pub(super) shell: Shell,
    /// The child's main process, where one runs.
    pub(super) main: Option<i32>,
    /// The descriptor of the configuration that is in force from now on.
    pub(super) config: i32,
}

/// The text that says all of it.
pub(super) fn text(core: &Carried, shell: &Shell, main: Option<i32>, config: i32) -> Text<LONGEST> {
    let mut text = Text::new();
    let version = env!("CARGO_PKG_VERSION");
    text.put(format_args!("format={FORMAT}\nversion={version}\n"));
    text.put(format_args!("config={config}\n"));
    if let Some(main) = main {
        text.put(format_args!("main={main}\n"));
    }
    put_shell(&mut text, shell);
    text.put(format_args!("started={}\n", core.started));
    if let Some(exit) = core.exit {
        put_exit(&mut text, exit);
    }
    if let Some(since) = core.running_since {
        text.put(format_args!("running_since={}\n", since.as_nanos()));
    }
    if let Some(grant) = core.grant {
        put_grant(&mut text, &grant);
    }
    text.put(format_args!("{END}\n"));
    text
}

fn put_shell(text: &mut Text<LONGEST>, shell: &Shell) {
    let (incarnation, cgroup) = (shell.incarnation, shell.cgroup.display());
    text.put(format_args!(
        "incarnation={incarnation:016x}\ncgroup={cgroup}\n"
    ));
    text.put(format_args!("oom_score={}\nstrangers=", shell.oom_score));
    for stranger in &shell.strangers {
        text.put(format_args!("{stranger} "));
    }
    text.put(format_args!("\n"));
    if let Some(since) = shell.master_since {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.put(format_args!("master_since={}\n", since.as_secs()));
    }
}

fn put_exit(text: &mut Text<LONGEST>, exit: ChildExit) {
    match exit {
        ChildExit::Code(code) => text.put(format_args!("exit_code={code}\n")),
        ChildExit::Signal(signal) => text.put(format_args!("exit_signal={signal}\n")),
        ChildExit::NotStarted(errno) => text.put(format_args!("not_started={errno}\n")),
    }
}

fn put_grant(text: &mut Text<LONGEST>, grant: &Grant) {
    let (id, generation, token) = (grant.id, grant.generation, grant.token);
    text.put(format_args!(
        "term={id}\ngeneration={generation}\ntoken={token}\n"
    ));
    let (version, starts, lease) = (grant.version, grant.starts, grant.lease.as_nanos());
    text.put(format_args!(
        "record_version={version}\nstarts={starts}\nlease={lease}\n"
    ));
    let (not_before, end) = (grant.not_before.as_nanos(), grant.end.as_nanos());
    text.put(format_args!("not_before={not_before}\nlease_end={end}\n"));
}

impl State {
    /// Reads what a guardian of any version wrote.
    ///
    /// # Errors
    /// What is missing, or is of a version that we do not know.
    pub fn parse(text: &str) -> Result<State, String> {
        let fields = Fields::of(text)?;
        let format: u32 = fields.must("format")?;
        if format != FORMAT {
            let version = fields.get("version").unwrap_or("unknown");
            return Err(format!(
                "it has format {format}, of version {version}; this version reads {FORMAT}"
            ));
        }
        Ok(State {
            core: Carried {
                grant: fields.grant()?,
                started: fields.must("started")?,
                exit: fields.exit()?,
                running_since: fields.may("running_since")?.map(Time::from_nanos),
            },
            shell: fields.shell()?,
            main: fields.may("main")?,
            config: fields.must("config")?,
        })
    }

    /// The descriptor of the configuration that is in force from now on.
    #[must_use]
    pub fn config(&self) -> i32 {
        self.config
    }

    /// The state that the image before this one has left, if there was one; what it says of itself, if it cannot be read.
    #[must_use]
    pub fn inherited() -> Option<Result<State, String>> {
        let number: i32 = std::env::var(VARIABLE).ok()?.parse().ok()?;
        let file = inherit(number);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        Some(text.and_then(|text| State::parse(&text)))
    }

    /// How long the lease of the term in charge is, and when it ends as far as is known, if there is one.
    #[must_use]
    pub fn lease(&self) -> Option<(Duration, Time)> {
        self.core.grant.map(|grant| (grant.lease, grant.end))
    }
}

struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Result<Fields<'a>, String> {
        let end = text.lines().position(|line| line == END);
        let lines = text.lines().take(end.ok_or("it has no end")?);
        let fields: Option<_> = lines.map(|line| line.split_once('=')).collect();
        fields
            .map(Fields)
            .ok_or_else(|| "a line has no `=`".to_owned())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn may<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("`{name}={text}` is none"));
        self.get(name).map(parse).transpose()
    }

    fn must<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.may(name)?.ok_or_else(|| format!("it has no `{name}`"))
    }

    fn exit(&self) -> Result<Option<ChildExit>, String> {
        let code = self.may("exit_code")?.map(ChildExit::Code);
        let signal = self.may("exit_signal")?.map(ChildExit::Signal);
        let errno = self.may("not_started")?.map(ChildExit::NotStarted);
        Ok(code.or(signal).or(errno))
    }

    fn grant(&self) -> Result<Option<Grant>, String> {
        let Some(id) = self.may::<TermId>("term")? else {
            return Ok(None);
        };
        Ok(Some(Grant {
            id,
            generation: self.must("generation")?,
            token: Token(self.must("token")?),
            version: self.must("record_version")?,
            lease: Duration::from_nanos(self.must("lease")?),
            not_before: Time::from_nanos(self.must("not_before")?),
            end: Time::from_nanos(self.must("lease_end")?),
            starts: self.must("starts")?,
        }))
    }

    fn shell(&self) -> Result<Shell, String> {
        let incarnation: String = self.must("incarnation")?;
        let incarnation = u64::from_str_radix(&incarnation, 16);
        let strangers = self.get("strangers").unwrap_or_default();
        let strangers: Result<_, _> = strangers.split_whitespace().map(str::parse).collect();
        Ok(Shell {
            incarnation: incarnation.map_err(|error| format!("`incarnation`: {error}"))?,
            cgroup: Path::new(self.get("cgroup").unwrap_or_default()).to_owned(),
            oom_score: self.must("oom_score")?,
            strangers: strangers.map_err(|error| format!("`strangers`: {error}"))?,
            master_since: self
                .may("master_since")?
                .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by each version that was ever released, and by this one.
    const RELEASED: [&str; 1] = [FIRST];

    const FIRST: &str = "\
format=1
version=0.1.0
config=66
main=4711
incarnation=00000000000000ab
cgroup=/sys/fs/cgroup/unified/zk-supervise.0.7.9
oom_score=300
strangers=5 6 
master_since=1800000000
started=2
exit_signal=9
running_since=1000
term=0000000000000007-3
generation=4
token=60
record_version=17
starts=2
lease=25000000000
not_before=5
lease_end=900
end
";

    fn state() -> State {
        State {
            core: Carried {
                grant: Some(Grant {
                    id: TermId {
                        elector: 7,
                        number: 3,
                    },
                    generation: 4,
                    token: Token(60),
                    version: 17,
                    lease: Duration::from_secs(25),
                    not_before: Time::from_nanos(5),
                    end: Time::from_nanos(900),
                    starts: 2,
                }),
                started: 2,
                exit: Some(ChildExit::Signal(9)),
                running_since: Some(Time::from_nanos(1000)),
            },
            shell: Shell {
                incarnation: 0xab,
                cgroup: "/sys/fs/cgroup/unified/zk-supervise.0.7.9".into(),
                oom_score: 300,
                strangers: vec![5, 6],
                master_since: Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            },
            main: Some(4711),
            config: 66,
        }
    }

    fn written(state: &State) -> String {
        let text = text(&state.core, &state.shell, state.main, state.config);
        String::from_utf8(text.as_bytes().to_vec()).expect("text")
    }

    #[test]
    fn the_lease_in_force_is_that_of_the_grant() {
        let mut state = state();
        let lease = (Duration::from_secs(25), Time::from_nanos(900));
        assert_eq!(state.lease(), Some(lease));
        state.core.grant = None;
        assert_eq!(state.lease(), None);
    }

    #[test]
    fn every_state_that_was_ever_written_is_read() {
        for text in RELEASED {
            assert_eq!(State::parse(text), Ok(state()), "{text}");
        }
        let newest = RELEASED[RELEASED.len() - 1];
        let version = |text: &str| text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        assert_eq!(
            version(&written(&state())),
            version(newest),
            "a new form needs a new format"
        );
    }

    #[test]
    fn a_state_survives_its_text_whatever_is_in_it() {
        let idle = State {
            core: Carried {
                grant: None,
                started: 0,
                exit: None,
                running_since: None,
            },
            shell: Shell {
                cgroup: PathBuf::new(),
                strangers: Vec::new(),
                master_since: None,
                ..state().shell
            },
            main: None,
            config: 66,
        };
        let exits = [
            ChildExit::Code(3),
            ChildExit::Signal(15),
            ChildExit::NotStarted(2),
        ];
        let ended = exits.map(|exit| {
            let mut state = idle.clone();
            state.core.exit = Some(exit);
            state
        });
        for state in ended.into_iter().chain([idle, state()]) {
            assert_eq!(State::parse(&written(&state)), Ok(state.clone()));
        }
    }

    #[test]
    fn what_is_no_state_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "it has no end"),
            ("format=1\nx\nend\n", "a line has no `=`"),
            ("format=1\nend\n", "it has no `started`"),
            (
                &FIRST.replace("format=1", "format=2"),
                "it has format 2, of version",
            ),
            (&FIRST.replace("token=60", "token=x"), "`token=x` is none"),
            (
                &FIRST.replace("lease_end=900\n", ""),
                "it has no `lease_end`",
            ),
            (&FIRST.replace("5 6", "5 x"), "`strangers`"),
        ] {
            let error = State::parse(text).expect_err(text);
            assert!(error.starts_with(why), "{error}");
        }
    }
}
