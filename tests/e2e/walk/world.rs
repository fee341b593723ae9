//! What of an instance is in the cluster, as far as the provider writes it.
use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value as Json, json};

use super::shape::Shape;
use crate::case::Case;
use crate::cluster;

const OPERATOR: &str = "/apis/redis.redis.opstreelabs.in/v1beta2";
const OURS: &str = "?labelSelector=terraform-provider-redis/instance";

/// Kinds that are ours alone.
const OBJECTS: [(&str, &str, &str); 5] = [
    ("/api/v1", "ConfigMap", "configmaps"),
    ("/api/v1", "Secret", "secrets"),
    ("/api/v1", "Service", "services"),
    ("/apis/policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("/apis/networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
];

/// All objects of an instance by kind and name, without what the server, the operator or chance makes of them.
pub type World = BTreeMap<String, Json>;

/// No StatefulSet may be made, so nothing ever runs, and the operator has next to nothing to do for each of the many
/// changes of a walk: others need it meanwhile.
pub fn nothing_runs(case: &Case) {
    let quota = json!({
        "metadata": { "name": "nothing-runs" },
        "spec": { "hard": { "count/statefulsets.apps": "0" } },
    });
    let quotas = format!("/api/v1/namespaces/{}/resourcequotas", case.namespace);
    let answer = cluster::request(Method::POST, &quotas, Some(&quota));
    assert_eq!(answer.status, 201, "{}", answer.text);
}

/// Secrets of the user's.
const OF_THE_USER: [&str; 2] = ["one", "two"];

pub fn make_secrets(case: &Case) {
    for name in OF_THE_USER {
        let secret = json!({ "metadata": { "name": name }, "stringData": { "word": "a", "other": "b" } });
        let answer = cluster::request(Method::POST, &secrets(case), Some(&secret));
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

pub fn delete_secrets(case: &Case) {
    for name in OF_THE_USER {
        cluster::request(Method::DELETE, &format!("{}/{name}", secrets(case)), None);
    }
}

fn secrets(case: &Case) -> String {
    format!("/api/v1/namespaces/{}/secrets", case.namespace)
}

fn custom_resources(case: &Case, shape: Shape) -> Vec<Json> {
    let collection = |kind: &&str| format!("{OPERATOR}/namespaces/{}/{kind}", case.namespace);
    shape.kinds().iter().map(collection).flat_map(|path| cluster::get(&path).items()).collect()
}

/// Whether the operator has made its first write, which adds its finalizer.
pub fn written_by_the_operator(case: &Case, shape: Shape) -> bool {
    let has_finalizer =
        |object: &Json| object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    custom_resources(case, shape).iter().all(has_finalizer)
}

pub fn world(case: &Case, shape: Shape) -> World {
    let ours = |group: &str, plural: &str| {
        cluster::get(&format!("{group}/namespaces/{}/{plural}{OURS}", case.namespace)).items()
    };
    let mut world = World::new();
    for object in custom_resources(case, shape) {
        put(&mut world, object["kind"].as_str().unwrap_or_default(), &object);
    }
    for (group, kind, plural) in OBJECTS {
        for object in ours(group, plural) {
            put(&mut world, kind, &object);
        }
    }
    world
}

fn put(world: &mut World, kind: &str, object: &Json) {
    let metadata = &object["metadata"];
    // A password is another one each time.
    let data = if kind == "Secret" { &Json::Null } else { &object["data"] };
    world.insert(
        format!("{kind} {}", metadata["name"].as_str().unwrap_or_default()),
        json!({
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
            "spec": object["spec"],
            "data": data,
        }),
    );
}

/// In which objects and fields two worlds differ.
pub fn differences(before: &World, after: &World) -> Vec<String> {
    let mut found = Vec::new();
    differ("", &json!(before), &json!(after), &mut found);
    found
}

fn differ(path: &str, before: &Json, after: &Json, found: &mut Vec<String>) {
    match (before, after) {
        (Json::Object(left), Json::Object(right)) => {
            for (name, value) in left {
                differ(&format!("{path}/{name}"), value, &after[name], found);
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                found.push(format!("{path}/{name}: nothing → {value}"));
            }
        }
        _ if before != after => found.push(format!("{path}: {before} → {after}")),
        _ => {}
    }
}
