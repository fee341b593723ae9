//! The sentinels: they hear of each other and of replicas, and replace a master that they miss.

use super::*;

/// For how many ticks they miss the master before they agree that it is down.
const PATIENCE: u32 = 2;

impl SetWorld {
    /// Sentinels hear of each other and of replicas from the master that they watch.
    pub(super) fn sentinels_look(&mut self) {
        let all = self.servers.clone();
        let now = self.clock.now();
        for server in self.servers.iter_mut().filter(|one| !one.part.has_data()) {
            let Some(master) = all
                .iter()
                .find(|one| Some(one.address()) == server.master && one.part.has_data())
                .filter(|one| one.silent_until <= now)
            else {
                continue;
            };
            if !master.accepts.contains(&server.uses) {
                assert!(self.has_struck, "{} cannot log in to {}", server.name(), master.name());
                continue;
            }
            let replicas = all.iter().filter(|one| one.part.has_data() && one.master == server.master);
            server.replicas.extend(replicas.map(Server::address));
            let own = server.address();
            let peers = all.iter().filter(|one| !one.part.has_data() && one.master == server.master);
            server.peers.extend(peers.map(Server::address).filter(|address| *address != own));
        }
    }

    /// The address that a majority of the sentinels watches.
    fn agreed(&self) -> Option<String> {
        let watched =
            || self.servers.iter().filter(|one| !one.part.has_data()).filter_map(|one| one.master.clone());
        watched().find(|host| watched().filter(|other| other == host).count() >= 2)
    }

    /// Promotes a replica in step if the master is missed, and makes everybody else follow it.
    pub(super) fn sentinels_decide(&mut self) {
        let Some(agreed) = self.agreed() else { return };
        let master = self.at(&agreed).filter(|one| one.part.has_data()).cloned();
        if master.as_ref().is_some_and(|one| one.master.is_none() && !self.is_silent(one)) {
            self.missed_since = None;
            self.demote_others(&agreed);
            return;
        }
        let now = self.clock.now();
        let since = *self.missed_since.get_or_insert(now);
        let knows =
            |one: &Server, host: &str| one.master.as_deref() == Some(&agreed) && one.replicas.contains(host);
        let in_step = |one: &&Server| {
            one.master.as_deref() == Some(agreed.as_str())
                && one.is_ready
                && one.copying_until.is_none()
                && !self.is_silent(one)
                && one.offset == self.acknowledged
                && self.servers.iter().any(|other| knows(other, &one.address()))
        };
        let Some(best) = self.data().find(in_step).map(Server::name).filter(|_| now >= since + PATIENCE)
        else {
            return;
        };
        self.missed_since = None;
        let replaced = |one: &&mut Server| one.address() == agreed;
        if let Some(server) = self.servers.iter_mut().find(replaced) {
            server.is_mislabelled = true;
        }
        let server = self.find(&best);
        (server.master, server.was_up) = (None, false);
        server.former = Some(Former { history: server.history.clone(), until: server.offset + 1 });
        server.history = format!("elected-{}", server.history);
        let address = server.address();
        let epoch = self.servers.iter().map(|one| one.epoch).max().unwrap_or_default() + 1;
        for sentinel in self.servers.iter_mut().filter(|one| !one.part.has_data()) {
            if sentinel.master.as_deref() == Some(&agreed) {
                sentinel.replicas.insert(agreed.clone());
                sentinel.replicas.remove(&address);
                (sentinel.master, sentinel.epoch) = (Some(address.clone()), epoch);
            }
        }
        let replicas: Vec<String> =
            self.data().filter(|one| one.master.as_deref() == Some(&agreed)).map(Server::name).collect();
        self.news.push(format!("SENTINELS: {best} is the master, in place of {agreed}"));
        replicas.iter().for_each(|name| self.follow(name, &address));
    }

    /// A master that is back, and that they know as a replica by now, is made one.
    fn demote_others(&mut self, master: &str) {
        let known: BTreeSet<String> =
            self.servers.iter().flat_map(|one| one.replicas.iter().cloned()).collect();
        let back = |one: &&Server| {
            one.master.is_none()
                && one.address() != master
                && known.contains(&one.address())
                && self.clock.now() >= one.silent_until + PATIENCE
        };
        let back: Vec<String> = self.data().filter(back).map(Server::name).collect();
        for name in back {
            self.news.push(format!("SENTINELS: {name} is back, and follows"));
            self.follow(&name, master);
        }
    }
}
