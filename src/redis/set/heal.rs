//! A replicated set that neither the operator nor the sentinels get out of its state: without any master, or watched at an
//! address that is gone. To heal it is what a rollout does after it was cut off, so all that is to be done here is to begin.

use super::{asked, guarded, is_without_master, needs_healing};
use crate::redis::desired::Desired;
use crate::redis::memory::Memory;
use crate::redis::picture::Picture;
use crate::redis::step::{Move, Next, Step};
use crate::redis::topology::Topology;

/// Begins to heal the set, if it must be healed.
pub fn heal(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let topology = desired.topology;
    if !desired.wait || !guarded::is_possible(desired, memory) || picture.running.is_none() {
        return None;
    }
    let is_sick =
        is_without_master(topology, &desired.name, picture) || is_watched_elsewhere(topology, picture);
    if !is_sick || picture.is_held_by_others(topology) {
        return None;
    }
    match asked(picture) {
        Ok(set) => needs_healing(set).then_some(Next::Do(Step::Roll(Move::Pause))),
        Err(next) => Some(next),
    }
}

/// Something is not reached: it may be that sentinels name a master that is not there.
fn is_watched_elsewhere(topology: Topology, picture: &Picture) -> bool {
    topology == Topology::Sentinel && matches!(&picture.answers.reached, Some(Err(_)))
}
