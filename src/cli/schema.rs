//! `schema`: the JSON Schema of the file, from the same description that `check` prints.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::print::print;
use crate::config::{Entry, Shape, reference};

/// What `humantime` takes: numbers with units.
const DURATION: &str = "^([0-9]+ *[a-zA-Z]+ *)+$";

/// Prints it.
pub(super) fn print_schema() -> ExitCode {
    let text = serde_json::to_string_pretty(&schema()).expect("keys are strings");
    match print(&format!("{text}\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn schema() -> Value {
    let mut sections = Map::new();
    for entry in reference() {
        let section = sections.entry(entry.section).or_insert_with(section);
        section["properties"][entry.name] = property(&entry);
        if entry.is_required
            && let Some(required) = section["required"].as_array_mut()
        {
            required.push(entry.name.into());
        }
    }
    sections["command"]["oneOf"] = json!([{ "required": ["exec"] }, { "required": ["shell"] }]);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "zk-supervise",
        "description": "The configuration of zk-supervise: the same file serves every host of a group",
        "type": "object",
        "additionalProperties": false,
        "required": ["zookeeper", "election", "command"],
        "properties": sections,
    })
}

fn section() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": [], "properties": {} })
}

fn property(entry: &Entry) -> Value {
    let mut property = shape(entry.shape);
    property["description"] = format!("{} ({})", entry.about, entry.remark).into();
    // What is no table is the same in JSON.
    if let Ok(example) = serde_json::from_str::<Value>(entry.example) {
        property["examples"] = json!([example]);
    }
    property
}

fn shape(shape: Shape) -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text, "minItems": 1 });
    match shape {
        Shape::TextOrTexts => json!({ "anyOf": [texts, text] }),
        Shape::Text => text,
        Shape::Texts => texts,
        Shape::TextTable => json!({ "type": "object", "additionalProperties": text }),
        Shape::Duration(..) => json!({ "type": "string", "pattern": DURATION }),
        Shape::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 0.1 }),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Choice(words) => json!({ "enum": words }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_it_with_what_it_must_look_like() {
        let schema = schema();
        let key =
            |section: &str, name: &str| schema["properties"][section]["properties"][name].clone();
        for entry in reference() {
            let property = key(entry.section, entry.name);
            let about = property["description"].as_str().unwrap_or_default();
            assert!(about.starts_with(entry.about), "{}", entry.name);
        }
        assert_eq!(key("log", "format")["enum"], json!(["text", "json"]));
        assert_eq!(key("election", "lease")["pattern"], DURATION);
        assert_eq!(key("command", "clear_environment")["type"], "boolean");
        let required = |section: &str| schema["properties"][section]["required"].clone();
        assert_eq!(required("zookeeper"), json!(["servers"]));
        assert_eq!(required("election"), json!(["root", "master"]));
        assert_eq!(
            required("command"),
            json!([]),
            "one of two, and either will do"
        );
        assert_eq!(required("log"), json!([]));
    }

    /// What the schema takes for a duration, the file takes too.
    #[test]
    fn examples_are_what_the_schema_asks_for() {
        for entry in reference() {
            let Shape::Duration(least, most) = entry.shape else {
                continue;
            };
            let example: String = serde_json::from_str(entry.example).expect("a string");
            let duration = humantime::parse_duration(&example).expect("a duration");
            assert!(least <= duration && duration <= most, "{}", entry.name);
        }
    }
}
