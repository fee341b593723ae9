//! What a case left in its namespace, and how it is cleared away even after a failure.
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cluster;

const OPERATOR_GROUP: &str = "/apis/redis.redis.opstreelabs.in/v1beta2";
const OPERATOR_KINDS: [&str; 4] = ["redis", "redisreplications", "redissentinels", "redisclusters"];

/// Destroy itself waits until these are gone, so none may be there a moment later.
const OURS: [(&str, &str); 6] = [
    ("/apis/apps/v1", "statefulsets"),
    ("/api/v1", "services"),
    ("/api/v1", "persistentvolumeclaims"),
    ("/api/v1", "secrets"),
    ("/api/v1", "configmaps"),
    ("/apis/networking.k8s.io/v1", "networkpolicies"),
];

/// These go by the cluster's own garbage collection after their owner.
const COLLECTED: [(&str, &str); 3] = [
    ("/api/v1", "pods"),
    ("/apis/discovery.k8s.io/v1", "endpointslices"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
];

/// How long garbage collection may take; a pod has up to 30 s to end.
const COLLECTION_PATIENCE: Duration = Duration::from_secs(45);

/// How long the operator may take to let go of what bears its finalizer.
const FINALIZER_PATIENCE: Duration = Duration::from_secs(20);

/// What every namespace has from the start.
const INITIAL: [&str; 1] = ["configmaps/kube-root-ca.crt"];

/// Everything in the namespace that a destroy should have taken away, as `kind/name`.
pub fn leftovers(namespace: &str) -> Vec<String> {
    let mut found = ours(namespace);
    found.extend(COLLECTED.iter().flat_map(|(group, kind)| names(group, namespace, kind)));
    found
}

fn ours(namespace: &str) -> Vec<String> {
    let resources = OPERATOR_KINDS.iter().map(|kind| (OPERATOR_GROUP, *kind)).chain(OURS);
    let names = resources.flat_map(|(group, kind)| names(group, namespace, kind));
    names.filter(|name| !INITIAL.contains(&name.as_str())).collect()
}

/// The leftovers once garbage collection had its time; at once what destroy is to wait for itself.
pub fn settled(namespace: &str) -> Vec<String> {
    let strict = ours(namespace);
    if !strict.is_empty() {
        return strict;
    }
    collected(namespace)
}

fn collected(namespace: &str) -> Vec<String> {
    let end = Instant::now() + COLLECTION_PATIENCE;
    loop {
        let left = leftovers(namespace);
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        // Several kinds at once: no single watch tells when the last of them is gone.
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn collection(group: &str, namespace: &str, kind: &str) -> String {
    format!("{group}/namespaces/{namespace}/{kind}")
}

/// A kind that the cluster does not have (no operator) has no objects either.
fn items(group: &str, namespace: &str, kind: &str) -> Vec<Value> {
    cluster::get(&collection(group, namespace, kind)).items()
}

fn names(group: &str, namespace: &str, kind: &str) -> Vec<String> {
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    items(group, namespace, kind).iter().map(|item| format!("{kind}/{}", name(item))).collect()
}

impl Case {
    /// After a destroy: nothing of the instance may be left in the namespace.
    pub fn assert_nothing_left(&self) {
        let left = settled(&self.namespace);
        assert!(left.is_empty(), "left in namespace {}: {left:#?}", self.namespace);
    }

    /// After a destroy that found the custom resource gone and so had nothing to wait for: what belonged to it goes by
    /// itself, but has its time for it.
    pub fn assert_all_collected(&self) {
        let left = collected(&self.namespace);
        assert!(left.is_empty(), "left in namespace {}: {left:#?}", self.namespace);
    }
}

/// Clears the namespace away: first what has the operator's finalizer, while the operator can still serve it,
/// then the namespace. Never fails, since it also runs after a failure.
pub fn clean(namespace: &str) {
    for kind in OPERATOR_KINDS {
        cluster::request(Method::DELETE, &collection(OPERATOR_GROUP, namespace, kind), None);
    }
    let end = Instant::now() + FINALIZER_PATIENCE;
    for kind in OPERATOR_KINDS {
        while !items(OPERATOR_GROUP, namespace, kind).is_empty() {
            if Instant::now() > end {
                remove_finalizers(namespace, kind);
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    cluster::request(Method::DELETE, &format!("/api/v1/namespaces/{namespace}"), None);
}

/// No operator serves them (it is stopped or stuck): the namespace could never go.
fn remove_finalizers(namespace: &str, kind: &str) {
    for item in items(OPERATOR_GROUP, namespace, kind) {
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}/{name}", collection(OPERATOR_GROUP, namespace, kind));
        cluster::request(Method::PATCH, &path, Some(&json!({"metadata": {"finalizers": null}})));
    }
}
