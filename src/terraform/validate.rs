//! Validation: every known value is read by its type and checked, and all errors are reported at once.

use super::attribute::{Attribute, Kind, Nesting, Reading};
use super::diagnostic::Diagnostic;
use super::path::{Path, Step};
use super::plan;
use super::value::Value;

/// Reports every attribute whose value its type or check refuses, and returns the configuration with these
/// values unknown, so that guards across attributes can still check the rest.
pub fn validate(attributes: &[Attribute], config: &Value) -> (Value, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let accepted = object(attributes, config, &Path::default(), &mut problems);
    (accepted, problems)
}

fn object(attributes: &[Attribute], config: &Value, at: &Path, problems: &mut Vec<Diagnostic>) -> Value {
    let Value::Map(entries) = config else { return config.clone() };
    let mut accepted = entries.clone();
    for attribute in attributes {
        let at = at.attribute(attribute.name);
        let value = match config.get(attribute.name) {
            Value::Null | Value::Unknown => continue,
            value => member(attribute, value, &at, problems),
        };
        accepted.insert(attribute.name.to_owned(), value);
    }
    Value::Map(accepted)
}

fn member(attribute: &Attribute, value: &Value, at: &Path, problems: &mut Vec<Diagnostic>) -> Value {
    let before = problems.len();
    let inner = match (&attribute.kind, value) {
        (Kind::Nested(Nesting::Single, nested), Value::Map(_)) => object(nested, value, at, problems),
        (Kind::Nested(Nesting::List, nested), Value::List(elements)) => Value::List(
            elements
                .iter()
                .zip(0..)
                .map(|(element, index)| object(nested, element, &at.with(Step::Index(index)), problems))
                .collect(),
        ),
        (Kind::Nested(Nesting::Map, nested), Value::Map(elements)) => Value::Map(
            elements
                .iter()
                .map(|(key, element)| {
                    let at = at.with(Step::Key(key.clone()));
                    (key.clone(), object(nested, element, &at, problems))
                })
                .collect(),
        ),
        // An element of a set has no path of its own, so the set is reported.
        _ => {
            let mut reading = Reading::from(at.clone());
            (attribute.read)(value, &mut reading);
            problems.extend(reading.problems());
            value.clone()
        }
    };
    if problems.len() == before
        && inner.is_wholly_known()
        && let Some(check) = &attribute.check
        && let Err(expected) = check(&inner)
    {
        let mut reading = Reading::from(at.clone());
        reading.wrong(expected);
        problems.extend(reading.problems());
    }
    match &attribute.kind {
        // Valid values inside an object stay known.
        Kind::Nested(Nesting::Single, _) => inner,
        _ if problems.len() > before => Value::Unknown,
        _ => inner,
    }
}

/// Reports every attribute with a value that is new and that its check for new values refuses.
pub fn validate_new(attributes: &[Attribute], planned: &Value, prior: &Value) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    new_values(attributes, planned, prior, &Path::default(), &mut problems);
    problems
}

fn new_values(
    attributes: &[Attribute],
    planned: &Value,
    prior: &Value,
    at: &Path,
    problems: &mut Vec<Diagnostic>,
) {
    for attribute in attributes {
        let at = at.attribute(attribute.name);
        let (planned, prior) = (planned.get(attribute.name), prior.get(attribute.name));
        if let Kind::Nested(Nesting::Single, nested) = &attribute.kind {
            new_values(nested, planned, prior, &at, problems);
        }
        let is_new = planned.is_wholly_known() && !planned.is_null() && planned != prior;
        if let Some(check) = attribute.check_new.as_ref().filter(|_| is_new)
            && let Err(expected) = check(planned)
        {
            let mut reading = Reading::from(at);
            reading.wrong(expected);
            problems.extend(reading.problems());
        }
    }
}

/// The errors of a configuration for a core that does not know write-only attributes.
pub fn write_only_unsupported(attributes: &[Attribute], config: &Value) -> Option<Diagnostic> {
    let has_any = &plan::strip_write_only(attributes, config) != config;
    has_any.then(|| {
        Diagnostic::error(
            "Write-only attributes need Terraform 1.11 or OpenTofu 1.11",
            "This version would store the value in its state. Upgrade it, or use the alternative attribute \
             that refers to an existing Secret.",
        )
    })
}
