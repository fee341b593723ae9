//! The operator (v0.26): what it makes of the custom resource, what it asks its first pod, and what it does about what it
//! counts there. It looks every few ticks, and when the custom resource is written. What it has begun it ends, paused or not.

use super::*;
use crate::redis::object::count;
use crate::redis::running::rolled_out;

/// What it is in the middle of.
#[derive(Clone, Default)]
pub(super) struct Operator {
    pub(super) looks_at: u32,
    /// Slots to be moved, each from one node to another.
    pub(super) moves: VecDeque<(usize, String, String)>,
    /// Shards whose slots are moved away, to be given up then: down to so many.
    pub(super) gives_up: Option<usize>,
    /// It has added a leader, and is to give it slots.
    rebalances: bool,
}

impl ClusterWorld {
    pub(super) fn operator_is_busy(&self) -> bool {
        let Operator { moves, gives_up, rebalances, .. } = &self.operator;
        let adds = self.servers.iter().any(|one| one.follows.is_some());
        !moves.is_empty() || gives_up.is_some() || *rebalances || adds
    }

    pub(super) fn operator_acts(&mut self) {
        let now = self.clock.now();
        if !self.operator.moves.is_empty() {
            return self.operator_moves_slots();
        }
        if let Some(size) = self.operator.gives_up.take() {
            self.operator_removes_nodes(size);
            return self.operator_rebalances();
        }
        if std::mem::take(&mut self.operator.rebalances) {
            return self.operator_rebalances();
        }
        if now < self.operator.looks_at {
            return;
        }
        // It waits until those that it adds have joined.
        if self.operator_is_busy() {
            return;
        }
        self.operator.looks_at = now + PERIOD;
        if self.hold() == Hold::Nobody {
            self.operator_reconciles();
        }
    }

    fn operator_reconciles(&mut self) {
        let [leaders, followers] = parts();
        let password = self.wanted_password();
        if self.is_rolled_out(leaders) && self.is_rolled_out(followers) {
            let refuses = |one: &&Server| one.is_ready && !one.accepts.contains(&password);
            if let Some(name) = self.servers.iter().find(refuses).map(Server::name) {
                // A pod that chance has killed may start with the former password once more.
                assert!(self.clock.now() < self.excused_until, "the operator cannot log in to {name}");
                return self.says("Failed");
            }
        }
        let size = self.made_size(leaders);
        if size.is_some_and(|size| size > self.wanted(leaders)) {
            if !self.is_rolled_out(leaders) || !self.is_rolled_out(followers) {
                return;
            }
            // Slots are moved only if all leaders are masters; the StatefulSet shrinks in either case.
            if self.operator_gives_up_shards(size.unwrap()) {
                return;
            }
        }
        self.makes_stateful_set(leaders);
        if !self.is_rolled_out(leaders) {
            return self.says("Initializing");
        }
        self.makes_stateful_set(followers);
        if !self.is_rolled_out(followers) {
            return self.says("Initializing");
        }
        let state = self.operator_counts();
        self.says(state);
    }

    pub(super) fn wanted_password(&self) -> String {
        text(&self.live, &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap().to_owned()
    }

    fn says(&mut self, state: &str) {
        let ready = |part: Part| self.pods_of(part).filter(|one| one.is_ready).count();
        let [leaders, followers] = parts().map(ready);
        if text(&self.live, &["status", "state"]) != Some(state) {
            self.tell(format!("the operator says {state}"));
        }
        self.live["status"] =
            json!({ "state": state, "readyLeaderReplicas": leaders, "readyFollowerReplicas": followers });
    }

    fn made_size(&self, part: Part) -> Option<usize> {
        let made = self.stateful_sets.get(&part.name("cache"))?;
        usize::try_from(count(made, &["spec", "replicas"])).ok()
    }

    fn is_rolled_out(&self, part: Part) -> bool {
        let made = self.stateful_sets.get(&part.name("cache")).map(|made| self.with_status(part, made));
        made.is_some_and(|made| rolled_out(&made, count(&made, &["spec", "replicas"])).is_ok())
    }

    pub(super) fn makes_stateful_set(&mut self, part: Part) {
        let config = at(&self.live, &["spec", "kubernetesConfig"]);
        let (image, secret) = (text(config, &["image"]).unwrap(), self.wanted_password());
        let made = json!({
            "metadata": { "name": part.name("cache"), "generation": 1 },
            "spec": { "replicas": self.wanted(part) },
            "status": { "observedGeneration": 1, "updateRevision": format!("{image}/{secret}") },
        });
        let hash = mark(&self.live, annotation::SPEC_HASH).unwrap().to_owned();
        if self.stateful_sets.insert(part.name("cache"), made.clone()) != Some(made) {
            self.tell(format!("the operator changes the StatefulSet {}", part.name("cache")));
        }
        self.hashes.insert(part.name("cache"), hash);
    }

    /// Every replica whose link is down begins anew, even where it is copying. Whether there is one.
    fn links_again(&mut self) -> bool {
        let mut is_broken = false;
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            let Some(master) = server.me().master.clone().filter(|_| server.is_ready) else { continue };
            if server.link != Link::Up {
                self.replicate(index, &master);
                is_broken = true;
            }
        }
        is_broken
    }

    /// What it counts at its first pod, and does about it.
    fn operator_counts(&mut self) -> &'static str {
        let [leaders, followers] = parts().map(|part| self.wanted(part));
        let now = self.clock.now();
        let Some(first) = self.pod("cache-leader-0").map(|at| self.servers[at].clone()) else {
            return "Failed";
        };
        let knows = &first.disk.knows;
        let masters: Vec<&Entry> = knows.values().filter(|one| one.master.is_none()).collect();
        if knows.len() != leaders + followers {
            if masters.len() < 2 {
                self.operator_creates();
            } else if masters.len() < leaders {
                self.operator_adds_a_leader(masters.len(), &first);
            } else if masters.len() == leaders {
                self.operator_adds_followers(&first);
            }
            return "Bootstrap";
        }
        if first.finds_failed(now) {
            let failed = knows.iter().filter(|(id, one)| first.has_failed(id, now) && one.master.is_none());
            let names: Vec<String> = failed.map(|(_, one)| one.name.clone()).collect();
            for name in names {
                let address = self.pod(&name).map(|at| self.servers[at].address());
                let first = self.pod("cache-leader-0").unwrap();
                self.servers[first].meets.extend(address);
                self.tell(format!("the operator has {name} met again"));
            }
            return "Failed";
        }
        if masters.iter().any(|one| one.slots.is_empty()) {
            self.operator_rebalances();
            return "Failed";
        }
        let slots: usize = masters.iter().map(|one| one.slots.len()).sum();
        // The link counts among what is unhealthy; were that not so, nobody would keep the operator off such a copy.
        let is_broken = self.links_again();
        if slots == CHUNKS && !self.is_open() && !is_broken { "Ready" } else { "Failed" }
    }

    fn operator_creates(&mut self) {
        let leaders: Vec<usize> =
            (0..self.servers.len()).filter(|at| self.servers[*at].is_leader()).collect();
        if leaders.iter().any(|at| !self.is_blank(*at)) {
            return;
        }
        let share = CHUNKS / leaders.len();
        for (place, at) in leaders.iter().enumerate() {
            let epoch = self.next_epoch();
            let me = self.servers[*at].me_mut();
            (me.epoch, me.slots) = (epoch, (place * share..(place + 1) * share).collect());
            let first = self.servers[leaders[0]].address();
            self.servers[*at].meets.push(first);
        }
        self.tell("the operator creates the cluster");
    }

    /// As redis-cli asks it of a node that it is to add.
    fn is_blank(&self, index: usize) -> bool {
        let server = &self.servers[index];
        server.disk.knows.len() == 1 && server.disk.data.iter().all(|count| *count == 0)
    }

    fn operator_adds_a_leader(&mut self, ordinal: usize, first: &Server) {
        let Some(index) = self.pod(&format!("cache-leader-{ordinal}")) else { return };
        if !self.is_blank(index) || first.disk.knows.contains_key(&self.servers[index].disk.id) {
            return;
        }
        self.servers[index].meets.push(first.address());
        self.operator.rebalances = true;
        self.tell(format!("the operator adds cache-leader-{ordinal}"));
    }

    fn operator_adds_followers(&mut self, first: &Server) {
        let [leaders, followers] = parts();
        let leaders = self.wanted(leaders);
        for ordinal in 0..self.wanted(followers) {
            let Some(index) = self.pod(&format!("cache-follower-{ordinal}")) else { continue };
            let Some(leader) = self.pod(&format!("cache-leader-{}", ordinal % leaders)) else { continue };
            let master = self.servers[leader].disk.id.clone();
            if self.is_blank(index) && !first.disk.knows.contains_key(&self.servers[index].disk.id) {
                let server = &mut self.servers[index];
                server.meets.push(first.address());
                server.follows = Some(master);
                self.tell(format!("the operator adds cache-follower-{ordinal}"));
            }
        }
    }
}
