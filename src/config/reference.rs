//! Every key for those who describe the file elsewhere: the manual page and the schema.

use std::time::Duration;

use super::keys::{ALL, Key, Kind};
use super::render::remark;

/// A key, and what may be said of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The section it belongs to.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its range, if it has one, and what holds where it is not set.
    pub remark: String,
    /// A value that is right, as TOML.
    pub example: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether every file must have it.
    pub is_required: bool,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A string, or an array of strings.
    TextOrTexts,
    /// A string.
    Text,
    /// An array of strings.
    Texts,
    /// A table of strings.
    TextTable,
    /// A duration in quotes, between these two.
    Duration(Duration, Duration),
    /// A number between 0 and 0.1.
    Fraction,
    /// `true` or `false`.
    Switch,
    /// One of these strings.
    Choice(&'static [&'static str]),
}

/// All keys, in the order in which `check` prints them.
pub fn reference() -> impl Iterator<Item = Entry> {
    ALL.iter().map(|key| entry(key))
}

fn entry(key: &'static Key) -> Entry {
    let required = key.section.required();
    Entry {
        section: key.section.name(),
        name: key.name,
        about: key.about,
        remark: remark(key),
        example: key.example,
        shape: shape(key.kind),
        // Of `exec` and `shell` a file has one.
        is_required: required.contains(&key) && key.name != "exec",
    }
}

fn shape(kind: Kind) -> Shape {
    match kind {
        Kind::Servers => Shape::TextOrTexts,
        Kind::Text => Shape::Text,
        Kind::Texts => Shape::Texts,
        Kind::TextTable => Shape::TextTable,
        Kind::Duration { least, most } => Shape::Duration(least, most),
        Kind::Fraction => Shape::Fraction,
        Kind::Switch => Shape::Switch,
        Kind::Choice(words) => Shape::Choice(words),
    }
}
