//! The guarded rollout's place in an apply. The custom resources are written so that no pod restarts by itself; once the
//! operator has taken that over, `rollout` replaces the pods; then they are written as they are to stay.
//!
//! Where an earlier run was cut off is told by the custom resources alone: as each is to stay, as it is while pods are
//! rolled, or neither.

use serde_json::Value as Json;

use super::apply::uid;
use super::passwords::{has_former_password, has_other_password};
use super::{Cause, Desired, Form, Next, Observed, Step, Waiting, labels, wait};
use crate::redis::diagnose;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, count, is_terminating, label, text};
use crate::redis::opstree::{self, Kind};
use crate::redis::ready::{self, Running};
use crate::redis::rollout::{self, Decision, Set};
use crate::redis::topology::Part;

/// What to do as long as the set is not as it is to stay; `None` where nothing is to be rolled.
pub(super) fn rolling(desired: &Desired, observed: &Observed) -> Option<Next> {
    if desired.guarded.is_empty() {
        return None;
    }
    let data = observed.custom_resource(desired.topology.data())?;
    if is_terminating(data) {
        return None;
    }
    let kinds = || desired.topology.kinds().iter().copied();
    if !desired.is_guarded && !kinds().any(|kind| is_left_paused(kind, observed)) {
        return None;
    }
    let all_stay = kinds().all(|kind| stays(kind, desired, observed));
    if all_stay && !kinds().any(|kind| is_left_paused(kind, observed)) {
        return None;
    }
    let Some(running) = &observed.running else { return Some(Next::Do(Step::Watch)) };
    if let Some(next) = before_writing(desired, observed, running, data) {
        return Some(next);
    }
    // The sentinels' first: the operator puts them off while the data's pods are not all of one revision.
    for kind in kinds().rev() {
        if let Some(next) = prepare(kind, desired, observed, running) {
            return Some(next);
        }
    }
    if kinds().all(|kind| !is_rolled_by_us(kind, desired, observed) || !has_old_pods(kind, desired, running))
        && !kinds().any(|kind| is_paused(kind, observed))
        && !has_former_password(desired, observed)
    {
        return finish(desired, observed, running);
    }
    let set = match asked(observed) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    if let Some(next) = carry_out(rollout::next(set), set, desired, running) {
        return Some(next);
    }
    // What a cut-off run has left is right now; what is asked for since comes next.
    let superseded = kinds().find(|kind| {
        is_paused(*kind, observed)
            && !stays(*kind, desired, observed)
            && !is_rolled_by_us(*kind, desired, observed)
    });
    superseded.map(|kind| Next::Do(Step::Unpause(kind))).or_else(|| finish(desired, observed, running))
}

/// What must be so before the operator is shown what is wanted: every pod accepts the new password, and the master is one of
/// the pods that stay. `None` where it is, or nothing of the kind changes.
fn before_writing(desired: &Desired, observed: &Observed, running: &Running, data: &Json) -> Option<Next> {
    let kinds = || desired.topology.kinds().iter().copied();
    let is_written = |kind: Kind| stays(kind, desired, observed) || is_rolled_by_us(kind, desired, observed);
    if !desired.is_guarded || kinds().all(is_written) {
        return None;
    }
    let size = |custom_resource: &Json| count(custom_resource, &["spec", "clusterSize"]);
    let shrinks = size(desired.data()) < size(data);
    if !shrinks && !has_other_password(desired, running) {
        return None;
    }
    let is_kept_off = |kind: Kind| is_paused(kind, observed) && !is_left_paused(kind, observed);
    if kinds().any(is_kept_off) {
        return None;
    }
    let set = match asked(observed) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    if let Some(next) = carry_out(rollout::before_writing(set), set, desired, running) {
        return Some(next);
    }
    if let Some(paused) = kinds().find(|kind| is_paused(*kind, observed)) {
        return Some(Next::Do(Step::Unpause(paused)));
    }
    // Until it has noticed who the master is, the operator would make that pod a replica of one that goes.
    let master = text(data, &["status", "masterNode"]).unwrap_or_default();
    (shrinks && Some(master) != rollout::master_of(set)).then(|| {
        let why = format!("the operator still takes {master:?} for the master");
        let waiting = Waiting { cause: Cause::Roles, why };
        super::apply::nudge(&waiting, desired, observed, running).unwrap_or(Next::Wait(waiting))
    })
}

/// What Redis and the sentinels say; otherwise, what must come first.
pub(super) fn asked(observed: &Observed) -> Result<&Set, Next> {
    if let Some(missing) = &observed.missing_password {
        return Err(wait(Cause::Reference, format!("there is no {missing}, which is to be the password")));
    }
    observed.set.as_ref().ok_or(Next::Do(Step::Talk))
}

/// What a decision about the set means for the run; `None` where nothing is left to do.
fn carry_out(decision: Decision, set: &Set, desired: &Desired, running: &Running) -> Option<Next> {
    match decision {
        Decision::Done => None,
        Decision::Wait(why) => Some(
            diagnose::pods(&waited_for(set, &desired.name, running), &running.claims)
                .map_or_else(|| wait(Cause::Rolling, why), Next::Wait),
        ),
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        Decision::Stuck(why) => Some(Next::Stuck(Waiting { cause: Cause::Ambiguous, why })),
    }
}

/// The pods that may be why: sentinels that are put off are not waited for.
fn waited_for(set: &Set, name: &str, running: &Running) -> Vec<Json> {
    match set.sentinels_are_later {
        true => running.pods_of(name).cloned().collect(),
        false => running.pods.clone(),
    }
}

/// Whether the custom resource is there as it is to stay.
fn stays(kind: Kind, desired: &Desired, observed: &Observed) -> bool {
    let found = observed.custom_resource(kind);
    found.is_some_and(|found| opstree::differences(desired.custom_resource(kind), found).is_empty())
}

/// Whether the custom resource is there as it is while its pods are rolled.
fn is_rolled_by_us(kind: Kind, desired: &Desired, observed: &Observed) -> bool {
    let wanted = desired.guarded(kind);
    let found = observed.custom_resource(kind);
    matches!((wanted, found), (Some(wanted), Some(found)) if opstree::differences(wanted, found).is_empty())
}

pub(super) fn is_paused(kind: Kind, observed: &Observed) -> bool {
    let found = observed.custom_resource(kind);
    found.is_some_and(|found| mark(found, kind.skip_reconcile()) == Some("true"))
}

/// A run of ours that was cut off has left it; a pause without our mark is somebody's wish.
pub fn is_left_paused(kind: Kind, observed: &Observed) -> bool {
    let found = observed.custom_resource(kind);
    is_paused(kind, observed) && found.is_some_and(|found| mark(found, annotation::PAUSED).is_some())
}

/// Somebody keeps the operator off on purpose.
fn kept_off(kind: Kind) -> Next {
    let why = format!(
        "the {} bears {}, with which the operator leaves it alone",
        kind.kind(),
        kind.skip_reconcile()
    );
    wait(Cause::SkipReconcile, why)
}

/// Writes the custom resource for the rollout, and waits until the operator has taken it over.
fn prepare(kind: Kind, desired: &Desired, observed: &Observed, running: &Running) -> Option<Next> {
    if stays(kind, desired, observed) {
        return None;
    }
    if !is_rolled_by_us(kind, desired, observed) {
        let found = observed.custom_resource(kind);
        if is_paused(kind, observed) {
            // Ours: cut off, and asked for something else since. The pods are put right first, see `rolling`.
            return (!is_left_paused(kind, observed)).then(|| kept_off(kind));
        }
        let wanted = desired.guarded(kind).filter(|_| desired.is_guarded)?;
        match labels::before_writing(kind, wanted, desired, observed, running) {
            Some(Next::Wait(waiting)) => return wait_unless_later(kind, waiting, desired, observed, running),
            Some(next) => return Some(next),
            None => {}
        }
        let differences = found.map(|found| opstree::differences(wanted, found)).unwrap_or_default();
        let uid = found.and_then(uid);
        let form = Form::Rolled;
        return Some(Next::Do(Step::ApplyCustomResource { kind, uid, differences, form }));
    }
    let Err(waiting) = taken_over(kind, desired, observed, running) else { return None };
    match waiting.cause {
        Cause::SkipReconcile if is_left_paused(kind, observed) && !is_later(kind, desired, running) => {
            Some(Next::Do(Step::Unpause(kind)))
        }
        _ => wait_unless_later(kind, waiting, desired, observed, running),
    }
}

/// The operator looks after sentinels only once the data's pods are all of one revision: those first.
fn is_later(kind: Kind, desired: &Desired, running: &Running) -> bool {
    kind == Kind::RedisSentinel && !is_whole(desired, running)
}

/// Waits for the operator to act on a custom resource; `None` where it will not before the data's pods are rolled.
fn wait_unless_later(
    kind: Kind,
    waiting: Waiting,
    desired: &Desired,
    observed: &Observed,
    running: &Running,
) -> Option<Next> {
    let data = desired.topology.data();
    let is_left_to_operator =
        || stays(data, desired, observed) && !is_paused(kind, observed) && !is_left_paused(data, observed);
    (!is_later(kind, desired, running) || is_left_to_operator()).then_some(Next::Wait(waiting))
}

/// Whether the operator has acted on the custom resource as it is while its pods are rolled.
fn taken_over(kind: Kind, desired: &Desired, observed: &Observed, running: &Running) -> Result<(), Waiting> {
    let (Some(custom_resource), Some(part)) = (observed.custom_resource(kind), parts(kind, desired).next())
    else {
        return Ok(());
    };
    ready::seen_by_operator(part, custom_resource, running)?;
    let app = part.name(&desired.name);
    let is_of_it = |stateful_set: &Json| {
        is_acted_on(stateful_set)
            && (kind != Kind::RedisSentinel || ready::is_made_of(custom_resource, stateful_set))
    };
    if running.stateful_set(&app).is_some_and(is_of_it) {
        return Ok(());
    }
    let why = format!("the StatefulSet {app} has not been acted on yet");
    Err(Waiting { cause: Cause::OperatorBehind, why })
}

fn is_taken_over(kind: Kind, desired: &Desired, observed: &Observed, running: &Running) -> bool {
    stays(kind, desired, observed) || taken_over(kind, desired, observed, running).is_ok()
}

/// Whether the operator changes the sentinels only once the data's pods are all of one revision. Until then they may be of
/// something that was wanted before, and does not come up.
pub fn sentinels_are_later(desired: &Desired, observed: &Observed, running: &Running) -> bool {
    desired.topology.kinds().contains(&Kind::RedisSentinel)
        && !is_taken_over(Kind::RedisSentinel, desired, observed, running)
}

pub(super) fn parts(kind: Kind, desired: &Desired) -> impl Iterator<Item = Part> {
    desired.topology.parts().iter().copied().filter(move |part| part.kind == kind)
}

fn is_acted_on(stateful_set: &Json) -> bool {
    count(stateful_set, &["status", "observedGeneration"]) == count(stateful_set, &["metadata", "generation"])
        && text(stateful_set, &["spec", "updateStrategy", "type"]) == Some("OnDelete")
}

/// Whether the data's pods are of one revision and Ready.
fn is_whole(desired: &Desired, running: &Running) -> bool {
    running.stateful_set(&desired.name).is_some_and(|stateful_set| {
        let revision = |field| text(stateful_set, &["status", field]);
        revision("currentRevision") == revision("updateRevision")
            && count(stateful_set, &["status", "readyReplicas"]) == count(stateful_set, &["spec", "replicas"])
    })
}

fn has_old_pods(kind: Kind, desired: &Desired, running: &Running) -> bool {
    parts(kind, desired).any(|part| {
        let app = part.name(&desired.name);
        let revision = running.stateful_set(&app).map(|one| text(one, &["status", "updateRevision"]));
        running.pods_of(&app).any(|pod| Some(label(pod, "controller-revision-hash")) != revision)
    })
}

/// All pods are new: written as it is to stay, and left to the operator again. The data first; the sentinels only once the
/// operator has taken over what they are to be, or it would roll them.
fn finish(desired: &Desired, observed: &Observed, running: &Running) -> Option<Next> {
    for kind in desired.topology.kinds() {
        if *kind == Kind::RedisSentinel && !is_taken_over(*kind, desired, observed, running) {
            return Some(match is_paused(*kind, observed) {
                true => Next::Do(Step::Unpause(*kind)),
                false => wait(Cause::OperatorBehind, "the operator has not acted on the sentinels yet"),
            });
        }
        if !stays(*kind, desired, observed) {
            let found = observed.custom_resource(*kind);
            let wanted = desired.custom_resource(*kind);
            let differences = found.map(|found| opstree::differences(wanted, found)).unwrap_or_default();
            let uid = found.and_then(uid);
            let step = Step::ApplyCustomResource { kind: *kind, uid, differences, form: Form::Final };
            return Some(Next::Do(step));
        }
        if is_paused(*kind, observed) {
            return Some(Next::Do(Step::Unpause(*kind)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Waiting for a sentinel that cannot pull its image would end the run, although the data's pods go on.
    #[test]
    fn a_sentinel_that_is_put_off_is_not_waited_for() {
        let pod = |app: &str| json!({ "metadata": { "name": format!("{app}-0"), "labels": { "app": app } } });
        let running = Running { pods: vec![pod("cache"), pod("cache-sentinel")], ..Running::default() };
        let mut set = Set {
            size: 1,
            stays: 1,
            members: Vec::new(),
            sentinels: 1,
            watchers: Vec::new(),
            sentinels_are_later: false,
            is_paused: false,
            is_quiet: false,
            valid: Vec::new(),
            former: Vec::new(),
        };
        assert_eq!(waited_for(&set, "cache", &running).len(), 2);
        set.sentinels_are_later = true;
        assert_eq!(waited_for(&set, "cache", &running), [pod("cache")]);
    }
}
