//! Passwords of a cluster whose pods the operator rolls: every pod is given the new password before the
//! operator sees it, and every pod that the operator replaces is given the former one.

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

/// Makes every pod of a cluster accept the wanted password and the former one; `None` if there is only one
/// password, or if all reachable pods accept both.
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
        // Once the operator has begun, pods come and go.
        Decision::Wait(why) if !is_shown => Some(Next::wait(Cause::Rolling, why)),
        _ => None,
    }
}

/// Makes every pod of a cluster forget the former password, once all pods have been replaced and are Ready.
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
