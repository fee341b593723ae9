//! The layout, held: who may import whom, that every file says what it is for, and that none grows too long.

#![allow(
    clippy::unwrap_used,
    reason = "a test may fail loudly; clippy.toml allows it in #[test] functions only, not in their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file has at most so many lines without its tests.
const MOST_LINES: usize = 300;
/// A file that is there for tests only has at most so many lines.
const MOST_LINES_FOR_TESTS: usize = 500;

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

/// The modules of `src/redis` from the ground up: each may import those before it. `src/redis/mod.rs` says what they are.
const REDIS_FROM_THE_GROUND_UP: [&str; 30] = [
    "quantity",
    "version",
    "talk",
    "config",
    "object",
    "names",
    "password",
    "opstree",
    "topology",
    "hazards",
    "objects",
    "waiting",
    "running",
    "answers",
    "picture",
    "memory",
    "desired",
    "step",
    "passwords",
    "diagnose",
    "volumes",
    "ready",
    "reach",
    "nudge",
    "set",
    "shards",
    "on_disk",
    "saving",
    "repair",
    "next",
];

/// Macros, which Rust puts at the crate's root, and the part that they belong to.
const MACROS: [(&str, &str); 2] = [("choice", "terraform"), ("object", "terraform")];

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
fn the_modules_of_redis_import_only_those_below_them() {
    let place = |module: &str| REDIS_FROM_THE_GROUND_UP.iter().position(|name| *name == module);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let for_tests = modules_for_tests();
    for file in sources() {
        let path = module_path(&file);
        let [part, module, ..] = path.as_slice() else { continue };
        if part != "redis" || for_tests.iter().any(|tests| path.starts_with(tests)) {
            continue;
        }
        let Some(mine) = place(module) else {
            wrong.push(format!("{}: {module} has no place in the order", file.display()));
            continue;
        };
        seen.insert(module.clone());
        for import in imports_from("redis", &path, &without_tests(&code(&file))) {
            if place(&import).is_none_or(|its| its > mine) {
                wrong.push(format!("{}: {module} stands below {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        seen.len(),
        REDIS_FROM_THE_GROUND_UP.len(),
        "the order names a module that is not there: {seen:?}"
    );
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let silent: Vec<PathBuf> = sources().into_iter().filter(|file| !text(file).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "their first line must be a `//!` line: {silent:#?}");
}

#[test]
fn files_stay_short_enough_to_read() {
    let for_tests = modules_for_tests();
    let too_long = sources().into_iter().filter_map(|file| {
        let path = module_path(&file);
        let is_for_tests = for_tests.iter().any(|tests| path.starts_with(tests));
        let limit = if is_for_tests { MOST_LINES_FOR_TESTS } else { MOST_LINES };
        let length = lines_without_tests(&text(&file));
        (length > limit).then(|| {
            format!("{}: {length} lines without its tests, more than {limit}; split it", file.display())
        })
    });
    let too_long: Vec<String> = too_long.collect();
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::{choice, object};\n\
                use crate::redis::{names, version::Version};\n\
                use crate::{\n    kubernetes::{Cluster, Lookup},\n    terraform::Value,\n};\n\
                fn f() { $crate::plugin::serve(); }\n";
    let expected = ["choice", "object", "redis", "kubernetes", "terraform", "plugin"];
    assert_eq!(imports(text), expected.map(str::to_owned));

    let text = "use super::{names, version::{Version, parse}};\n\
                use super::super::ready;\n\
                use super::super::super::kubernetes;\n\
                use crate::redis::{opstree, set::{master, health}, objects::Role};\n";
    let path = ["redis", "set", "guarded"].map(str::to_owned);
    assert_eq!(
        imports_from("redis", &path, text),
        ["opstree", "set", "objects", "ready"].map(str::to_owned),
        "from a file two folders deep"
    );
    let path = ["redis", "set"].map(str::to_owned);
    let found = imports_from("redis", &path, text);
    assert_eq!(
        found,
        ["opstree", "set", "objects", "names", "version"].map(str::to_owned),
        "from a folder's mod.rs"
    );
}

#[test]
fn tests_are_left_out_wherever_they_stand() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod more {\n    fn c() {}\n}\n\
                impl D {\n    #[cfg(test)]\n    fn e() {\n    }\n    fn f() {}\n}\n";
    assert_eq!(without_tests(text), "fn a() {}\nfn b() {}\nimpl D {\n    fn f() {}\n}");
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
    names_after("crate::", code)
}

/// What follows a prefix that begins a path, in the order it is written.
fn names_after(prefix: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with("::") {
            continue;
        }
        let rest = &code[at + prefix.len()..];
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
    found.retain(|name| !["", "super", "self"].contains(&name.as_str()));
    found
}

fn name(text: &str) -> String {
    let text = text.trim_start_matches([',', ' ', '\n', '\t']);
    text.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect()
}

/// The modules of a part that a file imports, whether by `crate::redis::…` or by `super::…`.
fn imports_from(part: &str, path: &[String], code: &str) -> Vec<String> {
    let mut prefixes = vec![format!("crate::{part}::")];
    // `super` from the file's own module up to the part: `super::super::` for a file two folders deep.
    prefixes.push("super::".repeat(path.len() - 1));
    prefixes.iter().flat_map(|prefix| names_after(prefix, code)).collect()
}

/// The path of a file as a module: `src/redis/set/mod.rs` → redis, set.
fn module_path(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let names = path.components().skip(1).map(|name| name.as_os_str().to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The modules that stand in files of their own and are there for tests only: they may import everything.
fn modules_for_tests() -> Vec<Vec<String>> {
    let of_file = |file: PathBuf| {
        let text = text(&file);
        let modules = text.split("#[cfg(test)]\n").skip(1).filter_map(|item| {
            let name = item.trim_start_matches("pub(crate) ").strip_prefix("mod ")?.split_once(';')?.0;
            Some([module_path(&file), vec![name.to_owned()]].concat())
        });
        modules.collect::<Vec<_>>()
    };
    sources().into_iter().flat_map(of_file).collect()
}

fn lines_without_tests(text: &str) -> usize {
    without_tests(text).lines().count()
}

/// The text without each item that `#[cfg(test)]` stands before.
fn without_tests(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != "#[cfg(test)]" {
            kept.push(line);
            continue;
        }
        let end = line.replace("#[cfg(test)]", "}");
        // The item is a declaration of one line, or it goes to the brace that closes it.
        if lines.next().is_some_and(|first| !first.ends_with(';')) {
            lines.by_ref().find(|line| *line == end);
        }
    }
    kept.join("\n")
}
