//! What the Helm charts of the operator's v0.26.0 render, and what people write by hand: imported, nothing differs.

use serde_json::json;

use super::super::state::observe;
use super::*;
use crate::redis::opstree;

fn addresses(topology: Topology) -> Addresses {
    Addresses::new("redis".to_owned(), "cache".to_owned(), topology)
}

fn custom_resource(kind: &str, spec: Json) -> Json {
    let labels = json!({
        "app.kubernetes.io/name": "cache",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": "0.17.4",
        "helm.sh/chart": "redis-0.17.4",
        "team": "a",
    });
    let annotations = json!({ "meta.helm.sh/release-name": "cache", "note": "n" });
    json!({
        "apiVersion": opstree::api_version(),
        "kind": kind,
        "metadata": { "name": "cache", "namespace": "redis", "labels": labels, "annotations": annotations },
        "spec": spec,
    })
}

/// Of the chart, with the default values.
fn kubernetes_config() -> Json {
    json!({
        "image": "quay.io/opstree/redis:v7.0.15",
        "imagePullPolicy": "IfNotPresent",
        "service": { "serviceType": "ClusterIP" },
    })
}

fn template(size: &str) -> Json {
    json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } } })
}

fn pods() -> Json {
    json!({ "fsGroup": 1000, "runAsUser": 1000 })
}

fn chart_redis() -> Json {
    custom_resource(
        "Redis",
        json!({
            "kubernetesConfig": kubernetes_config(),
            "redisExporter": { "enabled": false, "image": "quay.io/opstree/redis-exporter:v1.44.0" },
            "storage": { "volumeClaimTemplate": template("1Gi") },
            "podSecurityContext": pods(),
        }),
    )
}

fn chart_replication() -> Json {
    let mut config = kubernetes_config();
    config["redisSecret"] = json!({ "name": "mine", "key": "word" });
    config["resources"] = json!({ "limits": { "cpu": "200m", "memory": "128Mi" } });
    custom_resource(
        "RedisReplication",
        json!({
            "clusterSize": 3,
            "kubernetesConfig": config,
            "redisConfig": { "additionalRedisConfig": "cache-ext-config" },
            "redisExporter": { "enabled": true, "image": "quay.io/opstree/redis-exporter:v1.44.0" },
            "storage": { "volumeClaimTemplate": template("1Gi") },
            "podSecurityContext": pods(),
            "pdb": { "enabled": true, "minAvailable": 1 },
            "podManagementPolicy": "OrderedReady",
        }),
    )
}

fn chart_sentinel() -> Json {
    let probe =
        json!({ "failureThreshold": 3, "initialDelaySeconds": 1, "periodSeconds": 10, "timeoutSeconds": 1 });
    custom_resource(
        "RedisSentinel",
        json!({
            "clusterSize": 3,
            "redisSentinelConfig": {
                "redisReplicationName": "cache",
                "redisReplicationPassword": { "secretKeyRef": { "name": "mine", "key": "word" } },
                "masterGroupName": "myMaster",
                "redisPort": "6379",
                "quorum": "2",
                "parallelSyncs": "1",
                "failoverTimeout": "180000",
                "downAfterMilliseconds": "30000",
            },
            "kubernetesConfig": { "image": "quay.io/opstree/redis-sentinel:v7.0.15", "imagePullPolicy": "IfNotPresent" },
            "podSecurityContext": pods(),
            "readinessProbe": probe,
        }),
    )
}

fn chart_cluster() -> Json {
    let part = json!({ "replicas": 3, "pdb": { "enabled": true, "maxUnavailable": 1, "minAvailable": 1 } });
    let mut config = kubernetes_config();
    config["resources"] = json!({
        "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "cpu": "200m", "memory": "128Mi" },
    });
    custom_resource(
        "RedisCluster",
        json!({
            "clusterSize": 3,
            "clusterVersion": "v7",
            "persistenceEnabled": true,
            "redisLeader": part,
            "redisFollower": part,
            "kubernetesConfig": config,
            "storage": {
                "nodeConfVolume": true,
                "nodeConfVolumeClaimTemplate": template("1Gi"),
                "volumeClaimTemplate": template("2Gi"),
            },
            "podSecurityContext": pods(),
        }),
    )
}

fn sources() -> Sources {
    let text =
        "\n# a comment\ntcp-keepalive 400\nsave 60 1\nsave 5 100\nappendfsync always\nuser default on\n";
    Sources {
        config_map: Some(json!({ "data": { "redis-additional.conf": text } })),
        claim: Some(json!({ "spec": { "storageClassName": "standard" } })),
        ..Sources::default()
    }
}

fn imported(topology: Topology, custom_resources: &[Json]) -> Instance {
    arguments(&addresses(topology), custom_resources, &sources()).unwrap()
}

/// Every shape, as charts and as people have made it.
fn all() -> Vec<(Topology, Vec<Json>)> {
    let by_hand = |kind: &str, more: Json| {
        let mut spec = json!({ "kubernetesConfig": { "image": "quay.io/opstree/redis:v7.0.12" } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        custom_resource(kind, spec)
    };
    let claim = json!({ "volumeClaimTemplate": template("64Mi") });
    vec![
        (Topology::Standalone, vec![chart_redis()]),
        (Topology::Replication, vec![chart_replication()]),
        (Topology::Sentinel, vec![chart_replication(), chart_sentinel()]),
        (Topology::Cluster, vec![chart_cluster()]),
        (Topology::Standalone, vec![by_hand("Redis", json!({}))]),
        (
            Topology::Replication,
            vec![by_hand(
                "RedisReplication",
                json!({
                    "clusterSize": 2,
                    "storage": claim,
                    "affinity": { "nodeAffinity": { "x": "y" } },
                    "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "p" } } }],
                    "pdb": { "enabled": false, "minAvailable": 2 },
                }),
            )],
        ),
        (
            Topology::Cluster,
            vec![by_hand(
                "RedisCluster",
                json!({
                    "clusterSize": 3,
                    "clusterVersion": "v7",
                    "persistenceEnabled": true,
                    "storage": claim,
                    "redisFollower": { "terminationGracePeriodSeconds": 7 },
                }),
            )],
        ),
    ]
}

/// And so its first plan is empty.
#[test]
fn what_others_made_differs_in_nothing() {
    for (topology, custom_resources) in all() {
        let model = imported(topology, &custom_resources);
        let written = build(&model, false, true);
        for found in &custom_resources {
            let differences = opstree::differences(written.custom_resource(Kind::of(found).unwrap()), found);
            let paths: Vec<&str> = differences.iter().map(|one| one.path.as_str()).collect();
            let ours = |path: &&&str| !path.starts_with("metadata.") && !path.ends_with("ignoreAnnotations");
            let others: Vec<_> = paths.iter().filter(ours).collect();
            assert!(others.is_empty(), "{topology:?}: {others:?} in {found:#}");
        }
        let mut picture = Picture { custom_resources, ..Picture::default() };
        for wanted in &written.objects {
            picture.set_object(&wanted.key, Some(wanted.object.clone()));
        }
        let seen = observe(&model, &written, &picture);
        assert_eq!(seen.repairs, Default::default(), "{topology:?}");
        assert_eq!(Instance { status: model.status.clone(), objects: Vec::new(), ..seen }, model);
    }
}

/// What the arguments can say, they say; of the rest only what would differ.
#[test]
fn arguments_come_first_and_custom_spec_has_the_rest() {
    let custom = |custom: &Option<crate::resources::types::JsonObject>| {
        custom.as_ref().map_or(Json::Null, |custom| custom.object.clone())
    };
    let redis = imported(Topology::Standalone, &[chart_redis()]);
    assert_eq!(
        custom(&redis.custom_spec.redis),
        json!({ "kubernetesConfig": { "resources": null }, "redisConfig": null })
    );
    assert_eq!(redis.persistence.storage_class.0, "standard", "that of the claim");
    assert_eq!(redis.labels, [("team".to_owned(), "a".to_owned())].into());
    assert_eq!(redis.annotations, [("note".to_owned(), "n".to_owned())].into());
    assert!(!redis.authentication.enabled);

    let set = imported(Topology::Sentinel, &[chart_replication(), chart_sentinel()]);
    assert_eq!(
        custom(&set.custom_spec.replication),
        json!({
            "kubernetesConfig": { "resources": { "requests": null } },
            "redisConfig": { "additionalRedisConfig": "cache-ext-config" },
        })
    );
    assert_eq!(set.persistence.rdb.save_interval, "60 1 5 100");
    assert!(set.persistence.aof.enabled, "the image turns it on where there is a volume");
    assert_eq!(set.additional_config, [("tcp-keepalive".to_owned(), "400".to_owned())].into());
    assert_eq!(set.maxmemory_percent, 0);
    // The limit is below our usual request.
    let amounts = set.master.resources.amounts();
    assert_eq!((amounts.requested_memory.as_str(), amounts.memory.as_str()), ("128Mi", "128Mi"));
    let sentinel = set.sentinel.unwrap();
    assert_eq!((sentinel.master_name.as_str(), sentinel.failover_timeout), ("myMaster", 180_000));

    let cluster = imported(Topology::Cluster, &[chart_cluster()]);
    assert_eq!(
        custom(&cluster.custom_spec.cluster),
        json!({ "redisLeader": { "redisConfig": null }, "redisFollower": { "redisConfig": null } })
    );
    assert_eq!(cluster.pod_disruption_budget.max_unavailable, Some(1));
}

/// What cannot be added to volumes that are there is not written.
#[test]
fn volumes_stay_as_they_are() {
    let found = chart_redis();
    let written = build(&imported(Topology::Standalone, std::slice::from_ref(&found)), false, true);
    let class = ["spec", "storage", "volumeClaimTemplate", "spec", "storageClassName"];
    assert_eq!(text(written.data(), &class), Some("standard"));
    let over = opstree::over(written.data(), &found);
    assert_eq!(text(&over, &class), None);
    // It is ours now, and stays as it was: a mark says so, and is not lost by the next change.
    assert!(!opstree::is_foreign(&over) && opstree::differences(written.data(), &over).is_empty());
    let mut changed = written.data().clone();
    changed["spec"]["kubernetesConfig"]["image"] = json!("another");
    let again = opstree::over(&changed, &over);
    assert_eq!(text(&again, &class), None);
    assert!(opstree::differences(&changed, &again).is_empty());
    let mut ignoring = found;
    ignoring["spec"]["kubernetesConfig"]["ignoreAnnotations"] = json!(["theirs"]);
    let over = opstree::over(written.data(), &ignoring);
    assert!(list(&over, &["spec", "kubernetesConfig", "ignoreAnnotations"]).contains(&json!("theirs")));
}

/// What others never had is no drift, before and after we have written; what somebody takes away from ours is.
#[test]
fn a_volume_for_nodes_conf_is_missed_only_where_it_was() {
    let found = all().pop().map(|(_, mut made)| made.remove(0)).unwrap();
    let written = build(&imported(Topology::Cluster, std::slice::from_ref(&found)), false, true);
    let nodes = |found: &Json| {
        let differences = opstree::differences(written.data(), found);
        let paths: Vec<String> = differences.into_iter().map(|one| one.path).collect();
        paths.into_iter().filter(|path| path.starts_with("spec.storage")).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&found), [] as [&str; 0]);
    let over = opstree::over(written.data(), &found);
    assert_eq!(nodes(&over), [] as [&str; 0]);
    let mut ours = written.data().clone();
    assert_eq!(nodes(&ours), [] as [&str; 0]);
    ours["spec"]["storage"]["nodeConfVolume"] = json!(false);
    assert_eq!(nodes(&ours), ["spec.storage.nodeConfVolume"]);
}

#[test]
fn nodes_that_forget_are_named() {
    let warned = |data: &Json| others::warnings(data, Topology::Cluster, &[]).len();
    assert_eq!(warned(&chart_cluster()), 0);
    let mut forgetful = chart_cluster();
    forgetful["spec"]["storage"]["nodeConfVolume"] = json!(false);
    assert_eq!(warned(&forgetful), 1);
    // Nothing is kept there anyway.
    forgetful["spec"]["storage"] = Json::Null;
    assert_eq!(warned(&forgetful), 0);
}

#[test]
fn sentinels_that_are_not_taken_over_are_named() {
    let mut data = chart_replication();
    assert!(others::warnings(&data, Topology::Replication, &[]).is_empty());
    data["spec"]["sentinel"] = json!({ "size": 3 });
    let mut other = chart_sentinel();
    other["metadata"]["name"] = json!("watch");
    let warnings = others::warnings(&data, Topology::Replication, &[other]);
    let summaries: Vec<&str> = warnings.iter().map(|one| one.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "The RedisSentinel watch of redis/cache is not imported",
            "The sentinels within the RedisReplication redis/cache are not imported",
        ]
    );
}
