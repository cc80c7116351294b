//! Finds the known keys in the parsed text. A misspelt or misplaced one is reported, and read as what it was meant
//! to be, so that its value is checked too and nobody calls it missing.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Report;
use super::excerpt::brief;
use super::keys::{self, Key, Section};
use super::names;

/// A key that is set.
#[derive(Clone)]
pub(super) struct Setting<'t> {
    pub(super) key: &'static Key,
    pub(super) name: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

/// All that is set, and where.
pub(super) struct Settings<'t> {
    found: Vec<Setting<'t>>,
    sections: Vec<(Section, Range<usize>)>,
    strays: Vec<Stray<'t>>,
    broken: Vec<String>,
}

/// A key that is in no section, or not known there: the section, its name and place, its value.
type Unplaced<'t> = (
    Option<Section>,
    &'t str,
    Range<usize>,
    &'t Spanned<DeValue<'t>>,
);

/// What is where nothing should be.
enum Stray<'t> {
    Key {
        section: Option<Section>,
        name: &'t str,
        at: Range<usize>,
        value: &'t Spanned<DeValue<'t>>,
        meant: Meaning,
    },
    Section {
        name: &'t str,
        at: Range<usize>,
        whole: Range<usize>,
        meant: Option<Section>,
    },
    NotASection {
        section: Section,
        at: Range<usize>,
        found: &'static str,
    },
}

/// What a stray key was probably meant to be.
#[derive(Clone, Copy)]
enum Meaning {
    /// This key, which is not set otherwise.
    Key(&'static Key),
    /// This key, in the place of which another is set already.
    Taken(&'static Key),
    /// Nobody can tell.
    Unknown,
}

impl<'t> Settings<'t> {
    /// Sorts what is in `tree`; `broken` are names that need not be missed.
    pub(super) fn sort(tree: &'t DeTable<'t>, broken: Vec<String>) -> Settings<'t> {
        let mut settings = Settings {
            found: Vec::new(),
            sections: Vec::new(),
            strays: Vec::new(),
            broken,
        };
        let mut strays = Vec::new();
        let (known, unknown): (Vec<_>, Vec<_>) = tree
            .iter()
            .partition(|(name, _)| Section::named(name.get_ref()).is_some());
        for (name, value) in known.into_iter().chain(unknown) {
            settings.sort_entry(name.get_ref(), name.span(), value, &mut strays);
        }
        for (section, name, at, value) in strays {
            settings.adopt(section, name, at, value);
        }
        settings
    }

    /// The setting of `key`, if there is one.
    pub(super) fn find(&self, key: &Key) -> Option<&Setting<'t>> {
        self.found.iter().find(|setting| setting.key == key)
    }

    /// How many keys are set.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// As [`Settings::find`], for a key without a default.
    pub(super) fn require(&self, key: &Key, report: &mut Report<'_>) -> Option<&Setting<'t>> {
        let setting = self.find(key);
        if setting.is_none() && !self.is_broken(key.name) {
            let what = format!(
                "key `{}` is missing in `[{}]`",
                key.name,
                key.section.name()
            );
            self.miss(key.section, report, what, "it has no default", || {
                vec![key.set(key.example)]
            });
        }
        setting
    }

    /// Reports that something is missing in `section`; nothing if all of the section is, which is reported once.
    pub(super) fn miss(
        &self,
        section: Section,
        report: &mut Report<'_>,
        what: String,
        why: &str,
        help: impl FnOnce() -> Vec<String>,
    ) {
        if let Some((_, header)) = self.sections.iter().find(|(known, _)| *known == section) {
            report.at(header.clone(), what, why, help);
        }
    }

    /// Whether `name` is somewhere in what could not be parsed.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|broken| broken == name)
    }

    /// Reports every section that must be there and is not.
    pub(super) fn report_missing_sections(&self, report: &mut Report<'_>) {
        for section in Section::ALL {
            let is_here = self.sections.iter().any(|(known, _)| *known == section);
            if is_here || section.required().is_empty() || self.is_broken(section.name()) {
                continue;
            }
            let keys: Vec<_> = section.required().iter().map(|key| key.name).collect();
            // It goes at the end, so that is the place that is pointed at.
            let end = report.text.trim_end().len();
            report.at(
                end..end,
                format!("section `[{}]` is missing", section.name()),
                match keys[..] {
                    [key] => format!("`{key}` has no default"),
                    _ => format!("`{}` have no default", keys.join("` and `")),
                },
                || minimal(section),
            );
        }
    }

    /// Reports what is where nothing should be.
    pub(super) fn report_strays(&self, report: &mut Report<'_>) {
        for (index, stray) in self.strays.iter().enumerate() {
            if report.is_full() {
                return report.leave_out(self.strays.len() - index);
            }
            stray.report(report);
        }
    }

    fn sort_entry(
        &mut self,
        name: &'t str,
        at: Range<usize>,
        value: &'t Spanned<DeValue<'t>>,
        strays: &mut Vec<Unplaced<'t>>,
    ) {
        let section = Section::named(name);
        let DeValue::Table(table) = value.get_ref() else {
            return match section {
                Some(section) => self.refuse_section(section, at, value),
                None => strays.push((None, name, at, value)),
            };
        };
        let meant = section.or_else(|| self.meant_section(name));
        if section.is_none() {
            let whole = extent(value, table);
            self.strays.push(Stray::Section {
                name,
                at,
                whole,
                meant,
            });
        }
        let Some(section) = meant else { return };
        self.sections.push((section, value.span()));
        for (name, value) in table.iter() {
            let known = section
                .keys()
                .find(|key| key.name == name.get_ref().as_ref());
            let name_span = name.span();
            match known {
                Some(key) => self.found.push(Setting {
                    key,
                    name: name_span,
                    value,
                }),
                None => strays.push((Some(section), name.get_ref(), name_span, value)),
            }
        }
    }

    /// The section that `name` was meant to be, if that is not there itself.
    fn meant_section(&self, name: &str) -> Option<Section> {
        let meant =
            names::nearest(name, Section::ALL.map(Section::name)).and_then(Section::named)?;
        let is_here = self.sections.iter().any(|(known, _)| *known == meant);
        (!is_here).then_some(meant)
    }

    fn refuse_section(&mut self, section: Section, at: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let found = kind_of(value.get_ref());
        self.broken.push(section.name().to_owned());
        self.strays.push(Stray::NotASection { section, at, found });
    }

    /// Whether setting `key` as well would be one setting too many.
    fn is_taken(&self, key: &Key) -> bool {
        let is_command = [&keys::EXEC, &keys::SHELL].contains(&key);
        let other = |it: &Setting<'_>| {
            is_command
                && it.key.section == Section::Command
                && (*it.key == keys::EXEC || *it.key == keys::SHELL)
        };
        self.found.iter().any(|it| it.key == key || other(it))
    }

    fn adopt(
        &mut self,
        section: Option<Section>,
        name: &'t str,
        at: Range<usize>,
        value: &'t Spanned<DeValue<'t>>,
    ) {
        let meant = match names::meant_key(section, name) {
            None => Meaning::Unknown,
            Some(key) if self.is_taken(key) => Meaning::Taken(key),
            Some(key) => {
                let name = at.clone();
                self.found.push(Setting { key, name, value });
                Meaning::Key(key)
            }
        };
        self.strays.push(Stray::Key {
            section,
            name,
            at,
            value,
            meant,
        });
    }
}

impl Stray<'_> {
    fn report(&self, report: &mut Report<'_>) {
        match self {
            Stray::Key {
                section,
                name,
                at,
                value,
                meant,
            } => {
                report_key(report, *section, name, at.clone(), value, *meant);
            }
            Stray::Section {
                name,
                at,
                whole,
                meant,
            } => {
                let why = "the sections are `[zookeeper]`, `[election]`, `[command]` and `[log]`";
                let help = match meant {
                    Some(section) => vec![format!("[{}]", section.name())],
                    None => report.commented(whole.clone()),
                };
                let what = format!("unknown section `[{}]`", brief(name));
                report.at(at.clone(), what, why, || help);
            }
            Stray::NotASection { section, at, found } => {
                let name = section.name();
                let what = format!("`{name}` is {found}, not a section");
                let why = format!("it is written as `[{name}]`, with its keys below");
                report.at(at.clone(), what, why, || minimal(*section));
            }
        }
    }
}

fn report_key(
    report: &mut Report<'_>,
    section: Option<Section>,
    name: &str,
    at: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    meant: Meaning,
) {
    let (what, why) = describe_key(section, name, meant);
    let help = match meant {
        Meaning::Unknown | Meaning::Taken(_) => report.commented(at.start..value.span().end),
        Meaning::Key(key) => {
            let name = at.clone();
            let setting = Setting { key, name, value };
            let header =
                (Some(key.section) != section).then(|| format!("[{}]", key.section.name()));
            let setting = setting.renamed(report);
            header
                .into_iter()
                .chain(setting.lines().map(str::to_owned))
                .collect()
        }
    };
    report.at(at, what, why, || help);
}

/// What is wrong with a key that is not known in its place, and why that is wrong.
fn describe_key(section: Option<Section>, name: &str, meant: Meaning) -> (String, String) {
    let short = brief(name);
    let (outside, inside) = ("outside of any section", section.map(Section::name));
    match meant {
        Meaning::Key(key) | Meaning::Taken(key) if key.name == name => (
            match inside {
                Some(section) => format!("key `{name}` is not one of `[{section}]`"),
                None => format!("key `{name}` is {outside}"),
            },
            format!("it belongs in `[{}]`", key.section.name()),
        ),
        Meaning::Key(_) | Meaning::Taken(_) | Meaning::Unknown => (
            match inside {
                Some(section) => format!("unknown key `{short}` in `[{section}]`"),
                None => format!("unknown key `{short}` {outside}"),
            },
            "a misspelt key would leave a default in force".to_owned(),
        ),
    }
}

/// The least that `section` can be.
fn minimal(section: Section) -> Vec<String> {
    let keys = section.required().iter().map(|key| key.set(key.example));
    [format!("[{}]", section.name())]
        .into_iter()
        .chain(keys)
        .collect()
}

/// From the header of a section to the end of its last value.
fn extent(value: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Range<usize> {
    let last = table.values().map(|value| value.span().end).max();
    value.span().start..last.unwrap_or(0).max(value.span().end)
}

/// What a value is, with its article.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(moment) => match (moment.date, moment.time) {
            (Some(_), Some(_)) => "a date and time",
            (None, Some(_)) => "a time",
            (_, None) => "a date",
        },
        DeValue::Array(array) if array.iter().any(|value| value.get_ref().is_table()) => {
            "an array of tables"
        }
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
