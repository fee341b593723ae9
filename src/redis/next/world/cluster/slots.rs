//! How the operator moves slots: to masters that have none, and away from shards that are to go.

use super::*;

impl ClusterWorld {
    /// Has slots of the shards that go moved to the others; whether it does.
    pub(super) fn operator_gives_up_shards(&mut self, size: usize) -> bool {
        let leaders: Vec<usize> =
            (0..self.servers.len()).filter(|at| self.servers[*at].is_leader()).collect();
        let stays = self.wanted(parts()[0]);
        let first = &self.servers[leaders[0]];
        let masters = first.disk.knows.values().filter(|one| one.master.is_none()).count();
        let mut are_all_masters = true;
        for at in &leaders {
            if !self.servers[*at].is_master() {
                self.servers[*at].takes_over = true;
                are_all_masters = false;
            }
        }
        if masters != size || !are_all_masters || self.is_open() {
            self.tell("the operator miscounts, and shrinks all the same");
            return false;
        }
        let mut to = leaders[..stays].iter().map(|at| self.servers[*at].disk.id.clone()).cycle();
        let mut moves = VecDeque::new();
        for at in &leaders[stays..] {
            let server = &self.servers[*at];
            let from = server.disk.id.clone();
            moves.extend(server.me().slots.iter().map(|slot| (*slot, from.clone(), to.next().unwrap())));
        }
        (self.operator.moves, self.operator.gives_up) = (moves, Some(stays));
        self.tell("the operator moves the slots of shards that are to go");
        true
    }

    pub(super) fn is_open(&self) -> bool {
        self.servers.iter().any(|one| !one.moving.is_empty())
    }

    /// `--cluster del-node` for the leaders that go and for all that follow them; then the StatefulSet shrinks.
    pub(super) fn operator_removes_nodes(&mut self, stays: usize) {
        let is_leader = |one: &&Server| one.is_leader() && one.ordinal >= stays;
        let going: Vec<String> =
            self.servers.iter().filter(is_leader).map(|one| one.disk.id.clone()).collect();
        let follows = |one: &Server| one.me().master.as_ref().is_some_and(|master| going.contains(master));
        let all: Vec<String> = self
            .servers
            .iter()
            .filter(|one| going.contains(&one.disk.id) || follows(one))
            .map(|one| one.disk.id.clone())
            .collect();
        for id in all {
            self.forget(&id);
            if let Some(at) = self.by_id(&id) {
                self.reset(at, false);
            }
        }
        self.makes_stateful_set(parts()[0]);
    }

    /// `--cluster rebalance` with empty masters, as evenly as it goes. Nothing where slots are open.
    pub(super) fn operator_rebalances(&mut self) {
        if self.is_open() {
            return;
        }
        let masters =
            self.servers.iter().filter(|one| one.is_up() && one.is_master() && one.disk.knows.len() > 1);
        let mut slots: BTreeMap<String, Vec<usize>> =
            masters.map(|one| (one.disk.id.clone(), one.me().slots.iter().copied().collect())).collect();
        loop {
            let rich = slots.iter().max_by_key(|(_, slots)| slots.len()).map(|(id, _)| id.clone());
            let poor = slots.iter().min_by_key(|(_, slots)| slots.len()).map(|(id, _)| id.clone());
            let (Some(rich), Some(poor)) = (rich, poor) else { return };
            if slots[&rich].len() < slots[&poor].len() + 2 {
                break;
            }
            let slot = slots.get_mut(&rich).unwrap().pop().unwrap();
            slots.get_mut(&poor).unwrap().push(slot);
            self.operator.moves.push_back((slot, rich, poor));
        }
    }

    /// One part after the other: in one tick it is opened, in the next it has moved.
    pub(super) fn operator_moves_slots(&mut self) {
        let Some((slot, from, to)) = self.operator.moves.front().cloned() else { return };
        let (Some(source), Some(target)) = (self.by_id(&from), self.by_id(&to)) else {
            return self.operator_breaks_off();
        };
        if !self.servers[source].is_master() || !self.servers[target].is_master() {
            return self.operator_breaks_off();
        }
        if self.servers[source].moving.is_empty() {
            self.servers[source].moving.insert(slot, (true, to));
            self.servers[target].moving.insert(slot, (false, from));
            return;
        }
        self.operator.moves.pop_front();
        self.moves(slot, source, target);
        if self.operator.moves.is_empty() {
            self.tell("the operator has moved all slots");
        }
    }

    /// It does not take it up again.
    fn operator_breaks_off(&mut self) {
        self.tell("the operator breaks off the moving of slots");
        self.operator.moves.clear();
        self.operator.gives_up = None;
    }

    /// A part of the slots has moved, with its keys, and for the replicas of both.
    pub(super) fn moves(&mut self, slot: usize, source: usize, target: usize) {
        let epoch = self.next_epoch();
        let count = self.servers[source].disk.data[slot];
        for (at, count) in [(source, 0), (target, count)] {
            let id = self.servers[at].disk.id.clone();
            self.servers[at].disk.data[slot] = count;
            self.servers[at].moving.remove(&slot);
            let follows = |one: &&mut Server| one.link == Link::Up && one.me().master.as_ref() == Some(&id);
            self.servers.iter_mut().filter(follows).for_each(|one| one.disk.data[slot] = count);
        }
        let server = &mut self.servers[target];
        for entry in server.disk.knows.values_mut() {
            entry.slots.remove(&slot);
        }
        let me = server.me_mut();
        me.slots.insert(slot);
        me.epoch = epoch;
        self.hears(source, target);
    }
}
