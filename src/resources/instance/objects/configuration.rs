//! The ConfigMap with our part of redis.conf. Its name contains a hash of its text, because the operator
//! rolls no pod when only the text of a ConfigMap changes.

use serde_json::{Value as Json, json};

use super::metadata;
use crate::redis::config::{self, Settings, save_points};
use crate::redis::names::{self, annotation};
use crate::redis::object;
use crate::redis::objects::Role;
use crate::redis::quantity::Quantity;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Aof, Disruption, NetworkPolicy, Persistence, Rdb};
use crate::resources::instance::model::{CustomSpec, Instance};
use crate::resources::types::JsonObject;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

pub(super) fn build(instance: &Instance) -> Vec<Json> {
    let text = settings(instance).render();
    let name = names::config_map(&instance.name.0, &text);
    let marks = [(annotation::SETTINGS, recorded(instance))];
    vec![json!({
        "metadata": metadata(instance, Role::Configuration, &name, &marks),
        "data": { config::KEY: text },
    })]
}

/// The arguments that our objects were rendered from, as the ConfigMap records them; `None` if it records
/// none.
pub fn recorded_settings(config_map: &Json) -> Option<Json> {
    serde_json::from_str(object::annotation(config_map, annotation::SETTINGS)?).ok()
}

fn settings(instance: &Instance) -> Settings<'_> {
    let Persistence { enabled, rdb, aof, .. } = &instance.persistence;
    let Rdb { enabled: rdb, save_interval } = rdb;
    let Aof { enabled: aof, fsync_policy } = aof;
    Settings {
        save: (*rdb && *enabled).then(|| save_points(save_interval).unwrap_or_default()),
        append_fsync: (*aof && *enabled).then(|| fsync_policy.word()),
        maxmemory_percent: u8::try_from(instance.maxmemory_percent).unwrap_or(0),
        memory_limit: memory_limit(instance),
        additional: &instance.additional_config,
    }
}

/// The memory that every pod has. A follower of a cluster may become a leader, and vice versa.
fn memory_limit(instance: &Instance) -> &Quantity {
    let (master, replica) =
        (&instance.master.resources.limits.memory, &instance.replica.resources.limits.memory);
    if instance.topology() == Topology::Cluster && replica < master { replica } else { master }
}

/// The arguments that redis.conf and our other objects are rendered from, for import.
fn recorded(instance: &Instance) -> String {
    let Rdb { enabled: rdb, save_interval } = &instance.persistence.rdb;
    let Aof { enabled: aof, fsync_policy } = &instance.persistence.aof;
    let CustomSpec { redis, replication, sentinel, cluster } = &instance.custom_spec;
    let Disruption { enabled: budget, min_available, max_unavailable } = &instance.pod_disruption_budget;
    let NetworkPolicy { enabled: policy, allowed_namespaces, allowed_cidrs } = &instance.network_policy;
    let text = |custom: &Option<JsonObject>| {
        custom.as_ref().map(JsonObject::value).as_ref().and_then(Value::as_str).map(str::to_owned)
    };
    json!({
        "rdb": { "enabled": rdb, "save_interval": save_interval },
        "aof": { "enabled": aof, "fsync_policy": fsync_policy.word() },
        "maxmemory_percent": instance.maxmemory_percent,
        "additional_config": instance.additional_config,
        "as_found": instance.as_found,
        "custom_spec": {
            "redis": text(redis),
            "replication": text(replication),
            "sentinel": text(sentinel),
            "cluster": text(cluster),
        },
        "rotate": instance.authentication.rotate,
        "pod_disruption_budget": {
            "enabled": budget, "min_available": min_available, "max_unavailable": max_unavailable,
        },
        "network_policy": {
            "enabled": policy,
            "allowed_namespaces": allowed_namespaces.iter().map(|one| &one.0).collect::<Vec<_>>(),
            "allowed_cidrs": allowed_cidrs,
        },
        "service": {
            "type": instance.service.r#type.word(),
            "annotations": instance.service.annotations,
            "internal": instance.service.internal,
        },
    })
    .to_string()
}
