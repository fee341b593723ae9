//! How a replica comes by its data: from its disk at its start, and from its master. A replica whose history
//! its master does not know, or that has what its master lacks, copies everything, and takes its time for that. Until then
//! it holds what it held before.

use super::*;

/// What a Redis has written when it ended.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) offset: i64,
    pub(super) history: String,
}

/// Of another life.
impl Default for Disk {
    fn default() -> Disk {
        Disk { offset: 50, history: "disk".to_owned() }
    }
}

impl SetWorld {
    /// The pod is told to end: Redis writes what it holds.
    pub(super) fn ends(&mut self, name: &str) {
        let Server { offset, history, .. } = self.find(name).clone();
        self.disks.insert(name.to_owned(), Disk { offset, history });
        self.servers.retain(|one| one.name() != name);
    }

    /// It ends at once: its volumes have a snapshot of an earlier time.
    pub(super) fn is_killed(&mut self, name: &str) {
        let Server { offset, history, .. } = self.find(name).clone();
        self.disks.insert(name.to_owned(), Disk { offset: offset.min(50), history });
        self.servers.retain(|one| one.name() != name);
    }

    /// A replica loses what its master does not have. Whoever does not answer is not told.
    pub(super) fn follow(&mut self, name: &str, master: &str) {
        let Some(leader) = self.at(master).cloned() else { return };
        let now = self.clock.now();
        let until = (self.copies_for > 0).then_some(now + self.copies_for);
        let server = self.find(name);
        if server.address() == master || server.silent_until > now {
            return;
        }
        if server.master.as_deref() == Some(master) {
            return;
        }
        let may_log_in = leader.accepts.contains(&server.uses);
        server.master = Some(master.to_owned());
        let is_known = leader.history == server.history
            || leader.former.as_ref().is_some_and(|former| former.history == server.history);
        let begins_anew = !is_known || server.offset > leader.offset;
        server.copying_until = until.filter(|_| begins_anew);
        if !may_log_in {
            server.copying_until = Some(now);
            // A pod that chance has ended knows only the password that it starts with, until it is told the other.
            assert!(self.has_struck, "{name} cannot log in to {}", leader.name());
        } else if server.copying_until.is_none() {
            self.has_everything_of(name, &leader);
        }
    }

    /// Copies that are complete; without its master none goes on.
    pub(super) fn copies_go_on(&mut self) {
        let now = self.clock.now();
        let copying: Vec<Server> =
            self.servers.iter().filter(|one| one.copying_until.is_some()).cloned().collect();
        for server in copying {
            let (Some(until), Some(master)) = (server.copying_until, &server.master) else { continue };
            let name = server.name();
            let leader = self.at(master).filter(|one| {
                one.silent_until <= now && one.copying_until.is_none() && one.accepts.contains(&server.uses)
            });
            match leader.cloned() {
                Some(leader) if until <= now => self.has_everything_of(&name, &leader),
                Some(_) => {}
                None => self.find(&name).copying_until = Some(now + self.copies_for),
            }
        }
    }

    /// Redis goes on where its history allows it, and remembers the former one, or copies everything. Whoever follows it
    /// learns of the new history at once.
    fn has_everything_of(&mut self, name: &str, leader: &Server) {
        let server = self.find(name);
        let lost = server.offset - leader.offset;
        let goes_on = server.copying_until.is_none();
        if server.history != leader.history {
            let former = Former { history: server.history.clone(), until: server.offset + 1 };
            server.former = Some(former).filter(|_| goes_on);
        }
        server.offset = leader.offset;
        server.history.clone_from(&leader.history);
        (server.was_up, server.copying_until) = (true, None);
        let server = server.clone();
        if lost > 0 {
            self.news.push(format!(
                "{name} follows {} at {}, and loses {lost}",
                leader.name(),
                leader.offset
            ));
        }
        let now = self.clock.now();
        let follows = |one: &&Server| {
            one.master == Some(server.address()) && one.copying_until.is_none() && one.silent_until <= now
        };
        let chained: Vec<String> = self.data().filter(follows).map(Server::name).collect();
        chained.iter().for_each(|one| self.has_everything_of(one, &server));
    }
}
