//! What a list or table was probably meant to be: for the `help:` of whatever is wrong in it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::command::{describe_variable, inline_table};
use super::error::Report;
use super::flaw::find_in_path;
use super::keys;
use super::settings::Setting;
use super::{LONGEST_HELP, quote};

impl Setting<'_> {
    /// The value with strings where strings belong, without NUL, unusable variables, or a bare program name.
    pub(super) fn mended(&self, report: &Report<'_>) -> String {
        let text = |item: &Spanned<DeValue<'_>>| {
            let written = report.text.get(item.span()).unwrap_or_default();
            let text = item.get_ref().as_str().unwrap_or(written);
            text.replace('\0', "")
        };
        match self.value.get_ref() {
            _ if self.is_long() => self.key.example.to_owned(),
            DeValue::Array(items) => {
                let mut texts: Vec<_> = items.iter().map(text).collect();
                if let Some(program) = texts.first_mut().filter(|_| *self.key == keys::EXEC) {
                    *program = full_path(program);
                }
                array(&texts)
            }
            DeValue::Table(entries) => {
                let entries = entries
                    .iter()
                    .filter(|(name, _)| describe_variable(name.get_ref()).is_none())
                    .map(|(name, value)| (name.get_ref().to_string(), text(value)));
                inline_table(&entries.collect::<Vec<_>>())
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => quote(&text(self.value)),
        }
    }

    /// Whether nobody would read all of the value.
    fn is_long(&self) -> bool {
        let value = self.value.get_ref();
        let items = value.as_array().map_or(0, |items| items.len());
        let entries = value.as_table().map_or(0, DeTable::len);
        self.value.span().len() > LONGEST_HELP || items > MOST_ITEMS || entries > MOST_ITEMS
    }
}

/// The most items of a value that a help repeats.
const MOST_ITEMS: usize = 100;

/// These strings as a TOML array on one line.
pub(super) fn array(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Whether `program` says where it is wherever it is said.
pub(super) fn is_full_path(program: &str) -> bool {
    program.starts_with('/') && !program.ends_with('/')
}

/// The full path that `PATH` gives for `program`, or else a guess.
fn full_path(program: &str) -> String {
    if is_full_path(program) {
        return program.to_owned();
    }
    let bare = program
        .trim_start_matches("../")
        .trim_start_matches("./")
        .trim_matches('/');
    find_in_path(program).unwrap_or_else(|| format!("/usr/local/bin/{bare}"))
}
