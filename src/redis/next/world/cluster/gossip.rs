//! What the nodes tell each other, and what they do of themselves: a node that is silent has failed, and a follower of a master
//! that has failed takes over.

use super::*;

impl ClusterWorld {
    /// Every node talks with every other that it can find: whatever one knew before, its neighbours know now.
    pub(super) fn nodes_talk(&mut self) {
        let before = self.servers.clone();
        for server in self.servers.iter_mut().filter(|one| one.is_up()) {
            let (own, now) = (server.disk.id.clone(), self.clock.now());
            server.me_mut().heard = now;
            server.forgotten.retain(|_, until| *until > now);
            // Its own address is the one thing that it knows better than its volume.
            assert_eq!(server.me().address, server.address(), "{own}");
        }
        for left in 0..before.len() {
            for right in 0..before.len() {
                let (one, other) = (&before[left], &before[right]);
                if left == right || !one.is_up() || !other.is_up() {
                    continue;
                }
                let finds = |from: &Server, to: &Server| {
                    from.disk.knows.get(&to.disk.id).is_some_and(|entry| entry.address == to.address())
                };
                let is_met = one.meets.contains(&other.address()) || other.meets.contains(&one.address());
                let knows = one.disk.knows.contains_key(&other.disk.id);
                if is_met || (knows && (finds(one, other) || finds(other, one))) {
                    self.is_told(left, other);
                }
            }
        }
        for (server, was) in self.servers.iter_mut().zip(&before) {
            server.meets.retain(|address| !was.meets.contains(address));
        }
    }

    /// A node hears of another at once, as of one that hands over.
    pub(super) fn hears(&mut self, listener: usize, speaker: usize) {
        let speaker = self.servers[speaker].clone();
        self.is_told(listener, &speaker);
    }

    fn is_told(&mut self, listener: usize, speaker: &Server) {
        let now = self.clock.now();
        let own = self.servers[listener].disk.id.clone();
        let said = speaker.me();
        let (id, epoch) = (speaker.disk.id.clone(), said.epoch);
        let heard = Entry { slots: BTreeSet::new(), heard: now, ..said.clone() };
        let knows = &mut self.servers[listener].disk.knows;
        let entry = knows.entry(id.clone()).or_insert_with(|| heard.clone());
        let slots = if said.master.is_none() { std::mem::take(&mut entry.slots) } else { BTreeSet::new() };
        *entry = Entry { slots, ..heard };
        self.servers[listener].has_heard = true;
        if said.master.is_none() {
            for chunk in &said.slots {
                self.is_told_of_slots(listener, &id, epoch, *chunk);
            }
        }
        // Whom the other knows, and who answers at the address that it names.
        for (third, entry) in &speaker.disk.knows {
            let listens = !self.servers[listener].forgotten.contains_key(third);
            let is_new = !self.servers[listener].disk.knows.contains_key(third) && *third != own;
            let answers =
                self.by_address(&entry.address).is_some_and(|at| self.servers[at].disk.id == *third);
            if is_new && listens && answers && speaker.disk.knows.contains_key(&own) {
                let address = entry.address.clone();
                self.servers[listener].meets.push(address);
            }
            // One that is silent at the address where it was, and that the other hears.
            let is_silent = |one: &&mut Entry| one.heard < now && entry.heard + 1 >= now;
            if let Some(known) = self.servers[listener].disk.knows.get_mut(third).filter(is_silent) {
                known.address.clone_from(&entry.address);
            }
        }
    }

    /// The newest claim counts. Whoever has lost all slots to another follows him, and so do his followers.
    fn is_told_of_slots(&mut self, listener: usize, by: &str, epoch: u64, chunk: usize) {
        let server = &mut self.servers[listener];
        let own = server.disk.id.clone();
        let holder = server.disk.knows.iter().find(|(_, one)| one.slots.contains(&chunk));
        let holder = holder.map(|(id, one)| (id.clone(), one.epoch));
        match holder {
            Some((id, _)) if id == by => return,
            Some((_, held)) if held >= epoch => return,
            Some((id, _)) => {
                let entry = server.disk.knows.get_mut(&id).unwrap();
                entry.slots.remove(&chunk);
                let is_bare = entry.slots.is_empty();
                let follows = server.me().master.as_deref() == Some(id.as_str());
                if is_bare && (id == own || follows) {
                    self.becomes_follower(listener, by);
                }
            }
            None => {}
        }
        self.servers[listener].disk.knows.get_mut(by).unwrap().slots.insert(chunk);
    }

    /// Followers of a master that has failed, if most of the masters say so.
    pub(super) fn followers_take_over(&mut self) {
        let now = self.clock.now();
        for index in 0..self.servers.len() {
            if std::mem::take(&mut self.servers[index].takes_over) {
                let server = &self.servers[index];
                let master = server.me().master.clone().and_then(|id| self.by_id(&id));
                if server.is_up() && server.link == Link::Up && master.is_some() {
                    self.takes_over(index);
                }
                continue;
            }
            let server = &self.servers[index];
            let Some(master) = server.me().master.clone() else { continue };
            let slots = server.disk.knows.get(&master).map(|one| one.slots.clone()).unwrap_or_default();
            let voters: Vec<&String> =
                server.disk.knows.iter().filter(|(_, one)| !one.slots.is_empty()).map(|(id, _)| id).collect();
            let alive = voters.iter().filter(|id| !server.has_failed(id, now)).count();
            let is_elected = !self.servers.iter().any(|one| slots.iter().any(|chunk| one.serves(*chunk)));
            if server.is_up()
                && server.link == Link::Lost
                && server.has_failed(&master, now)
                && !slots.is_empty()
                && alive * 2 > voters.len()
                && is_elected
            {
                self.takes_over(index);
            }
        }
    }

    /// A follower becomes the master of its master's slots, with the newest claim.
    pub(super) fn takes_over(&mut self, index: usize) {
        let epoch = self.next_epoch();
        let server = &mut self.servers[index];
        let master = server.me().master.clone().unwrap();
        let entry = server.disk.knows.get_mut(&master).unwrap();
        let slots = std::mem::take(&mut entry.slots);
        let me = server.me_mut();
        (me.master, me.slots, me.epoch) = (None, slots, epoch);
        server.link = Link::Down;
        let name = server.name();
        self.tell(format!("{name} takes over"));
        // It tells all that know it at once.
        let speaker = self.servers[index].clone();
        for listener in 0..self.servers.len() {
            let is_met = self.servers[listener].disk.knows.contains_key(&speaker.disk.id);
            if listener != index && is_met && self.servers[listener].is_up() {
                self.is_told(listener, &speaker);
            }
        }
    }
}
