//! What tests of this module start from: an instance of each shape as it is when it serves.

use serde_json::{Value as Json, json};

use super::names::annotation;
use super::ready::Running;
use super::topology::{Part, Topology};

/// The hash that custom resources and Services bear.
pub const HASH: &str = "2";

/// The custom resources of an instance called `cache`, as the operator leaves them.
pub fn custom_resources(topology: Topology) -> Vec<Json> {
    let custom_resource = |kind: super::opstree::Kind| {
        json!({
            "kind": kind.kind(),
            "metadata": {
                "name": "cache",
                "annotations": { annotation::SPEC_HASH: HASH, annotation::CLAIM: "mine" },
                "finalizers": [kind.finalizer()],
            },
            "spec": {
                "clusterSize": 3,
                "storage": { "volumeClaimTemplate": { "spec": { "resources": { "requests": { "storage": "2Gi" } } } } },
            },
            "status": {
                "masterNode": "cache-0", "state": "Ready",
                "readyLeaderReplicas": 3, "readyFollowerReplicas": 3,
            },
        })
    };
    topology.kinds().iter().map(|kind| custom_resource(*kind)).collect()
}

/// What runs when that instance serves.
pub fn serving(topology: Topology) -> Running {
    let mut running = Running::default();
    let custom_resources = custom_resources(topology);
    for part in topology.parts() {
        let app = part.name("cache");
        let replicas = custom_resources.first().map_or(0, |one| part.replicas(one));
        running.stateful_sets.push(json!({
            "metadata": { "name": app, "generation": 3 },
            "spec": { "replicas": replicas },
            "status": {
                "observedGeneration": 3, "updatedReplicas": replicas, "readyReplicas": replicas,
                "currentRevision": "b", "updateRevision": "b",
            },
        }));
        running
            .services
            .push(json!({ "metadata": { "name": app, "annotations": { annotation::SPEC_HASH: HASH } } }));
        running.pods.extend((0..replicas).map(|ordinal| pod(*part, ordinal)));
        running.claims.extend((0..replicas).filter(|_| part.has_data()).map(|ordinal| {
            json!({
                "metadata": { "name": format!("{app}-{app}-{ordinal}"), "labels": { "app": app } },
                "spec": { "resources": { "requests": { "storage": "2Gi" } } },
            })
        }));
    }
    running
}

fn pod(part: Part, ordinal: i64) -> Json {
    let app = part.name("cache");
    json!({
        "metadata": {
            "name": format!("{app}-{ordinal}"),
            "uid": format!("{app}-{ordinal}-uid"),
            "labels": {
                "app": app,
                "controller-revision-hash": "b",
                "redis-role": if ordinal == 0 { "master" } else { "slave" },
            },
        },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}
