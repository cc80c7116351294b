//! The term on record: what `zk-supervise release` needs to give a term back once everything of its supervisor is dead
//! (R11). The guardian keeps it in the directory that its service manager gives it (`RuntimeDirectory=`,
//! `systemd.exec(5)`), beside the configuration in force; both go with the boot.

use crate::core::election::TermId;
use crate::core::guard::Charge;
use crate::core::time::Time;
use crate::observe::text::Text;
use crate::process::sweep::Identity;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::uio::pwrite;
use nix::unistd::ftruncate;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The variable that names it.
pub(super) const DIRECTORY: &str = "RUNTIME_DIRECTORY";
/// The file's name.
const TERM: &str = "term";
/// What says why the last reload came to nothing.
const REFUSAL: &str = "refusal";
/// What the configuration in force is called beside it.
const CONFIG: &str = "app.toml";
/// The format that is written: whatever was ever written can be read for good.
const FORMAT: u32 = 1;
/// Its last line: what follows is of an older, longer text.
const END: &str = "end";
/// Longer than any: a path of a control group has at most 4096 bytes (`path_resolution(7)`).
const LONGEST: usize = 4608;

/// A term that was in a guardian's charge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Which guardian's.
    pub guardian: Identity,
    /// The control group of the tree; empty where there was none.
    pub cgroup: PathBuf,
    /// The term.
    pub id: TermId,
    /// A version of the term record that it wrote.
    pub version: i32,
    /// Whatever was alive before the term is dead by then (R7).
    pub not_before: Time,
    /// When its lease ends.
    pub lease_end: Time,
}

/// Why nothing can be told of a term.
#[derive(Debug)]
pub enum Unrecorded {
    /// No guardian keeps a record here.
    NoFile,
    /// No term is in a guardian's charge.
    NoTerm,
    /// It cannot be read.
    Unreadable(String),
}

/// Where a guardian keeps its record.
#[derive(Debug)]
pub(super) struct Ledger {
    file: OwnedFd,
    guardian: Identity,
    cgroup: PathBuf,
    kept: Option<Charge>,
    refusals: Refusals,
}

/// How often a reload was refused, and where that is said.
#[derive(Debug)]
struct Refusals {
    file: OwnedFd,
    count: u32,
}

impl Ledger {
    /// In `directory`, with the configuration in force beside it.
    ///
    /// # Errors
    /// It may not be written there.
    pub(super) fn make(
        directory: &Path,
        config: &str,
        guardian: Identity,
        cgroup: &Path,
    ) -> io::Result<Ledger> {
        // Another file each time: by that `reload` sees that it is another's.
        let new = directory.join(format!(".{CONFIG}"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&new)?.write_all(config.as_bytes())?;
        fs::rename(new, directory.join(CONFIG))?;
        let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let open = |name, flags| open(&directory.join(name), flags, Mode::S_IRUSR | Mode::S_IWUSR);
        Ok(Ledger {
            // Not cut: until we keep our own, what an earlier image of us kept holds.
            file: open(TERM, flags)?,
            guardian,
            cgroup: cgroup.to_owned(),
            kept: None,
            refusals: Refusals {
                file: open(REFUSAL, flags | OFlag::O_TRUNC)?,
                count: 0,
            },
        })
    }

    /// Tells whoever waits for a reload that it came to nothing.
    pub(super) fn refuse(&mut self, why: &str) {
        self.refusals.count += 1;
        let mut text = Text::<LONGEST>::new();
        text.put(format_args!("{}. {why}\n", self.refusals.count));
        _ = pwrite(&self.refusals.file, text.as_bytes(), 0);
        _ = ftruncate(
            &self.refusals.file,
            i64::try_from(text.as_bytes().len()).unwrap_or(0),
        );
    }

    /// Keeps what is in the guardian's charge, if that is new.
    pub(super) fn keep(&mut self, charge: Charge) {
        if self.kept == Some(charge) {
            return;
        }
        self.kept = Some(charge);
        let text = self.text(charge);
        // Where it cannot be kept nothing is released from outside, and the next master waits the lease out.
        _ = pwrite(&self.file, text.as_bytes(), 0);
    }

    fn text(&self, charge: Charge) -> Text<LONGEST> {
        let mut text = Text::new();
        if let Charge::Open(grant) | Charge::Sealed(grant, _) = charge {
            let (id, version) = (grant.id, grant.version);
            let not_before = grant.not_before.as_nanos();
            let (guardian, cgroup) = (self.guardian, self.cgroup.display());
            text.put(format_args!(
                "format={FORMAT}\nterm={id}\nversion={version}\n"
            ));
            text.put(format_args!(
                "not_before={not_before}\nguardian={guardian}\n"
            ));
            let lease_end = grant.end.as_nanos();
            text.put(format_args!("lease_end={lease_end}\ncgroup={cgroup}\n"));
        }
        text.put(format_args!("{END}\n"));
        text
    }
}

impl Recorded {
    /// The directory that a service manager has given this process: the first, where there are several.
    #[must_use]
    pub fn directory() -> Option<PathBuf> {
        let directories = std::env::var_os(DIRECTORY)?.into_vec();
        let first = directories.split(|&byte| byte == b':').next()?;
        Some(OsString::from_vec(first.to_vec()).into())
    }

    /// What stands in `directory`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(directory: &Path) -> Result<Recorded, Unrecorded> {
        let path = directory.join(TERM);
        let unreadable = |why: &dyn std::fmt::Display| {
            Unrecorded::Unreadable(format!("{}: {why}", path.display()))
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let fields = fields(&text).ok_or_else(|| unreadable(&"it has no end"))?;
                if fields.is_empty() {
                    return Err(Unrecorded::NoTerm);
                }
                parse(&fields).ok_or_else(|| unreadable(&"it is no term on record"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unrecorded::NoFile),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Which reload of the supervisor that has `directory` came to nothing last, and why.
    #[must_use]
    pub fn refusal(directory: &Path) -> Option<String> {
        let text = fs::read_to_string(directory.join(REFUSAL)).ok()?;
        text.strip_suffix('\n').map(str::to_owned)
    }

    /// The configuration that was in force, beside the record in `directory`.
    #[must_use]
    pub fn config(directory: &Path) -> PathBuf {
        directory.join(CONFIG)
    }
}

fn fields(text: &str) -> Option<BTreeMap<&str, &str>> {
    let end = text.lines().position(|line| line == END)?;
    let before = text.lines().take(end);
    before.map(|line| line.split_once('=')).collect()
}

fn parse(fields: &BTreeMap<&str, &str>) -> Option<Recorded> {
    let field = |name: &str| fields.get(name).copied();
    (field("format")?.parse() == Ok(FORMAT)).then_some(())?;
    Some(Recorded {
        guardian: field("guardian")?.parse().ok()?,
        cgroup: PathBuf::from(field("cgroup")?),
        id: field("term")?.parse().ok()?,
        version: field("version")?.parse().ok()?,
        not_before: Time::from_nanos(field("not_before")?.parse().ok()?),
        lease_end: Time::from_nanos(field("lease_end")?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::election::Token;
    use crate::core::guard::{Grant, StopReason};
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    fn grant(version: i32) -> Grant {
        Grant {
            id: TermId {
                elector: 7,
                number: 1,
            },
            generation: 2,
            token: Token(60),
            version,
            lease: Duration::from_secs(25),
            not_before: Time::from_nanos(5),
            end: Time::from_nanos(9),
            starts: 1,
        }
    }

    fn directory(test: &str) -> PathBuf {
        let name = format!("zk-supervise.recorded.{test}.{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a temporary directory");
        directory
    }

    #[test]
    fn what_is_kept_is_read_back_whatever_stood_there_before() {
        let directory = directory("back");
        // The last part ends as the record does.
        let cgroup = Path::new("/sys/fs/cgroup/zk-supervise@backend");
        let own = Identity::own();
        let mut ledger = Ledger::make(&directory, "# all", own, cgroup).expect("a directory");
        let reason = StopReason::GivenUp;
        let expected = |version| Recorded {
            guardian: own,
            cgroup: cgroup.to_owned(),
            id: grant(0).id,
            version,
            not_before: Time::from_nanos(5),
            lease_end: Time::from_nanos(9),
        };
        for version in [1_000_000, 7] {
            for charge in [
                Charge::Open(grant(version)),
                Charge::Sealed(grant(version), reason),
            ] {
                ledger.keep(charge);
                assert_eq!(Recorded::read(&directory).ok(), Some(expected(version)));
            }
        }
        for charge in [Charge::None, Charge::Barred(grant(0).id)] {
            ledger.keep(charge);
            assert!(matches!(
                Recorded::read(&directory),
                Err(Unrecorded::NoTerm)
            ));
        }
        assert_eq!(Recorded::refusal(&directory), None);
        for (why, said) in [
            ("it is much too old", "1. it is much too old"),
            ("no", "2. no"),
        ] {
            ledger.refuse(why);
            assert_eq!(Recorded::refusal(&directory).as_deref(), Some(said));
        }
        for name in [TERM, REFUSAL, CONFIG] {
            let mode = fs::metadata(directory.join(name))
                .expect("it was made")
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let config = fs::read_to_string(Recorded::config(&directory));
        assert_eq!(config.expect("it is beside it"), "# all");
        fs::remove_dir_all(directory).expect("it is ours");
    }

    /// Written by each version that was ever released, and by this one.
    const RELEASED: [&str; 1] = [
        "format=1\nterm=0000000000000007-1\nversion=3\nnot_before=5\nguardian=4.9\nlease_end=9\ncgroup=/a\nend\n",
    ];

    #[test]
    fn every_record_that_was_ever_written_is_read() {
        let ledger = |file| Ledger {
            file,
            guardian: Identity { pid: 4, began: 9 },
            cgroup: "/a".into(),
            kept: None,
            refusals: Refusals {
                file: fs::File::open("/dev/null").expect("it is there").into(),
                count: 0,
            },
        };
        let null = fs::File::open("/dev/null").expect("it is there");
        let newest = ledger(null.into()).text(Charge::Open(grant(3)));
        assert_eq!(newest.as_bytes(), RELEASED[RELEASED.len() - 1].as_bytes());
        for text in RELEASED {
            let recorded = parse(&fields(text).expect("it has an end"));
            assert_eq!(
                recorded.map(|it| (it.version, it.id)),
                Some((3, grant(3).id))
            );
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let directory = directory("refused");
        let read = |text: &str| {
            fs::write(directory.join(TERM), text).expect("a directory");
            Recorded::read(&directory)
        };
        let whole = "format=1\nterm=7-1\nversion=3\nnot_before=5\nguardian=4.5\nlease_end=9\ncgroup=\nend\n";
        assert!(read(whole).is_ok());
        for text in [
            "",
            "format=1\nterm=7-1\n",
            &whole.replace("format=1", "format=2"),
            &whole.replace("version=3", "version=x"),
            &whole.replace("end\n", ""),
        ] {
            assert!(
                matches!(read(text), Err(Unrecorded::Unreadable(_))),
                "{text:?}"
            );
        }
        fs::remove_file(directory.join(TERM)).expect("it is ours");
        assert!(matches!(
            Recorded::read(&directory),
            Err(Unrecorded::NoFile)
        ));
        fs::create_dir(directory.join(TERM)).expect("it is ours");
        assert!(matches!(
            Recorded::read(&directory),
            Err(Unrecorded::Unreadable(_))
        ));
        fs::remove_dir_all(directory).expect("it is ours");
    }
}
