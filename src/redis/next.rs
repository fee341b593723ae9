//! What to do now. One pure function for apply and one for delete: they look at what is wanted and what is
//! observed, remember nothing, and so go on from wherever an earlier run was cut off.

use serde_json::Value as Json;

use super::names::annotation;
use super::object::{self, Difference, differences};
use super::opstree::{self, Kind};
use super::ready::{self, Running};

/// What is wanted, rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Kind of the custom resource.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The custom resource, without the mark of an unfinished run.
    pub custom_resource: Json,
    /// The ConfigMap with our part of redis.conf.
    pub config_map: Json,
    /// The Secret that we keep, by name; `None` where the user keeps one, or there is no password.
    pub secret: Option<String>,
    /// Whether this run makes the instance; otherwise it must be there.
    pub creating: bool,
    /// Make the namespace if it is not there.
    pub create_namespace: bool,
    /// Wait until Redis serves.
    pub wait: bool,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The custom resource.
    pub custom_resource: Option<Json>,
    /// Our ConfigMap, of the name that is wanted.
    pub config_map: Option<Json>,
    /// Whether the Secret that we keep is there.
    pub secret_exists: bool,
    /// Companion objects of this instance, whatever their name.
    pub companions: Vec<Companion>,
    /// Why the last write could not even be tried.
    pub obstacle: Option<Obstacle>,
    /// What runs; `None` while it is not being watched.
    pub running: Option<Running>,
}

/// An object of ours beside the custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its kind.
    pub kind: CompanionKind,
    /// Its name.
    pub name: String,
    /// Whether something owns it, so that the cluster deletes it with its owner.
    pub owned: bool,
}

/// The kinds of companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanionKind {
    /// Part of redis.conf.
    ConfigMap,
    /// The password.
    Secret,
}

/// What must exist before anything can be written, and may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The namespace.
    NamespaceMissing,
    /// The custom resource's definition.
    KindMissing,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing is left to do.
    Done,
    /// Something must happen first.
    Wait(Waiting),
    /// This, and then look again.
    Do(Step),
    /// Nothing will help.
    Stuck(Waiting),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The cause, which decides how long to be patient.
    pub cause: Cause,
    /// In words: what is missing, and what is known about it.
    pub why: String,
}

/// Why something is not as it should be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The namespace does not exist.
    NamespaceMissing,
    /// The operator's CRD does not exist.
    KindMissing,
    /// The operator has not touched the custom resource.
    OperatorAbsent,
    /// The operator has not acted on this spec.
    OperatorBehind,
    /// An annotation keeps the operator off.
    SkipReconcile,
    /// The image cannot be pulled.
    Image,
    /// The image reference is malformed.
    ImageName,
    /// A Secret or ConfigMap that a pod needs is missing.
    Reference,
    /// The container ends with an error, again and again.
    Crash,
    /// No node takes the pod.
    Unschedulable,
    /// A volume claim is not bound.
    Claim,
    /// The pod is on its way.
    Starting,
    /// An older object of that name is still being deleted.
    Terminating,
    /// The operator has not taken its finalizer away.
    Finalizer,
    /// It was deleted by somebody else meanwhile.
    Deleted,
    /// Somebody else changes it back.
    ChangedBack,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the namespace.
    CreateNamespace,
    /// Make the Secret with the password.
    CreateSecret(String),
    /// Write the ConfigMap.
    ApplyConfigMap,
    /// Write the custom resource, marked as unfinished.
    ApplyCustomResource {
        /// Of the object that is there, so that a deleted one is not brought back.
        uid: Option<String>,
        /// What is to change, for the log.
        differences: Vec<Difference>,
    },
    /// Begin to watch what runs.
    Watch,
    /// Delete a pod of an older revision that does not become Ready: the StatefulSet controller waits for it for
    /// ever before it makes a new one, so mending the cause would not be enough.
    DeletePod {
        /// Its name.
        name: String,
        /// Of this very pod.
        uid: String,
    },
    /// Delete a companion that is no longer wanted.
    DeleteCompanion(Companion),
    /// Take the mark of an unfinished run away.
    Finish {
        /// Of the custom resource.
        uid: Option<String>,
    },
    /// Let the custom resource own a companion: should this run be cut off once the custom resource is gone, no state
    /// would be left to tell of the companion.
    HandOver {
        /// Which.
        companion: Companion,
        /// Of the custom resource.
        uid: String,
    },
    /// Delete a volume claim that the StatefulSet controller made anew after the operator had deleted it.
    DeleteClaim {
        /// Its name.
        name: String,
        /// Of this very claim.
        uid: String,
    },
    /// Delete the custom resource.
    DeleteCustomResource {
        /// Of the custom resource.
        uid: Option<String>,
    },
}

impl Step {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Step::CreateNamespace => "create the namespace",
            Step::CreateSecret(_) => "create the Secret",
            Step::ApplyConfigMap => "write the ConfigMap",
            Step::ApplyCustomResource { .. } => "write the custom resource",
            Step::Watch => "watch",
            Step::DeletePod { .. } => "delete the broken pod of an older revision",
            Step::DeleteCompanion(_) => "delete what is no longer wanted",
            Step::Finish { .. } => "mark as finished",
            Step::DeleteClaim { .. } => "delete a volume claim that was made anew",
            Step::HandOver { .. } => "hand a companion over to the custom resource",
            Step::DeleteCustomResource { .. } => "delete the custom resource",
        }
    }
}

/// What apply is to do now.
pub fn next(desired: &Desired, observed: &Observed) -> Next {
    match observed.obstacle {
        Some(Obstacle::NamespaceMissing) if desired.create_namespace => {
            return Next::Do(Step::CreateNamespace);
        }
        Some(Obstacle::NamespaceMissing) => {
            return wait(
                Cause::NamespaceMissing,
                format!("the namespace {} does not exist", desired.namespace),
            );
        }
        Some(Obstacle::KindMissing) => {
            return wait(Cause::KindMissing, format!("the CRD {} is not installed", desired.kind.crd()));
        }
        None => {}
    }
    if let Some(secret) = &desired.secret
        && !observed.secret_exists
    {
        return Next::Do(Step::CreateSecret(secret.clone()));
    }
    let written = |found: &Json| differences(&desired.config_map, found).is_empty();
    if !observed.config_map.as_ref().is_some_and(written) {
        return Next::Do(Step::ApplyConfigMap);
    }
    let custom_resource = match &observed.custom_resource {
        None if desired.creating
            && let Some(left) = observed.running.as_ref().and_then(ready::left_of_another_life) =>
        {
            return wait(Cause::Terminating, left);
        }
        None if desired.creating => {
            return Next::Do(Step::ApplyCustomResource { uid: None, differences: Vec::new() });
        }
        None => {
            let why = "it was deleted by somebody else while this apply was running".to_owned();
            return Next::Stuck(Waiting { cause: Cause::Deleted, why });
        }
        Some(found) if object::is_terminating(found) => {
            return wait(
                Cause::Terminating,
                "an older object of this name is still being deleted".to_owned(),
            );
        }
        Some(found) => found,
    };
    let uid = object::text(custom_resource, &["metadata", "uid"]).map(str::to_owned);
    let differences = opstree::differences(&desired.custom_resource, custom_resource);
    if !differences.is_empty() {
        return Next::Do(Step::ApplyCustomResource { uid, differences });
    }
    if desired.wait {
        let Some(running) = &observed.running else { return Next::Do(Step::Watch) };
        if let Err(waiting) = ready::standalone(custom_resource, running) {
            if let Some((name, uid)) = ready::broken_pod(custom_resource, running) {
                return Next::Do(Step::DeletePod { name, uid });
            }
            return Next::Wait(waiting);
        }
    }
    if let Some(superseded) = observed.companions.iter().find(|companion| !is_wanted(desired, companion)) {
        return Next::Do(Step::DeleteCompanion(superseded.clone()));
    }
    if object::annotation(custom_resource, annotation::UNFINISHED).is_some() {
        return Next::Do(Step::Finish { uid });
    }
    Next::Done
}

/// What delete is to do now. `retained`: the volumes stay.
pub fn next_delete(claim: &str, retained: bool, observed: &Observed) -> Next {
    if let Some(custom_resource) = &observed.custom_resource {
        let owner = object::annotation(custom_resource, annotation::CLAIM);
        if owner.is_some_and(|owner| owner != claim) {
            // It was made anew by somebody else, or is the successor of a deposed object.
            return Next::Done;
        }
        if object::is_terminating(custom_resource) {
            let finalizers: Vec<&str> = object::list(custom_resource, &["metadata", "finalizers"])
                .iter()
                .filter_map(Json::as_str)
                .collect();
            return wait(
                Cause::Finalizer,
                format!("the custom resource waits for its finalizers ({})", finalizers.join(", ")),
            );
        }
        let uid = object::text(custom_resource, &["metadata", "uid"]).map(str::to_owned);
        let unowned = observed.companions.iter().find(|companion| !companion.owned);
        if let (Some(companion), Some(uid)) = (unowned, &uid) {
            return Next::Do(Step::HandOver { companion: companion.clone(), uid: uid.clone() });
        }
        return Next::Do(Step::DeleteCustomResource { uid });
    }
    match &observed.running {
        Some(running) => {
            if !retained && let Some((name, uid)) = ready::claim_made_anew(running) {
                return Next::Do(Step::DeleteClaim { name, uid });
            }
            if let Some(left) = ready::left_over(running, retained) {
                return wait(Cause::Terminating, left);
            }
        }
        None => {
            return wait(Cause::Terminating, "what the operator made has not been looked at yet".to_owned());
        }
    }
    match observed.companions.first() {
        Some(companion) => Next::Do(Step::DeleteCompanion(companion.clone())),
        None => Next::Done,
    }
}

fn is_wanted(desired: &Desired, companion: &Companion) -> bool {
    match companion.kind {
        CompanionKind::ConfigMap => object::name(&desired.config_map) == companion.name,
        CompanionKind::Secret => desired.secret.as_deref() == Some(companion.name.as_str()),
    }
}

fn wait(cause: Cause, why: String) -> Next {
    Next::Wait(Waiting { cause, why })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn desired() -> Desired {
        Desired {
            kind: Kind::Redis,
            name: "cache".to_owned(),
            namespace: "redis".to_owned(),
            custom_resource: json!({
                "metadata": { "name": "cache", "annotations": { annotation::SPEC_HASH: "1", annotation::CLAIM: "mine" } },
                "spec": { "image": "redis:1" },
            }),
            config_map: json!({ "metadata": { "name": "cache-config-1" }, "data": { "a": "b" } }),
            secret: Some("cache-auth".to_owned()),
            creating: true,
            create_namespace: false,
            wait: true,
        }
    }

    /// The cluster after these steps, as they would change it.
    fn carried_out(steps: &[Step], desired: &Desired) -> Observed {
        let mut observed = Observed::default();
        for step in steps {
            match step {
                Step::CreateSecret(_) => observed.secret_exists = true,
                Step::ApplyConfigMap => observed.config_map = Some(desired.config_map.clone()),
                Step::ApplyCustomResource { .. } => {
                    let mut written = desired.custom_resource.clone();
                    written["metadata"]["annotations"][annotation::UNFINISHED] = json!("creating");
                    observed.custom_resource = Some(written);
                }
                Step::Watch => observed.running = Some(serving()),
                Step::Finish { .. } => observed.custom_resource = Some(desired.custom_resource.clone()),
                Step::DeleteCompanion(gone) => observed.companions.retain(|companion| companion != gone),
                Step::CreateNamespace
                | Step::DeletePod { .. }
                | Step::HandOver { .. }
                | Step::DeleteClaim { .. }
                | Step::DeleteCustomResource { .. } => {}
            }
        }
        observed
    }

    fn serving() -> Running {
        Running {
            stateful_set: Some(json!({
                "metadata": { "name": "cache", "generation": 1 },
                "spec": { "replicas": 1 },
                "status": {
                    "observedGeneration": 1, "updatedReplicas": 1, "readyReplicas": 1,
                    "currentRevision": "a", "updateRevision": "a",
                },
            })),
            services: vec![
                json!({ "metadata": { "name": "cache", "annotations": { annotation::SPEC_HASH: "1" } } }),
            ],
            pods: vec![json!({ "metadata": { "name": "cache-0" } })],
            claims: Vec::new(),
        }
    }

    #[test]
    fn a_create_goes_from_nothing_to_done_and_each_cut_off_goes_on_from_there() {
        let desired = desired();
        let mut steps: Vec<Step> = Vec::new();
        let end = loop {
            match next(&desired, &carried_out(&steps, &desired)) {
                Next::Do(step) => steps.push(step),
                end => break end,
            }
            assert!(steps.len() < 20, "{steps:?}");
        };
        assert_eq!(end, Next::Done);
        let names: Vec<&str> = steps.iter().map(Step::name).collect();
        assert_eq!(
            names,
            [
                "create the Secret",
                "write the ConfigMap",
                "write the custom resource",
                "watch",
                "mark as finished",
            ]
        );
    }

    #[test]
    fn what_differs_is_written_again_and_only_that() {
        let desired = Desired { creating: false, ..desired() };
        let mut observed = carried_out(&[Step::CreateSecret(String::new()), Step::ApplyConfigMap], &desired);
        let mut live = desired.custom_resource.clone();
        live["metadata"]["uid"] = json!("u");
        live["spec"]["image"] = json!("redis:2");
        observed.custom_resource = Some(live);
        let Next::Do(Step::ApplyCustomResource { uid, differences }) = next(&desired, &observed) else {
            panic!("expected a write")
        };
        assert_eq!((uid.as_deref(), differences[0].path.as_str()), (Some("u"), "spec.image"));
    }

    #[test]
    fn obstacles_are_waited_for_or_cleared() {
        let blocked = |obstacle| Observed { obstacle: Some(obstacle), ..Observed::default() };
        let cause = |next: Next| match next {
            Next::Wait(waiting) => waiting.cause,
            other => panic!("expected a wait, got {other:?}"),
        };
        let missing = blocked(Obstacle::NamespaceMissing);
        assert_eq!(cause(next(&desired(), &missing)), Cause::NamespaceMissing);
        let making = Desired { create_namespace: true, ..desired() };
        assert_eq!(next(&making, &missing), Next::Do(Step::CreateNamespace));
        assert_eq!(cause(next(&desired(), &blocked(Obstacle::KindMissing))), Cause::KindMissing);
    }

    #[test]
    fn an_update_does_not_bring_back_what_was_deleted() {
        let desired = Desired { creating: false, ..desired() };
        let observed = carried_out(&[Step::CreateSecret(String::new()), Step::ApplyConfigMap], &desired);
        assert!(matches!(next(&desired, &observed), Next::Stuck(Waiting { cause: Cause::Deleted, .. })));
    }

    #[test]
    fn superseded_companions_go_only_when_redis_serves() {
        let desired = desired();
        let old =
            Companion { kind: CompanionKind::ConfigMap, name: "cache-config-0".to_owned(), owned: false };
        let mut observed = carried_out(
            &[
                Step::CreateSecret(String::new()),
                Step::ApplyConfigMap,
                Step::ApplyCustomResource { uid: None, differences: Vec::new() },
            ],
            &desired,
        );
        observed.companions = vec![old.clone()];
        observed.running = Some(Running::default());
        assert!(matches!(next(&desired, &observed), Next::Wait(_)));
        observed.running = Some(serving());
        assert_eq!(next(&desired, &observed), Next::Do(Step::DeleteCompanion(old)));
    }

    #[test]
    fn a_delete_takes_the_custom_resource_then_waits_then_takes_the_companions() {
        let desired = desired();
        let mut companion =
            Companion { kind: CompanionKind::Secret, name: "cache-auth".to_owned(), owned: false };
        let mut custom_resource = desired.custom_resource.clone();
        custom_resource["metadata"]["uid"] = json!("u");
        let mut observed = Observed {
            custom_resource: Some(custom_resource),
            companions: vec![companion.clone()],
            ..Observed::default()
        };
        assert_eq!(next_delete("another's", false, &observed), Next::Done, "it has a successor");
        let hand_over = Step::HandOver { companion: companion.clone(), uid: "u".to_owned() };
        assert_eq!(next_delete("mine", false, &observed), Next::Do(hand_over));
        companion.owned = true;
        observed.companions = vec![companion.clone()];
        assert!(matches!(next_delete("mine", false, &observed), Next::Do(Step::DeleteCustomResource { .. })));
        observed.custom_resource = None;
        assert!(matches!(next_delete("mine", false, &observed), Next::Wait(_)), "nothing was looked at yet");
        let mut claim = json!({ "metadata": { "name": "c", "uid": "v" } });
        observed.running = Some(Running { claims: vec![claim.clone()], ..Running::default() });
        let made_anew = Step::DeleteClaim { name: "c".to_owned(), uid: "v".to_owned() };
        assert_eq!(next_delete("mine", false, &observed), Next::Do(made_anew));
        claim["metadata"]["deletionTimestamp"] = json!("now");
        observed.running = Some(Running { claims: vec![claim], ..Running::default() });
        assert!(matches!(next_delete("mine", false, &observed), Next::Wait(_)), "the claim is still there");
        assert_eq!(next_delete("mine", true, &observed), Next::Do(Step::DeleteCompanion(companion)));
        observed.companions.clear();
        assert_eq!(next_delete("mine", true, &observed), Next::Done);
    }
}
