//! A replicated set that neither the operator nor the sentinels can repair: it has no master, or its
//! sentinels watch an address that no pod has. A rollout repairs the same after it was cut off, so the only
//! thing to do here is to begin.

use super::{Decision, asked, before_pause, follows_another, guarded, is_without_master, needs_healing};
use crate::redis::desired::Desired;
use crate::redis::memory::Memory;
use crate::redis::picture::Picture;
use crate::redis::step::{Move, Next};
use crate::redis::topology::Topology;
use crate::redis::waiting::Cause;

/// Begins to repair the set, if that is necessary.
pub fn heal(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let topology = desired.topology;
    let running = picture.running.as_ref()?;
    if !desired.wait || !guarded::is_possible(desired, memory) {
        return None;
    }
    let is_sick =
        is_without_master(topology, &desired.name, picture) || is_watched_elsewhere(topology, picture);
    if !is_sick || picture.is_held_by_others(topology) {
        return None;
    }
    let set = match asked(picture) {
        Ok(set) => set,
        Err(next) => return Some(next),
    };
    if let Some(why) = follows_another(set) {
        return Some(Next::wait(Cause::Elsewhere, why));
    }
    let begin = || before_pause(set).unwrap_or(Decision::Do(Move::Pause));
    needs_healing(set).then(begin).and_then(|decision| guarded::carry_out(decision, set, desired, running))
}

/// An endpoint is not reachable: sentinels may name a master that does not exist.
fn is_watched_elsewhere(topology: Topology, picture: &Picture) -> bool {
    topology == Topology::Sentinel && matches!(&picture.answers.reached, Some(Err(_)))
}
