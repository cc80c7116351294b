//! `[election]`: which election this is, and who we are in it.

use std::fmt;

use super::error::Report;
use super::excerpt::brief;
use super::keys::{self, Section};
use super::quote;
use super::settings::{Setting, Settings};
use super::zookeeper::has_chroot;
use crate::core::path::{PathFlaw, ZnodePath};

/// Which election this is, and who we are in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Election {
    /// The persistent znode of the election, below the chroot.
    pub root: ZnodePath,
    /// Below the root: the ephemeral znode whose creator is master.
    pub master: ZnodePath,
    /// Who we are.
    pub name: CandidateName,
}

/// A candidate's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, and neither `.` nor `..`, which cannot be znodes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CandidateName(String);

impl CandidateName {
    /// The longest name: as long as a host name gets on Linux.
    pub const LONGEST: usize = 64;

    /// `text` as a name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<CandidateName> {
        let is_name = (1..=Self::LONGEST).contains(&text.len())
            && text.chars().all(is_name_character)
            && !matches!(text, "." | "..");
        is_name.then(|| CandidateName(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CandidateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Election> {
    let root = settings.require(&keys::ROOT, report);
    let root = root.and_then(|setting| read_root(setting, settings, report));
    let master = settings.require(&keys::MASTER, report);
    let master = master.and_then(|setting| read_path(setting, report));
    let name = match settings.find(&keys::NAME) {
        Some(setting) => read_name(setting, report),
        None => default_name(settings, report),
    };
    Some(Election {
        root: root?,
        master: master?,
        name: name?,
    })
}

fn read_root(
    setting: &Setting<'_>,
    settings: &Settings<'_>,
    report: &mut Report<'_>,
) -> Option<ZnodePath> {
    let path = read_path(setting, report)?;
    if has_chroot(settings) {
        return Some(path);
    }
    refuse_reserved(setting, path, report)
}

/// What ZooKeeper keeps its own znodes below.
const RESERVED: &str = "/zookeeper";

/// Whether `path`, from the root of all, is ZooKeeper's own.
pub(super) fn is_reserved(path: &ZnodePath) -> bool {
    path.ancestry().next() == Some(RESERVED)
}

/// `path`, or what is below ZooKeeper's own in it; may be empty.
pub(super) fn without_reserved(path: &ZnodePath) -> String {
    let path_is_reserved = is_reserved(path);
    let path = path.as_str();
    let rest = path.strip_prefix(RESERVED).filter(|_| path_is_reserved);
    rest.unwrap_or(path).to_owned()
}

pub(super) fn describe_reserved(subject: &str) -> (String, &'static str) {
    (
        format!("{subject} is in `{RESERVED}`"),
        "ZooKeeper keeps its own znodes there",
    )
}

/// `path`, unless it is ZooKeeper's own: that is reported.
pub(super) fn refuse_reserved(
    setting: &Setting<'_>,
    path: ZnodePath,
    report: &mut Report<'_>,
) -> Option<ZnodePath> {
    if !is_reserved(&path) {
        return Some(path);
    }
    let (what, why) = describe_reserved(&format!("`{}`", setting.key.name));
    let mended = quote(&without_reserved(&path));
    let span = setting.value.span();
    report.at(span, what, why, || vec![setting.best(&[mended])]);
    None
}

/// The value as a path of a znode.
pub(super) fn read_path(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<ZnodePath> {
    let text = setting.text(report)?;
    ZnodePath::parse(text.text)
        .map_err(|flaw| {
            let subject = format!("`{}`", setting.key.name);
            let (what, why) = describe_path(&subject, text.text, flaw);
            let mended = quote(&mend_path(text.text));
            report.at(text.span, what, why, || vec![setting.best(&[mended])]);
        })
        .ok()
}

/// What is wrong with the path that `subject` gives, and why that is wrong.
pub(super) fn describe_path(subject: &str, path: &str, flaw: PathFlaw) -> (String, &'static str) {
    match flaw {
        PathFlaw::Relative => (
            format!("{subject} is a relative path"),
            "a znode's path begins with `/`",
        ),
        PathFlaw::Bare if path.is_empty() => {
            (format!("{subject} is empty"), "it is the path of a znode")
        }
        PathFlaw::Bare => (
            format!("{subject} is `/`"),
            "the root of all znodes is not ours to use",
        ),
        PathFlaw::TrailingSlash => (
            format!("{subject} ends in `/`"),
            "ZooKeeper has no directories, so no path ends in `/`",
        ),
        PathFlaw::EmptyPart => (
            format!("{subject} has `//` in it"),
            "each part of a znode's path has a name",
        ),
        PathFlaw::Dots => (
            format!("{subject} has a part `.` or `..`"),
            "ZooKeeper refuses such paths instead of resolving them",
        ),
        PathFlaw::Character(c) => (
            format!("{subject} has the character U+{:04X} in it", u32::from(c)),
            "ZooKeeper refuses control and private characters",
        ),
    }
}

/// The path that `text` was probably meant to be.
pub(super) fn mend_path(text: &str) -> String {
    let is_fine = |part: &str| ZnodePath::parse(&format!("/{part}")).is_ok();
    let parts = text.split('/').filter(|part| is_fine(part));
    parts.map(|part| format!("/{part}")).collect()
}

fn read_name(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<CandidateName> {
    let text = setting.text(report)?;
    let name = CandidateName::parse(text.text);
    if name.is_none() {
        let what = match text.text {
            "" => "`name` is empty".to_owned(),
            name => format!("`{}` cannot be a candidate's name", brief(name)),
        };
        let mended = quote(&mend_name(text.text));
        report.at(text.span, what, NAME_RULE, || vec![setting.best(&[mended])]);
    }
    name
}

const NAME_RULE: &str = "a name is 1 to 64 of `A-Z a-z 0-9 . _ -`";

fn default_name(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<CandidateName> {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let host = host.to_string_lossy();
    let name = CandidateName::parse(&host);
    if name.is_none() && !settings.is_broken(keys::NAME.name) {
        let what = format!(
            "key `name` is missing in `[election]`, and the host name `{}` cannot be it",
            brief(&host)
        );
        let help = match mend_name(&host) {
            mended if mended.is_empty() => keys::NAME.example.to_owned(),
            mended => quote(&mended),
        };
        settings.miss(Section::Election, report, what, NAME_RULE, || {
            vec![keys::NAME.set(&help)]
        });
    }
    name
}

/// The name that `text` was probably meant to be.
fn mend_name(text: &str) -> String {
    if !text.contains(|c: char| c.is_ascii_alphanumeric()) {
        return String::new();
    }
    let mend = |c| if is_name_character(c) { c } else { '-' };
    text.trim()
        .chars()
        .map(mend)
        .take(CandidateName::LONGEST)
        .collect()
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_64_harmless_characters() {
        for good in ["a", "host-1.example.org", &"x".repeat(64), "..."] {
            assert!(CandidateName::parse(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(CandidateName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_mended_path_is_the_path_that_was_meant() {
        for (text, mended) in [
            ("ha", "/ha"),
            ("/ha//b/", "/ha/b"),
            ("../ha", "/ha"),
            ("/", ""),
            ("/h\u{1}/b", "/b"),
        ] {
            assert_eq!(mend_path(text), mended, "{text}");
        }
    }
}
