//! Who may know what: dependencies between the modules point one way, shells do not know each other, `unsafe` stays
//! where processes are, and one file reads clocks.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules of this crate that it may name. `observe` is for anyone who has something to say.
const MAY_KNOW: [(&str, &[&str]); 10] = [
    ("core", &[]),
    ("clock", &["core"]),
    ("config", &["core"]),
    ("zookeeper", &["core"]),
    ("observe", &["core", "clock"]),
    ("process", &["core", "clock"]),
    ("guardian", &["core", "clock", "process", "observe"]),
    (
        "elector",
        &["core", "clock", "process", "observe", "zookeeper"],
    ),
    (
        "cli",
        &[
            "core",
            "clock",
            "process",
            "observe",
            "zookeeper",
            "config",
            "guardian",
            "elector",
        ],
    ),
    ("main", &["cli"]),
];

/// Each library, and who may name it.
const LIBRARIES: [(&str, &[&str]); 7] = [
    ("zookeeper_client", &["zookeeper"]),
    ("tokio", &["zookeeper", "elector", "clock"]),
    ("toml", &["config"]),
    ("clap", &["cli"]),
    ("libc", &["process"]),
    ("tracing_core", &["observe"]),
    ("serde_json", &["zookeeper", "cli"]),
];

fn sources() -> Vec<(String, PathBuf, String)> {
    let mut all = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&src, &src, &mut all);
    assert!(all.len() > 20, "the sources are below src/");
    all
}

/// The world and the tables that only tests of `core` use live beside it.
fn is_for_tests(path: &Path) -> bool {
    path.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("world" | "tests" | "tests.rs")
        )
    })
}

fn collect(directory: &Path, src: &Path, all: &mut Vec<(String, PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, src, all);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !is_for_tests(&path)
        {
            let below = path.strip_prefix(src).expect("below src");
            let first = below.iter().next().expect("a name").to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            all.push((
                module,
                path.clone(),
                code(&fs::read_to_string(&path).expect("a source")),
            ));
        }
    }
}

/// Without comments, and without what only tests use.
fn code(text: &str) -> String {
    let product = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(before) && before != Some(':') && !is_part(after)
    })
}

#[test]
fn dependencies_point_one_way() {
    for (module, path, text) in sources() {
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            assert_eq!(
                module,
                "lib",
                "{} belongs to no module of the table",
                path.display()
            );
            continue;
        };
        for (other, _) in MAY_KNOW {
            if other != module && names(&text, &format!("crate::{other}")) {
                assert!(
                    allowed.contains(&other),
                    "{} names `{other}`",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn each_library_is_known_where_it_belongs() {
    for (module, path, text) in sources() {
        for (library, allowed) in LIBRARIES {
            if names(&text, &format!("{library}::")) || names(&text, &format!("use {library}")) {
                assert!(
                    allowed.contains(&module.as_str()),
                    "{} names `{library}`",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn core_knows_the_standard_library_only() {
    let is_impure = [
        "std::time::Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "async fn",
    ];
    for (_, path, text) in sources()
        .into_iter()
        .filter(|(module, ..)| module == "core")
    {
        for what in is_impure {
            assert!(!text.contains(what), "{} names `{what}`", path.display());
        }
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("use "))
        {
            let is_own = [
                "use std::",
                "use super::",
                "use crate::core::",
                "use self::",
            ];
            assert!(
                is_own.iter().any(|own| line.trim_start().starts_with(own)),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn one_file_reads_clocks() {
    for (module, path, text) in sources() {
        let is_reading = ["clock_gettime", "Instant::now", "SystemTime::now"]
            .iter()
            .any(|call| text.contains(call));
        assert!(
            !is_reading || module == "clock",
            "{} reads a clock",
            path.display()
        );
    }
}

#[test]
fn unsafe_stays_where_processes_are() {
    for (module, path, text) in sources() {
        let is_unsafe = names(&text, "unsafe");
        assert!(
            !is_unsafe || module == "process" || module == "guardian",
            "{} is unsafe",
            path.display()
        );
    }
}

#[test]
fn no_file_grows_beyond_one_sitting() {
    for (_, path, text) in sources() {
        assert!(
            text.lines().count() <= 450,
            "{} has {} lines",
            path.display(),
            text.lines().count()
        );
    }
}
