//! Create and update: companions first, then the custom resources, then the wait until Redis serves, then what is no
//! longer wanted goes.

use serde_json::Value as Json;

use super::heal::heal;
use super::{
    Cause, Companion, CompanionKind, Desired, Form, Next, Observed, Obstacle, Step, Waiting, guarded, labels,
    passwords, shards, wait,
};
use crate::redis::names::annotation;
use crate::redis::object::{self, differences, text};
use crate::redis::opstree::{self, Kind};
use crate::redis::{ready, volumes};

/// What apply is to do now.
pub fn next(desired: &Desired, observed: &Observed) -> Next {
    let steps = [
        obstacle,
        companions,
        guarded::rolling,
        shards::fewer,
        passwords::admitted,
        labels::of_cluster,
        custom_resources,
        heal,
        readiness,
        tidy,
    ];
    steps.iter().find_map(|step| step(desired, observed)).unwrap_or(Next::Done)
}

fn obstacle(desired: &Desired, observed: &Observed) -> Option<Next> {
    Some(match observed.obstacle? {
        Obstacle::NamespaceMissing if desired.create_namespace => Next::Do(Step::CreateNamespace),
        Obstacle::NamespaceMissing => {
            wait(Cause::NamespaceMissing, format!("the namespace {} does not exist", desired.namespace))
        }
        Obstacle::KindMissing(kind) => {
            wait(Cause::KindMissing, format!("the CRD {} is not installed", kind.crd()))
        }
    })
}

fn companions(desired: &Desired, observed: &Observed) -> Option<Next> {
    if let Some(secret) = desired.secret.as_ref().filter(|_| !observed.secret_exists) {
        return Some(Next::Do(Step::CreateSecret(secret.clone())));
    }
    if let Some(secret) = desired.secret.as_ref().filter(|_| observed.secret_is_mislabelled) {
        return Some(Next::Do(Step::LabelSecret(secret.clone())));
    }
    let is_written = |wanted: &&super::Rendered| {
        let found = observed.written.iter().find(|found| found.kind == wanted.kind);
        found.is_some_and(|found| differences(&wanted.object, &found.object).is_empty())
    };
    let missing = desired.companions.iter().find(|wanted| !is_written(wanted))?;
    Some(Next::Do(Step::ApplyCompanion(missing.kind)))
}

fn custom_resources(desired: &Desired, observed: &Observed) -> Option<Next> {
    desired.topology.kinds().iter().find_map(|kind| custom_resource(*kind, desired, observed))
}

fn custom_resource(kind: Kind, desired: &Desired, observed: &Observed) -> Option<Next> {
    let carries_data = kind == desired.topology.data();
    let Some(found) = observed.custom_resource(kind) else {
        return Some(if carries_data && !desired.creating {
            let why = "it was deleted by somebody else while this apply was running".to_owned();
            Next::Stuck(Waiting { cause: Cause::Deleted, why })
        } else if let Some(left) = observed.running.as_ref().and_then(ready::left_of_another_life)
            && carries_data
        {
            wait(Cause::Terminating, left)
        } else {
            Next::Do(Step::ApplyCustomResource {
                kind,
                uid: None,
                differences: Vec::new(),
                form: Form::Final,
            })
        });
    };
    if object::is_terminating(found) {
        return Some(wait(Cause::Terminating, "an older object of this name is still being deleted"));
    }
    let differences = opstree::differences(desired.custom_resource(kind), found);
    (!differences.is_empty()).then(|| {
        let uid = uid(found);
        Next::Do(Step::ApplyCustomResource { kind, uid, differences, form: Form::Final })
    })
}

fn readiness(desired: &Desired, observed: &Observed) -> Option<Next> {
    if !desired.wait {
        return shards::left_paused(desired, observed);
    }
    let Some(running) = &observed.running else { return Some(Next::Do(Step::Watch)) };
    let is_ready = ready::ready(desired.topology, &observed.custom_resources, running);
    if is_ready.is_err()
        && let Some((name, uid)) = ready::broken_pod(desired.topology, &observed.custom_resources, running)
    {
        return Some(Next::Do(Step::DeletePod { name, uid }));
    }
    if let Some(next) = shards::hold(desired, observed, running) {
        return Some(next);
    }
    let Err(waiting) = is_ready else {
        return shards::whole(desired, observed, running)
            .or_else(|| passwords::expelled(desired, observed))
            .or_else(|| grown(desired, observed, running))
            .or_else(|| reach(observed));
    };
    Some(nudge(&waiting, desired, observed, running).unwrap_or(Next::Wait(waiting)))
}

/// Whoever asks for larger volumes wants to use them, but what Redis has fits into those that are there.
fn grown(desired: &Desired, observed: &Observed, running: &ready::Running) -> Option<Next> {
    let late = observed.volumes_are_late;
    let growing = || volumes::growing(desired.topology, &observed.custom_resources, running);
    (!late).then(growing).flatten().map(Next::Wait)
}

/// All that can be watched is as it should be; what cannot is asked.
fn reach(observed: &Observed) -> Option<Next> {
    match &observed.reached {
        None => Some(Next::Do(Step::Reach)),
        Some(Ok(())) => None,
        Some(Err(why)) => Some(wait(Cause::Unreachable, why.clone())),
    }
}

/// The operator looks at replicas and nodes only every 10 to 60 s, and at once when a custom resource is written. So it is
/// made to look whenever there is something new for it to see, once for each; and at nodes, of which nothing is seen from
/// outside, every few seconds.
pub(super) fn nudge(
    waiting: &Waiting,
    desired: &Desired,
    observed: &Observed,
    running: &ready::Running,
) -> Option<Next> {
    if !matches!(waiting.cause, Cause::Roles | Cause::Assembling) {
        return None;
    }
    let data = observed.custom_resource(desired.topology.data())?;
    let news = ready::news(data, running, observed.silences);
    let told = object::annotation(data, annotation::NEWS);
    (told != Some(news.as_str())).then_some(Next::Do(Step::Nudge(news)))
}

fn tidy(desired: &Desired, observed: &Observed) -> Option<Next> {
    if let Some(superseded) = observed.companions.iter().find(|companion| !is_wanted(desired, companion)) {
        return Some(Next::Do(Step::DeleteCompanion(superseded.clone())));
    }
    let data = observed.custom_resource(desired.topology.data())?;
    let unfinished = object::annotation(data, annotation::UNFINISHED).is_some();
    unfinished.then(|| Next::Do(Step::Finish { uid: uid(data) }))
}

fn is_wanted(desired: &Desired, companion: &Companion) -> bool {
    match companion.kind {
        CompanionKind::Secret => desired.secret.as_deref() == Some(companion.name.as_str()),
        kind => desired.companion(kind).is_some_and(|wanted| object::name(wanted) == companion.name),
    }
}

pub(super) fn uid(object: &Json) -> Option<String> {
    text(object, &["metadata", "uid"]).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Rendered;
    use super::*;
    use crate::redis::fixture::{custom_resources, serving};
    use crate::redis::ready::Running;
    use crate::redis::topology::Topology;

    fn desired(topology: Topology) -> Desired {
        Desired {
            topology,
            name: "cache".to_owned(),
            namespace: "redis".to_owned(),
            custom_resources: custom_resources(topology),
            guarded: Vec::new(),
            is_guarded: false,
            companions: vec![Rendered {
                kind: CompanionKind::ConfigMap,
                object: json!({ "metadata": { "name": "cache-config-1" }, "data": { "a": "b" } }),
            }],
            secret: Some("cache-auth".to_owned()),
            former_password: None,
            creating: true,
            create_namespace: false,
            wait: true,
        }
    }

    fn standalone() -> Desired {
        desired(Topology::Standalone)
    }

    /// The cluster after these steps, as they would change it.
    fn carried_out(steps: &[Step], desired: &Desired) -> Observed {
        let mut observed = Observed::default();
        for step in steps {
            match step {
                Step::CreateSecret(_) => observed.secret_exists = true,
                Step::LabelSecret(_) => observed.secret_is_mislabelled = false,
                Step::ApplyCompanion(kind) => {
                    observed.set_written(*kind, desired.companion(*kind).unwrap().clone());
                }
                Step::ApplyCustomResource { kind, .. } => {
                    let mut written = desired.custom_resource(*kind).clone();
                    if *kind == desired.topology.data() {
                        written["metadata"]["annotations"][annotation::UNFINISHED] = json!("creating");
                    }
                    observed.set_custom_resource(*kind, Some(written));
                }
                Step::Watch => observed.running = Some(serving(desired.topology)),
                Step::AskNodes => observed.shards = Some(Err("nobody asks".to_owned())),
                Step::Reach => observed.reached = Some(Ok(())),
                Step::Finish { .. } => {
                    let kind = desired.topology.data();
                    observed.set_custom_resource(kind, Some(desired.data().clone()));
                }
                Step::DeleteCompanion(gone) => observed.companions.retain(|companion| companion != gone),
                Step::CreateNamespace
                | Step::Nudge(_)
                | Step::Talk
                | Step::LabelPods(_)
                | Step::KeepOff
                | Step::MendNodes(_)
                | Step::Roll(_)
                | Step::Unpause(_)
                | Step::DeletePod { .. }
                | Step::HandOver { .. }
                | Step::DeleteClaim { .. }
                | Step::DeleteCustomResource { .. } => {}
            }
        }
        observed
    }

    fn companions_written() -> [Step; 2] {
        [Step::CreateSecret(String::new()), Step::ApplyCompanion(CompanionKind::ConfigMap)]
    }

    fn written(kind: Kind) -> Step {
        Step::ApplyCustomResource { kind, uid: None, differences: Vec::new(), form: Form::Final }
    }

    #[test]
    fn a_create_goes_from_nothing_to_done_and_each_cut_off_goes_on_from_there() {
        for topology in [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster] {
            let desired = desired(topology);
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
            let mut expected = vec!["create the Secret", "write the ConfigMap"];
            expected.extend(topology.kinds().iter().map(|_| "write the custom resource"));
            expected.push("watch");
            expected.extend((topology == Topology::Cluster).then_some("ask the nodes"));
            expected.extend(["ask the endpoints", "mark as finished"]);
            assert_eq!(names, expected, "{topology:?}");
        }
    }

    #[test]
    fn what_differs_is_written_again_and_only_that() {
        let desired = Desired { creating: false, ..desired(Topology::Sentinel) };
        let mut observed = carried_out(&companions_written(), &desired);
        observed.custom_resources = desired.custom_resources.clone();
        let mut live = desired.custom_resource(Kind::RedisSentinel).clone();
        live["metadata"]["uid"] = json!("u");
        live["spec"]["clusterSize"] = json!(5);
        observed.set_custom_resource(Kind::RedisSentinel, Some(live));
        let Next::Do(Step::ApplyCustomResource { kind, uid, differences, .. }) = next(&desired, &observed)
        else {
            panic!("expected a write")
        };
        assert_eq!(kind, Kind::RedisSentinel);
        assert_eq!((uid.as_deref(), differences[0].path.as_str()), (Some("u"), "spec.clusterSize"));
    }

    #[test]
    fn the_operator_is_nudged_once_for_each_news() {
        let desired = desired(Topology::Replication);
        let [secret, config_map] = companions_written();
        let steps = [secret, config_map, written(Kind::RedisReplication), Step::Watch];
        let mut observed = carried_out(&steps, &desired);
        observed.running.as_mut().unwrap().pods[1]["metadata"]["labels"]["redis-role"] = json!("master");
        let Next::Do(Step::Nudge(news)) = next(&desired, &observed) else { panic!("expected a nudge") };
        observed.custom_resources[0]["metadata"]["annotations"][annotation::NEWS] = json!(news);
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Roles, .. })));
        observed.running.as_mut().unwrap().pods[1]["metadata"]["uid"] = json!("another");
        assert!(matches!(next(&desired, &observed), Next::Do(Step::Nudge(other)) if other != news));
    }

    #[test]
    fn obstacles_are_waited_for_or_cleared() {
        let blocked = |obstacle| Observed { obstacle: Some(obstacle), ..Observed::default() };
        let cause = |next: Next| match next {
            Next::Wait(waiting) => waiting.cause,
            other => panic!("expected a wait, got {other:?}"),
        };
        let missing = blocked(Obstacle::NamespaceMissing);
        assert_eq!(cause(next(&standalone(), &missing)), Cause::NamespaceMissing);
        let making = Desired { create_namespace: true, ..standalone() };
        assert_eq!(next(&making, &missing), Next::Do(Step::CreateNamespace));
        assert_eq!(
            cause(next(&standalone(), &blocked(Obstacle::KindMissing(Kind::Redis)))),
            Cause::KindMissing
        );
    }

    #[test]
    fn an_update_does_not_bring_back_what_was_deleted() {
        let desired = Desired { creating: false, ..standalone() };
        let observed = carried_out(&companions_written(), &desired);
        assert!(matches!(next(&desired, &observed), Next::Stuck(Waiting { cause: Cause::Deleted, .. })));
    }

    #[test]
    fn volumes_that_grow_are_waited_for_only_so_long() {
        let desired = standalone();
        let [secret, config_map] = companions_written();
        let mut observed = carried_out(&[secret, config_map, written(Kind::Redis), Step::Watch], &desired);
        observed.running.as_mut().unwrap().claims[0]["status"] = json!({ "capacity": { "storage": "1Gi" } });
        let found = next(&desired, &observed);
        assert!(matches!(found, Next::Wait(Waiting { cause: Cause::NotGrowing, .. })), "{found:?}");
        observed.volumes_are_late = true;
        assert_eq!(next(&desired, &observed), Next::Do(Step::Reach));
    }

    #[test]
    fn superseded_companions_go_only_when_redis_serves() {
        let desired = standalone();
        let old =
            Companion { kind: CompanionKind::ConfigMap, name: "cache-config-0".to_owned(), owned: false };
        let [secret, config_map] = companions_written();
        let mut observed = carried_out(&[secret, config_map, written(Kind::Redis)], &desired);
        observed.companions = vec![old.clone()];
        observed.running = Some(Running::default());
        assert!(matches!(next(&desired, &observed), Next::Wait(_)));
        observed.running = Some(serving(desired.topology));
        observed.reached = Some(Err("nothing answers".to_owned()));
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Unreachable, .. })));
        observed.reached = Some(Ok(()));
        assert_eq!(next(&desired, &observed), Next::Do(Step::DeleteCompanion(old)));
    }
}
