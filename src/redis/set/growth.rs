//! A set that grows: one pod after the other, and each follows the master before the next one starts.
//!
//! A new pod starts as a master of its own. Until no pod is missing, the operator (v0.26) makes none follow another,
//! but labels each by what it says: the Service of the master then leads to both, and what applications write to the
//! new pod is lost once it follows. So while the operator is paused, we enlarge the StatefulSet, and the custom resource
//! gets the new size only when all pods follow. If a run is cut off before that, the operator goes back to the former
//! size. Without the right to do so, or if the user leaves rollouts to the operator, it gets one pod more at a time: the
//! last missing pod follows before it is labelled, unless it starts in the middle of a look of the operator.

use serde_json::Value as Json;

use super::guarded;
use crate::redis::desired::{Desired, Form};
use crate::redis::memory::{Denial, Memory};
use crate::redis::object::{count, uid};
use crate::redis::opstree::{self, Hold, Kind};
use crate::redis::picture::Picture;
use crate::redis::ready::kept_off;
use crate::redis::running::Running;
use crate::redis::step::{Move, Next, Step};

/// The final form, with the size that the custom resource has now if the set is to grow.
pub fn present(kind: Kind, desired: &Desired, picture: &Picture) -> Form {
    Form { size: too_small(kind, desired, picture), ..Form::default() }
}

/// The form in which only we replace the pods, with that size.
pub(super) fn rolled(kind: Kind, desired: &Desired, picture: &Picture) -> Form {
    Form { is_rolled_by_us: true, ..present(kind, desired, picture) }
}

/// Whether the custom resource has its final form, apart from the size that the set grows to. What is only taken away,
/// such as a label, shows in the hash alone.
pub(super) fn is_present(kind: Kind, desired: &Desired, picture: &Picture) -> bool {
    let wanted = desired.written(kind, &present(kind, desired, picture));
    picture.custom_resource(kind).is_some_and(|found| opstree::differences(&wanted, found).is_empty())
}

/// Whether we add pods: there should be more of them, and the custom resource waits for nothing else of ours. A run that
/// was cut off may have left it for another wish.
pub fn is_ours(desired: &Desired, picture: &Picture, memory: &Memory) -> bool {
    let kind = desired.topology.data();
    too_small(kind, desired, picture).is_some()
        && may_be_ours(desired, memory)
        && (is_present(kind, desired, picture) || guarded::is_rolled_by_us(kind, desired, picture))
}

fn may_be_ours(desired: &Desired, memory: &Memory) -> bool {
    desired.is_guarded && guarded::is_possible(desired, memory) && !memory.denied.has(&Denial::Enlargement)
}

/// The size of a custom resource that is to grow. A set without pods has no master beside which another could start,
/// and whoever does not wait leaves it all to the operator.
fn too_small(kind: Kind, desired: &Desired, picture: &Picture) -> Option<i64> {
    let is_set = desired.topology.is_replicated() && kind == desired.topology.data();
    if !is_set || desired.creating || !desired.wait {
        return None;
    }
    let size = size(picture.custom_resource(kind)?);
    (0 < size && size < size_of(desired)).then_some(size)
}

/// A pause of somebody else, which is not ours to end.
pub(super) fn left_to_others(desired: &Desired, picture: &Picture) -> Option<Next> {
    let held = desired.topology.kinds().iter().find(|kind| picture.hold(**kind) == Hold::Others)?;
    Some(Next::Wait(kept_off(*held)))
}

/// One pod more in the StatefulSet, while the operator is paused and all pods follow.
pub(super) fn enlarge(desired: &Desired, running: &Running) -> Option<Next> {
    let replicas = count(running.stateful_set(&desired.name)?, &["spec", "replicas"]);
    (replicas < size_of(desired)).then_some(Next::Do(Step::Roll(Move::Enlarge { to: replicas + 1 })))
}

/// One pod more, made by the operator, once Redis serves with those that it has.
pub fn left_to_operator(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let kind = desired.topology.data();
    if may_be_ours(desired, memory) {
        return None;
    }
    let more = too_small(kind, desired, picture)? + 1;
    let form = Form { size: Some(more).filter(|more| *more < size_of(desired)), ..Form::default() };
    let found = picture.custom_resource(kind)?;
    let differences = opstree::differences(&desired.written(kind, &form), found);
    Some(Next::Do(Step::ApplyCustomResource { kind, uid: uid(found).map(str::to_owned), differences, form }))
}

fn size_of(desired: &Desired) -> i64 {
    size(desired.data())
}

fn size(custom_resource: &Json) -> i64 {
    count(custom_resource, &["spec", "clusterSize"])
}
