//! Objects that the operator makes from the custom resources, and common questions about them: whether a
//! StatefulSet is at rest, which revision its pods have, whether a pod is Ready.

use serde_json::Value as Json;

use super::object::{at, count, label, list, name, text};
use super::topology::{Part, Topology, is_numbered};

/// The label with which the operator states the role of a pod.
pub const ROLE: &str = "redis-role";

/// The label with which the StatefulSet controller states the revision of a pod.
const REVISION: &str = "controller-revision-hash";

/// The objects that the operator made from the custom resources. A refresh looks only at StatefulSets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// The StatefulSets.
    pub stateful_sets: Vec<Json>,
    /// All Services of the instance.
    pub services: Vec<Json>,
    /// Its pods.
    pub pods: Vec<Json>,
    /// Its volume claims.
    pub claims: Vec<Json>,
}

impl Running {
    /// A StatefulSet by name.
    pub fn stateful_set(&self, wanted: &str) -> Option<&Json> {
        self.stateful_sets.iter().find(|one| name(one) == wanted)
    }

    /// A pod by name.
    pub fn pod(&self, wanted: &str) -> Option<&Json> {
        self.pods.iter().find(|one| name(one) == wanted)
    }

    /// The pods of a StatefulSet, by their names: a custom resource that bears the label `app` gives it to all its pods.
    pub fn pods_of<'a>(&'a self, stateful_set: &'a str) -> impl Iterator<Item = &'a Json> {
        self.pods.iter().filter(move |pod| is_numbered(stateful_set, name(pod)))
    }

    /// Leaves out what other instances have: a label that somebody has chosen may be theirs, too.
    pub fn retain_those_of(&mut self, topology: Topology, instance: &str) {
        let is_of = |is_it: fn(&Part, &str, &str) -> bool, object: &Json| {
            topology.parts().iter().any(|part| is_it(part, instance, name(object)))
        };
        self.stateful_sets.retain(|one| is_of(|part, instance, name| part.name(instance) == name, one));
        self.pods.retain(|one| is_of(|part, instance, name| part.has_pod(instance, name), one));
        self.claims.retain(|one| is_claim_of(topology, instance, one));
        let owners = |service: &Json| list(service, &["metadata", "ownerReferences"]).to_vec();
        let is_its = |owner: &Json| {
            text(owner, &["name"]) == Some(instance)
                && topology.kinds().iter().any(|kind| text(owner, &["kind"]) == Some(kind.kind()))
        };
        self.services.retain(|one| owners(one).iter().any(is_its));
    }

    /// Whether the StatefulSet of a part has that many pods, all of them Ready and of its revision. A part
    /// that needs no pods needs no StatefulSet. `Err` says what is missing.
    pub fn at_rest(&self, part: Part, instance: &str, replicas: i64) -> Result<(), String> {
        let app = part.name(instance);
        match self.stateful_set(&app) {
            Some(stateful_set) => rolled_out(stateful_set, replicas),
            None if replicas == 0 => Ok(()),
            None => Err(format!("the operator has not created the StatefulSet {app} yet")),
        }
    }

    /// Whether the pods of a StatefulSet are all Ready and of one revision, whoever replaces them. Until they
    /// are, the operator postpones other changes.
    pub fn is_of_one_revision(&self, app: &str) -> bool {
        self.stateful_set(app).is_some_and(|stateful_set| {
            let revision = |field| text(stateful_set, &["status", field]);
            is_acted_on(stateful_set)
                && revision("currentRevision") == revision("updateRevision")
                && count(stateful_set, &["status", "readyReplicas"])
                    == count(stateful_set, &["spec", "replicas"])
        })
    }

    /// The revision that the pods of a StatefulSet should have.
    pub fn revision(&self, app: &str) -> Option<&str> {
        text(self.stateful_set(app)?, &["status", "updateRevision"])
    }

    /// Whether any pod of a StatefulSet has an older revision.
    pub fn has_old_pods(&self, app: &str) -> bool {
        let is_made = self.stateful_set(app).is_some();
        self.pods_of(app).any(|pod| !is_made || !is_of(pod, self.revision(app)))
    }
}

impl Running {
    /// Whether a StatefulSet lacks pods that nobody has created yet.
    pub fn lacks_pods(&self) -> bool {
        self.stateful_sets.iter().any(|one| {
            let pods = i64::try_from(self.pods_of(name(one)).count()).unwrap_or(i64::MAX);
            is_acted_on(one) && pods < count(one, &["spec", "replicas"])
        })
    }
}

/// Whether pods start with objects of that kind.
pub fn is_for_pods(kind: &str) -> bool {
    ["Secret", "ConfigMap"].contains(&kind)
}

/// Whether a pod may start, or start again, with that Secret or ConfigMap: a StatefulSet refers to it, or has pods
/// of an older revision, as a partition and `OnDelete` leave them on purpose.
pub fn may_need<'a>(mut stateful_sets: impl Iterator<Item = &'a Json>, kind: &str, wanted: &str) -> bool {
    is_for_pods(kind)
        && stateful_sets.any(|one| {
            !is_acted_on(one)
                || count(one, &["status", "updatedReplicas"]) < count(one, &["spec", "replicas"])
                || refers_to(at(one, &["spec", "template", "spec"]), wanted)
        })
}

/// Whether a claim is of that instance: by its name, or by the operator's label, since the operator can be configured to
/// call the claims otherwise.
pub fn is_claim_of(topology: Topology, instance: &str, claim: &Json) -> bool {
    let is_labelled = |part: &Part| {
        label(claim, "app") == Some(part.name(instance).as_str())
            && label(claim, "redis_setup_type") == Some(part.setup())
    };
    topology.has_claim(instance, name(claim)) || topology.parts().iter().any(is_labelled)
}

/// Whether anything in a pod's spec refers to a Secret or ConfigMap of that name: a volume, a variable, a source of
/// variables.
fn refers_to(spec: &Json, wanted: &str) -> bool {
    const REFERENCES: [&str; 7] = [
        "configMap",
        "configMapKeyRef",
        "configMapRef",
        "secret",
        "secretKeyRef",
        "secretRef",
        "imagePullSecrets",
    ];
    let is_it = |reference: &Json| {
        ["name", "secretName"].iter().any(|field| text(reference, &[field]) == Some(wanted))
    };
    match spec {
        Json::Object(fields) => fields.iter().any(|(field, value)| {
            (REFERENCES.contains(&field.as_str()) && is_it(value)) || refers_to(value, wanted)
        }),
        Json::Array(items) => items.iter().any(|item| refers_to(item, wanted)),
        _ => false,
    }
}

/// Whether a pod has that revision.
pub fn is_of(pod: &Json, revision: Option<&str>) -> bool {
    revision_of(pod) == revision
}

/// The revision of a pod that a StatefulSet made.
pub fn revision_of(pod: &Json) -> Option<&str> {
    label(pod, REVISION)
}

/// Whether some pods of a StatefulSet have not got its newest revision yet.
pub fn has_two_revisions(stateful_set: &Json) -> bool {
    let revision = |field| text(stateful_set, &["status", field]);
    revision("currentRevision") != revision("updateRevision")
}

/// Whether the StatefulSet controller has processed the StatefulSet.
pub fn is_acted_on(stateful_set: &Json) -> bool {
    count(stateful_set, &["status", "observedGeneration"]) == count(stateful_set, &["metadata", "generation"])
}

/// The StatefulSet controller has recreated all pods that it may recreate, and they are Ready; the operator
/// checks the same. `OnDelete` and a partition leave pods of the old revision on purpose.
pub fn rolled_out(stateful_set: &Json, replicas: i64) -> Result<(), String> {
    let status = |field| count(stateful_set, &["status", field]);
    let revision = |field| text(stateful_set, &["status", field]);
    if !is_acted_on(stateful_set) {
        return Err(format!("the StatefulSet {} has not been processed yet", name(stateful_set)));
    }
    if count(stateful_set, &["spec", "replicas"]) != replicas {
        return Err(format!("the StatefulSet {} does not have {replicas} pods yet", name(stateful_set)));
    }
    let strategy = at(stateful_set, &["spec", "updateStrategy"]);
    let partition = count(strategy, &["rollingUpdate", "partition"]);
    let on_delete = text(strategy, &["type"]) == Some("OnDelete");
    let rolling = if on_delete { 0 } else { (replicas - partition).max(0) };
    let whole = !on_delete && partition == 0;
    if status("updatedReplicas") < rolling
        || (whole && revision("currentRevision") != revision("updateRevision"))
    {
        return Err(format!("{} of {replicas} pods have the new revision", status("updatedReplicas")));
    }
    if status("readyReplicas") != replicas {
        return Err(format!("{} of {replicas} pods are Ready", status("readyReplicas")));
    }
    Ok(())
}

/// Whether the node reports the pod as Ready.
pub fn is_ready(pod: &Json) -> bool {
    list(pod, &["status", "conditions"])
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The address of a pod.
pub fn address(pod: &Json) -> Option<&str> {
    text(pod, &["status", "podIP"])
}

/// When somebody last restarted the pods with `kubectl rollout restart`. The operator takes the mark away when it next
/// writes the StatefulSet, which restarts the pods once more.
pub fn restarted_at(stateful_set: &Json) -> Option<&str> {
    const MARK: &str = "kubectl.kubernetes.io/restartedAt";
    text(stateful_set, &["spec", "template", "metadata", "annotations", MARK])
}

/// The image of Redis in a pod.
pub fn image_of_pod(pod: &Json) -> Option<&str> {
    list(pod, &["spec", "containers"]).first().and_then(|container| text(container, &["image"]))
}

/// The image of the pods, according to the StatefulSet.
pub fn image(stateful_set: &Json) -> Option<&str> {
    let containers = list(stateful_set, &["spec", "template", "spec", "containers"]);
    containers.first().and_then(|container| text(container, &["image"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::serving;
    use super::super::topology::Topology;
    use super::*;

    #[test]
    fn a_partition_and_on_delete_leave_old_pods_on_purpose() {
        let mut stateful_set = serving(Topology::Standalone).stateful_sets.remove(0);
        stateful_set["status"]["updatedReplicas"] = json!(0);
        stateful_set["status"]["currentRevision"] = json!("a");
        assert!(rolled_out(&stateful_set, 1).is_err());
        for strategy in [
            json!({ "type": "OnDelete" }),
            json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } }),
        ] {
            stateful_set["spec"]["updateStrategy"] = strategy.clone();
            assert_eq!(rolled_out(&stateful_set, 1), Ok(()), "{strategy}");
        }
    }

    #[test]
    fn a_part_without_pods_needs_no_stateful_set() {
        let [leaders, followers] = Topology::Cluster.parts() else { panic!("two parts") };
        let mut running = serving(Topology::Cluster);
        assert_eq!(running.at_rest(*followers, "cache", 3), Ok(()));
        running.stateful_sets.pop();
        assert_eq!(running.at_rest(*followers, "cache", 0), Ok(()));
        assert!(running.at_rest(*followers, "cache", 3).is_err());
        assert!(running.at_rest(*leaders, "cache", 4).is_err(), "it has three pods");
    }

    #[test]
    fn a_configuration_stays_as_long_as_a_pod_may_start_with_it() {
        let mut running = serving(Topology::Standalone);
        let replicas = running.stateful_sets[0]["spec"]["replicas"].clone();
        running.stateful_sets[0]["status"]["updatedReplicas"] = replicas;
        let may_need = |running: &Running, kind, name| may_need(running.stateful_sets.iter(), kind, name);
        assert!(!may_need(&running, "ConfigMap", "old"));
        let mut refers = running.clone();
        refers.stateful_sets[0]["spec"]["template"]["spec"]["volumes"] =
            json!([{ "configMap": { "name": "old" } }]);
        assert!(may_need(&refers, "ConfigMap", "old") && !may_need(&refers, "ConfigMap", "older"));
        let variable = json!({ "valueFrom": { "secretKeyRef": { "name": "auth", "key": "password" } } });
        refers.stateful_sets[0]["spec"]["template"]["spec"]["containers"] = json!([{ "env": [variable] }]);
        assert!(may_need(&refers, "Secret", "auth"));
        // A partition leaves a pod of the old revision.
        running.stateful_sets[0]["status"]["updatedReplicas"] = json!(0);
        assert!(may_need(&running, "ConfigMap", "old"));
        assert!(!may_need(&running, "Service", "old"));
    }

    #[test]
    fn pods_of_two_revisions() {
        let mut running = serving(Topology::Replication);
        assert!(running.is_of_one_revision("cache") && !running.has_old_pods("cache"));
        running.pods[1]["metadata"]["labels"][REVISION] = json!("a");
        assert!(running.has_old_pods("cache"));
        running.stateful_sets[0]["metadata"]["generation"] = json!(9);
        assert!(!running.is_of_one_revision("cache"), "the controller has not looked yet");
    }
}
