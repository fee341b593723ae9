//! Fields that `custom_spec` sets: drift of them appears in `custom_spec`, and in no argument.

use serde_json::Value as Json;

use super::super::build::build;
use super::super::model::{CustomSpec, Instance};
use crate::redis::object::{at, differences};
use crate::redis::opstree::Kind;
use crate::resources::types::JsonObject;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// The custom resources with the values of the arguments alone in all fields that `custom_spec` sets: drift
/// of these fields appears in `custom_spec`, and in no argument.
pub(super) fn without_custom(known: &Instance, custom_resources: &[Json]) -> Vec<Json> {
    let CustomSpec { redis, replication, sentinel, cluster } = &known.custom_spec;
    let none = CustomSpec { redis: None, replication: None, sentinel: None, cluster: None };
    let plain = build(&Instance { custom_spec: none, ..known.clone() }, false, true);
    let typed = |found: &Json| {
        let mut found = found.clone();
        let Some(kind) = Kind::of(&found) else { return found };
        let custom = match kind {
            Kind::Redis => redis,
            Kind::RedisReplication => replication,
            Kind::RedisSentinel => sentinel,
            Kind::RedisCluster => cluster,
        };
        if let (Some(custom), Some(spec)) = (custom, found.get_mut("spec")) {
            replace(spec, &custom.object, at(plain.custom_resource(kind), &["spec"]));
        }
        found
    };
    custom_resources.iter().map(typed).collect()
}

/// Puts the value of `plain` at each path that `custom` sets.
fn replace(found: &mut Json, custom: &Json, plain: &Json) {
    match (found, custom) {
        (Json::Object(found), Json::Object(custom)) => {
            for (field, value) in custom {
                replace(found.entry(field).or_insert(Json::Null), value, at(plain, &[field]));
            }
        }
        (found, _) => *found = plain.clone(),
    }
}

/// Drift in a field that `custom_spec` sets appears there.
pub(super) fn observe_custom(custom_spec: &mut CustomSpec, kind: Kind, spec: &Json) {
    let CustomSpec { redis, replication, sentinel, cluster } = custom_spec;
    let custom = match kind {
        Kind::Redis => redis,
        Kind::RedisReplication => replication,
        Kind::RedisSentinel => sentinel,
        Kind::RedisCluster => cluster,
    };
    let Some(known) = custom.as_ref().filter(|_| !spec.is_null()) else { return };
    let mut object = known.object.clone();
    restrict(&mut object, spec);
    if let Ok(found) = JsonObject::parse(&Value::from(object.to_string())) {
        *custom = Some(found);
    }
}

/// Takes from `found` the values of the paths that `wanted` sets.
fn restrict(wanted: &mut Json, found: &Json) {
    match wanted {
        Json::Object(fields) => {
            fields.iter_mut().for_each(|(field, value)| restrict(value, at(found, &[field])))
        }
        value => {
            let absent = value.is_null() && found.is_null();
            if !absent && !differences(value, found).is_empty() {
                *value = found.clone();
            }
        }
    }
}
