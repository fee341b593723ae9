//! Passwords of a cluster whose pods the operator rolls: before the operator is shown another password each pod is told of
//! it, and each pod that it replaces is told of the former one.

use crate::redis::desired::Desired;
use crate::redis::memory::{Denial, Memory};
use crate::redis::object::is_terminating;
use crate::redis::password::PasswordAt;
use crate::redis::passwords::{has_former_password, has_other_password};
use crate::redis::picture::Picture;
use crate::redis::set::{self, Decision, asked};
use crate::redis::step::{Next, Step};
use crate::redis::topology::Topology;
use crate::redis::waiting::Cause;

/// Has every pod of a cluster accept the password that is wanted and the former one; `None` where there is but one, and
/// where all that can be told are.
pub fn admitted(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let data = picture.custom_resource(desired.topology.data())?;
    if !is_ours_to_tell(desired, memory) || desired.creating || is_terminating(data) {
        return None;
    }
    let is_shown = PasswordAt::of_custom_resource(data) == PasswordAt::of_custom_resource(desired.data());
    let Some(running) = &picture.running else { return (!is_shown).then_some(Next::Do(Step::Watch)) };
    if !has_other_password(desired, running) {
        return None;
    }
    let set = match asked(picture) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    match set::both_accepted(set) {
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        // Once the operator is at it, pods come and go.
        Decision::Wait(why) if !is_shown => Some(Next::wait(Cause::Rolling, why)),
        _ => None,
    }
}

/// Has no pod of a cluster accept the former password any more: all have been replaced, and are well.
pub fn expelled(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    if !is_ours_to_tell(desired, memory) || !has_former_password(desired, picture) {
        return None;
    }
    let Some(set) = &picture.answers.set else { return Some(Next::Do(Step::Talk)) };
    match set::expel(set) {
        Decision::Do(todo) => Some(Next::Do(Step::Roll(todo))),
        Decision::Wait(why) => Some(Next::wait(Cause::Rolling, why)),
        _ => None,
    }
}

fn is_ours_to_tell(desired: &Desired, memory: &Memory) -> bool {
    desired.topology == Topology::Cluster && desired.is_guarded && !memory.denied.has(&Denial::BothPasswords)
}
