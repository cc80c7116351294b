//! A group of hosts with one election: its root, its witness, and the files of its candidates.

use super::ensemble::Ensemble;
use super::link::Link;
use super::netns::Netns;
use super::process::run;
use super::record::{Record, Run};
use super::scratch::{Scratch, number, test_name};
use super::supervisor::Supervisor;
use super::time::{secs, wait_for};
use super::znodes::Znodes;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One election of one test. When it is dropped, no two witnesses may ever have run at once.
pub(crate) struct Group {
    dir: Scratch,
    root: String,
    servers: Vec<String>,
    znodes: Znodes,
    session: Duration,
    may_overlap: AtomicBool,
}

impl Group {
    /// A group with a root of its own, whose leases outlast what a busy machine keeps a renewal waiting.
    pub(crate) fn new(ensemble: &Ensemble) -> Group {
        Group::with(ensemble, secs(10))
    }

    /// The same for a test that waits for leases to lapse: they take 3.3 s.
    pub(crate) fn hasty(ensemble: &Ensemble) -> Group {
        Group::with(ensemble, secs(4))
    }

    fn with(ensemble: &Ensemble, session: Duration) -> Group {
        let name = test_name();
        Group {
            dir: Scratch::new(&name),
            root: format!("/test/{name}-{}", number()),
            servers: ensemble.addresses(),
            znodes: Znodes::of(ensemble),
            session,
            may_overlap: AtomicBool::new(false),
        }
    }

    /// The file of a candidate, to be changed before it is started.
    pub(crate) fn config(&self, name: &str) -> Config {
        let mut config = Config {
            name: name.into(),
            dir: self.dir.join(name),
            keys: BTreeMap::new(),
            namespace: None,
        };
        config.put("zookeeper.servers", strings(&self.servers));
        config = config.session(self.session);
        config.put("election.root", quoted(&self.root));
        config.put("election.master", quoted("/master"));
        config.put("election.name", quoted(name));
        config.put("log.format", quoted("json"));
        config.put("log.level", quoted("debug"));
        config.put("command.exec", strings(&self.witness(&[])));
        config
    }

    /// A candidate with the file as it is.
    pub(crate) fn start(&self, name: &str) -> Supervisor {
        self.config(name).start()
    }

    /// The command line of a witness of this group.
    pub(crate) fn witness(&self, options: &[&str]) -> Vec<String> {
        let dir = self.dir.path().to_str().expect("temporary paths are UTF-8");
        let mut command = vec![witness().to_str().expect("target paths are UTF-8").into()];
        command.extend(["--dir".into(), dir.into()]);
        command.extend(options.iter().map(|&option| option.into()));
        command
    }

    /// What the witnesses have written so far.
    pub(crate) fn record(&self) -> Record {
        Record::read(self.dir.path())
    }

    /// Waits until a run is alive, and returns it.
    #[track_caller]
    pub(crate) fn wait_running(&self, limit: Duration) -> Run {
        wait_for("somebody's child runs", limit, || {
            self.record().current().cloned()
        })
    }

    /// Waits until a run is alive that is not `before`, and returns it.
    #[track_caller]
    pub(crate) fn wait_takeover(&self, before: &Run, limit: Duration) -> Run {
        wait_for("another child runs", limit, || {
            let record = self.record();
            record
                .current()
                .filter(|run| run.pid != before.pid)
                .cloned()
        })
    }

    /// Root, and below it: `/master`, `/master.term`, `/master.candidates`.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The path of M.
    pub(crate) fn master(&self) -> String {
        format!("{}/master", self.root)
    }

    /// The path of T.
    pub(crate) fn term(&self) -> String {
        format!("{}/master.term", self.root)
    }

    /// The names below `master.candidates`.
    #[track_caller]
    pub(crate) fn candidates(&self) -> Vec<String> {
        let path = format!("{}/master.candidates", self.root);
        self.znodes.children(&path)
    }

    /// The session that owns M.
    #[track_caller]
    pub(crate) fn master_session(&self) -> i64 {
        let look = || self.znodes.read(&self.master());
        let master = wait_for("there is a master", secs(10), look);
        master.stat.ephemeral_owner
    }

    pub(crate) fn znodes(&self) -> &Znodes {
        &self.znodes
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// This test makes two witnesses run at once on purpose.
    pub(crate) fn may_overlap(&self) {
        self.may_overlap.store(true, Ordering::Relaxed);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.may_overlap.load(Ordering::Relaxed) {
            assert_eq!(self.record().overlaps(), Vec::<String>::new());
        }
    }
}

/// One candidate's file, as keys and TOML values.
#[derive(Clone)]
pub(crate) struct Config {
    name: String,
    dir: PathBuf,
    keys: BTreeMap<String, String>,
    namespace: Option<String>,
}

impl Config {
    /// Sets a key (`section.key`) to a TOML value, quotes included.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Config {
        self.put(key, value.into());
        self
    }

    /// Leaves a key out.
    pub(crate) fn unset(mut self, key: &str) -> Config {
        self.keys.remove(key);
        self
    }

    pub(crate) fn session(self, timeout: Duration) -> Config {
        let text = quoted(&format!("{}ms", timeout.as_millis()));
        self.set("zookeeper.session_timeout", &text)
    }

    /// The supervised command: often [`Group::witness`] with options.
    pub(crate) fn exec<S: AsRef<str>>(self, command: &[S]) -> Config {
        let value = strings(command);
        self.set("command.exec", &value)
    }

    /// Reaches the servers through these links only.
    pub(crate) fn through(self, links: &[Link]) -> Config {
        let addresses: Vec<String> = links.iter().map(Link::address).collect();
        let value = strings(&addresses);
        self.set("zookeeper.servers", &value)
    }

    /// Runs in a network namespace, and reaches the servers through its links only.
    pub(crate) fn inside(self, namespace: &Netns) -> Config {
        self.within(namespace.name()).through(namespace.links())
    }

    /// Runs in the network namespace that `/run/netns` knows by this name.
    pub(crate) fn within(mut self, namespace: &str) -> Config {
        self.namespace = Some(namespace.into());
        self
    }

    /// Writes the file and returns its path.
    pub(crate) fn write(&self) -> PathBuf {
        fs::create_dir_all(&self.dir).expect("the directory is ours");
        let path = self.dir.join("app.toml");
        fs::write(&path, self.text()).expect("the directory is ours");
        path
    }

    /// Writes the file and starts the supervisor.
    pub(crate) fn start(&self) -> Supervisor {
        let file = self.write();
        Supervisor::start(&self.name, &file, self.namespace.as_deref())
    }

    fn text(&self) -> String {
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        for (key, value) in &self.keys {
            let (section, key) = key.split_once('.').expect("a key is section.key");
            let lines = sections.entry(section).or_default();
            lines.push_str(&format!("{key} = {value}\n"));
        }
        let sections = sections.iter();
        sections
            .map(|(section, lines)| format!("[{section}]\n{lines}"))
            .collect()
    }

    fn put(&mut self, key: &str, value: String) {
        self.keys.insert(key.into(), value);
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn strings<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("{items:?}")
}

/// The witness, which cargo builds beside the tests; `cargo test --test cluster` alone does not, so it is built here
/// where it is missing or old.
pub(crate) fn witness() -> &'static Path {
    static WITNESS: OnceLock<PathBuf> = OnceLock::new();
    WITNESS.get_or_init(|| {
        let test = env::current_exe().expect("/proc is mounted");
        let profile = test.ancestors().nth(2).expect("target/debug/deps/cluster");
        let target = profile.parent().expect("target/debug");
        let path = profile.join("examples/witness");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witness/witness.rs");
        let age = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
        if age(&path) < age(&source) {
            let target = target.to_str().expect("target paths are UTF-8");
            let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            let arguments = ["build", "--quiet", "--example", "witness"];
            let place = ["--manifest-path", manifest, "--target-dir", target];
            let optimized: &[&str] = match profile.ends_with("release") {
                true => &["--release"],
                false => &[],
            };
            run(
                env!("CARGO"),
                &[&arguments[..], &place[..], optimized].concat(),
            )
            .unwrap_or_else(|error| panic!("the witness cannot be built: {error}"));
        }
        path
    })
}
