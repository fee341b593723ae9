//! Somebody takes away the right to reach into pods in the middle of a run: the operator is left to restart them, as
//! `run/refusals.rs` does.

use super::*;
use crate::redis::set::may_let_go;

impl SetWorld {
    pub(super) fn is_forbidden(&self, step: &Step) -> bool {
        let reaches = match step {
            Step::Talk | Step::Save => true,
            Step::Roll(todo) => {
                !matches!(todo, Move::Pause | Move::Delete { .. } | Move::Enlarge { .. } | Move::Label { .. })
            }
            _ => false,
        };
        reaches && self.clock.now() < self.forbidden_until
    }

    pub(super) fn do_without(&mut self, step: &Step) {
        let picture = self.seen();
        let topology = self.desired.topology;
        if may_let_go(&picture, topology, self.run.master.as_deref()) {
            let paused: Vec<Kind> = self.kinds().filter(|kind| self.is_paused(*kind)).collect();
            paused.into_iter().for_each(|kind| self.do_it(&Step::Unpause(kind)));
        } else if picture.is_held_by_us(topology) {
            self.news.push("the operator is still paused".to_owned());
        }
        match step {
            Step::Save => self.run.has_failed = true,
            _ => {
                self.run.denied.add(Denial::GuardedRollout);
                (self.is_left_to_operator, self.has_struck) = (true, true);
            }
        }
    }

    /// A StatefulSet that is left to its controller: the last pod that is old goes, if no other is missing. What that loses
    /// is told before.
    pub(super) fn controller_replaces_pods(&mut self, part: Part, revision: &str) {
        let is_ours = |one: &&Server| one.part == part;
        if self.servers.iter().filter(is_ours).any(|one| !one.is_ready) {
            return;
        }
        let old = self.servers.iter().filter(is_ours).filter(|one| one.revision != revision);
        if let Some(name) = old.max_by_key(|one| one.ordinal).map(Server::name) {
            self.news.push(format!("CONTROLLER: {name} restarts"));
            self.ends(&name);
        }
    }
}
