//! Create and update: our own objects first, then the custom resources, then the wait until Redis serves. At
//! the end, objects that are no longer wanted are deleted.

use super::objects;
use crate::redis::desired::{Desired, Form};
use crate::redis::memory::{Denial, Memory, Obstacle};
use crate::redis::names::annotation;
use crate::redis::nudge::nudge;
use crate::redis::object::{self, uid};
use crate::redis::opstree::{self, Kind};
use crate::redis::picture::Picture;
use crate::redis::running::Running;
use crate::redis::saving::saved;
use crate::redis::set::{growth, guarded, heal};
use crate::redis::shards::{hold, labels, passwords};
use crate::redis::step::{Next, Step};
use crate::redis::waiting::{Cause, Waiting};
use crate::redis::{ready, volumes};

/// The next step of an apply.
pub fn next(desired: &Desired, picture: &Picture, memory: &Memory) -> Next {
    let steps = [
        obstacle,
        objects::before_redis,
        guarded::rolling,
        hold::fewer,
        passwords::admitted,
        saved,
        labels::of_cluster,
        custom_resources,
        objects::after_redis,
        heal::heal,
        readiness,
        growth::left_to_operator,
        tidy,
    ];
    steps.iter().find_map(|step| step(desired, picture, memory)).unwrap_or(Next::Done)
}

fn obstacle(desired: &Desired, _: &Picture, memory: &Memory) -> Option<Next> {
    Some(match memory.obstacle.as_ref()? {
        Obstacle::NamespaceMissing(missing) if desired.create_namespace && *missing == desired.namespace => {
            Next::Do(Step::CreateNamespace)
        }
        Obstacle::NamespaceMissing(missing) => {
            Next::wait(Cause::NamespaceMissing, format!("the namespace {missing} does not exist"))
        }
        Obstacle::KindMissing(definition) => {
            Next::wait(Cause::KindMissing, format!("the CRD {definition} is not installed"))
        }
    })
}

fn custom_resources(desired: &Desired, picture: &Picture, _: &Memory) -> Option<Next> {
    desired.topology.kinds().iter().find_map(|kind| custom_resource(*kind, desired, picture))
}

fn custom_resource(kind: Kind, desired: &Desired, picture: &Picture) -> Option<Next> {
    let carries_data = kind == desired.topology.data();
    let Some(found) = picture.custom_resource(kind) else {
        let left = picture.running.as_ref().and_then(ready::left_of_another_life).filter(|_| carries_data);
        return Some(match left {
            _ if carries_data && !desired.creating => {
                let why = "somebody else deleted the custom resource while this apply was running";
                Next::Stuck(Waiting::new(Cause::Deleted, why).about(kind))
            }
            Some(left) => Next::wait(Cause::Terminating, left),
            None => kept_volumes(desired, picture).filter(|_| carries_data).unwrap_or_else(|| {
                Next::Do(Step::ApplyCustomResource {
                    kind,
                    uid: None,
                    differences: Vec::new(),
                    form: Form::default(),
                })
            }),
        });
    };
    if object::is_terminating(found) {
        return Some(Next::wait(Cause::Terminating, "an older object of this name is still being deleted"));
    }
    let form = growth::present(kind, desired, picture);
    let differences = opstree::differences(&desired.written(kind, &form), found);
    (!differences.is_empty()).then(|| {
        let uid = uid(found).map(str::to_owned);
        Next::Do(Step::ApplyCustomResource { kind, uid, differences, form })
    })
}

/// Volumes that stay although the older instance is gone. Until then they were its own, and about to go with it. Whoever
/// has waited for that watches; all others have looked before the run.
fn kept_volumes(desired: &Desired, picture: &Picture) -> Option<Next> {
    if !desired.starts_empty || picture.running.is_none() {
        return None;
    }
    match &picture.answers.kept_claims {
        None => Some(Next::Do(Step::FindClaims)),
        Some(kept) if kept.is_empty() => None,
        Some(kept) => {
            let names: Vec<&str> = kept.iter().map(object::name).collect();
            Some(Next::stuck(Cause::Kept, format!("these volume claims stay: {}", names.join(", "))))
        }
    }
}

fn readiness(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    if !desired.wait {
        return hold::left_paused(desired, picture);
    }
    let Some(running) = &picture.running else { return Some(Next::Do(Step::Watch)) };
    let is_ready = ready::ready(desired.topology, &picture.custom_resources, running);
    if is_ready.is_err()
        && let Some((name, uid)) =
            ready::broken_pod(desired.topology, &picture.custom_resources, running, memory)
    {
        return Some(Next::Do(Step::DeletePod { name, uid }));
    }
    if let Some(next) = hold::hold(desired, picture, memory, running) {
        return Some(next);
    }
    let Err(waiting) = is_ready else {
        return hold::whole(desired, picture, running)
            .or_else(|| passwords::expelled(desired, picture, memory))
            .or_else(|| grown(desired, picture, memory, running))
            .or_else(|| objects::ready(desired, picture, memory))
            .or_else(|| reach(picture, memory));
    };
    Some(nudge(&waiting, desired, picture, memory, running).unwrap_or(Next::Wait(waiting)))
}

/// Whoever asks for larger volumes wants to use them, but the present data fits into the existing volumes.
fn grown(desired: &Desired, picture: &Picture, memory: &Memory, running: &Running) -> Option<Next> {
    let growing = || volumes::growing(desired.topology, &picture.custom_resources, running);
    (!memory.volumes_are_late).then(growing).flatten().map(Next::Wait)
}

/// Everything that can be watched is as it should be; everything else must be asked.
fn reach(picture: &Picture, memory: &Memory) -> Option<Next> {
    match &picture.answers.reached {
        _ if memory.denied.has(&Denial::Endpoints) => None,
        None => Some(Next::Do(Step::Reach)),
        Some(Ok(())) => None,
        Some(Err(why)) => Some(Next::wait(Cause::Unreachable, why.clone())),
    }
}

fn tidy(desired: &Desired, picture: &Picture, _: &Memory) -> Option<Next> {
    if let Some(next) = objects::superseded(desired, picture) {
        return Some(next);
    }
    let data = picture.custom_resource(desired.topology.data())?;
    let unfinished = object::annotation(data, annotation::UNFINISHED).is_some();
    unfinished.then(|| Next::Do(Step::Finish { uid: uid(data).map(str::to_owned) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, Scene, claimed, serving};
    use crate::redis::objects::{Key, Role};
    use crate::redis::topology::Topology;

    fn desired(topology: Topology) -> Desired {
        Desired { creating: true, is_guarded: false, ..fixture::desired(topology) }
    }

    fn standalone() -> Desired {
        desired(Topology::Standalone)
    }

    /// The cluster after these steps, as they would change it.
    fn carried_out(steps: &[Step], desired: &Desired) -> Scene {
        let mut scene = Scene::default();
        let Scene { picture, .. } = &mut scene;
        for step in steps {
            match step {
                Step::CreateObject(key) | Step::LabelObject(key) | Step::ApplyObject(key) => {
                    picture.set_object(key, desired.object(key).map(|wanted| wanted.object.clone()));
                }
                Step::DeleteObject(key) => picture.set_object(key, None),
                Step::ApplyCustomResource { kind, .. } => {
                    let mut written = desired.custom_resource(*kind).clone();
                    if *kind == desired.topology.data() {
                        written["metadata"]["annotations"][annotation::UNFINISHED] = json!("creating");
                    }
                    picture.set_custom_resource(*kind, Some(written));
                }
                Step::Watch => picture.running = Some(serving(desired.topology)),
                Step::AskNodes => picture.answers.shards = Some(Err("nobody asks".to_owned())),
                Step::Reach => picture.answers.reached = Some(Ok(())),
                Step::Finish { .. } => {
                    let kind = desired.topology.data();
                    picture.set_custom_resource(kind, Some(desired.data().clone()));
                }
                Step::CreateNamespace
                | Step::ReadStatefulSets
                | Step::FindClaims
                | Step::DisownObject(_)
                | Step::Nudge(_)
                | Step::Save
                | Step::Talk
                | Step::LabelPods(_)
                | Step::KeepOff
                | Step::MendNodes(_)
                | Step::Roll(_)
                | Step::Unpause(_)
                | Step::DeletePod { .. } => {}
            }
        }
        scene
    }

    fn objects_written(desired: &Desired) -> Vec<Step> {
        desired.objects.iter().map(|wanted| Step::ApplyObject(wanted.key.clone())).collect()
    }

    fn after(desired: &Desired, more: impl IntoIterator<Item = Step>) -> Scene {
        carried_out(&objects_written(desired).into_iter().chain(more).collect::<Vec<_>>(), desired)
    }

    fn written(kind: Kind) -> Step {
        Step::ApplyCustomResource { kind, uid: None, differences: Vec::new(), form: Form::default() }
    }

    #[test]
    fn a_create_goes_from_nothing_to_done_and_each_cut_off_goes_on_from_there() {
        for topology in [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster] {
            let desired = desired(topology);
            let mut steps: Vec<Step> = Vec::new();
            let end = loop {
                match carried_out(&steps, &desired).next(&desired) {
                    Next::Do(step) => steps.push(step),
                    end => break end,
                }
                assert!(steps.len() < 20, "{steps:?}");
            };
            assert_eq!(end, Next::Done);
            let names: Vec<&str> = steps.iter().map(Step::name).collect();
            let mut expected = vec!["create an object", "write an object"];
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
        let mut observed = after(&desired, []);
        observed.picture.custom_resources = desired.custom_resources.clone();
        let mut live = desired.custom_resource(Kind::RedisSentinel).clone();
        live["metadata"]["uid"] = json!("u");
        live["spec"]["clusterSize"] = json!(5);
        observed.picture.set_custom_resource(Kind::RedisSentinel, Some(live));
        let Next::Do(Step::ApplyCustomResource { kind, uid, differences, .. }) = observed.next(&desired)
        else {
            panic!("expected a write")
        };
        assert_eq!(kind, Kind::RedisSentinel);
        assert_eq!((uid.as_deref(), differences[0].path.as_str()), (Some("u"), "spec.clusterSize"));
    }

    #[test]
    fn the_operator_is_nudged_once_for_each_news() {
        let desired = desired(Topology::Replication);
        let mut observed = after(&desired, [written(Kind::RedisReplication), Step::Watch]);
        observed.picture.running.as_mut().unwrap().pods[1]["metadata"]["labels"]["redis-role"] =
            json!("master");
        let Next::Do(Step::Nudge(news)) = observed.next(&desired) else { panic!("expected a nudge") };
        observed.picture.custom_resources[0]["metadata"]["annotations"][annotation::NEWS] = json!(news);
        assert!(matches!(observed.next(&desired), Next::Wait(Waiting { cause: Cause::Roles, .. })));
        observed.picture.running.as_mut().unwrap().pods[1]["metadata"]["uid"] = json!("another");
        assert!(matches!(observed.next(&desired), Next::Do(Step::Nudge(other)) if other != news));
    }

    #[test]
    fn obstacles_are_waited_for_or_cleared() {
        let blocked = |obstacle| Scene {
            memory: Memory { obstacle: Some(obstacle), ..Memory::default() },
            ..Scene::default()
        };
        let cause = |next: Next| match next {
            Next::Wait(waiting) => waiting.cause,
            other => panic!("expected a wait, got {other:?}"),
        };
        let missing = blocked(Obstacle::NamespaceMissing("redis".to_owned()));
        assert_eq!(cause(missing.next(&standalone())), Cause::NamespaceMissing);
        let making = Desired { create_namespace: true, ..standalone() };
        assert_eq!(missing.next(&making), Next::Do(Step::CreateNamespace));
        let elsewhere = blocked(Obstacle::NamespaceMissing("monitoring".to_owned()));
        assert_eq!(cause(elsewhere.next(&making)), Cause::NamespaceMissing, "that is not ours to make");
        let Next::Wait(waiting) = blocked(Obstacle::KindMissing("monitors.x".to_owned())).next(&standalone())
        else {
            panic!("expected a wait")
        };
        let why = "the CRD monitors.x is not installed";
        assert_eq!((waiting.cause, waiting.why.as_str()), (Cause::KindMissing, why));
    }

    #[test]
    fn what_stays_of_an_older_instance_is_judged_once_that_is_gone() {
        let desired = Desired { starts_empty: true, ..standalone() };
        let mut scene = after(&desired, []);
        assert_eq!(scene.next(&desired), Next::Do(written(Kind::Redis)), "nothing was waited for");
        let mut going = desired.data().clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        scene.picture.set_custom_resource(Kind::Redis, Some(going));
        scene.picture.running = Some(serving(desired.topology));
        assert!(matches!(scene.next(&desired), Next::Wait(Waiting { cause: Cause::Terminating, .. })));
        let claims = scene.picture.running.take().unwrap().claims;
        scene.picture.running = Some(Running { claims: claims.clone(), ..Running::default() });
        scene.picture.set_custom_resource(Kind::Redis, None);
        assert_eq!(scene.next(&desired), Next::Do(Step::FindClaims));
        scene.picture.answers.kept_claims = Some(claims);
        assert!(matches!(scene.next(&desired), Next::Stuck(Waiting { cause: Cause::Kept, .. })));
        let reusing = Desired { starts_empty: false, ..desired.clone() };
        assert_eq!(scene.next(&reusing), Next::Do(written(Kind::Redis)));
        scene.picture.answers.kept_claims = Some(Vec::new());
        assert_eq!(scene.next(&desired), Next::Do(written(Kind::Redis)));
    }

    #[test]
    fn an_update_does_not_bring_back_what_was_deleted() {
        let desired = Desired { creating: false, ..standalone() };
        let observed = after(&desired, []);
        assert!(matches!(observed.next(&desired), Next::Stuck(Waiting { cause: Cause::Deleted, .. })));
    }

    #[test]
    fn volumes_that_grow_are_waited_for_only_so_long() {
        let desired = standalone();
        let mut observed = after(&desired, [written(Kind::Redis), Step::Watch]);
        observed.picture.running.as_mut().unwrap().claims[0]["status"] =
            json!({ "capacity": { "storage": "1Gi" } });
        let found = observed.next(&desired);
        assert!(matches!(found, Next::Wait(Waiting { cause: Cause::NotGrowing, .. })), "{found:?}");
        observed.memory.volumes_are_late = true;
        assert_eq!(observed.next(&desired), Next::Do(Step::Reach));
    }

    #[test]
    fn superseded_objects_go_only_when_redis_serves() {
        let desired = standalone();
        let key = &desired.of_role(Role::Configuration).unwrap().key;
        let old = Key { name: "cache-config-0".to_owned(), ..key.clone() };
        let mut observed = after(&desired, [written(Kind::Redis)]);
        observed.picture.set_object(&old, Some(claimed(&desired.claim)));
        observed.picture.running = Some(Running::default());
        assert!(matches!(observed.next(&desired), Next::Wait(_)));
        observed.picture.running = Some(serving(desired.topology));
        observed.picture.answers.reached = Some(Err("nothing answers".to_owned()));
        assert!(matches!(observed.next(&desired), Next::Wait(Waiting { cause: Cause::Unreachable, .. })));
        observed.picture.answers.reached = Some(Ok(()));
        assert_eq!(observed.next(&desired), Next::Do(Step::DeleteObject(old.clone())));
        observed.picture.answers.reached = None;
        observed.memory.denied = [Denial::Endpoints].into();
        assert_eq!(observed.next(&desired), Next::Do(Step::DeleteObject(old)), "nobody can be asked");
    }
}
