//! From the model to the objects: `Instance → Desired`. The other direction is `state`, group by group in the
//! same order. Patterns are exhaustive: a new argument must be placed here or it does not compile.

mod fields;
mod kinds;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::model::{AuthSecret, CustomSpec, Instance};
use crate::redis::config::{self, Settings, save_points, short_hash};
use crate::redis::names::{self, INSTANCE_LABEL, PASSWORD_KEY, annotation};
use crate::redis::next::{CompanionKind, Desired, Rendered};
use crate::redis::object;
use crate::redis::opstree::{Kind, api_version};
use crate::redis::quantity::Quantity;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Aof, Persistence, Rdb, ServiceType};
use crate::resources::types::JsonObject;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

pub use fields::{affinity, budget, probe, sentinel_budget, update_strategy};

/// Whose field manager we are.
pub const MANAGER: &str = "terraform-provider-redis";

/// What the instance is to be in the cluster. `creating` and `wait` are for the loop.
pub fn build(instance: &Instance, creating: bool, wait: bool) -> Desired {
    let topology = instance.topology();
    let config_map = config_map(instance);
    let custom_resources: Vec<Json> = topology
        .kinds()
        .iter()
        .map(|kind| custom_resource(instance, *kind, object::name(&config_map)))
        .collect();
    let replicated = matches!(topology, Topology::Replication | Topology::Sentinel);
    let guarded: Vec<Json> = if replicated && !creating {
        custom_resources.iter().map(rolled_by_us).collect()
    } else {
        Vec::new()
    };
    let mut companions = vec![Rendered { kind: CompanionKind::ConfigMap, object: config_map }];
    companions
        .extend(external_service(instance).map(|object| Rendered { kind: CompanionKind::Service, object }));
    let ours = instance.auth_secret.as_ref().filter(|_| instance.authentication.existing_secret.is_none());
    Desired {
        topology,
        name: instance.name.0.clone(),
        namespace: instance.namespace.0.clone(),
        custom_resources,
        guarded,
        is_guarded: instance.update_strategy.guarded && wait,
        companions,
        secret: ours.map(|secret| secret.name.clone()),
        former_password: None,
        creating,
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

/// The custom resource while we replace its pods: nobody else does. Its hash is another one, so that the operator can be
/// seen to have taken it over.
fn rolled_by_us(custom_resource: &Json) -> Json {
    let mut guarded = custom_resource.clone();
    guarded["spec"]["kubernetesConfig"]["updateStrategy"] =
        json!({ "type": "OnDelete", "rollingUpdate": null });
    let hash = object::annotation(custom_resource, annotation::SPEC_HASH).unwrap_or_default();
    guarded["metadata"]["annotations"][annotation::SPEC_HASH] = json!(format!("{hash}-guarded"));
    guarded
}

/// Metadata of an object of ours that the operator does not make. Its hash tells that a label or an annotation was taken
/// away: all that is left is as wanted then.
fn companion(instance: &Instance, name: &str, marks: &[(&str, String)]) -> Json {
    let mut labels = instance.labels.clone();
    labels.insert(INSTANCE_LABEL.to_owned(), instance.name.0.clone());
    labels.entry("app.kubernetes.io/managed-by".to_owned()).or_insert_with(|| MANAGER.to_owned());
    let mut annotations = instance.annotations.clone();
    annotations.extend(marks.iter().map(|(mark, value)| ((*mark).to_owned(), value.clone())));
    let hash = short_hash(&json!({ "labels": labels, "annotations": annotations }).to_string());
    annotations.insert(annotation::METADATA_HASH.to_owned(), hash);
    json!({ "name": name, "namespace": instance.namespace.0, "labels": labels, "annotations": annotations })
}

fn config_map(instance: &Instance) -> Json {
    let text = settings(instance).render();
    let name = names::config_map(&instance.name.0, &text);
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": companion(instance, &name, &[(annotation::SETTINGS, recorded(instance))]),
        "data": { config::KEY: text },
    })
}

/// What reaches the master from outside. The operator's own Service for that reaches replicas, too; and it keeps
/// annotations that were taken away. Only of a cluster any leader will do.
fn external_service(instance: &Instance) -> Option<Json> {
    let topology = instance.topology();
    if instance.service.r#type == ServiceType::ClusterIp || topology == Topology::Cluster {
        return None;
    }
    let name = &instance.name.0;
    let part = topology.parts().first()?;
    let mut selector = BTreeMap::from([("app", name.as_str()), ("redis_setup_type", part.setup())]);
    if topology != Topology::Standalone {
        selector.insert("redis-role", "master");
    }
    let annotations = fields::service_annotations(&instance.service);
    let marks: Vec<(&str, String)> =
        annotations.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": companion(instance, &names::external_service(name), &marks),
        "spec": {
            "type": instance.service.r#type.word(),
            "selector": selector,
            "ports": [{ "name": "redis-client", "port": names::REDIS_PORT, "targetPort": names::REDIS_PORT }],
        },
    }))
}

/// The Secret with a password of ours. Immutable: its data is written once.
pub fn secret(instance: &Instance, name: &str, password: &str) -> Json {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": true,
        "metadata": companion(instance, name, &[]),
        "stringData": { PASSWORD_KEY: password },
    })
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

/// What every pod has. A follower of a cluster may become leader, and the other way round.
fn memory_limit(instance: &Instance) -> &Quantity {
    let (master, replica) =
        (&instance.master.resources.limits.memory, &instance.replica.resources.limits.memory);
    if instance.topology() == Topology::Cluster && replica < master { replica } else { master }
}

/// The arguments of which redis.conf and our other companions are rendered, for import.
fn recorded(instance: &Instance) -> String {
    let Rdb { enabled: rdb, save_interval } = &instance.persistence.rdb;
    let Aof { enabled: aof, fsync_policy } = &instance.persistence.aof;
    let CustomSpec { redis, replication, sentinel, cluster } = &instance.custom_spec;
    let text = |custom: &Option<JsonObject>| {
        custom.as_ref().map(JsonObject::value).as_ref().and_then(Value::as_str).map(str::to_owned)
    };
    json!({
        "rdb": { "enabled": rdb, "save_interval": save_interval },
        "aof": { "enabled": aof, "fsync_policy": fsync_policy.word() },
        "maxmemory_percent": instance.maxmemory_percent,
        "additional_config": instance.additional_config,
        "custom_spec": {
            "redis": text(redis),
            "replication": text(replication),
            "sentinel": text(sentinel),
            "cluster": text(cluster),
        },
        "rotate": instance.authentication.rotate,
        "service": {
            "type": instance.service.r#type.word(),
            "annotations": instance.service.annotations,
            "internal": instance.service.internal,
        },
    })
    .to_string()
}

/// RFC 7386: what is null in the patch must not be there, objects are merged, all else is replaced.
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

/// The name of the Secret that a configuration asks for: the user's, or one of ours that changes with every
/// rotation. `None` without authentication.
pub fn wanted_secret(instance: &Instance) -> Option<AuthSecret> {
    let authentication = &instance.authentication;
    if !authentication.enabled {
        return None;
    }
    if let Some(existing) = &authentication.existing_secret {
        return Some(AuthSecret { name: existing.name.0.clone(), key: existing.key.clone() });
    }
    let mut rotation: Vec<String> =
        authentication.rotate.iter().map(|(key, value)| format!("{key}={value}")).collect();
    rotation.extend(authentication.password_wo_version.map(|version| version.to_string()));
    Some(AuthSecret {
        name: names::secret(&instance.name.0, &rotation.join("\n")),
        key: PASSWORD_KEY.to_owned(),
    })
}
