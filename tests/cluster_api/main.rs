//! What the fakes assume of an API server, checked against a real one.
//!
//! Each test of `src/kubernetes/` that plays a server has its twin here. Skipped, with one line, where
//! `REDIS_DEV_KUBECONFIG` names no cluster. Every run uses a namespace of its own and deletes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and what it prints shows how the sentences read"
)]

mod pods;
mod refused;

use std::time::Duration;

use serde_json::{Value, json};
use terraform_provider_redis::kubernetes::{
    Apply, Cause, Cluster, Content, Deletion, Error, Involved, LogOptions, Lookup, Metadata as _, ObjectRef,
    Propagation, Resource, Selection, Settings,
};
use tokio::time::Instant;

const NAMESPACE: &str = "kubernetes-module-test";

static NAMESPACES: Resource =
    Resource { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };
static CONFIG_MAP: Resource =
    Resource { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };
static SECRET: Resource =
    Resource { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };
static POD: Resource = Resource { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
static STATEFUL_SET: Resource =
    Resource { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets", namespaced: true };
static QUOTA: Resource =
    Resource { group: "", version: "v1", kind: "ResourceQuota", plural: "resourcequotas", namespaced: true };
static ACCOUNT: Resource = Resource {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    namespaced: true,
};
static DEFINITION: Resource = Resource {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
};
static POLICY: Resource = Resource {
    group: "admissionregistration.k8s.io",
    version: "v1",
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    namespaced: false,
};
static POLICY_BINDING: Resource = Resource {
    group: "admissionregistration.k8s.io",
    version: "v1",
    kind: "ValidatingAdmissionPolicyBinding",
    plural: "validatingadmissionpolicybindings",
    namespaced: false,
};
static GADGET: Resource = Resource {
    group: "kubernetes-module-test.example.org",
    version: "v1",
    kind: "Gadget",
    plural: "gadgets",
    namespaced: true,
};
static NOT_IN_GROUP: Resource =
    Resource { group: "apps", version: "v1", kind: "Gadget", plural: "gadgets", namespaced: true };

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn named(resource: &'static Resource, name: &str) -> ObjectRef {
    ObjectRef::namespaced(resource, NAMESPACE, name)
}

fn kubeconfig() -> Option<String> {
    let path = std::env::var("REDIS_DEV_KUBECONFIG").ok().filter(|path| !path.is_empty());
    if path.is_none() {
        println!("skipped: REDIS_DEV_KUBECONFIG names no cluster");
    }
    path
}

fn how(force: bool, uid: Option<&str>) -> Apply<'_> {
    Apply { force, uid, deadline: soon() }
}

#[tokio::test]
async fn a_real_cluster_behaves_as_the_fakes_do() {
    let Some(path) = kubeconfig() else { return };
    let cluster = Cluster::new(Settings { config_path: Some(path.clone()), ..Settings::default() });
    let namespace = ObjectRef::cluster_wide(&NAMESPACES, NAMESPACE);
    gone(&cluster, &namespace).await;
    cluster.create(&namespace, &json!({}), soon()).await.unwrap();

    not_found(&cluster).await;
    writing(&cluster).await;
    sharing(&cluster).await;
    refused::refusals(&cluster).await;
    refused::rights(&cluster, &path).await;
    refused::certificates(&path).await;
    watching(&cluster).await;
    pods(&cluster).await;

    terminating(&cluster, &namespace).await;
    gone(&cluster, &namespace).await;
}

/// The kinds of 404.
async fn not_found(cluster: &Cluster) {
    assert_eq!(cluster.get(&named(&CONFIG_MAP, "absent"), soon()).await.unwrap(), Lookup::Absent);
    assert_eq!(cluster.get(&named(&STATEFUL_SET, "absent"), soon()).await.unwrap(), Lookup::Absent);
    assert_eq!(cluster.get_metadata(&named(&SECRET, "absent"), soon()).await.unwrap(), Lookup::Absent);
    let elsewhere = ObjectRef::namespaced(&CONFIG_MAP, "no-such-namespace", "absent");
    assert_eq!(cluster.get(&elsewhere, soon()).await.unwrap(), Lookup::Absent);
    assert_eq!(cluster.get(&named(&GADGET, "absent"), soon()).await.unwrap(), Lookup::KindMissing);
    assert_eq!(cluster.get(&named(&NOT_IN_GROUP, "absent"), soon()).await.unwrap(), Lookup::KindMissing);
    let error = cluster.list(&GADGET, Some(NAMESPACE), None, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::KindNotServed { .. }), "{error}");
    let error = cluster.apply(&named(&GADGET, "a"), &json!({}), how(false, None)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::KindNotServed { .. }), "{error}");
    let error = cluster.create(&elsewhere, &json!({}), soon()).await.unwrap_err();
    assert!(
        matches!(&error.cause, Cause::NamespaceMissing { namespace } if namespace == "no-such-namespace"),
        "{error}"
    );
    let error = cluster.apply(&elsewhere, &json!({}), how(false, None)).await.unwrap_err();
    assert!(matches!(&error.cause, Cause::NamespaceMissing { .. }), "{error}");
    let deletion = cluster.delete(&named(&CONFIG_MAP, "absent"), None, Propagation::Background, soon()).await;
    assert_eq!(deletion.unwrap(), Deletion::Absent);
    let deletion =
        cluster.delete(&named(&GADGET, "absent"), Some("u"), Propagation::Background, soon()).await;
    assert_eq!(deletion.unwrap(), Deletion::KindMissing);
}

/// Apply, create, patch, delete, and what guards them.
async fn writing(cluster: &Cluster) {
    let map = named(&CONFIG_MAP, "writing");
    let body = json!({"data": {"a": "1"}});
    let created = cluster.apply(&map, &body, how(false, None)).await.unwrap();
    let uid = created.uid().unwrap().to_owned();
    assert_eq!(created["metadata"]["managedFields"][0]["manager"], "terraform-provider-redis");

    let error = cluster.create(&map, &body, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::AlreadyExists), "{error}");
    println!("{error}");

    // Another manager takes the field by an update; then we conflict, and name it.
    kubectl(&["annotate", "configmap", "writing", "example.org/by=kubectl"]);
    kubectl(&["patch", "configmap", "writing", "--type=merge", "-p", r#"{"data":{"a":"2"}}"#]);
    let error = cluster.apply(&map, &body, how(false, Some(&uid))).await.unwrap_err();
    let Cause::Conflict { fields } = &error.cause else { panic!("{error}") };
    assert_eq!(fields[0].manager, "kubectl-patch");
    assert_eq!(fields[0].field, ".data.a");
    println!("{error}");
    let forced = cluster.apply(&map, &body, how(true, Some(&uid))).await.unwrap();
    assert_eq!(forced["data"]["a"], "1");

    let error =
        cluster.apply(&map, &json!({"data": {"a": "1"}, "dta": {}}), how(false, None)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Invalid { .. }), "{error}");
    println!("{error}");
    let set = named(&STATEFUL_SET, "strict");
    let error = cluster.create(&set, &json!({"spec": {"replica": 1}}), soon()).await.unwrap_err();
    let Cause::Invalid { problems } = &error.cause else { panic!("{error}") };
    assert_eq!(problems[0].field, "spec.replica");
    println!("{error}");
    let error = cluster.create(&named(&POD, "Not-a-name"), &json!({"spec": {}}), soon()).await.unwrap_err();
    println!("{error}");
    let error = cluster.create(&named(&POD, "empty"), &json!({"spec": {}}), soon()).await.unwrap_err();
    let Cause::Invalid { problems } = &error.cause else { panic!("{error}") };
    assert_eq!(problems[0].field, "spec.containers");
    println!("{error}");

    let patched =
        cluster.merge_patch(&map, &json!({"data": {"b": "2", "a": null}}), Some(&uid), soon()).await.unwrap();
    assert_eq!(patched["data"], json!({"b": "2"}));
    for error in [
        cluster.merge_patch(&map, &json!({"data": {"b": "3"}}), Some("another"), soon()).await.unwrap_err(),
        cluster.apply(&map, &body, how(true, Some("another"))).await.unwrap_err(),
        cluster.delete(&map, Some("another"), Propagation::Background, soon()).await.unwrap_err(),
    ] {
        assert!(matches!(error.cause, Cause::Replaced), "{error:?}");
    }
    let deletion = cluster.delete(&map, Some(&uid), Propagation::Foreground, soon()).await.unwrap();
    assert_eq!(deletion, Deletion::Begun);
    gone(cluster, &map).await;
    let error = cluster.apply(&map, &body, how(true, Some(&uid))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Replaced), "a deleted object must not come back: {error:?}");
    assert_eq!(cluster.get(&map, soon()).await.unwrap(), Lookup::Absent);
    let error = cluster.merge_patch(&map, &json!({}), None, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound), "{error:?}");
}

/// Shared reads see our own writes, and a Secret's data is never asked for.
async fn sharing(cluster: &Cluster) {
    let secret = named(&SECRET, "shared");
    let body = json!({"stringData": {"password": "hunter2"}});
    assert_eq!(cluster.get_shared(&secret, Content::Metadata, soon()).await.unwrap(), Lookup::Absent);
    cluster.create(&secret, &body, soon()).await.unwrap();
    let found = cluster.get_shared(&secret, Content::Metadata, soon()).await.unwrap().found().unwrap();
    assert_eq!((found.name(), &found["kind"], found.get("data")), ("shared", &json!("Secret"), None));
    let all = cluster.list(&SECRET, Some(NAMESPACE), None, soon()).await.unwrap();
    assert_eq!((all.len(), &all[0]["kind"]), (1, &json!("Secret")));
    let none = cluster.list(&SECRET, Some(NAMESPACE), Some("no=such"), soon()).await.unwrap();
    assert!(none.is_empty());

    let error = cluster
        .merge_patch(&secret, &json!({"data": {"password": "not base64: hunter2"}}), None, soon())
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    println!("{error}");
}

/// Watches: the whole picture first, then changes; a kind that appears is used, one that goes is missing again.
async fn watching(cluster: &Cluster) {
    let definition = ObjectRef::cluster_wide(&DEFINITION, "gadgets.kubernetes-module-test.example.org");
    gone(cluster, &definition).await;
    let gadget = named(&GADGET, "one");
    let secret = named(&SECRET, "shared");
    let mut watched = cluster.watch(vec![Selection::one(&gadget), Selection::one(&secret).metadata_only()]);
    watched.changed().await.unwrap();
    assert!(watched.kind_missing(&GADGET));
    let seen = watched.get(&secret).unwrap();
    assert_eq!((seen.name(), seen.get("data"), &seen["kind"]), ("shared", None, &json!("Secret")));

    cluster.apply(&definition, &gadgets(), how(false, None)).await.unwrap();
    let cluster_for_create = cluster.clone();
    let create = tokio::spawn(async move {
        eventually(|| async {
            let one = named(&GADGET, "one");
            cluster_for_create.apply(&one, &json!({"spec": {"size": 1}}), how(false, None)).await.ok()
        })
        .await
    });
    until(&mut watched, |watched| watched.get(&named(&GADGET, "one")).is_some()).await;
    assert!(!watched.kind_missing(&GADGET));
    let created = create.await.unwrap();
    let began = Instant::now();
    cluster.merge_patch(&gadget, &json!({"spec": {"size": 2}}), created.uid(), soon()).await.unwrap();
    until(&mut watched, |watched| watched.get(&gadget).is_some_and(|one| one["spec"]["size"] == 2)).await;
    println!("seen {} ms after the write began", began.elapsed().as_millis());
    // A custom resource validates strictly, too.
    let error = cluster.apply(&gadget, &json!({"spec": {"sise": 1}}), how(false, None)).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error.cause, Cause::Invalid { .. }), "{error:?}");
    let error = cluster.apply(&gadget, &json!({"spec": {"size": "x"}}), how(false, None)).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error.cause, Cause::Invalid { .. }), "{error:?}");

    cluster.delete(&definition, None, Propagation::Background, soon()).await.unwrap();
    until(&mut watched, |watched| watched.get(&gadget).is_none()).await;
    gone(cluster, &definition).await;
    let mut again = cluster.watch(vec![Selection::one(&gadget)]);
    until(&mut again, |watched| watched.kind_missing(&GADGET)).await;
}

/// Events and logs of a pod.
async fn pods(cluster: &Cluster) {
    let pod = named(&POD, "quiet");
    let body = json!({"spec": {"containers": [{"name": "a", "image": "registry.invalid/none:1"}]}});
    let created = eventually(|| async { cluster.create(&pod, &body, soon()).await.ok() }).await;
    let events = eventually(|| async {
        let events = cluster
            .events_of(NAMESPACE, Involved::Uid(created.uid().unwrap_or_default()), soon())
            .await
            .unwrap();
        Some(events).filter(|events| !events.is_empty())
    })
    .await;
    println!("{}: {}", events[0]["reason"], events[0]["message"]);
    // A pod without a node answers with an empty log, one with a node that its container waits.
    let last = || async {
        cluster.logs(&pod, LogOptions { tail_lines: Some(5), ..Default::default() }, soon()).await
    };
    println!("{}", eventually(|| async { last().await.err() }).await);
    let named = Involved::Named { kind: "Pod", name: "quiet" };
    assert!(!cluster.events_of(NAMESPACE, named, soon()).await.unwrap().is_empty());
}

async fn terminating(cluster: &Cluster, namespace: &ObjectRef) {
    let held = named(&CONFIG_MAP, "held");
    cluster.create(&held, &json!({"metadata": {"finalizers": ["example.org/held"]}}), soon()).await.unwrap();
    cluster.delete(namespace, None, Propagation::Background, soon()).await.unwrap();
    let error =
        eventually(|| async { cluster.create(&named(&CONFIG_MAP, "late"), &json!({}), soon()).await.err() })
            .await;
    assert!(matches!(error.cause, Cause::NamespaceTerminating { .. }), "{error:?}");
    println!("{error}");
    cluster.merge_patch(&held, &json!({"metadata": {"finalizers": null}}), None, soon()).await.unwrap();
}

fn gadgets() -> Value {
    json!({"spec": {
        "group": GADGET.group,
        "scope": "Namespaced",
        "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        }}}],
    }})
}

async fn until(
    watched: &mut terraform_provider_redis::kubernetes::Watched,
    done: impl Fn(&terraform_provider_redis::kubernetes::Watched) -> bool,
) {
    let waiting = async {
        while !done(watched) {
            watched.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it happens within a minute");
}

async fn eventually<T, F: Future<Output = Option<T>>>(mut attempt: impl FnMut() -> F) -> T {
    for _ in 0..300 {
        if let Some(found) = attempt().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not happen within 30 s");
}

async fn gone(cluster: &Cluster, object: &ObjectRef) {
    let deletion = cluster.delete(object, None, Propagation::Background, soon()).await;
    let _: Result<Deletion, Error> = deletion;
    for _ in 0..600 {
        if matches!(cluster.get(object, soon()).await.unwrap(), Lookup::Absent | Lookup::KindMissing) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{object} is still there");
}

fn kubectl(arguments: &[&str]) -> String {
    let program = std::env::var("REDIS_DEV_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let mut command = std::process::Command::new(program);
    command.args(["--kubeconfig", &kubeconfig().unwrap_or_default(), "-n", NAMESPACE]).args(arguments);
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}
