//! When Redis serves: pure functions over observed objects that say *why not*.

use serde_json::Value as Json;

use super::diagnose;
use super::names::annotation;
use super::next::{Cause, Waiting};
use super::object::{annotation, at, count, is_terminating, label, list, name, text};
use super::opstree::{Kind, SKIP_RECONCILE};
use super::quantity::Quantity;

/// What the operator made of a custom resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// The StatefulSet.
    pub stateful_set: Option<Json>,
    /// All Services of the instance.
    pub services: Vec<Json>,
    /// Its pods.
    pub pods: Vec<Json>,
    /// Its volume claims.
    pub claims: Vec<Json>,
}

/// A `Redis` serves when the operator has seen this very spec and its one pod is Ready in the newest
/// revision. `Err` says what is missing.
pub fn standalone(custom_resource: &Json, running: &Running) -> Result<(), Waiting> {
    seen_by_operator(custom_resource, running)?;
    let Some(stateful_set) = &running.stateful_set else {
        return waiting(Cause::OperatorBehind, "the operator has not made the StatefulSet yet".to_owned());
    };
    if let Some(claim) = smaller_claim(custom_resource, running) {
        return waiting(Cause::OperatorBehind, format!("the operator has not grown the claim {claim} yet"));
    }
    rolled_out(stateful_set, 1).or_else(|why| match diagnose::pods(&running.pods, &running.claims) {
        Some(found) => Err(found),
        None => waiting(Cause::Starting, why),
    })
}

/// A pod of an older revision than the StatefulSet's that is not Ready and is not going: name and uid.
pub fn broken_pod(custom_resource: &Json, running: &Running) -> Option<(String, String)> {
    seen_by_operator(custom_resource, running).ok()?;
    let stateful_set = running.stateful_set.as_ref()?;
    if count(stateful_set, &["status", "observedGeneration"])
        != count(stateful_set, &["metadata", "generation"])
    {
        return None;
    }
    let wanted = text(stateful_set, &["status", "updateRevision"])?;
    let broken = |pod: &&Json| {
        label(pod, "controller-revision-hash").is_some_and(|revision| revision != wanted)
            && !is_ready(pod)
            && !is_terminating(pod)
    };
    let pod = running.pods.iter().find(broken)?;
    Some((name(pod).to_owned(), text(pod, &["metadata", "uid"])?.to_owned()))
}

fn is_ready(pod: &Json) -> bool {
    list(pod, &["status", "conditions"])
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The Services carry the hash of the spec that the operator read last, and it writes them after the
/// StatefulSet: the same hash on the Service proves that the StatefulSet is of this spec.
fn seen_by_operator(custom_resource: &Json, running: &Running) -> Result<(), Waiting> {
    let wanted = annotation(custom_resource, annotation::SPEC_HASH);
    let service = running.services.iter().find(|service| name(service) == name(custom_resource));
    if wanted.is_none() || service.is_some_and(|service| annotation(service, annotation::SPEC_HASH) == wanted)
    {
        return Ok(());
    }
    if annotation(custom_resource, SKIP_RECONCILE) == Some("true") {
        let why =
            format!("the custom resource bears {SKIP_RECONCILE}, with which the operator leaves it alone");
        return waiting(Cause::SkipReconcile, why);
    }
    let finalizers = list(custom_resource, &["metadata", "finalizers"]);
    if finalizers.iter().any(|finalizer| finalizer == Kind::Redis.finalizer()) {
        waiting(Cause::OperatorBehind, "the operator has not acted on this specification yet".to_owned())
    } else {
        waiting(Cause::OperatorAbsent, "no operator has touched the custom resource yet".to_owned())
    }
}

/// The StatefulSet controller has made all pods anew and they are Ready; the operator asks the same.
pub fn rolled_out(stateful_set: &Json, replicas: i64) -> Result<(), String> {
    let status = |field| count(stateful_set, &["status", field]);
    let revision = |field| text(stateful_set, &["status", field]);
    if status("observedGeneration") != count(stateful_set, &["metadata", "generation"]) {
        return Err("the StatefulSet has not been acted on yet".to_owned());
    }
    if count(stateful_set, &["spec", "replicas"]) != replicas {
        return Err(format!("the StatefulSet is not of {replicas} pods yet"));
    }
    if status("updatedReplicas") < replicas || revision("currentRevision") != revision("updateRevision") {
        return Err(format!("{} of {replicas} pods are of the new revision", status("updatedReplicas")));
    }
    if status("readyReplicas") != replicas {
        return Err(format!("{} of {replicas} pods are Ready", status("readyReplicas")));
    }
    Ok(())
}

/// A claim that still asks for less than the custom resource does.
fn smaller_claim(custom_resource: &Json, running: &Running) -> Option<String> {
    let template = ["spec", "storage", "volumeClaimTemplate", "spec", "resources", "requests", "storage"];
    let wanted = Quantity::parse(text(custom_resource, &template)?)?;
    let asks =
        |claim: &Json| text(claim, &["spec", "resources", "requests", "storage"]).and_then(Quantity::parse);
    running
        .claims
        .iter()
        .find(|claim| asks(claim).is_some_and(|size| size < wanted))
        .map(|claim| name(claim).to_owned())
}

/// What a deleted instance has left behind so far, in words.
pub fn left_over(running: &Running, volumes_stay: bool) -> Option<String> {
    let names = |objects: &[Json]| objects.iter().map(name).collect::<Vec<_>>().join(", ");
    if let Some(stateful_set) = &running.stateful_set {
        return Some(format!("the StatefulSet {} is still there", name(stateful_set)));
    }
    if !running.pods.is_empty() {
        return Some(format!("pods are still there: {}", names(&running.pods)));
    }
    if !running.services.is_empty() {
        return Some(format!("Services are still there: {}", names(&running.services)));
    }
    if !volumes_stay && !running.claims.is_empty() {
        return Some(format!("volume claims are still there: {}", names(&running.claims)));
    }
    None
}

/// A claim that nobody deletes although all else of a deleted instance is gone: the operator's finalizer deletes the
/// claims before the StatefulSet is collected, and until then its controller may make one again. Name and uid.
pub fn claim_made_anew(running: &Running) -> Option<(String, String)> {
    if running.stateful_set.is_some() || !running.pods.is_empty() {
        return None;
    }
    let claim = running.claims.iter().find(|claim| !is_terminating(claim))?;
    Some((name(claim).to_owned(), text(claim, &["metadata", "uid"])?.to_owned()))
}

/// What an earlier instance of that name, which is being deleted, has left behind so far. Claims that are not going
/// were kept on purpose.
pub fn left_of_another_life(running: &Running) -> Option<String> {
    let going = running.claims.iter().filter(|claim| is_terminating(claim)).cloned().collect();
    left_over(&Running { claims: going, ..running.clone() }, false)
}

/// Whether a Redis container is Ready, or has been and was restarted.
pub fn has_served(running: &Running) -> bool {
    running.pods.iter().any(|pod| is_ready(pod) && !is_terminating(pod))
        || running
            .stateful_set
            .as_ref()
            .is_some_and(|stateful_set| count(stateful_set, &["status", "readyReplicas"]) > 0)
}

/// The image that runs, as the StatefulSet has it.
pub fn image(stateful_set: &Json) -> Option<&str> {
    list(stateful_set, &["spec", "template", "spec", "containers"])
        .first()
        .and_then(|container| at(container, &["image"]).as_str())
}

fn waiting(cause: Cause, why: String) -> Result<(), Waiting> {
    Err(Waiting { cause, why })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn custom_resource() -> Json {
        json!({
            "metadata": { "name": "cache", "annotations": { annotation::SPEC_HASH: "2" }, "finalizers": ["redisFinalizer"] },
            "spec": { "storage": { "volumeClaimTemplate": { "spec": { "resources": { "requests": { "storage": "2Gi" } } } } } },
        })
    }

    fn serving() -> Running {
        Running {
            stateful_set: Some(json!({
                "metadata": { "name": "cache", "generation": 3 },
                "spec": { "replicas": 1 },
                "status": {
                    "observedGeneration": 3, "updatedReplicas": 1, "readyReplicas": 1,
                    "currentRevision": "b", "updateRevision": "b",
                },
            })),
            services: vec![
                json!({ "metadata": { "name": "cache", "annotations": { annotation::SPEC_HASH: "2" } } }),
            ],
            pods: Vec::new(),
            claims: vec![json!({
                "metadata": { "name": "cache-cache-0" },
                "spec": { "resources": { "requests": { "storage": "2Gi" } } },
            })],
        }
    }

    /// Each makes one thing untrue of an instance that serves.
    type Spoil = fn(&mut Json, &mut Running);

    #[test]
    fn ready_only_if_all_of_it_is_true() {
        assert_eq!(standalone(&custom_resource(), &serving()), Ok(()));
        let spoilt: [(Cause, Spoil); 10] = [
            (Cause::SkipReconcile, |custom_resource, running| {
                running.services.clear();
                custom_resource["metadata"]["annotations"][SKIP_RECONCILE] = json!("true");
            }),
            (Cause::OperatorBehind, |_, running| running.services.clear()),
            (Cause::OperatorBehind, |_, running| {
                running.services[0]["metadata"]["annotations"][annotation::SPEC_HASH] = json!("1");
            }),
            (Cause::OperatorAbsent, |custom_resource, running| {
                running.services.clear();
                custom_resource["metadata"]["finalizers"] = json!([]);
            }),
            (Cause::OperatorBehind, |_, running| running.stateful_set = None),
            (Cause::OperatorBehind, |_, running| {
                running.claims[0]["spec"]["resources"]["requests"]["storage"] = json!("1Gi");
            }),
            (Cause::Starting, |_, running| spoil(running, "observedGeneration", json!(2))),
            (Cause::Starting, |_, running| spoil(running, "currentRevision", json!("a"))),
            (Cause::Starting, |_, running| spoil(running, "readyReplicas", json!(0))),
            (Cause::Starting, |_, running| spoil(running, "updatedReplicas", json!(0))),
        ];
        for (index, (cause, spoil)) in spoilt.into_iter().enumerate() {
            let (mut custom_resource, mut running) = (custom_resource(), serving());
            spoil(&mut custom_resource, &mut running);
            let found = standalone(&custom_resource, &running).expect_err(&format!("case {index}")).cause;
            assert_eq!(found, cause, "case {index}");
        }
    }

    #[test]
    fn only_a_pod_of_an_older_revision_that_is_not_ready_is_broken() {
        let pod = |revision: &str, ready: &str| {
            json!({
                "metadata": { "name": "cache-0", "uid": "u", "labels": { "controller-revision-hash": revision } },
                "status": { "conditions": [{ "type": "Ready", "status": ready }] },
            })
        };
        for (pod, broken) in
            [(pod("a", "False"), true), (pod("a", "True"), false), (pod("b", "False"), false)]
        {
            let running = Running { pods: vec![pod.clone()], ..serving() };
            assert_eq!(broken_pod(&custom_resource(), &running).is_some(), broken, "{pod}");
        }
    }

    fn spoil(running: &mut Running, field: &str, value: Json) {
        if let Some(stateful_set) = &mut running.stateful_set {
            stateful_set["status"][field] = value;
        }
    }

    #[test]
    fn what_keeps_the_pod_from_starting_is_said() {
        let mut running = serving();
        spoil(&mut running, "readyReplicas", json!(0));
        running.pods = vec![json!({
            "metadata": { "name": "cache-0" },
            "status": { "containerStatuses": [{
                "name": "cache", "image": "redis:nope",
                "state": { "waiting": { "reason": "ImagePullBackOff", "message": "not found" } },
            }] },
        })];
        let waiting = standalone(&custom_resource(), &running).unwrap_err();
        assert_eq!(waiting.cause, Cause::Image);
        assert_eq!(waiting.why, "pod cache-0 cannot pull the image redis:nope: not found");
    }
}
