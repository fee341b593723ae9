//! A plan read as a user reads it: what happens to which resource, and which attributes change.
use serde_json::Value;

use crate::process::Output;

pub struct Plan {
    /// As `show -json` prints it.
    pub json: Value,
    pub output: Output,
}

/// The attributes in which before and after differ, as dotted paths in alphabetical order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Written in the configuration.
    pub configured: Vec<String>,
    /// Known, but not written in the configuration: defaults, derived and computed values.
    pub computed: Vec<String>,
    /// Known only after apply.
    pub unknown: Vec<String>,
}

impl Plan {
    pub fn new(json: Value, output: Output) -> Plan {
        Plan { json, output }
    }

    fn change(&self, address: &str) -> &Value {
        let changes = self.json["resource_changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = changes.iter().find(|change| change["address"] == address);
        &found.unwrap_or_else(|| panic!("{address} is not in the plan:\n{self}"))["change"]
    }

    /// `create`, `update`, `delete`, `no-op`; two of them for a replacement.
    pub fn actions(&self, address: &str) -> Vec<String> {
        let actions = self.change(address)["actions"].as_array().cloned().unwrap_or_default();
        actions.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// What the resource is planned to become; unknown attributes are absent.
    pub fn after(&self, address: &str) -> &Value {
        &self.change(address)["after"]
    }

    /// Which attributes bring about a replacement, as dotted paths.
    pub fn replaced_by(&self, address: &str) -> Vec<String> {
        let paths = self.change(address)["replace_paths"].as_array().cloned().unwrap_or_default();
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let dotted =
            |path: &Value| path.as_array().into_iter().flatten().map(step).collect::<Vec<_>>().join(".");
        paths.iter().map(dotted).collect()
    }

    /// The attributes that change. "One attribute in the plan" means one in `configured`.
    pub fn changed_attributes(&self, address: &str) -> Changes {
        let change = self.change(address);
        let mut differing = Vec::new();
        let mut changes = Changes::default();
        differences(
            &mut Vec::new(),
            &change["before"],
            &change["after"],
            &change["after_unknown"],
            &mut differing,
            &mut changes.unknown,
        );
        let expressions = self.expressions(address);
        for path in differing {
            let list =
                if configured(expressions, &path) { &mut changes.configured } else { &mut changes.computed };
            list.push(path.join("."));
        }
        for list in [&mut changes.configured, &mut changes.computed, &mut changes.unknown] {
            list.sort();
        }
        changes
    }

    fn expressions(&self, address: &str) -> &Value {
        let resources = self.json["configuration"]["root_module"]["resources"].as_array();
        let found = resources.into_iter().flatten().find(|resource| resource["address"] == address);
        found.map_or(&Value::Null, |resource| &resource["expressions"])
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for change in self.json["resource_changes"].as_array().into_iter().flatten() {
            let address = change["address"].as_str().unwrap_or_default();
            let changes = self.changed_attributes(address);
            writeln!(formatter, "{address}: {} {changes:#?}", change["change"]["actions"])?;
        }
        for change in self.json["resource_drift"].as_array().into_iter().flatten() {
            writeln!(formatter, "changed outside: {} {:#}", change["address"], change["change"])?;
        }
        write!(formatter, "{}", self.output)
    }
}

fn differences(
    path: &mut Vec<String>,
    before: &Value,
    after: &Value,
    unknown: &Value,
    differing: &mut Vec<Vec<String>>,
    unknowns: &mut Vec<String>,
) {
    if unknown == &Value::Bool(true) {
        unknowns.push(path.join("."));
        return;
    }
    let names = |value: &Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    let both = (before.is_object() || before.is_null()) && (after.is_object() || after.is_null());
    if both && !(before.is_null() && after.is_null() && !unknown.is_object()) {
        let mut all = [names(before), names(after), names(unknown)].concat();
        all.sort();
        all.dedup();
        for name in &all {
            path.push(name.clone());
            differences(path, &before[name], &after[name], &unknown[name], differing, unknowns);
            path.pop();
        }
        if !all.is_empty() || before == after {
            return;
        }
    }
    if before != after {
        differing.push(path.clone());
    }
}

/// Whether the configuration says something about the path: a constant that contains it, or an expression
/// that may.
fn configured(expressions: &Value, path: &[String]) -> bool {
    let mut place = expressions;
    let mut in_constant = false;
    for step in path {
        if !in_constant {
            if place.get("references").is_some() {
                return true;
            }
            if let Some(constant) = place.get("constant_value") {
                place = constant;
                in_constant = true;
            }
        }
        match place.get(step) {
            Some(next) => place = next,
            None => return false,
        }
    }
    true
}

/// Tests of the reading itself; they need neither CLI nor cluster.
mod self_test {
    use serde_json::json;

    use super::*;

    fn plan(before: Value, after: Value, unknown: Value, expressions: Value) -> Changes {
        let output = Output {
            command: String::new(),
            code: None,
            stdout: String::new(),
            stderr: String::new(),
            took: Default::default(),
        };
        let change =
            json!({"before": before, "after": after, "after_unknown": unknown, "actions": ["update"]});
        let json = json!({
            "resource_changes": [{"address": "a.b", "change": change}],
            "configuration": {"root_module": {"resources": [{"address": "a.b", "expressions": expressions}]}},
        });
        Plan::new(json, output).changed_attributes("a.b")
    }

    #[test]
    fn an_attribute_counts_where_it_is_written() {
        let changes = plan(
            json!({"memory": {"size": "1", "class": "x"}, "status": "old", "same": 1}),
            json!({"memory": {"size": "2", "class": "y"}, "same": 1}),
            json!({"status": true}),
            json!({"memory": {"constant_value": {"size": "2"}}}),
        );
        assert_eq!(changes.configured, ["memory.size"]);
        assert_eq!(changes.computed, ["memory.class"]);
        assert_eq!(changes.unknown, ["status"]);
    }

    #[test]
    fn an_object_that_comes_into_being_counts_by_its_leaves() {
        let changes = plan(
            json!({"memory": null}),
            json!({"memory": {"size": "2", "class": null}}),
            json!({}),
            json!({"memory": {"references": ["var.memory"]}}),
        );
        assert_eq!(changes.configured, ["memory.size"]);
        assert_eq!(changes.computed, Vec::<String>::new());
    }
}
