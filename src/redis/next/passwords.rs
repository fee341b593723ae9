//! Which passwords count while pods are rolled: told by what they were started with, and what is not deleted yet.
//!
//! Where we roll the pods, `rollout` sees to it that they accept both. The operator rolls those of a cluster: before it is
//! shown another password each pod is told of that, and each that it replaces is told of the former one.

use super::guarded::asked;
use super::{Cause, CompanionKind, Desired, Next, Observed, Step, wait};
use crate::redis::names::PASSWORD_KEY;
use crate::redis::object::is_terminating;
use crate::redis::password::PasswordAt;
use crate::redis::ready::Running;
use crate::redis::rollout::{self, Decision};
use crate::redis::topology::Topology;

/// Has every pod of a cluster accept the password that is wanted and the former one; `None` where there is but one, and
/// where all that can be told are.
pub(super) fn admitted(desired: &Desired, observed: &Observed) -> Option<Next> {
    let data = observed.custom_resource(desired.topology.data())?;
    if !is_ours_to_tell(desired, observed) || desired.creating || is_terminating(data) {
        return None;
    }
    let is_shown = PasswordAt::of_custom_resource(data) == PasswordAt::of_custom_resource(desired.data());
    let Some(running) = &observed.running else { return (!is_shown).then_some(Next::Do(Step::Watch)) };
    if !has_other_password(desired, running) {
        return None;
    }
    let set = match asked(observed) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    match rollout::both_accepted(set) {
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        // Once the operator is at it, pods come and go.
        Decision::Wait(why) if !is_shown => Some(wait(Cause::Rolling, why)),
        _ => None,
    }
}

/// Has no pod of a cluster accept the former password any more: all have been replaced, and are well.
pub(super) fn expelled(desired: &Desired, observed: &Observed) -> Option<Next> {
    if !is_ours_to_tell(desired, observed) || !has_former_password(desired, observed) {
        return None;
    }
    let Some(set) = &observed.set else { return Some(Next::Do(Step::Talk)) };
    match rollout::expel(set) {
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        Decision::Wait(why) => Some(wait(Cause::Rolling, why)),
        _ => None,
    }
}

fn is_ours_to_tell(desired: &Desired, observed: &Observed) -> bool {
    desired.topology == Topology::Cluster && desired.is_guarded && !observed.passwords_are_apart
}

/// Whether some pods were started with another password than others.
pub(super) fn has_two_passwords(running: &Running) -> bool {
    let mut given = running.pods.iter().map(PasswordAt::of_pod);
    let Some(first) = given.next() else { return false };
    given.any(|other| other != first)
}

/// What each pod of Redis was started with.
pub fn given<'a>(
    desired: &'a Desired,
    running: &'a Running,
) -> impl Iterator<Item = Option<PasswordAt>> + 'a {
    let parts = desired.topology.parts().iter().filter(|part| part.has_data());
    parts.flat_map(|part| {
        running.pods_of(&part.name(&desired.name)).map(PasswordAt::of_pod).collect::<Vec<_>>()
    })
}

/// Whether pods were started with another password than the one that is wanted.
pub(super) fn has_other_password(desired: &Desired, running: &Running) -> bool {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    given(desired, running).any(|given| given != wanted)
}

/// Whether there is a password that pods may still accept, and that is not the one that is wanted.
pub(super) fn has_former_password(desired: &Desired, observed: &Observed) -> bool {
    observed.running.as_ref().is_some_and(|running| !former_passwords(desired, observed, running).is_empty())
}

/// Every password that pods may still accept: those they were started with, the one of the state, and those in Secrets of
/// ours that are not deleted yet.
pub fn former_passwords(desired: &Desired, observed: &Observed, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let kept = observed.companions.iter().filter(|one| one.kind == CompanionKind::Secret);
    let kept = kept.map(|one| PasswordAt { secret: one.name.clone(), key: PASSWORD_KEY.to_owned() });
    let mut all: Vec<PasswordAt> = valid_passwords(desired, running).into_iter().chain(kept).collect();
    all.retain(|one| Some(one) != wanted.as_ref());
    all.sort();
    all.dedup();
    all
}

/// The passwords by which somebody may log in while pods are rolled: the one that is wanted first.
pub fn valid_passwords(desired: &Desired, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let given = given(desired, running).flatten();
    let mut others: Vec<PasswordAt> = given.chain(desired.former_password.clone()).collect();
    others.retain(|one| Some(one) != wanted.as_ref());
    others.sort();
    others.dedup();
    wanted.into_iter().chain(others).collect()
}
