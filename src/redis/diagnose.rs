//! Why Redis does not become Ready, in the cluster's own words: pods, claims, events, the operator.

use serde_json::Value as Json;

use super::object::{at, count, list, name, text};
use super::running::Running;
use super::waiting::{Cause, Waiting};

/// Number of crashes after which waiting ends.
pub const CRASHES: i64 = 3;

/// The first problem that prevents a pod from becoming Ready; `None` if there is none yet.
pub fn pods(pods: &[Json], claims: &[Json]) -> Option<Waiting> {
    pods.iter().find_map(container_trouble).or_else(|| pods.iter().find_map(|pod| unscheduled(pod, claims)))
}

fn container_trouble(pod: &Json) -> Option<Waiting> {
    let statuses = ["initContainerStatuses", "containerStatuses"];
    statuses.iter().flat_map(|field| list(pod, &["status", field])).find_map(|status| {
        let Some(reason) = text(status, &["state", "waiting", "reason"]) else {
            return has_crashed(status)
                .then(|| Waiting::new(Cause::Crash, crash(name(pod), name_of(status), status)));
        };
        let message = text(status, &["state", "waiting", "message"]).unwrap_or("no message");
        let image = text(status, &["image"]).unwrap_or_default();
        let (pod, container) = (name(pod), name_of(status));
        let (cause, why) = match reason {
            "InvalidImageName" => {
                (Cause::ImageName, format!("the image reference {image:?} is malformed: {message}"))
            }
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" => {
                (Cause::Image, format!("pod {pod} cannot pull the image {image}: {message}"))
            }
            "CreateContainerConfigError" | "CreateContainerError" => {
                (Cause::Reference, format!("pod {pod} cannot start its container {container}: {message}"))
            }
            "CrashLoopBackOff" => (Cause::Crash, crash(pod, container, status)),
            _ => return None,
        };
        Some(Waiting::new(cause, why))
    })
}

/// Between a crash and the pause before the next start, the status of a container does not say that it waits.
fn has_crashed(status: &Json) -> bool {
    let ended = |state: &str| count(status, &[state, "terminated", "exitCode"]) != 0;
    at(status, &["ready"]) == &Json::Bool(false) && (ended("state") || ended("lastState"))
}

fn crash(pod: &str, container: &str, status: &Json) -> String {
    let last = at(status, &["lastState", "terminated"]);
    let reason = text(last, &["reason"]).unwrap_or("Error");
    let code = count(last, &["exitCode"]);
    let times = count(status, &["restartCount"]);
    format!(
        "container {container} of pod {pod} crashed {times} times, most recently with exit code {code} \
         ({reason})"
    )
}

fn name_of(status: &Json) -> &str {
    text(status, &["name"]).unwrap_or_default()
}

/// Words with which the scheduler says that a volume is missing, not a node.
const ABOUT_VOLUMES: [&str; 4] =
    ["persistentvolumeclaim", "storageclass", "persistent volume", "volume node affinity"];

fn unscheduled(pod: &Json, claims: &[Json]) -> Option<Waiting> {
    let condition = list(pod, &["status", "conditions"])
        .iter()
        .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")?;
    let message = text(condition, &["message"]).unwrap_or("no message");
    let (pod, lower) = (name(pod), message.to_lowercase());
    if !ABOUT_VOLUMES.iter().any(|words| lower.contains(words)) {
        return Some(Waiting::new(Cause::Unschedulable, format!("no node can run pod {pod}: {message}")));
    }
    let pending: Vec<String> = claims
        .iter()
        .filter(|claim| text(claim, &["status", "phase"]) == Some("Pending"))
        .map(|claim| {
            let class = text(claim, &["spec", "storageClassName"]).unwrap_or("(none)");
            format!("the volume claim {} (storage class {class}) is not bound", name(claim))
        })
        .collect();
    let claims = if pending.is_empty() { String::new() } else { format!("{}; ", pending.join(", ")) };
    Some(Waiting::new(Cause::Claim, format!("{claims}pod {pod} waits for its volume: {message}")))
}

/// The container whose log explains a crash: pod and container name.
pub fn crashing(pods: &[Json]) -> Option<(String, String)> {
    pods.iter().find_map(|pod| {
        list(pod, &["status", "containerStatuses"])
            .iter()
            .chain(list(pod, &["status", "initContainerStatuses"]))
            .find(|status| {
                text(status, &["state", "waiting", "reason"]) == Some("CrashLoopBackOff")
                    || !at(status, &["lastState", "terminated"]).is_null()
                    || !at(status, &["state", "terminated"]).is_null()
            })
            .map(|status| (name(pod).to_owned(), name_of(status).to_owned()))
    })
}

/// How often the containers have ended.
pub fn crashes(pods: &[Json]) -> i64 {
    pods.iter()
        .flat_map(|pod| list(pod, &["status", "containerStatuses"]))
        .map(|status| {
            count(status, &["restartCount"])
                + i64::from(
                    !at(status, &["lastState", "terminated"]).is_null()
                        && text(status, &["state", "waiting", "reason"]) == Some("CrashLoopBackOff"),
                )
        })
        .max()
        .unwrap_or(0)
}

/// The newest warnings among events that concern the instance's objects: `FailedScheduling: …`.
pub fn warnings(events: &[Json], instance: &str, running: Option<&Running>) -> Vec<String> {
    let mut found: Vec<(&str, String)> = events
        .iter()
        .filter(|event| text(event, &["type"]) == Some("Warning"))
        .filter(|event| {
            let about = text(event, &["involvedObject", "name"]).unwrap_or_default();
            about == instance || about.strip_prefix(instance).is_some_and(|rest| rest.starts_with('-'))
        })
        .filter(|event| !is_of_another_life(event, running))
        .map(|event| {
            let when = text(event, &["lastTimestamp"]).or(text(event, &["eventTime"])).unwrap_or_default();
            let part = |path: &[&str]| text(event, path).unwrap_or_default().to_owned();
            let about = (part(&["involvedObject", "kind"]), part(&["involvedObject", "name"]));
            (when, format!("{} {}: {}: {}", about.0, about.1, part(&["reason"]), part(&["message"])))
        })
        .collect();
    found.sort();
    found.dedup_by(|left, right| left.1 == right.1);
    found.into_iter().rev().take(4).map(|(_, line)| line).collect()
}

/// Why the API server does not let the StatefulSet controller make a pod or a claim, as the newest event about it
/// says, and when it was; the custom resource and the StatefulSet are accepted all the same.
pub fn refused_pods(events: &[Json], running: &Running) -> Option<(String, Waiting)> {
    let is_refusal = |event: &&Json| {
        text(event, &["reason"]) == Some("FailedCreate")
            && text(event, &["involvedObject", "kind"]) == Some("StatefulSet")
            && !is_of_another_life(event, Some(running))
            && running
                .stateful_sets
                .iter()
                .any(|one| Some(name(one)) == text(event, &["involvedObject", "name"]))
    };
    let when =
        |event: &&Json| text(event, &["lastTimestamp"]).or(text(event, &["eventTime"])).map(str::to_owned);
    let newest = events.iter().filter(is_refusal).max_by_key(when)?;
    let when = when(&newest)?;
    let message = text(newest, &["message"]).unwrap_or_default();
    let cause = if message.contains("exceeded quota") { Cause::Quota } else { Cause::PodsRefused };
    Some((when, Waiting::new(cause, format!("a pod cannot be created: {message}"))))
}

/// Whether this event is about an earlier pod, claim or StatefulSet of the same name: events outlive their
/// objects.
fn is_of_another_life(event: &Json, running: Option<&Running>) -> bool {
    let Some(running) = running else { return false };
    let uid = text(event, &["involvedObject", "uid"]);
    let alive = |objects: &[Json]| objects.iter().any(|object| text(object, &["metadata", "uid"]) == uid);
    match text(event, &["involvedObject", "kind"]) {
        Some("Pod") => !alive(&running.pods),
        Some("PersistentVolumeClaim") => !alive(&running.claims),
        Some("StatefulSet") => !alive(&running.stateful_sets),
        _ => false,
    }
}

/// What the operator's Deployments, if they may be read, say about its absence.
pub fn operator(deployments: Option<&[Json]>, namespace: &str) -> String {
    let Some(deployments) = deployments else {
        return "The operator could not be checked, because these credentials may not list Deployments."
            .to_owned();
    };
    let operators: Vec<&Json> = deployments.iter().filter(|deployment| is_operator(deployment)).collect();
    let Some(operator) = operators.first() else {
        return "No Deployment of the operator was found in this cluster. Install the operator (Helm chart \
                ot-helm/redis-operator), or check that it runs elsewhere."
            .to_owned();
    };
    let place =
        format!("{}/{}", text(operator, &["metadata", "namespace"]).unwrap_or_default(), name(operator));
    if count(operator, &["status", "readyReplicas"]) == 0 {
        return format!(
            "The operator's Deployment {place} has no ready pod. See `kubectl -n {} describe deployment {}`.",
            text(operator, &["metadata", "namespace"]).unwrap_or_default(),
            name(operator)
        );
    }
    match watched(operator) {
        Some(watched) if !watched.split(',').any(|one| one.trim() == namespace) => format!(
            "The operator {place} runs, but watches only the namespaces {watched} (WATCH_NAMESPACE). Add \
             {namespace} to WATCH_NAMESPACE, or use a namespace that the operator watches."
        ),
        _ => format!(
            "The operator {place} runs. See its log: `kubectl -n {} logs deployment/{}`.",
            text(operator, &["metadata", "namespace"]).unwrap_or_default(),
            name(operator)
        ),
    }
}

/// Where the operator's pods are, and which of their containers is the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The namespace.
    pub namespace: String,
    /// The selector of the pods.
    pub selector: String,
    /// The name of the container: a pod may have others, such as a proxy of a mesh.
    pub container: String,
}

/// The operator's pods.
pub fn operators(deployments: &[Json]) -> Vec<Operator> {
    let place = |deployment: &Json| {
        let labels = at(deployment, &["spec", "selector", "matchLabels"]).as_object()?;
        let selector: Vec<String> =
            labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
        Some(Operator {
            namespace: text(deployment, &["metadata", "namespace"])?.to_owned(),
            selector: selector.join(","),
            container: name_of(containers(deployment).iter().find(|one| runs_operator(one))?).to_owned(),
        })
    };
    deployments.iter().filter_map(place).collect()
}

fn is_operator(deployment: &Json) -> bool {
    containers(deployment).iter().any(runs_operator)
}

/// By the name of the image, which a mirror may have prefixed, or by a variable that only this operator has.
fn runs_operator(container: &Json) -> bool {
    const VARIABLES: [&str; 2] = ["INIT_CONTAINER_IMAGE", "SERVICE_DNS_DOMAIN"];
    let image = text(container, &["image"]).unwrap_or_default();
    let last = image.rsplit('/').next().and_then(|last| last.split([':', '@']).next());
    last.is_some_and(|last| last.ends_with("redis-operator"))
        || list(container, &["env"]).iter().any(|one| VARIABLES.contains(&name_of(one)))
}

fn watched(deployment: &Json) -> Option<String> {
    containers(deployment)
        .iter()
        .flat_map(|container| list(container, &["env"]))
        .find(|variable| text(variable, &["name"]) == Some("WATCH_NAMESPACE"))
        .and_then(|variable| text(variable, &["value"]))
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

fn containers(deployment: &Json) -> &[Json] {
    list(deployment, &["spec", "template", "spec", "containers"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: Json) -> Json {
        json!({ "metadata": { "name": "cache-0", "uid": "new" }, "status": status })
    }

    fn waiting_for(reason: &str) -> Json {
        pod(
            json!({ "containerStatuses": [{ "name": "cache", "state": { "waiting": { "reason": reason } } }] }),
        )
    }

    #[test]
    fn every_reason_has_its_cause() {
        for (reason, cause) in [
            ("InvalidImageName", Some(Cause::ImageName)),
            ("ErrImagePull", Some(Cause::Image)),
            ("ImagePullBackOff", Some(Cause::Image)),
            ("CreateContainerConfigError", Some(Cause::Reference)),
            ("CrashLoopBackOff", Some(Cause::Crash)),
            ("ContainerCreating", None),
            ("PodInitializing", None),
        ] {
            assert_eq!(pods(&[waiting_for(reason)], &[]).map(|found| found.cause), cause, "{reason}");
        }
        let crashed = pod(json!({ "containerStatuses": [{
            "name": "cache", "ready": false, "restartCount": 1, "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 1 } },
        }] }));
        assert_eq!(pods(&[crashed], &[]).map(|found| found.cause), Some(Cause::Crash));
        for (message, cause) in [
            (
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
                Cause::Unschedulable,
            ),
            ("0/1 nodes are available: 1 Insufficient cpu.", Cause::Unschedulable),
            (
                "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
                Cause::Claim,
            ),
            ("persistentvolumeclaim \"cache-cache-0\" not found", Cause::Claim),
        ] {
            let claim = json!({ "metadata": { "name": "cache-cache-0" }, "status": { "phase": "Pending" } });
            let unscheduled = pod(json!({ "conditions": [{
                "type": "PodScheduled", "status": "False", "message": message,
            }] }));
            assert_eq!(pods(&[unscheduled], &[claim]).map(|found| found.cause), Some(cause), "{message}");
        }
        assert_eq!(pods(&[pod(json!({ "conditions": [] }))], &[]), None);
    }

    #[test]
    fn events_of_an_earlier_pod_of_that_name_are_left_out() {
        let event = |uid: &str, message: &str| {
            json!({
                "type": "Warning", "reason": "Failed", "message": message, "lastTimestamp": "2026-01-01T00:00:00Z",
                "involvedObject": { "kind": "Pod", "name": "cache-0", "uid": uid },
            })
        };
        let running = Running { pods: vec![pod(json!({}))], ..Running::default() };
        let events = [event("old", "long ago"), event("new", "now")];
        assert_eq!(warnings(&events, "cache", Some(&running)), ["Pod cache-0: Failed: now"]);
        assert_eq!(warnings(&events, "cach", Some(&running)), Vec::<String>::new(), "another instance");
    }

    #[test]
    fn the_operator_is_absent_down_or_blind() {
        let deployment = |ready: i64, watched: &str| {
            json!({
                "metadata": { "name": "redis-operator", "namespace": "ops" },
                "spec": { "template": { "spec": { "containers": [{
                    "image": "quay.io/opstree/redis-operator:v0.26.0",
                    "env": [{ "name": "WATCH_NAMESPACE", "value": watched }],
                }] } } },
                "status": { "readyReplicas": ready },
            })
        };
        for (deployments, part) in [
            (None, "may not list Deployments"),
            (Some(vec![]), "No Deployment of the operator"),
            (Some(vec![deployment(0, "")]), "has no ready pod"),
            (Some(vec![deployment(1, "other, another")]), "watches only the namespaces other, another"),
            (Some(vec![deployment(1, "other,redis")]), "runs. See its log"),
            (Some(vec![deployment(1, "")]), "runs. See its log"),
        ] {
            let said = operator(deployments.as_deref(), "redis");
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn the_operator_is_known_by_its_image_or_its_variables() {
        let deployment = |container: Json| {
            json!({
                "metadata": { "namespace": "system", "name": "anything" },
                "spec": {
                    "selector": { "matchLabels": { "app": "op" } },
                    "template": { "spec": { "containers": [{ "name": "proxy", "image": "mesh:1" }, container] } },
                },
            })
        };
        let found = Operator {
            namespace: "system".to_owned(),
            selector: "app=op".to_owned(),
            container: "manager".to_owned(),
        };
        for container in [
            json!({ "name": "manager", "image": "quay.io/opstree/redis-operator:v0.26.0" }),
            json!({ "name": "manager", "image": "r.example.com/mirror/opstree-redis-operator@sha256:00" }),
            json!({ "name": "manager", "image": "ops:1", "env": [{ "name": "INIT_CONTAINER_IMAGE" }] }),
        ] {
            assert_eq!(operators(&[deployment(container)]), std::slice::from_ref(&found));
        }
        assert!(operators(&[deployment(json!({ "name": "manager", "image": "redis:7" }))]).is_empty());
    }

    #[test]
    fn refused_pods_are_told_from_slow_ones() {
        let event = |uid: &str, message: &str| {
            json!({
                "reason": "FailedCreate", "type": "Warning", "message": message,
                "involvedObject": { "kind": "StatefulSet", "name": "cache", "uid": uid },
                "lastTimestamp": "2026-01-01T00:00:00Z",
            })
        };
        let stateful_set = json!({ "metadata": { "name": "cache", "uid": "now" } });
        let running = Running { stateful_sets: vec![stateful_set], ..Running::default() };
        let policy = event("now", "pods \"cache-0\" is forbidden: violates PodSecurity");
        let (_, found) = refused_pods(&[policy], &running).unwrap();
        assert_eq!(found.cause, Cause::PodsRefused);
        assert!(found.why.contains("violates PodSecurity"), "{}", found.why);
        let quota = event("now", "pods \"cache-0\" is forbidden: exceeded quota: none");
        assert_eq!(refused_pods(&[quota], &running).unwrap().1.cause, Cause::Quota);
        assert_eq!(refused_pods(&[event("before", "no")], &running), None, "of another life");
    }
}
