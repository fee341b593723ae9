//! The layout, held: who may import whom, that every file says what it is for, and that none grows too long.

#![allow(
    clippy::unwrap_used,
    reason = "a test may fail loudly; clippy.toml allows it in #[test] functions only, not in their helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file without its tests, above which it is named in the test's output.
const LONG: usize = 300;
/// Lines of a file without its tests, above which the test fails.
const TOO_LONG: usize = 500;

/// `plugin → terraform ← resources → { redis, kubernetes }`: each part of `src` and what it may import besides
/// itself.
const MAY_IMPORT: [(&str, &[&str]); 10] = [
    ("terraform", &[]),
    ("redis", &[]),
    ("kubernetes", &[]),
    ("plugin", &["terraform"]),
    ("resources", &["terraform", "redis", "kubernetes"]),
    ("data_sources", &["terraform", "redis", "kubernetes", "resources"]),
    ("functions", &["terraform", "redis"]),
    ("actions", &["terraform", "redis", "kubernetes", "resources"]),
    ("ephemeral", &["terraform", "redis", "kubernetes", "resources"]),
    (
        "provider",
        &["terraform", "kubernetes", "resources", "data_sources", "functions", "actions", "ephemeral"],
    ),
];

/// Macros, which Rust puts at the crate's root, and the part that they belong to.
const MACROS: [(&str, &str); 2] = [("choice", "terraform"), ("object", "terraform")];

/// Files that are longer than `TOO_LONG`, and how long they may be until somebody splits them.
const LONGER_YET: [(&str, usize); 0] = [];

/// Files that see everything.
const SEE_ALL: [&str; 2] = ["lib", "main"];

#[test]
fn parts_import_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let part = part_of(&file);
        if SEE_ALL.contains(&part.as_str()) {
            continue;
        }
        let Some(allowed) = allowed.get(part.as_str()) else {
            wrong.push(format!("{}: src/{part} has no rule in tests/layering.rs", file.display()));
            continue;
        };
        for import in imports(&code(&file)) {
            let import = MACROS
                .iter()
                .find(|(name, _)| *name == import)
                .map_or(import, |(_, part)| (*part).to_owned());
            if import != part && !allowed.contains(&import.as_str()) {
                let may = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
                let file = file.display();
                wrong.push(format!("{file}: imports crate::{import}; src/{part} may import {may}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let silent: Vec<PathBuf> = sources().into_iter().filter(|file| !text(file).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "their first line must be a `//!` line: {silent:#?}");
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut lengths: Vec<(usize, PathBuf)> =
        sources().into_iter().map(|file| (lines_without_tests(&text(&file)), file)).collect();
    lengths.sort();
    for (length, file) in lengths.iter().filter(|(length, _)| *length > LONG) {
        println!("note: {} has {length} lines without its tests", file.display());
    }
    let limit = |file: &Path| {
        LONGER_YET.iter().find(|(name, _)| Path::new(name) == file).map_or(TOO_LONG, |(_, limit)| *limit)
    };
    let too_long: Vec<_> = lengths.iter().filter(|(length, file)| *length > limit(file)).collect();
    assert!(too_long.is_empty(), "more than {TOO_LONG} lines without tests; split: {too_long:#?}");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::{choice, object};\n\
                use crate::redis::{names, version::Version};\n\
                use crate::{\n    kubernetes::{Cluster, Lookup},\n    terraform::Value,\n};\n\
                fn f() { $crate::plugin::serve(); }\n";
    let expected = ["choice", "object", "redis", "kubernetes", "terraform", "plugin"];
    assert_eq!(imports(text), expected.map(str::to_owned));
}

/// All source files, relative to the repository.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "the sources were not found");
    found
}

/// `src/redis/next.rs` and `src/redis.rs` → `redis`.
fn part_of(file: &Path) -> String {
    let second = file.components().nth(1).unwrap().as_os_str();
    Path::new(second).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn text(file: &Path) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The text without comments that have a line of their own: they may link wherever they like.
fn code(file: &Path) -> String {
    let text = text(file);
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What follows `crate::`, in the order it is written; of a group in braces, the first name of each member.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.push(name(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut member = String::new();
                for character in group.chars() {
                    match character {
                        '}' if depth == 0 => break,
                        ',' if depth == 0 => found.push(name(&std::mem::take(&mut member))),
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    member.push(character);
                }
                found.push(name(&member));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn name(text: &str) -> String {
    let text = text.trim_start_matches([',', ' ', '\n', '\t']);
    text.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect()
}

fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}
