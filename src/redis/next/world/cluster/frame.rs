//! A cluster, as the frame of all worlds drives it.

use super::*;
use crate::redis::memory::Memory;
use crate::redis::picture::Picture;
use crate::redis::step::Step;

impl World for ClusterWorld {
    fn desired(&self) -> &Desired {
        &self.desired
    }

    fn picture(&self) -> Picture {
        self.seen()
    }

    fn memory(&self) -> Memory {
        Memory { silences: self.run.silences, is_saved: self.run.has_saved, ..Memory::default() }
    }

    fn carry_out(&mut self, step: &Step) {
        let before = self.hold();
        self.do_it(step);
        assert!(before != Hold::Others || self.hold() == Hold::Others, "a foreign pause is lifted");
        self.applications_write(false);
    }

    fn time_passes(&mut self) {
        self.clock.ticks();
        for run in [&mut self.run, &mut self.other_run] {
            (run.shards, run.set, run.has_reached) = (None, None, None);
        }
        let now = self.clock.now();
        self.servers.iter_mut().for_each(|one| one.hangs = now < one.hangs_until);
        self.pods_start();
        if self.clock.may_act(Actor::Controller) {
            self.controller_acts();
        }
        self.nodes_talk();
        self.follow_as_told();
        self.followers_take_over();
        self.replicas_copy();
        if self.clock.may_act(Actor::Operator) {
            self.operator_acts();
        }
        self.applications_write(true);
    }

    fn cut_off(&mut self) {
        self.run = Run::default();
    }

    fn take_turns(&mut self) {
        std::mem::swap(&mut self.run, &mut self.other_run);
    }

    fn suffer(&mut self, fault: Fault) -> Option<String> {
        let now = self.clock.now();
        match fault {
            Fault::Stall(actor, ticks) => self.clock.stall(actor, ticks),
            Fault::Silence { pod, ticks } => {
                let pod = pod % self.servers.len();
                self.servers[pod].silent_until = now + ticks;
                return Some(format!("{} is silent for {ticks}", self.servers[pod].name()));
            }
            // The world of clusters has no such thing yet.
            Fault::Evict | Fault::Lose | Fault::Forbid(_) => return None,
            Fault::Unpause => {
                if self.hold() == Hold::Nobody {
                    return None;
                }
                let kind = Kind::RedisCluster;
                self.live["metadata"]["annotations"][kind.skip_reconcile()] = Json::Null;
                self.operator.looks_at = now;
                return Some("somebody unpauses the operator".to_owned());
            }
            Fault::Kill { pod } => {
                let is_well = |one: &Server| one.is_ready && (one.is_master() || one.link == Link::Up);
                if !self.servers.iter().all(is_well) || now < self.excused_until {
                    return None;
                }
                // Left out, as it would be waited for for ever: before shards go, `hold::fewer` waits for a replica that
                // copies without keeping the operator off, which interrupts the copy again and again.
                let leaders = parts()[0];
                if leaders.replicas(self.desired.data()) < leaders.replicas(&self.live) {
                    return None;
                }
                let replicas: Vec<usize> =
                    (0..self.servers.len()).filter(|at| !self.servers[*at].is_master()).collect();
                let at = *replicas.get(pod % replicas.len().max(1))?;
                let server = self.servers[at].clone();
                self.goes(at);
                // The same moment may be the one at which its master restarts: nobody can know.
                self.excused_until = now + 2 * START + COPY + 2 * WITHOUT_MASTER;
                (self.run.shards, self.run.set) = (None, None);
                return Some(format!("{} is killed", server.name()));
            }
        }
        Some(format!("{fault:?}"))
    }

    fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn is_as_wanted(&mut self) {
        let wanted = text(self.desired.data(), &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap();
        let wanted = wanted.to_owned();
        // It stays so.
        for _ in 0..2 * PERIOD {
            assert_eq!(self.whole(), Ok(()));
            self.time_passes();
        }
        let revision = format!(
            "{}/{wanted}",
            text(self.desired.data(), &["spec", "kubernetesConfig", "image"]).unwrap()
        );
        for server in &self.servers {
            assert_eq!(server.accepts, BTreeSet::from([wanted.clone()]), "{}", server.name());
            assert!(server.is_ready && server.revision == revision, "{}", server.name());
            assert!(server.moving.is_empty(), "{}", server.name());
        }
        for part in parts() {
            let size = usize::try_from(part.replicas(self.desired.data())).unwrap();
            assert_eq!(self.pods_of(part).count(), size);
        }
        assert_eq!(self.secrets, [wanted]);
        assert_eq!(self.unserved, [0; CHUNKS]);
        let marks = at(&self.live, &["metadata", "annotations"]).to_string();
        assert!(!marks.contains("\"true\"") && !marks.contains("updating"), "{marks}");
    }
}

impl ClusterWorld {
    /// Nodes that the operator has added follow whom it named, once they know him. A node that is none follows nobody.
    fn follow_as_told(&mut self) {
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            let knows = |id: &String| server.is_ready && server.disk.knows.contains_key(id);
            if let Some(master) = server.follows.clone().filter(|id| knows(id)) {
                self.servers[index].follows = None;
                self.replicate(index, &master);
            }
        }
    }
}
