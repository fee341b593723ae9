//! Replicas and what they copy, and the applications that write.

use super::*;

impl ClusterWorld {
    /// Makes a node follow another. Only what has the same data goes on without copying.
    pub(super) fn becomes_follower(&mut self, index: usize, master: &str) {
        let of = self.by_id(master);
        let server = &self.servers[index];
        let has_all = of.is_some_and(|of| self.servers[of].disk.data == server.disk.data);
        let goes_on = server.has_history && has_all && (server.is_master() || server.link != Link::Down);
        let server = &mut self.servers[index];
        server.moving.clear();
        let me = server.me_mut();
        (me.master, me.slots) = (Some(master.to_owned()), BTreeSet::new());
        server.link = if goes_on { Link::Up } else { Link::Down };
    }

    /// `CLUSTER REPLICATE`, which begins all over even where a copy is under way. Refused by a master that has slots or keys,
    /// and for one that is none.
    pub(super) fn replicate(&mut self, index: usize, master: &str) {
        let server = &self.servers[index];
        let knows = server.disk.knows.get(master);
        let is_possible = knows.is_some_and(|one| one.master.is_none()) && server.disk.id != master;
        let has_keys = server.is_master() && server.disk.data.iter().any(|count| *count > 0);
        if !is_possible || !server.me().slots.is_empty() || has_keys {
            return;
        }
        self.becomes_follower(index, master);
        self.servers[index].link = Link::Down;
    }

    /// `CLUSTER RESET`; refused by a master that has keys.
    pub(super) fn reset(&mut self, index: usize, is_hard: bool) {
        self.lives += 1;
        let id = format!("id{}", self.lives);
        let server = &mut self.servers[index];
        if server.is_master() && server.disk.data.iter().any(|count| *count > 0) {
            return;
        }
        let own = server.disk.id.clone();
        let mut me = server.me().clone();
        (me.master, me.slots) = (None, BTreeSet::new());
        server.disk.knows.clear();
        if is_hard {
            (server.disk.id, me.epoch) = (id, 0);
        }
        server.disk.knows.insert(server.disk.id.clone(), me);
        server.disk.data = [0; CHUNKS];
        (server.link, server.has_heard) = (Link::Down, true);
        self.tell(format!("{own} begins anew"));
    }

    /// What the master of a replica would send, and whether it was restarted; `None`: it cannot be reached.
    fn master_of(&self, server: &Server) -> Option<(Data, bool)> {
        let id = server.me().master.as_ref().filter(|_| server.is_up())?;
        let master = &self.servers[self.by_address(&server.disk.knows.get(id)?.address)?];
        let lets_in = master.disk.id == *id && master.accepts.contains(&server.uses) && master.has_heard;
        lets_in.then_some((master.disk.data, !master.has_history))
    }

    /// A tick of all copies.
    pub(super) fn replicas_copy(&mut self) {
        for index in 0..self.servers.len() {
            if !self.servers[index].is_up() || self.servers[index].is_master() {
                continue;
            }
            let (data, is_new) = self.master_of(&self.servers[index]).unzip();
            let is_new = is_new == Some(true);
            let server = &mut self.servers[index];
            server.link = match (server.link, data) {
                (Link::Up | Link::Lost, None) => Link::Lost,
                (Link::Up, Some(_)) if !is_new => Link::Up,
                (Link::Copying(1), Some(data)) => {
                    (server.disk.data, server.has_history) = (data, true);
                    Link::Up
                }
                (Link::Copying(left), Some(_)) => Link::Copying(left - 1),
                (Link::Down | Link::Copying(_), None) => Link::Down,
                (_, Some(_)) => Link::Copying(self.copying_takes),
            };
        }
        // A master that was restarted goes on with another history.
        for server in self.servers.iter_mut().filter(|one| one.is_up() && one.is_master()) {
            server.has_history = true;
        }
    }

    /// Applications write to all slots, and to those that say that they serve them.
    pub(super) fn applications_write(&mut self, is_tick: bool) {
        let now = self.clock.now();
        for chunk in 0..CHUNKS {
            let serving = (0..self.servers.len()).filter(|at| self.servers[*at].serves(chunk));
            let Some(index) = serving.max_by_key(|at| self.servers[*at].me().epoch) else {
                self.unserved[chunk] += u32::from(is_tick);
                assert!(
                    self.unserved[chunk] <= WITHOUT_MASTER || now < self.excused_until,
                    "slots {chunk} have no master at {now}"
                );
                continue;
            };
            self.unserved[chunk] = 0;
            let master = &mut self.servers[index];
            let (id, name) = (master.disk.id.clone(), master.name());
            assert_eq!(
                master.disk.data[chunk], self.acknowledged[chunk],
                "what was acknowledged of {chunk} is not in {name}"
            );
            assert!(
                master.accepts.len() < 2 || self.secrets.iter().all(|one| master.accepts.contains(one)),
                "{name} refuses applications"
            );
            self.acknowledged[chunk] += 1;
            master.disk.data[chunk] += 1;
            let count = self.acknowledged[chunk];
            for replica in self.servers.iter_mut().filter(|one| one.is_up() && one.link == Link::Up) {
                if replica.me().master.as_ref() == Some(&id) {
                    replica.disk.data[chunk] = count;
                }
            }
        }
    }
}
