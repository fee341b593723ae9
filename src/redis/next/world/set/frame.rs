//! A replicated set, as the frame of all worlds drives it.

use super::*;
use crate::redis::memory::Memory;
use crate::redis::next::world::clock::Fault;

/// For how many ticks a run lets others decide.
const PATIENCE_WITH_OTHERS: u32 = 12;

impl World for SetWorld {
    fn desired(&self) -> &Desired {
        &self.desired
    }

    fn picture(&self) -> Picture {
        self.seen()
    }

    fn memory(&self) -> Memory {
        let has_let_others_decide = self.run.waited > PATIENCE_WITH_OTHERS;
        let Run { denied, has_saved, .. } = self.run.clone();
        Memory { is_saved: has_saved, has_let_others_decide, denied, ..Memory::default() }
    }

    fn carry_out(&mut self, step: &Step) {
        match self.is_forbidden(step) {
            true => self.do_without(step),
            false => self.do_it(step),
        }
        self.applications_write();
    }

    fn time_passes(&mut self) {
        self.clock.ticks();
        for run in [&mut self.run, &mut self.other_run] {
            run.waited += 1;
            (run.has_talked, run.has_reached) = (false, false);
        }
        if self.clock.may_act(Actor::Operator) {
            self.operator_reconciles();
        }
        if self.clock.may_act(Actor::Controller) {
            self.controller_makes_pods();
        }
        self.copies_go_on();
        self.sentinels_look();
        self.sentinels_decide();
        self.applications_write();
    }

    fn cut_off(&mut self) {
        self.run = Run::default();
    }

    fn has_failed(&self) -> bool {
        self.run.has_failed
    }

    fn may_wait_in_vain(&self) -> bool {
        self.run.denied.has(&Denial::GuardedRollout)
    }

    fn take_turns(&mut self) {
        std::mem::swap(&mut self.run, &mut self.other_run);
    }

    fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn suffer(&mut self, fault: Fault) -> Option<String> {
        match fault {
            Fault::Stall(actor, ticks) => self.clock.stall(actor, ticks),
            Fault::Silence { pod, ticks } => {
                let names: Vec<String> = self.data().map(Server::name).collect();
                if !self.all_answer() {
                    return None;
                }
                let name = &names[pod % names.len()];
                let until = self.clock.now() + ticks;
                self.find(name).silent_until = until;
                self.run.has_talked = false;
                return Some(format!("{name} answers nobody for {ticks} ticks"));
            }
            Fault::Forbid(ticks) => {
                self.forbidden_until = self.clock.now() + ticks;
                return Some(format!("we may not reach into pods for {ticks} ticks"));
            }
            Fault::Unpause => {
                let kind = self.kinds().find(|kind| self.is_paused(*kind))?;
                self.live_mut(kind)["metadata"]["annotations"][kind.skip_reconcile()] = Json::Null;
                self.has_unpaused = true;
                return Some(format!("somebody unpauses the {}", kind.kind()));
            }
            Fault::Lose => {
                let name = self.written_to()?;
                let master = self.find(&name).clone();
                let known =
                    usize::try_from(count(self.live(Kind::RedisReplication), &["spec", "clusterSize"]))
                        .unwrap();
                // An operator that somebody lets go removes pods that it does not know.
                let has_all = |one: &Server| {
                    one.ordinal < known
                        && one.offset == master.offset
                        && one.master == Some(master.address())
                        && one.copying_until.is_none()
                };
                if !self.all_answer() || !self.data().any(has_all) {
                    return None;
                }
                self.is_killed(&name);
                (self.run.has_talked, self.has_struck) = (false, true);
                return Some(format!("the node of {name}, the master, is lost"));
            }
            Fault::Evict => {
                let name = self.written_to()?;
                if !self.all_answer() {
                    return None;
                }
                self.ends(&name);
                (self.run.has_talked, self.has_struck) = (false, true);
                return Some(format!("{name}, the master, is evicted"));
            }
            Fault::Kill { pod } => {
                let replicas: Vec<String> =
                    self.data().filter(|one| one.master.is_some()).map(Server::name).collect();
                if replicas.is_empty() || !self.all_are_ready() {
                    return None;
                }
                let name = replicas[pod % replicas.len()].clone();
                // The last one with everything would take it along.
                let offset = self.find(&name).offset;
                if !self.data().any(|one| one.name() != name && one.offset >= offset) {
                    return None;
                }
                self.is_killed(&name);
                (self.run.has_talked, self.has_struck) = (false, true);
                return Some(format!("{name} is killed"));
            }
        }
        Some(format!("{fault:?}"))
    }

    fn may_be_in_doubt(&self) -> bool {
        let held = self.data().map(|one| one.offset).max();
        self.has_struck && held.is_some_and(|held| held >= self.acknowledged)
    }

    fn is_as_wanted(&mut self) {
        // Whoever is silent at the end comes back.
        (0..12).for_each(|_| self.time_passes());
        let wanted = text(self.desired.data(), &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap();
        for server in &self.servers {
            // Without the right to reach into pods nobody can take the former password away; the apply says so.
            let accepts = server.accepts.iter().filter(|one| !self.is_left_to_operator || *one == wanted);
            assert_eq!(accepts.collect::<Vec<_>>(), [wanted], "{}", server.name());
            assert!(server.is_ready && server.password == wanted);
        }
        assert_eq!(self.secrets, [wanted]);
        assert_eq!(self.data().filter(|one| one.master.is_none()).count(), 1);
        assert!(self.data().all(|one| one.offset == self.acknowledged));
        for live in &self.custom_resources {
            let marks = at(live, &["metadata", "annotations"]).to_string();
            assert!(!marks.contains("\"true\"") && !marks.contains("updating"), "{marks}");
        }
    }
}

impl SetWorld {
    /// Whether no pod is missing, and all are Ready.
    fn all_are_ready(&self) -> bool {
        let asked_for = self.stateful_sets.iter().map(|set| count(set, &["spec", "replicas"])).sum::<i64>();
        usize::try_from(asked_for).unwrap() <= self.servers.len()
            && self.servers.iter().all(|one| one.is_ready)
    }

    fn all_answer(&self) -> bool {
        self.all_are_ready() && !self.servers.iter().any(|one| self.is_silent(one))
    }
}
