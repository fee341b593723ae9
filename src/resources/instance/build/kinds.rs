//! The spec of each of the operator's kinds.

use serde_json::{Map, Value as Json, json};

use super::super::model::Instance;
use super::super::objects::service_annotations;
use super::fields::{kubernetes_config, of_all_pods, of_part, resources, storage, unless_empty};
use crate::redis::names::REDIS_PORT;
use crate::redis::opstree::Kind;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Cluster, Sentinel, ServiceType};

/// `Redis`: one pod.
pub(super) fn redis(instance: &Instance, config_map: &str) -> Json {
    let mut spec = with_data(instance, Kind::Redis, config_map);
    spec.extend(of_its_part(instance));
    Json::Object(spec)
}

/// `RedisReplication`: a master and its replicas.
pub(super) fn replication(instance: &Instance, config_map: &str) -> Json {
    let mut spec = with_data(instance, Kind::RedisReplication, config_map);
    spec.insert("clusterSize".to_owned(), json!(1 + instance.replica.count.unwrap_or(0)));
    spec.extend(of_its_part(instance));
    Json::Object(spec)
}

/// `RedisSentinel`: the sentinels of a `RedisReplication` of the same name.
pub(super) fn sentinel(instance: &Instance) -> Json {
    let Some(sentinel) = &instance.sentinel else { return Json::Null };
    let Sentinel {
        replicas,
        quorum,
        down_after_milliseconds,
        failover_timeout,
        parallel_syncs,
        master_name,
        resources,
        // In `of_part` and `kubernetes_config`.
        pod_disruption_budget: _,
        password_protected: _,
    } = sentinel;
    let config = kubernetes_config(instance, Kind::RedisSentinel, &resources.amounts());
    let password = instance
        .auth_secret
        .as_ref()
        .map(|secret| json!({ "secretKeyRef": { "name": secret.name, "key": secret.key } }));
    let mut spec = of_all_pods(instance);
    spec.insert("kubernetesConfig".to_owned(), Json::Object(config));
    spec.insert("clusterSize".to_owned(), json!(replicas));
    // The operator expects these numbers as strings.
    spec.insert(
        "redisSentinelConfig".to_owned(),
        json!({
            "redisReplicationName": instance.name.0,
            "masterGroupName": master_name,
            "redisPort": REDIS_PORT.to_string(),
            "redisReplicationPassword": password,
            "quorum": quorum.to_string(),
            "parallelSyncs": parallel_syncs.to_string(),
            "failoverTimeout": failover_timeout.to_string(),
            "downAfterMilliseconds": down_after_milliseconds.to_string(),
        }),
    );
    if let Some(part) = Topology::Sentinel.parts().last() {
        spec.extend(of_part(instance, *part));
    }
    Json::Object(spec)
}

/// `RedisCluster`: shards.
pub(super) fn cluster(instance: &Instance, config_map: &str) -> Json {
    let Some(Cluster { num_shards, replicas_per_shard, version_mode }) = &instance.cluster else {
        return Json::Null;
    };
    let mut spec = with_data(instance, Kind::RedisCluster, config_map);
    // The operator ignores the field here; leaders and followers have their own.
    spec.remove("redisConfig");
    spec.insert("clusterSize".to_owned(), json!(num_shards));
    spec.insert("clusterVersion".to_owned(), json!(version_mode.word()));
    spec.insert("persistenceEnabled".to_owned(), json!(instance.persistence.enabled));
    spec.insert("storage".to_owned(), cluster_storage(instance));
    let amounts = [instance.master.resources.amounts(), instance.replica.resources.amounts()];
    let replicas = [*num_shards, num_shards * replicas_per_shard];
    for ((part, amounts), replicas) in Topology::Cluster.parts().iter().zip(amounts).zip(replicas) {
        let mut section = of_part(instance, *part);
        section.insert("replicas".to_owned(), json!(replicas));
        section.insert("resources".to_owned(), resources(&amounts));
        section.insert("redisConfig".to_owned(), json!({ "additionalRedisConfig": config_map }));
        spec.insert(part.section.unwrap_or_default().to_owned(), Json::Object(section));
    }
    Json::Object(spec)
}

/// Without a separate volume for nodes.conf, a node forgets the cluster at every restart.
fn cluster_storage(instance: &Instance) -> Json {
    let persistence = &instance.persistence;
    if !persistence.enabled {
        return Json::Null;
    }
    let mut storage = storage(persistence);
    storage.insert("nodeConfVolume".to_owned(), json!(true));
    storage.insert(
        "nodeConfVolumeClaimTemplate".to_owned(),
        json!({
            "spec": {
                "storageClassName": persistence.storage_class.0,
                "accessModes": persistence.access_modes,
                "resources": { "requests": { "storage": persistence.node_conf_size.canonical() } },
            },
        }),
    );
    Json::Object(storage)
}

/// The common fields of the kinds with data.
fn with_data(instance: &Instance, kind: Kind, config_map: &str) -> Map<String, Json> {
    let mut config = kubernetes_config(instance, kind, &instance.master.resources.amounts());
    if kind == Kind::RedisCluster {
        config.insert("service".to_owned(), cluster_service(instance));
    }
    let persistence = &instance.persistence;
    let storage = if persistence.enabled { Json::Object(storage(persistence)) } else { Json::Null };
    let mut spec = of_all_pods(instance);
    spec.insert("kubernetesConfig".to_owned(), Json::Object(config));
    spec.insert("redisConfig".to_owned(), json!({ "additionalRedisConfig": config_map }));
    spec.insert("storage".to_owned(), storage);
    spec
}

fn cluster_service(instance: &Instance) -> Json {
    if instance.service.r#type == ServiceType::ClusterIp {
        return Json::Null;
    }
    let annotations = service_annotations(&instance.service);
    json!({
        "serviceType": instance.service.r#type.word(),
        "annotations": unless_empty(annotations.is_empty(), json!(annotations)),
    })
}

fn of_its_part(instance: &Instance) -> Map<String, Json> {
    instance.topology().parts().first().map(|part| of_part(instance, *part)).unwrap_or_default()
}
