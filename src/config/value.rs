//! The value of one setting, as the type its key asks for.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::Report;
use super::excerpt::{brief, line_around};
use super::keys::{Key, Kind};
use super::settings::{Setting, kind_of};
use super::{accepts, quote};
use crate::core::lease::RateBound;

/// A string of the file and where it is.
#[derive(Clone)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) span: Range<usize>,
}

impl Text<'_> {
    /// Where the bytes `part` of this string are in the file; all of it where escapes make that hard to say.
    pub(super) fn part(&self, report: &Report<'_>, part: Range<usize>) -> Range<usize> {
        let written = report.text.get(self.span.clone()).unwrap_or_default();
        let quote = match written.strip_suffix(['"', '\'']) {
            _ if written == self.text => 0,
            Some(opened) if opened.get(1..) == Some(self.text) => 1,
            _ => return self.span.clone(),
        };
        let start = self.span.start + quote;
        start + part.start..start + part.end
    }
}

impl<'t> Setting<'t> {
    /// The value as a string without NUL.
    pub(super) fn text(&self, report: &mut Report<'_>) -> Option<Text<'t>> {
        self.text_of(self.value, report)
    }

    /// The value as an array of strings.
    pub(super) fn texts(&self, report: &mut Report<'_>) -> Option<Vec<Text<'t>>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            self.refuse_kind(self.value, report);
            return None;
        };
        let texts: Vec<_> = array
            .iter()
            .map(|item| self.text_of(item, report))
            .collect();
        texts.into_iter().collect()
    }

    /// The value as one string out of a few; where it is among them.
    pub(super) fn choice(
        &self,
        names: &'static [&'static str],
        report: &mut Report<'_>,
    ) -> Option<usize> {
        let text = self.text(report)?;
        let index = names.iter().position(|name| *name == text.text);
        if index.is_none() {
            let listed = names.join("`, `");
            let near = super::names::nearest(text.text, names.iter().copied());
            report.at(
                text.span,
                format!("`{}` is not a {}", brief(text.text), self.key.name),
                format!("it is one of `{listed}`"),
                || {
                    vec![
                        self.key
                            .set(&near.map_or(self.key.example.to_owned(), quote)),
                    ]
                },
            );
        }
        index
    }

    /// The value as `true` or `false`.
    pub(super) fn switch(&self, report: &mut Report<'_>) -> Option<bool> {
        let value = self.value.get_ref().as_bool();
        if value.is_none() {
            self.refuse_kind(self.value, report);
        }
        value
    }

    /// The value as a duration within the key's range.
    pub(super) fn duration(&self, report: &mut Report<'_>) -> Option<Duration> {
        let Text { text, span } = self.text(report)?;
        let Kind::Duration { least, most } = self.key.kind else {
            unreachable!("`{}` is not a duration", self.key.name)
        };
        let refusal = match parse_duration(text) {
            Ok(duration) if (least..=most).contains(&duration) => return Some(duration),
            Ok(duration) => refuse_range(self.key, duration, least, most),
            Err(flaw) => (
                flaw.describe(text),
                "a duration is a number and a unit, like `500ms`, `15s` or `1m 30s`".to_owned(),
                format!("{text}s"),
            ),
        };
        let (what, why, help) = refusal;
        report.at(span, what, why, || vec![self.best(&[quote(&help)])]);
        None
    }

    /// The value as a bound of a clock's rate.
    pub(super) fn rate_bound(&self, report: &mut Report<'_>) -> Option<RateBound> {
        let number: f64 = match self.value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        }
        .or_else(|| {
            self.refuse_kind(self.value, report);
            None
        })?;
        let bound = to_rate_bound(number);
        if bound.is_none() {
            report.at(
                self.value.span(),
                format!("`{}` is out of range", self.key.name),
                "it is a fraction from 0.0 to 0.1, so 0.01 is 1 %",
                || vec![self.best(&[(number / 100.0).to_string()])],
            );
        }
        bound
    }

    /// Reports that the value, or `part` of it, is of the wrong type.
    pub(super) fn refuse_kind(&self, part: &Spanned<DeValue<'_>>, report: &mut Report<'_>) {
        let (key, found) = (self.key, kind_of(part.get_ref()));
        let is_whole = part.span() == self.value.span();
        let (what, why) = if is_whole {
            let what = format!("`{}` is {found}", key.name);
            (what, format!("it must be {}", key.kind.expected()))
        } else {
            let what = format!("{found} in `{}`", key.name);
            (what, format!("`{}` is {}", key.name, key.kind.expected()))
        };
        // Whether the key accepts one is asked by reading it: not again while that is being done.
        let (key, candidates) = self.retypings(report);
        report.at(part.span(), what, why, || vec![best(key, &candidates)]);
    }

    /// This key with the value it was probably given for: the very text, or one of the right type.
    pub(super) fn renamed(&self, report: &Report<'_>) -> String {
        let written = report.text.get(self.value.span()).unwrap_or_default();
        let line = line_around(report.text, self.name.start);
        let before = report.text.get(line.start..self.name.start);
        if accepts(self.key, written) {
            self.key.set(written)
        } else if before.is_some_and(|before| before.trim_start().starts_with('[')) {
            // What is below this header stays.
            format!("[{}.{}]", self.key.section.name(), self.key.name)
        } else {
            let (key, candidates) = self.retypings(report);
            best(key, &candidates)
        }
    }

    /// The first of `values` that this key accepts, set; or its example.
    pub(super) fn best(&self, values: &[String]) -> String {
        best(self.key, values)
    }

    /// `part` of the value as a string without NUL.
    pub(super) fn text_of(
        &self,
        part: &'t Spanned<DeValue<'t>>,
        report: &mut Report<'_>,
    ) -> Option<Text<'t>> {
        let Some(text) = part.get_ref().as_str() else {
            self.refuse_kind(part, report);
            return None;
        };
        if text.contains('\0') {
            let mended = self.mended(report);
            let what = format!("NUL in `{}`", self.key.name);
            let why = "the system's strings end at the first NUL";
            report.at(part.span(), what, why, || vec![self.best(&[mended])]);
            return None;
        }
        Some(Text {
            text,
            span: part.span(),
        })
    }
}

/// The first of `values` that `key` accepts, set; or its example.
fn best(key: &Key, values: &[String]) -> String {
    let accepted = values.iter().find(|value| accepts(key, value));
    key.set(accepted.map_or(key.example, String::as_str))
}

/// Why a text is not a duration.
enum DurationFlaw {
    Empty,
    NoUnit,
    Unit(String),
    Number,
    TooLong,
}

impl DurationFlaw {
    fn describe(&self, text: &str) -> String {
        let text = brief(text);
        match self {
            DurationFlaw::Empty => "a duration is empty".to_owned(),
            DurationFlaw::NoUnit => format!("duration `{text}` has no unit"),
            DurationFlaw::Unit(unit) => {
                format!("duration `{text}` has an unknown unit `{}`", brief(unit))
            }
            DurationFlaw::Number => format!("`{text}` is not a duration"),
            DurationFlaw::TooLong => format!("duration `{text}` has too many digits"),
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, DurationFlaw> {
    let digits = text
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    // humantime 2.4 panics where seconds and nanoseconds together overflow; so few digits cannot.
    if digits > Some(9) || text.len() > 64 {
        return Err(DurationFlaw::TooLong);
    }
    humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::Empty => DurationFlaw::Empty,
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            DurationFlaw::NoUnit
        }
        humantime::DurationError::UnknownUnit { unit, .. } => DurationFlaw::Unit(unit),
        humantime::DurationError::InvalidCharacter(_)
        | humantime::DurationError::NumberExpected(_)
        | humantime::DurationError::NumberOverflow => DurationFlaw::Number,
    })
}

fn refuse_range(
    key: &Key,
    duration: Duration,
    least: Duration,
    most: Duration,
) -> (String, String, String) {
    let short = if duration < least { "short" } else { "long" };
    let show = |duration| humantime::format_duration(duration).to_string();
    let what = format!("`{}` is too {short}", key.name);
    let why = format!("it is from {} to {}", show(least), show(most));
    (what, why, show(duration.clamp(least, most)))
}

fn to_rate_bound(number: f64) -> Option<RateBound> {
    let ppm = (number * 1e6).round();
    if !(0.0..=1e6).contains(&ppm) {
        return None;
    }
    RateBound::from_ppm(ppm as u32)
}
