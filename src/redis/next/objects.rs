//! Our own objects in an apply: wanted objects are written, and all others are deleted at the end.

use crate::redis::desired::Desired;
use crate::redis::memory::{Denial, Memory};
use crate::redis::objects::{Found, Key, Stage, Wanted, Write, labelling};
use crate::redis::picture::Picture;
use crate::redis::running::{is_for_pods, may_need};
use crate::redis::step::{Next, Step};
use crate::redis::waiting::Cause;

/// Objects that the custom resources need.
pub(super) fn before_redis(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    // A name that is taken is reported before the first write, at whatever stage the object is written.
    if let Some(key) = taken(desired, picture) {
        let why = format!("the {key} already exists, but it does not belong to this instance");
        return Some(Next::stuck(Cause::Taken, why));
    }
    of_stage(Stage::BeforeRedis, desired, picture, memory)
}

/// Objects that need the custom resources.
pub(super) fn after_redis(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    of_stage(Stage::AfterRedis, desired, picture, memory)
}

fn of_stage(stage: Stage, desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let of_stage = desired.objects.iter().filter(|wanted| wanted.stage == stage);
    of_stage.filter(|wanted| is_possible(wanted, memory)).find_map(|wanted| write(wanted, picture, memory))
}

fn is_possible(wanted: &Wanted, memory: &Memory) -> bool {
    !memory.denied.has(&Denial::Object(wanted.key.clone()))
}

fn write(wanted: &Wanted, picture: &Picture, memory: &Memory) -> Option<Next> {
    let key = || wanted.key.clone();
    let Some(found) = picture.object(&wanted.key) else {
        return Some(Next::Do(match wanted.write {
            Write::Applied => Step::ApplyObject(key()),
            Write::Once => Step::CreateObject(key()),
        }));
    };
    if found.is_owned() {
        return Some(Next::Do(Step::DisownObject(key())));
    }
    match wanted.write {
        Write::Applied => {
            let differs = !wanted.differences(&found.object).is_empty();
            differs.then(|| Next::Do(Step::ApplyObject(key())))
        }
        // Nothing depends on labels: without the right to change them they stay as they are.
        Write::Once => {
            let differs = labelling(&wanted.object, &found.object).is_some();
            let is_denied = memory.denied.has(&Denial::Metadata(key()));
            (differs && !is_denied).then(|| Next::Do(Step::LabelObject(key())))
        }
    }
}

/// Every object that is written counts as ready.
pub(super) fn ready(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let possible = desired.objects.iter().filter(|wanted| is_possible(wanted, memory));
    let why = possible.filter_map(|wanted| wanted.not_ready(&picture.object(&wanted.key)?.object)).next()?;
    Some(Next::wait(Cause::ObjectNotReady, why))
}

/// An object that is no longer wanted, and that no pod needs.
pub(super) fn superseded(desired: &Desired, picture: &Picture) -> Option<Next> {
    let is_superseded = |found: &&Found| desired.object(&found.key).is_none() && is_ours(found, desired);
    let superseded = || picture.objects.iter().filter(is_superseded);
    // A create that does not wait takes over what a lost state has left, and nobody would know of that later.
    let may_stay = |found: &Found| is_for_pods(found.key.kind) && (desired.wait || !desired.takes_over);
    let delete = |found: &Found| Next::Do(Step::DeleteObject(found.key.clone()));
    if let Some(found) = superseded().find(|found| !may_stay(found)) {
        return Some(delete(found));
    }
    superseded().next()?;
    let watched = picture.running.as_ref().map(|running| &running.stateful_sets);
    let Some(stateful_sets) = watched.or(picture.stateful_sets.as_ref()) else {
        return Some(Next::Do(Step::ReadStatefulSets));
    };
    let is_needed = |found: &Found| may_need(stateful_sets.iter(), found.key.kind, &found.key.name);
    superseded().find(|found| !is_needed(found)).map(delete)
}

/// An object that is not ours but has the name of a wanted object.
pub fn taken<'d>(desired: &'d Desired, picture: &Picture) -> Option<&'d Key> {
    let is_taken = |key: &&Key| picture.object(key).is_some_and(|found| !is_ours(found, desired));
    desired.objects.iter().map(|wanted| &wanted.key).find(is_taken)
}

/// Whether an object may be changed and deleted: it has our claim. A create refuses a name that is in use, unless
/// it adopts. So if it finds objects of that name, they come from a create that was cut off or from a state that
/// was lost, and nobody knows their claim any more.
fn is_ours(found: &Found, desired: &Desired) -> bool {
    found.is_claimed_by(&desired.claim)
        || (found.is_unclaimed_of_ours() && desired.object(&found.key).is_some())
        || (desired.takes_over && found.is_of(&desired.namespace, &desired.name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::redis::fixture::{self, claimed, serving};
    use crate::redis::objects::{Need, Role};
    use crate::redis::running::Running;
    use crate::redis::topology::Topology;

    fn update() -> Desired {
        Desired { creating: false, ..fixture::desired(Topology::Standalone) }
    }

    fn found(desired: &Desired, role: Role, change: impl Fn(&mut Json)) -> Picture {
        let wanted = desired.of_role(role).unwrap();
        let mut object = wanted.object.clone();
        change(&mut object);
        let mut picture = Picture::default();
        for one in &desired.objects {
            picture.set_object(&one.key, Some(one.object.clone()));
        }
        picture.set_object(&wanted.key, Some(object));
        picture
    }

    fn step(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
        before_redis(desired, picture, memory)
            .or_else(|| after_redis(desired, picture, memory))
            .or_else(|| ready(desired, picture, memory))
            .or_else(|| superseded(desired, picture))
    }

    #[test]
    fn two_objects_of_one_kind_are_two_objects() {
        let mut desired = update();
        let mut second = desired.of_role(Role::Configuration).unwrap().clone();
        second.key.name = "cache-dashboard".to_owned();
        second.object["metadata"]["name"] = json!("cache-dashboard");
        desired.objects.push(second.clone());
        let mut picture = found(&desired, Role::Configuration, |_| ());
        assert_eq!(step(&desired, &picture, &Memory::default()), None, "all are there");
        picture.set_object(&second.key, None);
        let todo = Some(Next::Do(Step::ApplyObject(second.key.clone())));
        assert_eq!(step(&desired, &picture, &Memory::default()), todo);
        let elsewhere = Key { namespace: "monitoring".to_owned(), ..second.key };
        picture.set_object(&elsewhere, Some(second.object));
        assert_eq!(step(&desired, &picture, &Memory::default()), todo, "that is another one");
    }

    #[test]
    fn an_object_of_somebody_else_is_neither_changed_nor_deleted() {
        let desired = update();
        for claim in [json!("theirs"), Json::Null] {
            let picture = found(&desired, Role::Configuration, |object| {
                object["metadata"]["labels"][crate::redis::names::label::CLAIM] = claim.clone();
            });
            let next = step(&desired, &picture, &Memory::default());
            assert!(matches!(&next, Some(Next::Stuck(waiting)) if waiting.cause == Cause::Taken), "{next:?}");
        }
        let stripped = found(&desired, Role::Configuration, |object| {
            object["metadata"]["labels"] = Json::Null;
            object["metadata"]["managedFields"] = json!([{ "manager": crate::redis::names::MANAGER }]);
        });
        let next = step(&desired, &stripped, &Memory::default());
        assert!(
            matches!(next, Some(Next::Do(Step::ApplyObject(_)))),
            "we wrote it, and somebody took its labels"
        );
        let mut picture = found(&desired, Role::Configuration, |_| ());
        picture.running = Some(Running::default());
        let other = Key { name: "cache-old".to_owned(), ..desired.objects[0].key.clone() };
        picture.set_object(&other, Some(claimed("theirs")));
        assert_eq!(step(&desired, &picture, &Memory::default()), None, "it stays");
        picture.set_object(&other, Some(claimed(&desired.claim)));
        assert_eq!(
            step(&desired, &picture, &Memory::default()),
            Some(Next::Do(Step::DeleteObject(other.clone())))
        );
        picture.set_object(&other, Some(claimed("of a create that was cut off")));
        let creating = Desired { takes_over: true, ..desired };
        assert_eq!(step(&creating, &picture, &Memory::default()), Some(Next::Do(Step::DeleteObject(other))));
    }

    /// Neither needs the rights to watch what runs.
    #[test]
    fn who_does_not_wait_reads_the_stateful_sets_only_for_what_pods_start_with() {
        let desired = Desired { wait: false, ..update() };
        let mut picture = found(&desired, Role::Configuration, |_| ());
        assert_eq!(step(&desired, &picture, &Memory::default()), None);
        let key = desired.of_role(Role::Configuration).unwrap().key.clone();
        let former = Key { name: "cache-config-0".to_owned(), ..key.clone() };
        let policy =
            Key { role: Role::NetworkPolicy, kind: "NetworkPolicy", name: "cache".to_owned(), ..key };
        picture.set_object(&former, Some(claimed(&desired.claim)));
        picture.set_object(&policy, Some(claimed(&desired.claim)));
        let next = |picture: &Picture| step(&desired, picture, &Memory::default());
        assert_eq!(next(&picture), Some(Next::Do(Step::DeleteObject(policy.clone()))));
        picture.set_object(&policy, None);
        assert_eq!(next(&picture), Some(Next::Do(Step::ReadStatefulSets)));
        let mut stateful_sets = serving(desired.topology).stateful_sets;
        picture.stateful_sets = Some(stateful_sets.clone());
        assert_eq!(next(&picture), Some(Next::Do(Step::DeleteObject(former))));
        stateful_sets[0]["status"]["updatedReplicas"] = json!(0);
        picture.stateful_sets = Some(stateful_sets);
        assert_eq!(next(&picture), None, "a pod of the old revision may start again");
    }

    #[test]
    fn an_object_that_would_go_with_its_owner_is_taken_from_it_first() {
        let desired = update();
        let picture = found(&desired, Role::Password, |object| {
            object["metadata"]["ownerReferences"] = json!([{ "name": "cache" }]);
        });
        let key = desired.of_role(Role::Password).unwrap().key.clone();
        assert_eq!(step(&desired, &picture, &Memory::default()), Some(Next::Do(Step::DisownObject(key))));
    }

    #[test]
    fn labels_follow_unless_that_is_denied() {
        let desired = update();
        let picture =
            found(&desired, Role::Password, |object| object["metadata"]["labels"]["team"] = Json::Null);
        let key = desired.of_role(Role::Password).unwrap().key.clone();
        let todo = Some(Next::Do(Step::LabelObject(key.clone())));
        assert_eq!(step(&desired, &picture, &Memory::default()), todo);
        let memory = Memory { denied: [Denial::Metadata(key)].into(), ..Memory::default() };
        assert_eq!(step(&desired, &picture, &memory), None);
    }

    #[test]
    fn an_optional_object_that_is_denied_holds_nothing_up() {
        let mut desired = update();
        let index = desired.objects.iter().position(|one| one.key.role == Role::Configuration).unwrap();
        desired.objects[index].need = Need::Optional;
        let key = desired.objects[index].key.clone();
        let mut picture = found(&desired, Role::Configuration, |_| ());
        picture.set_object(&key, None);
        let memory = Memory { denied: [Denial::Object(key)].into(), ..Memory::default() };
        assert_eq!(step(&desired, &picture, &memory), None);
    }
}
