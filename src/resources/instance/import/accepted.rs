//! Arguments that a configuration may have and that have an effect. Whatever the API server accepts can be imported, so
//! an import finds values that our own validation refuses, and fields that are half an argument's. Both are left to
//! `custom_spec`, and the argument takes its default.

use super::super::build::build;
use super::super::model::{CustomSpec, Instance};
use super::super::settle::settle_value;
use super::super::validate as guards;
use crate::redis::desired::Desired;
use crate::terraform::attribute::{Attr, Attribute, Kind, Nesting, Presence, as_planned};
use crate::terraform::resource::Problems;
use crate::terraform::validate::validate;
use crate::terraform::{Diagnostic, Known, Path, Value, plan};

/// The instance without the values that no configuration may have, alone or together.
pub(super) fn accepted(instance: &Instance) -> Result<Instance, Problems> {
    let (accepted, problems) = validate(&Instance::attributes(), &Instance::write::<Known>(instance));
    let mut instance =
        if problems.is_empty() { instance.clone() } else { with_defaults(instance, &accepted)? };
    let update_strategy = &instance.update_strategy;
    // Whoever has a strategy of their own does not want ours.
    if update_strategy.r#type.is_some() || update_strategy.rolling_update.is_some() {
        instance.update_strategy.guarded = false;
    }
    for conflict in conflicts(&instance) {
        let Some(path) = conflict.attribute.as_ref().map(Path::to_string) else { continue };
        let without = without(&instance, &path.split('.').collect::<Vec<_>>())?;
        if conflicts(&without).len() < conflicts(&instance).len() {
            instance = without;
        }
    }
    Ok(instance)
}

/// The instance without the arguments that have no effect, because `custom_spec` sets what they would set.
pub(super) fn effective(instance: &Instance) -> Result<Instance, Problems> {
    let CustomSpec { redis, replication, sentinel, cluster } = &instance.custom_spec;
    if [redis, replication, sentinel, cluster].iter().all(|custom| custom.is_none()) {
        return Ok(instance.clone());
    }
    let usual = Instance::write::<Known>(&super::with_defaults(&instance.addresses())?);
    let values = Instance::write::<Known>(instance);
    let is_usual = |path: &Vec<&str>| usual.at(path) == values.at(path);
    let mut effective = instance.clone();
    for path in leaves(&Instance::attributes(), &values, &[]).into_iter().filter(|path| !is_usual(path)) {
        let without = without(&effective, &path)?;
        let is_hidden = written(&without) == written(&effective) && plain(&without) != plain(&effective);
        if is_hidden && conflicts(&without).len() <= conflicts(&effective).len() {
            effective = without;
        }
    }
    Ok(effective)
}

/// Arguments that contradict each other.
fn conflicts(instance: &Instance) -> Vec<Diagnostic> {
    let found = as_planned::<Instance>(instance).map(|planned| guards::validate(&planned));
    found.into_iter().flatten().filter(Diagnostic::is_error).collect()
}

fn written(instance: &Instance) -> Desired {
    build(instance, false, true)
}

/// What the arguments alone would write.
fn plain(instance: &Instance) -> Desired {
    let none = CustomSpec { redis: None, replication: None, sentinel: None, cluster: None };
    written(&Instance { custom_spec: none, ..instance.clone() })
}

/// The instance with one argument as if no configuration had set it.
fn without(instance: &Instance, path: &[&str]) -> Result<Instance, Problems> {
    let mut config = Instance::write::<Known>(instance);
    if let Some(value) = slot(&mut config, path) {
        *value = Value::Null;
    }
    with_defaults(instance, &config)
}

/// `config` with the defaults of what it lacks.
fn with_defaults(instance: &Instance, config: &Value) -> Result<Instance, Problems> {
    let attributes = Instance::attributes();
    let mut planned = plan::propose(&attributes, &without_unknown(config), &Value::Null, None).planned;
    let known = Instance::write::<Known>(instance);
    for attribute in attributes.iter().filter(|one| one.presence == Presence::Computed) {
        if let Some(slot) = slot(&mut planned, &[attribute.name]) {
            *slot = known.get(attribute.name).clone();
        }
    }
    settle_value(planned, Some(instance))
}

fn without_unknown(value: &Value) -> Value {
    match value {
        Value::Unknown => Value::Null,
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(name, value)| (name.clone(), without_unknown(value))).collect())
        }
        other => other.clone(),
    }
}

/// The arguments that are set: nested objects by their members, lists and maps as a whole.
fn leaves<'a>(attributes: &'a [Attribute], values: &Value, above: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    for attribute in attributes {
        let value = values.get(attribute.name);
        let path = [above, &[attribute.name]].concat();
        let is_set_by_users =
            !matches!(attribute.presence, Presence::Computed | Presence::Required | Presence::Endpoint(_));
        match &attribute.kind {
            Kind::Nested(Nesting::Single, nested) => found.extend(leaves(nested, value, &path)),
            _ if is_set_by_users && !value.is_null() => found.push(path),
            _ => {}
        }
    }
    found
}

fn slot<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Map(entries) => entries.get_mut(*name),
        _ => None,
    })
}
