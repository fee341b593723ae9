//! What core asks of a provider's answers. It says so only of other providers, in errors that begin with "Provider
//! produced"; and what it does not say, a user sees as a plan that is never empty.
use terraform_provider_redis::terraform::{Attribute, Kind, Nesting, Value};

/// A plan may change nothing that the configuration sets, unless back to what the state has for it; and it may not make
/// up what only the configuration can set.
pub fn plan_is_valid(
    attributes: &[Attribute],
    prior: &Value,
    config: &Value,
    planned: &Value,
) -> Vec<String> {
    let mut wrong = Vec::new();
    judge_plan(attributes, "", prior, config, planned, &mut wrong);
    wrong
}

fn judge_plan(
    attributes: &[Attribute],
    above: &str,
    prior: &Value,
    config: &Value,
    planned: &Value,
    wrong: &mut Vec<String>,
) {
    for attribute in attributes {
        let path = format!("{above}{}", attribute.name);
        let name = attribute.name;
        let (before, written, after) = (prior.get(name), config.get(name), planned.get(name));
        let set_by_us = written.is_null() && attribute.is_computed();
        let hidden = attribute.write_only && after.is_null();
        if set_by_us || hidden || written == after || (before == after && !written.is_null()) {
            continue;
        }
        match &attribute.kind {
            Kind::Nested(Nesting::Single, members) if !written.is_null() && !after.is_null() => {
                judge_plan(members, &format!("{path}."), before, written, after, wrong);
            }
            _ => wrong.push(format!("{path} is {written:?} in the configuration and {after:?} in the plan")),
        }
    }
}

/// What a plan says is known, apply must make so, and no more and no less.
pub fn apply_keeps_its_word(planned: &Value, applied: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    judge_apply("", planned, applied, &mut wrong);
    wrong
}

fn judge_apply(path: &str, planned: &Value, applied: &Value, wrong: &mut Vec<String>) {
    match (planned, applied) {
        (_, Value::Unknown) => wrong.push(format!("{path} is unknown after apply")),
        (Value::Unknown, _) => {}
        (Value::Map(before), Value::Map(after)) if before.keys().eq(after.keys()) => {
            for (name, value) in before {
                judge_apply(&format!("{path}.{name}"), value, &after[name], wrong);
            }
        }
        (Value::List(before), Value::List(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                judge_apply(&format!("{path}[{index}]"), before, after, wrong);
            }
        }
        (planned, applied) if planned != applied => {
            wrong.push(format!("{path} was planned as {planned:?} and became {applied:?}"));
        }
        _ => {}
    }
}

/// The paths in which two values differ.
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ("", left, right, &mut found);
    found
}

fn differ(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Map(before), Value::Map(after)) if before.keys().eq(after.keys()) => {
            for (name, value) in before {
                differ(&format!("{path}.{name}"), value, &after[name], found);
            }
        }
        _ if left != right => found.push(format!("{path}: {left:?} → {right:?}")),
        _ => {}
    }
}
