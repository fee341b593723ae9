//! A replicated set that neither the operator nor the sentinels get out of its state: without any master, or watched at an
//! address that is gone. To heal it is what a rollout does after it was cut off, so all that is to be done here is to begin.

use super::guarded::{asked, is_left_paused, is_paused};
use super::{Desired, Next, Observed, Step};
use crate::redis::object::text;
use crate::redis::opstree::Kind;
use crate::redis::ready::{Running, rolled_out};
use crate::redis::rollout::{self, Move};
use crate::redis::topology::Topology;

/// Begins to heal the set, if it must be; `None` where it need not.
pub(super) fn heal(desired: &Desired, observed: &Observed) -> Option<Next> {
    if desired.creating || !desired.wait || desired.guarded.is_empty() {
        return None;
    }
    let running = observed.running.as_ref()?;
    // Somebody keeps the operator off on purpose.
    let is_kept_off = |kind: &Kind| is_paused(*kind, observed) && !is_left_paused(*kind, observed);
    if desired.topology.kinds().iter().any(is_kept_off) {
        return None;
    }
    let is_sick = is_without_master(desired, observed, running) || is_watched_elsewhere(desired, observed);
    if !is_sick {
        return None;
    }
    match asked(observed) {
        Ok(set) => rollout::needs_healing(set).then_some(Next::Do(Step::Roll(Move::Pause))),
        Err(next) => Some(next),
    }
}

/// All pods are there, and the operator finds no master among them.
fn is_without_master(desired: &Desired, observed: &Observed, running: &Running) -> bool {
    let Some(data) = observed.custom_resource(desired.topology.data()) else { return false };
    let replicas = desired.topology.parts().first().map_or(0, |part| part.replicas(data));
    let is_whole = running.stateful_set(&desired.name).is_some_and(|one| rolled_out(one, replicas).is_ok());
    is_whole && text(data, &["status", "masterNode"]).is_none_or(str::is_empty)
}

/// Something is not reached: it may be that sentinels name a master that is not there.
fn is_watched_elsewhere(desired: &Desired, observed: &Observed) -> bool {
    desired.topology == Topology::Sentinel && matches!(&observed.reached, Some(Err(_)))
}
