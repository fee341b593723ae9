//! What we do to the world.

use super::*;
use crate::redis::passwords::{former_passwords, valid_passwords};
use crate::redis::step::{Mending, Move, Step};

/// For how long a run waits until the operator has noticed that it is kept off; then it goes on without.
const NOTICING: u32 = 12;

impl ClusterWorld {
    pub(super) fn do_it(&mut self, step: &Step) {
        let marks = |live: &mut Json, marks: &[(&str, Json)]| {
            for (mark, value) in marks {
                live["metadata"]["annotations"][*mark] = value.clone();
            }
        };
        let kind = Kind::RedisCluster;
        let unfinished = (annotation::UNFINISHED, json!("updating"));
        let pause = self.pause().unwrap_or(self.pauses + 1);
        let paused = [(kind.skip_reconcile(), json!("true")), (annotation::PAUSED, json!(pause.to_string()))];
        match step {
            Step::Watch => self.run.is_watching = true,
            Step::AskNodes => self.asks_nodes(),
            Step::Save => self.run.has_saved = true,
            Step::Talk => self.asks_for_passwords(),
            Step::Reach => self.run.has_reached = Some(self.whole()),
            Step::CreateObject(key) => self.secrets.push(key.name.clone()),
            Step::DeleteObject(key) => self.secrets.retain(|one| *one != key.name),
            Step::ApplyCustomResource { form, .. } => {
                let mut written = self.desired.written(kind, form);
                written["status"] = self.live["status"].clone();
                for kept in [annotation::NEWS, annotation::PAUSED, kind.skip_reconcile()] {
                    written["metadata"]["annotations"][kept] =
                        at(&self.live, &["metadata", "annotations", kept]).clone();
                }
                self.live = written;
                marks(&mut self.live, &[unfinished]);
            }
            Step::Nudge(news) => marks(&mut self.live, &[(annotation::NEWS, json!(news))]),
            Step::KeepOff => {
                marks(&mut self.live, &[unfinished]);
                marks(&mut self.live, &paused);
                self.pauses = self.pauses.max(pause);
            }
            Step::Roll(Move::Pause) => {
                marks(&mut self.live, &[unfinished]);
                marks(&mut self.live, &paused);
                self.pauses = self.pauses.max(pause);
                self.notices();
                self.run.proven = Some(pause);
            }
            Step::Unpause(_) => {
                assert_eq!(self.hold(), Hold::Ours, "a pause of somebody else is lifted");
                self.run.proven = None;
                marks(&mut self.live, &paused.map(|(mark, _)| (mark, Json::Null)));
            }
            Step::Finish { .. } => marks(&mut self.live, &[(annotation::UNFINISHED, Json::Null)]),
            Step::Roll(Move::Admit { pod }) => self.admits(pod),
            Step::Roll(Move::Expel { pod }) => self.expels(pod),
            Step::MendNodes(mending) => {
                self.mends(mending);
                self.run.silences += 1;
                // A moment in which they pass it on.
                self.nodes_talk();
                self.followers_take_over();
            }
            other => panic!("{other:?} was not expected"),
        }
        let is_write = !step.is_a_look()
            && !matches!(step, Step::MendNodes(_) | Step::Roll(Move::Admit { .. } | Move::Expel { .. }));
        if is_write {
            // Every write wakes the operator.
            self.operator.looks_at = self.clock.now();
        }
        if !step.is_a_look() {
            (self.run.shards, self.run.set, self.run.has_reached) = (None, None, None);
        }
    }

    /// Until the operator has ended what it was doing, and has found the annotation.
    fn notices(&mut self) {
        for _ in 0..NOTICING {
            if !self.operator_is_busy() && self.clock.may_act(Actor::Operator) {
                return;
            }
            self.time_passes();
        }
    }

    fn mends(&mut self, mending: &Mending) {
        match mending {
            Mending::Forget { ids } => {
                let there = self.servers.iter().find(|one| ids.contains(&one.disk.id)).map(Server::name);
                assert_eq!(there, None, "a pod that is there is to be forgotten");
                ids.iter().for_each(|id| self.forget(id));
            }
            Mending::Follow { address, master } => {
                if let Some(at) = self.by_address(address) {
                    self.replicate(at, master);
                }
            }
            Mending::Meet { address, at } => {
                if let Some(index) = self.by_address(address) {
                    self.servers[index].meets.push(at.clone());
                }
            }
            Mending::Reset { address } => {
                if let Some(at) = self.by_address(address) {
                    self.reset(at, true);
                }
            }
            Mending::TakeOver { address } => {
                if let Some(at) = self.by_address(address) {
                    self.servers[at].takes_over = true;
                }
            }
            // redis-cli does neither while a node is known that has failed.
            Mending::CloseSlots { at } => {
                if self.knows_no_failed(at) {
                    self.servers.iter_mut().for_each(|one| one.moving.clear());
                }
            }
            Mending::Drain { id, at } => {
                if self.knows_no_failed(at) {
                    self.drain(id);
                }
            }
        }
    }

    fn knows_no_failed(&self, at: &str) -> bool {
        let now = self.clock.now();
        self.by_address(at).is_some_and(|at| !self.servers[at].finds_failed(now))
    }

    /// `CLUSTER FORGET` at every node; none forgets its own master.
    pub(super) fn forget(&mut self, id: &str) {
        let until = self.clock.now() + FORGOTTEN;
        for server in self.servers.iter_mut().filter(|one| one.is_up()) {
            if server.disk.id != id && server.me().master.as_deref() != Some(id) {
                server.disk.knows.remove(id);
                server.forgotten.insert(id.to_owned(), until);
            }
        }
    }

    fn drain(&mut self, id: &str) {
        let Some(source) = self.by_id(id) else { return };
        let slots: Vec<usize> = self.servers[source].me().slots.iter().copied().collect();
        for slot in slots {
            let others = (0..self.servers.len())
                .filter(|at| *at != source && !self.servers[*at].me().slots.is_empty());
            if let Some(target) = others.min_by_key(|at| self.servers[*at].me().slots.len()) {
                self.moves(slot, source, target);
            }
        }
    }

    fn admits(&mut self, pod: &str) {
        let running = self.running();
        let valid: Vec<String> =
            valid_passwords(&self.desired, &running).into_iter().map(|at| at.secret).collect();
        let at = self.pod(pod).unwrap();
        self.servers[at].uses.clone_from(&valid[0]);
        self.servers[at].accepts.extend(valid);
    }

    fn expels(&mut self, pod: &str) {
        let running = self.running();
        let former = former_passwords(&self.desired, &self.picture(), &running);
        let at = self.pod(pod).unwrap();
        self.servers[at].accepts.retain(|one| !former.iter().any(|at| at.secret == *one));
    }
}
