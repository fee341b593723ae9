//! From the model to the wanted objects in the cluster: `Instance → Desired`. The other direction is `state`,
//! group by group in the same order. Patterns are exhaustive: the compiler refuses a new argument that is not
//! placed here.

mod as_found;
mod fields;
mod kinds;

use serde_json::{Value as Json, json};

use super::model::{CustomSpec, Instance};
use super::{objects, remains};
use crate::redis::config::short_hash;
use crate::redis::desired::Desired;
use crate::redis::names::annotation;
use crate::redis::object;
use crate::redis::objects::Role;
use crate::redis::opstree::{Kind, api_version};

pub use as_found::{entry as as_found, still_held};
pub use fields::{affinity, budget, probe, sentinel_budget, update_strategy};

/// What the instance should be in the cluster. `creating` and `wait` are for the loop.
pub fn build(instance: &Instance, creating: bool, wait: bool) -> Desired {
    let topology = instance.topology();
    let objects = objects::wanted(instance);
    let config_map = objects.iter().find(|wanted| wanted.key.role == Role::Configuration);
    let config_map = config_map.map(|wanted| wanted.key.name.as_str()).unwrap_or_default();
    let custom_resources =
        topology.kinds().iter().map(|kind| custom_resource(instance, *kind, config_map)).collect();
    Desired {
        topology,
        name: instance.name.0.clone(),
        namespace: instance.namespace.0.clone(),
        claim: instance.claim.clone(),
        custom_resources,
        objects,
        is_guarded: instance.update_strategy.guarded && wait,
        former_password: None,
        creating,
        takes_over: creating,
        starts_empty: creating && remains::is_to_start_empty(instance),
        create_namespace: instance.create_namespace,
        wait,
    }
}

fn custom_resource(instance: &Instance, kind: Kind, config_map: &str) -> Json {
    let Instance { name, namespace, labels, annotations, custom_spec, claim, .. } = instance;
    let CustomSpec { redis, replication, sentinel, cluster } = custom_spec;
    let (mut spec, custom) = match kind {
        Kind::Redis => (kinds::redis(instance, config_map), redis),
        Kind::RedisReplication => (kinds::replication(instance, config_map), replication),
        Kind::RedisSentinel => (kinds::sentinel(instance), sentinel),
        Kind::RedisCluster => (kinds::cluster(instance, config_map), cluster),
    };
    if let Some(custom) = custom {
        merge(&mut spec, &custom.object);
    }
    let mut left = json!({ "spec": spec });
    as_found::leave(&mut left, kind, &instance.as_found);
    let spec = left["spec"].take();
    let hashed =
        json!({ "labels": labels, "annotations": annotations, "spec": object::without_nulls(&spec) });
    let mut marks = annotations.clone();
    marks.insert(annotation::CLAIM.to_owned(), claim.clone());
    marks.insert(annotation::SPEC_HASH.to_owned(), short_hash(&hashed.to_string()));
    json!({
        "apiVersion": api_version(),
        "kind": kind.kind(),
        "metadata": { "name": name.0, "namespace": namespace.0, "labels": labels, "annotations": marks },
        "spec": spec,
    })
}

/// RFC 7386: a null in the patch removes a field, objects are merged, everything else is replaced.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.insert(field.clone(), Json::Null);
        } else {
            merge(target.entry(field).or_insert(Json::Null), value);
        }
    }
}
