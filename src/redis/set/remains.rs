//! What an earlier run has left, if this run may not go on from there.

use crate::redis::desired::Desired;
use crate::redis::memory::{Denial, Memory};
use crate::redis::opstree::Hold;
use crate::redis::picture::Picture;
use crate::redis::step::Next;
use crate::redis::waiting::{Cause, Waiting};

/// A pause of an earlier run, which has moved the master, while something is missing to continue. Nothing is written
/// meanwhile: the StatefulSet would not have it, and whoever continues would take all pods for new ones, and take the
/// password away from them with which they were started.
pub(super) fn left_paused(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    if !desired.topology.is_replicated() || !memory.denied.has(&Denial::GuardedRollout) {
        return None;
    }
    let kind = desired.topology.kinds().iter().find(|kind| picture.hold(**kind) == Hold::Ours)?;
    let why = "the operator is paused in the middle of a rollout, and this apply cannot continue it";
    Some(Next::Stuck(Waiting::new(Cause::LeftPaused, why).about(*kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::fixture::{self, custom_resources};
    use crate::redis::names::annotation;
    use crate::redis::topology::Topology;

    #[test]
    fn nothing_is_written_behind_a_pause_that_this_run_cannot_end() {
        let topology = Topology::Sentinel;
        let desired = fixture::desired(topology);
        let mut picture = Picture { custom_resources: custom_resources(topology), ..Picture::default() };
        let mut memory = Memory::default();
        memory.denied.add(Denial::GuardedRollout);
        assert_eq!(left_paused(&desired, &picture, &memory), None);
        let data = &mut picture.custom_resources[0];
        for mark in [topology.data().skip_reconcile(), annotation::PAUSED] {
            data["metadata"]["annotations"][mark] = "true".into();
        }
        let Some(Next::Stuck(waiting)) = left_paused(&desired, &picture, &memory) else {
            panic!("it goes on")
        };
        assert_eq!(waiting.cause, Cause::LeftPaused);
        assert_eq!(left_paused(&desired, &picture, &Memory::default()), None, "it can continue");
    }
}
