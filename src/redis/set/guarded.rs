//! The guarded rollout's place in an apply. The custom resources are written so that no pod restarts by
//! itself. Once the operator has processed that, `set` replaces the pods. Then the custom resources are
//! written in their final form.
//!
//! The custom resources alone show how far an earlier run came: each has its final form, its form during a
//! rollout, or neither.

use serde_json::Value as Json;

use super::decided::decided_by_others;
use super::growth::{self, is_present as stays};
use super::{Decision, asked, labels, remains};
use crate::redis::answers::set::Set;
use crate::redis::desired::{Desired, Form};
use crate::redis::diagnose;
use crate::redis::memory::{Denial, Memory};
use crate::redis::nudge::nudge;
use crate::redis::object::{count, is_terminating, text, uid};
use crate::redis::opstree::{self, Hold, Kind};
use crate::redis::passwords::{has_former_password, has_other_password};
use crate::redis::picture::Picture;
use crate::redis::ready::{self, kept_off};
use crate::redis::running::{Running, is_acted_on};
use crate::redis::step::{Next, Step};
use crate::redis::waiting::{Cause, Waiting};

/// The next step as long as the set is not in its final form; `None` if nothing must be rolled.
pub fn rolling(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    if !is_possible(desired, memory) {
        return remains::left_paused(desired, picture, memory);
    }
    let data = picture.custom_resource(desired.topology.data())?;
    if is_terminating(data) {
        return None;
    }
    let kinds = || desired.topology.kinds().iter().copied();
    let is_held_by_us = picture.is_held_by_us(desired.topology);
    if !desired.is_guarded && !is_held_by_us {
        return None;
    }
    let is_to_grow = growth::is_ours(desired, picture, memory);
    if kinds().all(|kind| stays(kind, desired, picture)) && !is_held_by_us && !is_to_grow {
        return None;
    }
    if let Some(next) = is_to_grow.then(|| growth::left_to_others(desired, picture)).flatten() {
        return Some(next);
    }
    let Some(running) = &picture.running else { return Some(Next::Do(Step::Watch)) };
    if let Some(next) = decided_by_others(desired, picture, memory) {
        return Some(next);
    }
    if let Some(next) = before_writing(desired, picture, memory, running, data) {
        return Some(next);
    }
    // The sentinels first: the operator postpones them while the data's pods are not all of one revision.
    for kind in kinds().rev() {
        if let Some(next) = prepare(kind, desired, picture, running) {
            return Some(next);
        }
    }
    if kinds().all(|kind| !is_rolled_by_us(kind, desired, picture) || !has_old_pods(kind, desired, running))
        && !kinds().any(|kind| picture.hold(kind) != Hold::Nobody)
        && !has_former_password(desired, picture)
        && !is_to_grow
    {
        return finish(desired, picture, memory, running);
    }
    let set = match asked(picture) {
        Ok(set) => set,
        // Whoever leaves the rollout to the operator gets out of a pause during which no pod can be asked.
        Err(Next::Wait(Waiting { cause: Cause::Login, .. })) if !desired.is_guarded => {
            return kinds()
                .find(|kind| picture.hold(*kind) == Hold::Ours)
                .map(|kind| Next::Do(Step::Unpause(kind)));
        }
        Err(next) => return Some(next),
    };
    if let Some(next) = carry_out(super::next(set), set, desired, running) {
        return Some(next);
    }
    // The remains of a cut-off run are repaired now; later wishes come next.
    let superseded = kinds().find(|kind| {
        picture.hold(*kind) != Hold::Nobody
            && !stays(*kind, desired, picture)
            && !is_rolled_by_us(*kind, desired, picture)
    });
    superseded.map(|kind| Next::Do(Step::Unpause(kind))).or_else(|| finish(desired, picture, memory, running))
}

/// Whether we can roll pods at all: the pods of a new instance start for the first time.
pub fn is_possible(desired: &Desired, memory: &Memory) -> bool {
    desired.topology.is_replicated() && !desired.creating && !memory.denied.has(&Denial::GuardedRollout)
}

/// The conditions for showing the operator the wanted spec: every pod accepts the new password, and the
/// master is one of the pods that stay. `None` if they hold, or if no such change is wanted.
fn before_writing(
    desired: &Desired,
    picture: &Picture,
    memory: &Memory,
    running: &Running,
    data: &Json,
) -> Option<Next> {
    let kinds = || desired.topology.kinds().iter().copied();
    let is_written = |kind: Kind| stays(kind, desired, picture) || is_rolled_by_us(kind, desired, picture);
    // Nothing is about to be shown to the operator while the sentinels wait for the data's pods.
    let is_put_off = |kind: Kind| {
        let wanted = desired.written(kind, &growth::rolled(kind, desired, picture));
        let labels = || labels::before_writing(kind, &wanted, desired, picture, running);
        is_later(kind, desired, running) && matches!(labels(), Some(Next::Wait(_)))
    };
    if !desired.is_guarded || kinds().all(|kind| is_written(kind) || is_put_off(kind)) {
        return None;
    }
    let size = |custom_resource: &Json| count(custom_resource, &["spec", "clusterSize"]);
    let shrinks = size(desired.data()) < size(data);
    if !shrinks && !has_other_password(desired, running) {
        return None;
    }
    if picture.is_held_by_others(desired.topology) {
        return None;
    }
    let set = match asked(picture) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    if let Some(next) = carry_out(super::before_writing(set), set, desired, running) {
        return Some(next);
    }
    if let Some(paused) = kinds().find(|kind| picture.hold(*kind) != Hold::Nobody) {
        return Some(Next::Do(Step::Unpause(paused)));
    }
    // Until the operator has noticed the new master, it would make that pod a replica of a pod that will be
    // removed.
    let master = text(data, &["status", "masterNode"]).unwrap_or_default();
    (shrinks && Some(master) != super::master_of(set)).then(|| {
        let why = format!("the operator still considers {master:?} the master");
        let waiting = Waiting::new(Cause::Roles, why);
        nudge(&waiting, desired, picture, memory, running).unwrap_or(Next::Wait(waiting))
    })
}

/// The step that follows from a decision about the set; `None` if nothing is left to do.
pub(super) fn carry_out(decision: Decision, set: &Set, desired: &Desired, running: &Running) -> Option<Next> {
    match decision {
        Decision::Done => None,
        Decision::Wait(why) => Some(
            diagnose::pods(&waited_for(set, &desired.name, running), &running.claims)
                .map_or_else(|| Next::wait(Cause::Rolling, why), Next::Wait),
        ),
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        Decision::Doubt(cause, why) => Some(Next::wait(cause, why)),
    }
}

/// The pods that may be the cause: postponed sentinels are not waited for.
fn waited_for(set: &Set, name: &str, running: &Running) -> Vec<Json> {
    match set.sentinels_are_later {
        true => running.pods_of(name).cloned().collect(),
        false => running.pods.clone(),
    }
}

/// Whether the custom resource has its form during a rollout.
pub(super) fn is_rolled_by_us(kind: Kind, desired: &Desired, picture: &Picture) -> bool {
    let wanted = desired.written(kind, &growth::rolled(kind, desired, picture));
    let found = picture.custom_resource(kind);
    found.is_some_and(|found| opstree::differences(&wanted, found).is_empty())
}

/// Writes the custom resource for the rollout, and waits until the operator has processed it.
fn prepare(kind: Kind, desired: &Desired, picture: &Picture, running: &Running) -> Option<Next> {
    if stays(kind, desired, picture) {
        return None;
    }
    if !is_rolled_by_us(kind, desired, picture) {
        let found = picture.custom_resource(kind);
        if picture.hold(kind) != Hold::Nobody {
            // The pause is ours: a run was cut off, and the wish has changed since. The pods are repaired
            // first, see `rolling`.
            return (picture.hold(kind) == Hold::Others).then(|| Next::Wait(kept_off(kind)));
        }
        if !desired.is_guarded {
            return None;
        }
        let form = growth::rolled(kind, desired, picture);
        let wanted = desired.written(kind, &form);
        match labels::before_writing(kind, &wanted, desired, picture, running) {
            Some(Next::Wait(waiting)) => return wait_unless_later(kind, waiting, desired, picture, running),
            Some(next) => return Some(next),
            None => {}
        }
        let differences = found.map(|found| opstree::differences(&wanted, found)).unwrap_or_default();
        let uid = found.and_then(uid).map(str::to_owned);
        return Some(Next::Do(Step::ApplyCustomResource { kind, uid, differences, form }));
    }
    let Err(waiting) = taken_over(kind, desired, picture, running) else { return None };
    match waiting.cause {
        Cause::SkipReconcile if picture.hold(kind) == Hold::Ours && !is_later(kind, desired, running) => {
            Some(Next::Do(Step::Unpause(kind)))
        }
        _ => wait_unless_later(kind, waiting, desired, picture, running),
    }
}

/// The operator handles sentinels only once the data's pods are all of one revision, so the data comes first.
fn is_later(kind: Kind, desired: &Desired, running: &Running) -> bool {
    kind == Kind::RedisSentinel && !running.is_of_one_revision(&desired.name)
}

/// Waits for the operator to process a custom resource; `None` if the operator will not process it before the
/// data's pods are rolled.
fn wait_unless_later(
    kind: Kind,
    waiting: Waiting,
    desired: &Desired,
    picture: &Picture,
    running: &Running,
) -> Option<Next> {
    let data = desired.topology.data();
    let is_left_to_operator = || {
        stays(data, desired, picture)
            && picture.hold(kind) == Hold::Nobody
            && picture.hold(data) != Hold::Ours
    };
    (!is_later(kind, desired, running) || is_left_to_operator()).then_some(Next::Wait(waiting))
}

/// Whether the operator has processed the form of the custom resource for a rollout.
fn taken_over(kind: Kind, desired: &Desired, picture: &Picture, running: &Running) -> Result<(), Waiting> {
    let (Some(custom_resource), Some(part)) =
        (picture.custom_resource(kind), desired.topology.parts_of(kind).next())
    else {
        return Ok(());
    };
    ready::seen_by_operator(part, custom_resource, running)?;
    let app = part.name(&desired.name);
    let is_of_it = |stateful_set: &Json| {
        is_acted_on_for_us(stateful_set)
            && (kind != Kind::RedisSentinel || ready::is_made_of(custom_resource, stateful_set))
    };
    if running.stateful_set(&app).is_some_and(is_of_it) {
        return Ok(());
    }
    let why = format!("the StatefulSet {app} has not been processed yet");
    Err(Waiting::new(Cause::OperatorBehind, why))
}

fn is_taken_over(kind: Kind, desired: &Desired, picture: &Picture, running: &Running) -> bool {
    stays(kind, desired, picture) || taken_over(kind, desired, picture, running).is_ok()
}

/// Whether the operator changes the sentinels only once the data's pods are all of one revision. Until then
/// the sentinels may have an earlier spec that does not start.
pub fn sentinels_are_later(desired: &Desired, picture: &Picture, running: &Running) -> bool {
    desired.topology.kinds().contains(&Kind::RedisSentinel)
        && !is_taken_over(Kind::RedisSentinel, desired, picture, running)
}

fn is_acted_on_for_us(stateful_set: &Json) -> bool {
    is_acted_on(stateful_set) && text(stateful_set, &["spec", "updateStrategy", "type"]) == Some("OnDelete")
}

fn has_old_pods(kind: Kind, desired: &Desired, running: &Running) -> bool {
    desired.topology.parts_of(kind).any(|part| running.has_old_pods(&part.name(&desired.name)))
}

/// All pods are new: the custom resources are written in their final form, and the operator handles them
/// again. The data comes first. The sentinels follow only once the operator has processed their spec, or the
/// operator would roll them.
fn finish(desired: &Desired, picture: &Picture, memory: &Memory, running: &Running) -> Option<Next> {
    for kind in desired.topology.kinds() {
        if *kind == Kind::RedisSentinel && !is_taken_over(*kind, desired, picture, running) {
            return Some(match picture.hold(*kind) != Hold::Nobody {
                true => Next::Do(Step::Unpause(*kind)),
                false => {
                    Next::wait(Cause::OperatorBehind, "the operator has not processed the sentinels yet")
                }
            });
        }
        let is_to_grow = *kind == desired.topology.data() && growth::is_ours(desired, picture, memory);
        if let Some(next) = is_to_grow.then(|| growth::enlarge(desired, running)).flatten() {
            return Some(next);
        }
        if is_to_grow || !stays(*kind, desired, picture) {
            let found = picture.custom_resource(*kind);
            let form = if is_to_grow { Form::default() } else { growth::present(*kind, desired, picture) };
            let wanted = desired.written(*kind, &form);
            let differences = found.map(|found| opstree::differences(&wanted, found)).unwrap_or_default();
            let uid = found.and_then(uid).map(str::to_owned);
            let step = Step::ApplyCustomResource { kind: *kind, uid, differences, form };
            return Some(Next::Do(step));
        }
        if picture.hold(*kind) != Hold::Nobody {
            return Some(Next::Do(Step::Unpause(*kind)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture;

    /// Waiting for a sentinel that cannot pull its image would end the run, although the data's pods go on.
    #[test]
    fn a_sentinel_that_is_put_off_is_not_waited_for() {
        let pod = |app: &str| json!({ "metadata": { "name": format!("{app}-0"), "labels": { "app": app } } });
        let running = Running { pods: vec![pod("cache"), pod("cache-sentinel")], ..Running::default() };
        let mut set = Set { size: 1, stays: 1, sentinels: 1, ..fixture::set(Vec::new()) };
        assert_eq!(waited_for(&set, "cache", &running).len(), 2);
        set.sentinels_are_later = true;
        assert_eq!(waited_for(&set, "cache", &running), [pod("cache")]);
    }
}
