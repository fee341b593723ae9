//! How a replicated set is rolled without losing a write: what to do next, given what Redis and the sentinels say.
//!
//! `next` remembers nothing: it first puts right what a cut-off run may have left (a second master, a replica that follows
//! nobody, a label, a sentinel that watches a dead address), then waits until all is well, and only then takes the next
//! pod: sentinels, replicas, and last the master, after it has handed over to a pod that was rolled already.

use super::object::{is_terminating, label, name, text};
use super::reach::address;
use super::ready::{self, ROLE};
use super::talk::{Address, Master, Peer, Quorum, Replica, Replication};
use serde_json::Value as Json;

/// A pod with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod<Said> {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its IP address.
    pub address: String,
    /// Whether it is of the newest revision.
    pub is_new: bool,
    /// Whether the node says that it serves.
    pub is_ready: bool,
    /// The operator's label for its role.
    pub label: Option<String>,
    /// What it says; `None` while it does not answer.
    pub said: Option<Said>,
}

/// What a sentinel says of the set.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The master it watches.
    pub master: Master,
    /// The replicas it knows.
    pub replicas: Vec<Replica>,
    /// The other sentinels it knows.
    pub peers: Vec<Peer>,
    /// Whether a failover could be decided on.
    pub quorum: Quorum,
}

/// A replicated set, as it is in the middle of being rolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// How many Redis pods there should be.
    pub size: usize,
    /// Those that are not going, by name.
    pub members: Vec<Pod<Replication>>,
    /// How many sentinels there should be.
    pub sentinels: usize,
    /// Those that are not going, by name.
    pub watchers: Vec<Pod<View>>,
    /// Whether the operator is told to leave the data's pods alone: then an earlier run was cut off, and may have left
    /// anything.
    pub is_paused: bool,
    /// Whether the operator is proven to leave the set alone.
    pub is_quiet: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Keep the operator off, and prove that it is not in the middle of something.
    Pause,
    /// Have a pod replaced.
    Delete {
        /// Its name.
        pod: String,
        /// Of this very pod.
        uid: String,
    },
    /// Make a pod a replica of that address.
    Follow {
        /// The pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Make a pod a master: none is left.
    Promote {
        /// The pod.
        pod: String,
    },
    /// Tell Services and operator what a pod is.
    Label {
        /// The pod.
        pod: String,
        /// `master` or `slave`.
        role: &'static str,
    },
    /// Have a sentinel forget what it knows and watch the master at that address.
    Watch {
        /// The sentinel's pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Let the master hand over.
    HandOver {
        /// The master's pod.
        from: String,
        /// The replica's.
        to: String,
    },
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every pod is new, and all is well.
    Done,
    /// Something must happen first.
    Wait(String),
    /// This.
    Do(Move),
    /// Nothing that could be done without asking.
    Stuck(String),
}

impl<Said> Pod<Said> {
    /// A pod, given the newest revision of its StatefulSet; `None` for one that is going, or has no address yet.
    pub fn of(pod: &Json, revision: &str, said: Option<Said>) -> Option<Pod<Said>> {
        if is_terminating(pod) {
            return None;
        }
        Some(Pod {
            name: name(pod).to_owned(),
            uid: text(pod, &["metadata", "uid"])?.to_owned(),
            address: address(pod)?.to_owned(),
            is_new: label(pod, "controller-revision-hash") == Some(revision),
            is_ready: ready::is_ready(pod),
            label: label(pod, ROLE).map(str::to_owned),
            said,
        })
    }
}

/// What to do now.
pub fn next(set: &Set) -> Decision {
    let is_old = !(set.members.iter().all(|pod| pod.is_new) && set.watchers.iter().all(|pod| pod.is_new));
    if !set.is_quiet {
        return if is_old || set.is_paused { Decision::Do(Move::Pause) } else { Decision::Done };
    }
    let master = match master(set) {
        Ok(master) => master,
        Err(decision) => return decision,
    };
    put_right(set, master)
        .map(Decision::Do)
        .or_else(|| broken(set, master).map(Decision::Do))
        .or_else(|| unsettled(set, master).map(Decision::Wait))
        .or_else(|| stale(set, master))
        .or_else(|| replace(set, master))
        .unwrap_or(Decision::Done)
}

/// Which pod is the master, as far as that can be told.
pub fn master_of(set: &Set) -> Option<&str> {
    master(set).ok().map(|pod| pod.name.as_str())
}

/// The pod that the others follow. A restarted pod comes up as a master of its own, which nobody follows.
fn master(set: &Set) -> Result<&Pod<Replication>, Decision> {
    let masters = set.members.iter().filter(|pod| said(pod).is_some_and(|said| said.master.is_none()));
    let followers = |pod: &&Pod<Replication>| {
        let named = |other: &&Pod<Replication>| {
            let link = said(other).and_then(|said| said.master.as_ref());
            link.is_some_and(|link| link.address.host == pod.address)
        };
        (set.members.iter().filter(named).count(), pod.label.as_deref() == Some("master"))
    };
    let mut masters: Vec<&Pod<Replication>> = masters.collect();
    masters.sort_by_key(followers);
    match masters.as_slice() {
        [.., second, first] if followers(second).0 > 0 => Err(Decision::Stuck(format!(
            "{} and {} are both masters with replicas of their own; which of them has the data that must stay cannot be \
             told from here",
            first.name, second.name
        ))),
        // One that nobody follows and that is not labelled has restarted, and may be behind the replicas.
        [.., first] if followers(first).0 > 0 || followers(first).1 => Ok(first),
        _ => Err(promotion(set)),
    }
}

/// Nobody is master: the replica that is furthest in the one history becomes it.
fn promotion(set: &Set) -> Decision {
    let silent = set.members.iter().find(|pod| pod.said.is_none());
    if let Some(silent) = silent.filter(|_| set.members.len() < set.size || !set.members.is_empty()) {
        return Decision::Wait(format!("no pod is master, and {} does not answer", silent.name));
    }
    if set.members.len() < set.size {
        return Decision::Wait("no pod is master, and not all pods are there".to_owned());
    }
    let replicas = || set.members.iter().filter(|pod| said(pod).is_some_and(|said| said.master.is_some()));
    let histories: Vec<&str> =
        replicas().filter_map(|pod| said(pod).map(|said| said.history.as_str())).collect();
    if histories.is_empty() {
        return Decision::Stuck(
            "all pods have restarted as masters of their own: which of them has the data that must stay cannot be told from \
             here"
                .to_owned(),
        );
    }
    if histories.windows(2).any(|pair| pair[0] != pair[1]) {
        return Decision::Stuck(
            "no pod is master, and their data is of different histories: which of them must stay cannot be told from here"
                .to_owned(),
        );
    }
    let best = replicas().max_by_key(|pod| said(pod).map(|said| said.offset));
    best.map_or_else(
        || Decision::Wait("there is no pod yet".to_owned()),
        |best| Decision::Do(Move::Promote { pod: best.name.clone() }),
    )
}

fn said(pod: &Pod<Replication>) -> Option<&Replication> {
    pod.said.as_ref()
}

/// What a cut-off run, or the restart of a pod, has left. The label of the master comes first, lest its Service leads
/// nowhere.
fn put_right(set: &Set, master: &Pod<Replication>) -> Option<Move> {
    let follows = |pod: &&Pod<Replication>| {
        let link = said(pod).map(|said| said.master.as_ref().map(|link| link.address.host.as_str()));
        link.is_none_or(|link| link == Some(master.address.as_str()))
    };
    let replicas = || set.members.iter().filter(|pod| pod.name != master.name);
    if let Some(stray) = replicas().find(|pod| !follows(pod)) {
        return Some(Move::Follow { pod: stray.name.clone(), master: master.address.clone() });
    }
    if master.label.as_deref() != Some("master") {
        return Some(Move::Label { pod: master.name.clone(), role: "master" });
    }
    let unlabelled = |pod: &&Pod<Replication>| pod.said.is_some() && pod.label.as_deref() != Some("slave");
    if let Some(pod) = replicas().find(unlabelled) {
        return Some(Move::Label { pod: pod.name.clone(), role: "slave" });
    }
    let watches =
        |pod: &&Pod<View>| pod.said.as_ref().is_none_or(|view| view.master.address.host == master.address);
    let astray = set.watchers.iter().find(|pod| !watches(pod))?;
    Some(Move::Watch { pod: astray.name.clone(), master: master.address.clone() })
}

/// A pod of an older revision that does not come up: what is wanted now may be what mends it.
fn broken(set: &Set, master: &Pod<Replication>) -> Option<Move> {
    let members = set.members.iter().filter(|pod| pod.name != master.name);
    let members = members.map(|pod| (&pod.name, &pod.uid, pod.is_new, pod.is_ready || pod.said.is_some()));
    let watchers = set.watchers.iter();
    let watchers = watchers.map(|pod| (&pod.name, &pod.uid, pod.is_new, pod.is_ready || pod.said.is_some()));
    let (pod, uid, ..) = members.chain(watchers).find(|(_, _, is_new, lives)| !is_new && !lives)?;
    Some(Move::Delete { pod: pod.clone(), uid: uid.clone() })
}

/// What is not well yet.
fn unsettled(set: &Set, master: &Pod<Replication>) -> Option<String> {
    if set.members.len() < set.size {
        return Some(format!("{} of {} Redis pods are there", set.members.len(), set.size));
    }
    if set.watchers.len() < set.sentinels {
        return Some(format!("{} of {} sentinels are there", set.watchers.len(), set.sentinels));
    }
    let starting = |(name, answers, is_ready): (&String, bool, bool)| {
        let what = match (answers, is_ready) {
            (true, true) => return None,
            (true, false) => "is not Ready yet",
            (false, _) => "does not answer yet",
        };
        Some(format!("pod {name} {what}"))
    };
    let members = set.members.iter().map(|pod| (&pod.name, pod.said.is_some(), pod.is_ready));
    let watchers = set.watchers.iter().map(|pod| (&pod.name, pod.said.is_some(), pod.is_ready));
    if let Some(starting) = members.chain(watchers).find_map(starting) {
        return Some(starting);
    }
    let attached = said(master).map(|said| said.replicas.as_slice()).unwrap_or_default();
    for pod in set.members.iter().filter(|pod| pod.name != master.name) {
        let link = said(pod).and_then(|said| said.master.as_ref());
        let online = attached.iter().any(|one| one.address.host == pod.address && one.is_online());
        if !(online && link.is_some_and(|link| link.is_up && !link.is_syncing)) {
            return Some(format!("replica {} is copying from {}", pod.name, master.name));
        }
    }
    set.watchers.iter().find_map(|pod| {
        let view = pod.said.as_ref()?;
        let knows = |address: &str| {
            let well = |replica: &&Replica| replica.flags.are_only("slave") && replica.is_linked;
            view.replicas.iter().filter(well).any(|replica| replica.address.host == address)
        };
        let missing = set.members.iter().find(|one| one.name != master.name && !knows(&one.address));
        if let Some(missing) = missing {
            return Some(format!("sentinel {} does not know replica {} yet", pod.name, missing.name));
        }
        let meets = |address: &str| {
            view.peers.iter().any(|peer| peer.address.host == address && peer.flags.are_only("sentinel"))
        };
        let missing = set.watchers.iter().find(|one| one.name != pod.name && !meets(&one.address));
        if let Some(missing) = missing {
            return Some(format!("sentinel {} does not know sentinel {} yet", pod.name, missing.name));
        }
        match &view.quorum {
            Quorum::Reached { .. } if view.master.flags.are_only("master") => None,
            Quorum::Reached { .. } => {
                Some(format!("sentinel {} finds the master {}", pod.name, view.master.flags))
            }
            Quorum::Missed(why) => Some(format!("sentinel {}: {why}", pod.name)),
        }
    })
}

/// A sentinel never forgets by itself: what it knows of pods that are gone would be counted in a failover.
fn stale(set: &Set, master: &Pod<Replication>) -> Option<Decision> {
    let dead = |view: &View| {
        let members = |address: &Address| set.members.iter().any(|pod| pod.address == address.host);
        let watchers = |address: &Address| set.watchers.iter().any(|pod| pod.address == address.host);
        !view.replicas.iter().all(|replica| members(&replica.address))
            || !view.peers.iter().all(|peer| watchers(&peer.address))
    };
    let pod = set.watchers.iter().find(|pod| pod.said.as_ref().is_some_and(dead))?;
    Some(Decision::Do(Move::Watch { pod: pod.name.clone(), master: master.address.clone() }))
}

/// The next pod to be replaced.
fn replace(set: &Set, master: &Pod<Replication>) -> Option<Decision> {
    if let Some(pod) = set.watchers.iter().rev().find(|pod| !pod.is_new) {
        return Some(Decision::Do(Move::Delete { pod: pod.name.clone(), uid: pod.uid.clone() }));
    }
    let replicas = || set.members.iter().rev().filter(|pod| pod.name != master.name);
    if let Some(pod) = replicas().find(|pod| !pod.is_new) {
        return Some(Decision::Do(Move::Delete { pod: pod.name.clone(), uid: pod.uid.clone() }));
    }
    if master.is_new {
        return None;
    }
    let best = replicas().max_by_key(|pod| said(pod).map(|said| said.offset));
    Some(match best {
        Some(best) => Decision::Do(Move::HandOver { from: master.name.clone(), to: best.name.clone() }),
        None => Decision::Do(Move::Delete { pod: master.name.clone(), uid: master.uid.clone() }),
    })
}

#[cfg(test)]
mod tests {
    use super::super::talk::{Attached, MasterLink};
    use super::*;

    fn address(host: &str) -> Address {
        Address { host: host.to_owned(), port: 6379 }
    }

    fn replication(master: Option<&str>, replicas: &[&str], offset: i64) -> Replication {
        Replication {
            master: master.map(|host| MasterLink {
                address: address(host),
                is_up: true,
                is_syncing: false,
                last_io_seconds_ago: Some(0),
                priority: Some(100),
            }),
            replicas: replicas
                .iter()
                .map(|host| Attached { address: address(host), state: "online".to_owned(), offset, lag: 0 })
                .collect(),
            history: "h".to_owned(),
            former: None,
            offset,
            failover_state: None,
        }
    }

    /// A set whose pods behave: what a move does to it.
    struct World {
        /// ordinal → (address, new, follows)
        pods: Vec<(u32, bool, Option<u32>)>,
        labels: Vec<&'static str>,
        fresh: u32,
        quiet: bool,
    }

    impl World {
        fn set(&self) -> Set {
            let hosts = |index: &u32| format!("ip{index}");
            let pod = |(ordinal, (host, is_new, follows)): (usize, &(u32, bool, Option<u32>))| {
                let followers: Vec<String> = self
                    .pods
                    .iter()
                    .filter(|(_, _, other)| *other == Some(*host))
                    .map(|(host, ..)| hosts(host))
                    .collect();
                let followers: Vec<&str> = followers.iter().map(String::as_str).collect();
                let master = follows.as_ref().map(hosts);
                Pod {
                    name: format!("a-{ordinal}"),
                    uid: hosts(host),
                    address: hosts(host),
                    is_new: *is_new,
                    is_ready: true,
                    label: Some(self.labels[ordinal].to_owned()).filter(|label| !label.is_empty()),
                    said: Some(replication(master.as_deref(), &followers, 7)),
                }
            };
            Set {
                size: self.pods.len(),
                members: self.pods.iter().enumerate().map(pod).collect(),
                sentinels: 0,
                watchers: Vec::new(),
                is_paused: self.quiet,
                is_quiet: self.quiet,
            }
        }

        fn ordinal(pod: &str) -> usize {
            pod.trim_start_matches("a-").parse().unwrap()
        }

        fn carry_out(&mut self, todo: &Move) {
            match todo {
                Move::Pause => self.quiet = true,
                Move::Delete { pod, .. } => {
                    self.fresh += 1;
                    // It comes up as a master of its own.
                    self.pods[World::ordinal(pod)] = (self.fresh, true, None);
                    self.labels[World::ordinal(pod)] = "";
                }
                Move::Follow { pod, master } => {
                    self.pods[World::ordinal(pod)].2 = Some(master.trim_start_matches("ip").parse().unwrap());
                }
                Move::Label { pod, role } => self.labels[World::ordinal(pod)] = role,
                Move::HandOver { from, to } => {
                    let (from, to) = (World::ordinal(from), World::ordinal(to));
                    let host = self.pods[to].0;
                    self.pods[to].2 = None;
                    self.pods[from].2 = Some(host);
                }
                Move::Promote { pod } => self.pods[World::ordinal(pod)].2 = None,
                Move::Watch { .. } => {}
            }
        }
    }

    fn old() -> World {
        World {
            pods: vec![(0, false, None), (1, false, Some(0)), (2, false, Some(0))],
            labels: vec!["master", "slave", "slave"],
            fresh: 10,
            quiet: false,
        }
    }

    #[test]
    fn replicas_first_then_the_master_after_it_has_handed_over() {
        let mut world = old();
        let mut moves = Vec::new();
        loop {
            match next(&world.set()) {
                Decision::Do(todo) => {
                    moves.push(match &todo {
                        Move::Pause => "pause".to_owned(),
                        Move::Delete { pod, .. } => format!("delete {pod}"),
                        Move::Follow { pod, master } => format!("{pod} follows {master}"),
                        Move::Label { pod, role } => format!("{pod} is {role}"),
                        Move::HandOver { from, to } => format!("{from} hands over to {to}"),
                        other => format!("{other:?}"),
                    });
                    world.carry_out(&todo);
                }
                Decision::Done => break,
                other => panic!("{other:?} after {moves:?}"),
            }
            assert!(moves.len() < 40, "{moves:?}");
        }
        assert_eq!(
            moves,
            [
                "pause",
                "delete a-2",
                "a-2 follows ip0",
                "a-2 is slave",
                "delete a-1",
                "a-1 follows ip0",
                "a-1 is slave",
                "a-0 hands over to a-1",
                "a-2 follows ip12",
                "a-1 is master",
                "a-0 is slave",
                "delete a-0",
                "a-0 follows ip12",
                "a-0 is slave",
            ]
        );
        assert!(world.pods.iter().all(|(_, is_new, _)| *is_new));
    }

    /// Found by killing the provider right after it had deleted the last pod, the old master: all pods were new, and the
    /// operator, let go, made the one with the data a replica of the one without.
    #[test]
    fn a_set_that_was_left_paused_is_put_right_before_the_operator_may_look() {
        let mut world = old();
        world.pods = vec![(4, true, None), (5, true, None), (6, true, Some(5))];
        world.labels = vec!["", "master", "slave"];
        world.quiet = true;
        let mut set = world.set();
        set.is_quiet = false;
        assert_eq!(next(&set), Decision::Do(Move::Pause));
        set.is_quiet = true;
        assert_eq!(
            next(&set),
            Decision::Do(Move::Follow { pod: "a-0".to_owned(), master: "ip5".to_owned() })
        );
        (set.is_paused, set.is_quiet) = (false, false);
        assert_eq!(next(&set), Decision::Done, "the operator has looked after it since");
    }

    #[test]
    fn nothing_is_deleted_while_a_replica_is_copying() {
        let mut world = old();
        world.quiet = true;
        let mut set = world.set();
        set.members[2].said.as_mut().unwrap().master.as_mut().unwrap().is_up = false;
        assert_eq!(next(&set), Decision::Wait("replica a-2 is copying from a-0".to_owned()));
        set.members[2].said = None;
        assert_eq!(next(&set), Decision::Wait("pod a-2 does not answer yet".to_owned()));
        set.members.pop();
        assert_eq!(next(&set), Decision::Wait("2 of 3 Redis pods are there".to_owned()));
    }

    #[test]
    fn a_master_that_has_restarted_is_not_taken_for_one() {
        let mut world = old();
        world.quiet = true;
        world.pods[0] = (9, true, None);
        world.labels[0] = "";
        // The replicas still follow the address that it had.
        assert!(matches!(next(&world.set()), Decision::Do(Move::Promote { .. })));
        world.pods[1].2 = None;
        world.pods[2].2 = None;
        world.labels = vec!["", "", ""];
        assert!(matches!(next(&world.set()), Decision::Stuck(_)));
    }

    #[test]
    fn an_old_pod_that_does_not_come_up_is_replaced_first() {
        let mut world = old();
        world.quiet = true;
        let mut set = world.set();
        set.members[1].said = None;
        set.members[1].is_ready = false;
        assert_eq!(next(&set), Decision::Do(Move::Delete { pod: "a-1".to_owned(), uid: "ip1".to_owned() }));
    }

    #[test]
    fn two_masters_with_replicas_are_left_alone() {
        let mut world = old();
        world.quiet = true;
        world.pods.push((3, false, None));
        world.pods[2].2 = Some(3);
        world.labels.push("master");
        assert!(matches!(next(&world.set()), Decision::Stuck(_)));
    }

    #[test]
    fn without_a_master_the_furthest_replica_of_the_one_history_becomes_it() {
        let mut world = old();
        world.quiet = true;
        world.pods[0].2 = Some(99);
        world.pods[1].2 = Some(99);
        world.pods[2].2 = Some(99);
        let mut set = world.set();
        set.members[1].said.as_mut().unwrap().offset = 9;
        assert_eq!(next(&set), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
        set.members[2].said.as_mut().unwrap().history = "other".to_owned();
        assert!(matches!(next(&set), Decision::Stuck(_)));
    }
}
