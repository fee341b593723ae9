//! Many instances imported by one run of the CLI, and what is to be held against each of them.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::case::Case;
use crate::process::Output;

/// How much of the way to a value tells one kind of failures from another.
const DEPTH: usize = 4;

const GENERATED: &str = "gen.tf";

/// What is wrong with an import. The key is the same for failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub key: String,
    pub text: String,
}

pub type Failures = BTreeMap<String, Vec<Failure>>;

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Without the operator, which takes half a second for each object.
    Planned,
    Applied,
}

/// Imports all of them. Those that fail are set aside and the rest is tried again, until the rest passes.
pub fn import(case: &Case, names: &[String], until: Until) -> Failures {
    let mut failures = Failures::new();
    let mut rest: Vec<String> = names.to_vec();
    while !rest.is_empty() {
        start_anew(case);
        let found = match attempt(case, &rest, until) {
            Ok(found) => found,
            // Nothing tells whose fault it is.
            Err(output) if rest.len() == 1 => {
                let text = errors_of(&output).into_iter().map(|error| text_of(&error)).collect::<String>();
                Failures::from([(
                    rest[0].clone(),
                    vec![Failure { key: key_of("error", &text, &rest[0]), text }],
                )])
            }
            Err(_) => {
                let (left, right) = rest.split_at(rest.len() / 2);
                failures.extend(import(case, left, until));
                failures.extend(import(case, right, until));
                return failures;
            }
        };
        if found.is_empty() {
            break;
        }
        rest.retain(|name| !found.contains_key(name));
        failures.extend(found);
    }
    failures
}

fn start_anew(case: &Case) {
    for name in [GENERATED, "terraform.tfstate", "terraform.tfstate.backup", "saved.plan"] {
        // Not there at first.
        let _ = std::fs::remove_file(case.path(name));
    }
}

/// Who fails, or what was printed if nothing tells that.
fn attempt(case: &Case, names: &[String], until: Until) -> Result<Failures, Output> {
    let blocks = names.iter().map(|name| {
        format!("import {{\n  to = redis_k8s_instance.{name}\n  id = \"{}/{name}\"\n}}\n", case.namespace)
    });
    case.write("main.tf", &format!("{}{}", crate::import::HEAD, blocks.collect::<String>()));
    let generated =
        case.run(&["plan", "-json", "-input=false", &format!("-generate-config-out={GENERATED}")]);
    if !generated.succeeded() {
        return attributed(case, &generated, names);
    }
    let planned = case.try_plan();
    if planned.code == Some(1) {
        return attributed(case, &planned, names);
    }
    let changing = changes(case, "the import changes");
    if !changing.is_empty() || until == Until::Planned {
        return Ok(changing);
    }
    let before = world(case);
    case.proxy.forget();
    let applied = case.run(&["apply", "-json", "-input=false", "saved.plan"]);
    if !applied.succeeded() {
        return attributed(case, &applied, names);
    }
    assert_eq!(case.proxy.writes().len(), 0, "an import writes nothing:\n{}", case.proxy.describe());
    let again = case.try_plan();
    if again.code == Some(1) {
        return attributed(case, &again, names);
    }
    let mut failures = changes(case, "the next plan changes");
    let after = world(case);
    for (object, was) in before.iter().filter(|(object, was)| !is_still(was, &after[*object])) {
        let name = names.iter().find(|name| object.contains(name.as_str())).expect("of an instance");
        let text = format!("{object} has changed: {was:#} → {:#}", after[object]);
        failures.entry(name.clone()).or_default().push(Failure { key: "written".to_owned(), text });
    }
    Ok(failures)
}

/// What no import may change: the specs of the custom resources, and the revisions of the StatefulSets.
fn world(case: &Case) -> BTreeMap<String, Value> {
    let mut world = BTreeMap::new();
    for (kind, plural) in super::subject::KINDS {
        let path = format!("/apis/redis.redis.opstreelabs.in/v1beta2/namespaces/{{namespace}}/{plural}");
        for object in case.objects(&path) {
            world.insert(format!("{kind} {}", object["metadata"]["name"]), object["spec"].clone());
        }
    }
    for set in case.objects(crate::instance::STATEFUL_SETS) {
        let marks = [&set["metadata"]["generation"], &set["status"]["updateRevision"]];
        world.insert(
            format!("StatefulSet {}", set["metadata"]["name"]),
            Value::from_iter(marks.map(Value::clone)),
        );
    }
    world
}

/// Whether nothing has changed. A StatefulSet that was just made may get its first revision meanwhile.
fn is_still(was: &Value, is: &Value) -> bool {
    was == is || (was[0].is_number() && was[0] == is[0] && was[1].is_null())
}

fn errors_of(output: &Output) -> Vec<Value> {
    let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let diagnostics =
        lines.filter(|line| line["type"] == "diagnostic").map(|line| line["diagnostic"].clone());
    diagnostics.filter(|one| one["severity"] == "error").collect()
}

fn text_of(error: &Value) -> String {
    let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let code = error["snippet"]["code"].as_str().map(|code| format!("\n  on: {}", code.trim()));
    format!("{}\n  {}{}\n", part("summary"), part("detail"), code.unwrap_or_default())
}

/// Each error under the name of the instance that it is about.
fn attributed(case: &Case, output: &Output, names: &[String]) -> Result<Failures, Output> {
    let mut failures = Failures::new();
    for error in errors_of(output) {
        let Some(name) = name_in(case, &error, names) else { continue };
        let text = text_of(&error).replace(&case.namespace, "NAMESPACE");
        let failure = Failure { key: key_of("error", &text, &name), text: text.replace(&name, "NAME") };
        failures.entry(name).or_default().push(failure);
    }
    if failures.is_empty() { Err(output.clone()) } else { Ok(failures) }
}

fn name_in(case: &Case, error: &Value, names: &[String]) -> Option<String> {
    let of_address = |address: &str| {
        let name = address.rsplit(['.', '"']).find(|part| !part.is_empty())?;
        names.iter().find(|one| *one == name).cloned()
    };
    let told = error["address"].as_str().and_then(of_address);
    let told = told.or_else(|| error["snippet"]["context"].as_str().and_then(of_address));
    told.or_else(|| in_generated(case, error, names)).or_else(|| {
        let text = format!("{} {}", error["summary"], error["detail"]);
        let mentions = |name: &&String| {
            text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
                .any(|word| word == *name)
        };
        names.iter().find(mentions).cloned()
    })
}

/// The block that the error's line is in.
fn in_generated(case: &Case, error: &Value, names: &[String]) -> Option<String> {
    let file = error["range"]["filename"].as_str()?;
    let line = usize::try_from(error["range"]["start"]["line"].as_u64()?).ok()?;
    let text = case.read(file);
    let above: Vec<&str> = text.lines().take(line).collect();
    let head = above.iter().rev().find_map(|line| line.strip_prefix("resource \"redis_k8s_instance\" \""))?;
    let name = head.split('"').next()?;
    names.iter().find(|one| *one == name).cloned()
}

/// What the saved plan does beyond importing.
fn changes(case: &Case, what: &str) -> Failures {
    let shown = case.run(&["show", "-json", "saved.plan"]);
    let plan: Value = serde_json::from_str(&shown.stdout).expect("a plan");
    let mut failures = Failures::new();
    for change in plan["resource_changes"].as_array().into_iter().flatten() {
        let name = change["name"].as_str().unwrap_or_default().to_owned();
        let change = &change["change"];
        if change["actions"] == Value::from_iter(["no-op"]) {
            continue;
        }
        let mut differing = Vec::new();
        differ(String::new(), &change["before"], &change["after"], &change["after_unknown"], &mut differing);
        // Any change makes these unknown.
        let is_cause = |(path, text): &(String, String)| {
            !text.ends_with("→ unknown") || !["status", "objects", "auth_secret"].contains(&path.as_str())
        };
        if differing.iter().any(is_cause) {
            differing.retain(is_cause);
        }
        for (path, text) in differing {
            let path = path.split('.').take(DEPTH).collect::<Vec<_>>().join(".");
            let failure = Failure { key: key_of(what, &path, &name), text: format!("{what} {path}: {text}") };
            let of_it = failures.entry(name.clone()).or_default();
            if of_it.iter().all(|one| one.key != failure.key) {
                of_it.push(failure);
            }
        }
        failures
            .entry(name.clone())
            .or_insert_with(|| vec![Failure { key: format!("{what} nothing"), text: change.to_string() }]);
    }
    failures
}

fn differ(path: String, before: &Value, after: &Value, unknown: &Value, found: &mut Vec<(String, String)>) {
    if unknown == true {
        return found.push((path, format!("{before} → unknown")));
    }
    let fields = |value: &Value| value.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
    match (fields(before), fields(after)) {
        (Some(left), right) if right.is_some() || after.is_null() => {
            let all: BTreeSet<String> =
                [left, right.unwrap_or_default(), fields(unknown).unwrap_or_default()]
                    .concat()
                    .into_iter()
                    .collect();
            for name in all {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differ(below, &before[&name], &after[&name], &unknown[&name], found);
            }
        }
        _ if before != after => found.push((path, format!("{before} → {after}"))),
        _ => {}
    }
}

/// The same for failures of one kind: without names, numbers and what is quoted.
fn key_of(what: &str, text: &str, name: &str) -> String {
    let text = text.replace(name, "NAME");
    let mut key = String::new();
    let mut is_quoted = false;
    for letter in text.chars().take(240) {
        match letter {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '0'..='9' if key.ends_with('#') => {}
            '0'..='9' => key.push('#'),
            '\n' => key.push(' '),
            other => key.push(other),
        }
    }
    format!("{what}: {}", key.split_whitespace().collect::<Vec<_>>().join(" "))
}
