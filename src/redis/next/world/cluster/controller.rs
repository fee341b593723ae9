//! The StatefulSet controller: pods that lack are made one after the other, those that are too many go, and those of an older
//! revision are replaced from the last to the first, each once all others are Ready. It asks nothing else.

use super::*;
use crate::redis::object::count;

impl ClusterWorld {
    /// A pod is Ready some time after it was made, whoever sees it.
    pub(super) fn pods_start(&mut self) {
        let now = self.clock.now();
        let starting = self.servers.iter_mut().filter(|one| !one.is_ready && one.ready_at <= now);
        for server in starting {
            server.is_ready = true;
            let address = server.address();
            server.me_mut().address = address;
            for entry in server.disk.knows.values_mut() {
                entry.heard = now;
            }
            // It knows nobody, so nobody can tell it better.
            server.has_heard = server.disk.knows.len() < 2;
        }
    }

    pub(super) fn controller_acts(&mut self) {
        for part in parts() {
            let Some(set) = self.stateful_sets.get(&part.name("cache")) else { continue };
            let size = usize::try_from(count(set, &["spec", "replicas"])).unwrap();
            let revision = text(set, &["status", "updateRevision"]).unwrap().to_owned();
            let is_too_many = |one: &Server| one.part == part && one.ordinal >= size;
            if let Some(gone) = self.servers.iter().rposition(is_too_many) {
                self.stops(gone);
                continue;
            }
            if self.pods_of(part).any(|one| !one.is_ready) {
                continue;
            }
            let missing = (0..size).find(|ordinal| !self.pods_of(part).any(|one| one.ordinal == *ordinal));
            if let Some(ordinal) = missing {
                self.starts(part, ordinal, &revision);
            } else if let Some(old) =
                self.servers.iter().rposition(|one| one.part == part && one.revision != revision)
            {
                let ordinal = self.servers[old].ordinal;
                self.stops(old);
                self.starts(part, ordinal, &revision);
            }
        }
    }

    /// A pod ends in an orderly way: a master has a follower take over, if one has all of its data.
    pub(super) fn stops(&mut self, index: usize) {
        let (id, is_master) = (self.servers[index].disk.id.clone(), self.servers[index].is_master());
        let ready = |one: &Server| one.is_ready && one.link == Link::Up;
        let follows = |one: &Server| ready(one) && one.me().master.as_deref() == Some(id.as_str());
        if is_master && let Some(follower) = self.servers.iter().position(follows) {
            self.takes_over(follower);
        }
        self.goes(index);
    }

    /// A pod is gone; its volumes stay.
    pub(super) fn goes(&mut self, index: usize) {
        let server = self.servers.remove(index);
        self.tell(format!("{} goes", server.name()));
        self.volumes.insert(server.name(), server.disk);
    }

    pub(super) fn starts(&mut self, part: Part, ordinal: usize, revision: &str) {
        self.lives += 1;
        let name = format!("{}-{ordinal}", part.name("cache"));
        let id = format!("id{}", self.lives);
        let password = revision.rsplit('/').next().unwrap().to_owned();
        let now = self.clock.now();
        let disk = self.volumes.remove(&name).unwrap_or_else(|| {
            let entry = Entry {
                name: name.clone(),
                address: String::new(),
                master: None,
                slots: BTreeSet::new(),
                epoch: 0,
                heard: now,
            };
            Disk { knows: BTreeMap::from([(id.clone(), entry)]), id, data: [0; CHUNKS] }
        });
        self.tell(format!("{name} starts"));
        self.servers.push(Server {
            part,
            ordinal,
            life: self.lives,
            revision: revision.to_owned(),
            is_ready: false,
            ready_at: now + START,
            accepts: BTreeSet::from([password.clone()]),
            uses: password.clone(),
            password,
            disk,
            link: Link::Down,
            has_history: false,
            has_heard: false,
            forgotten: BTreeMap::new(),
            meets: Vec::new(),
            follows: None,
            takes_over: false,
            moving: BTreeMap::new(),
            silent_until: 0,
            hangs_until: 0,
            hangs: false,
        });
        self.servers.sort_by_key(|one| (!one.is_leader(), one.ordinal));
    }
}
