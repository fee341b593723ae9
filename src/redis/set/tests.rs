//! A set whose pods behave, rolled move by move.

use super::*;
use crate::redis::talk::{Address, Attached, Flags, Former, Master, MasterLink, Peer, Quorum, Replica};

fn address(host: &str) -> Address {
    Address { host: host.to_owned(), port: 6379 }
}

fn replication(master: Option<&str>, replicas: &[&str], offset: i64) -> Replication {
    Replication {
        master: master.map(|host| MasterLink {
            address: address(host),
            is_up: true,
            was_up: true,
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
                is_hopeless: false,
                label: Some(self.labels[ordinal].to_owned()).filter(|label| !label.is_empty()),
                said: Some(self.said(master.as_deref(), &followers)),
                refuses: None,
                accepts: None,
            }
        };
        Set {
            size: self.pods.len(),
            known: self.pods.len(),
            is_to_grow: false,
            stays: self.pods.len(),
            members: self.pods.iter().enumerate().map(pod).collect(),
            sentinels: 0,
            watchers: Vec::new(),
            sentinels_are_later: false,
            is_paused: self.quiet,
            is_quiet: self.quiet,
            valid: Vec::new(),
            former: Vec::new(),
        }
    }

    /// What a pod says that follows a living or a dead master, or none.
    fn said(&self, master: Option<&str>, followers: &[&str]) -> Replication {
        let mut said = replication(master, followers, 7);
        if let Some(link) = &mut said.master {
            link.is_up = self.pods.iter().any(|(host, ..)| format!("ip{host}") == link.address.host);
        }
        said
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
            Move::Watch { .. } | Move::Admit { .. } | Move::Expel { .. } | Move::Enlarge { .. } => {}
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

#[test]
fn the_master_hands_over_to_a_replica_that_is_not_far_behind() {
    let mut world = old();
    world.quiet = true;
    world.pods = vec![(0, false, None), (1, true, Some(0)), (2, true, Some(0))];
    let mut set = world.set();
    set.members[0].said.as_mut().unwrap().offset = 7 + (8 << 20);
    let to = "a-1".to_owned();
    assert_eq!(next(&set), Decision::Do(Move::HandOver { from: "a-0".to_owned(), to }));
    set.members[0].said.as_mut().unwrap().offset += 1;
    assert_eq!(next(&set), Decision::Wait("replica a-1 is 8388609 bytes behind a-0".to_owned()));
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
    assert_eq!(next(&set), Decision::Do(Move::Follow { pod: "a-0".to_owned(), master: "ip5".to_owned() }));
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
    assert_eq!(next(&set), Decision::Wait("2 of 3 Redis pods exist".to_owned()));
}

/// A history and an offset, and the history that it came from.
fn of_history(set: &mut Set, pod: usize, history: &str, offset: i64, former: Option<(&str, i64)>) {
    let said = set.members[pod].said.as_mut().unwrap();
    (said.history, said.offset) = (history.to_owned(), offset);
    said.former = former.map(|(history, until)| Former { history: history.to_owned(), until });
}

#[test]
fn a_master_that_has_restarted_is_not_taken_for_one() {
    let mut world = old();
    world.quiet = true;
    world.pods[0] = (9, true, None);
    world.labels[0] = "";
    // The replicas still follow the address that it had.
    let mut set = world.set();
    of_history(&mut set, 0, "its own", 0, None);
    assert_eq!(next(&set), Decision::Do(Move::Promote { pod: "a-2".to_owned() }));
    world.pods[1].2 = None;
    world.pods[2].2 = None;
    world.labels = vec!["", "", ""];
    let mut set = world.set();
    of_history(&mut set, 0, "its own", 0, None);
    of_history(&mut set, 1, "its own, too", 0, None);
    assert!(matches!(next(&set), Decision::Doubt(Cause::Ambiguous, _)));
}

/// What it saved when it was told to end is at least what the replicas have.
#[test]
fn a_master_that_comes_back_with_everything_stays_the_master() {
    let mut world = old();
    world.quiet = true;
    world.pods[0] = (9, true, None);
    world.labels[0] = "";
    let mut set = world.set();
    of_history(&mut set, 0, "its own", 7, Some(("h", 8)));
    assert_eq!(next(&set), Decision::Do(Move::Follow { pod: "a-1".to_owned(), master: "ip9".to_owned() }));
    of_history(&mut set, 0, "its own", 6, Some(("h", 7)));
    assert_eq!(next(&set), Decision::Do(Move::Promote { pod: "a-2".to_owned() }), "the replicas have more");
}

#[test]
fn an_old_pod_that_does_not_come_up_is_replaced_first() {
    let mut world = old();
    world.quiet = true;
    let mut set = world.set();
    set.members[1].said = None;
    set.members[1].is_ready = false;
    assert_eq!(next(&set), Decision::Wait("pod a-1 does not answer yet".to_owned()), "busy for a moment");
    set.members[1].is_hopeless = true;
    assert_eq!(next(&set), Decision::Do(Move::Delete { pod: "a-1".to_owned(), uid: "ip1".to_owned() }));
}

/// A sentinel of three that know all of `world`.
fn sentinel(ordinal: usize, world: &World, peers: &[usize]) -> Pod<View> {
    let host = |ordinal: usize| format!("ipS{ordinal}");
    let replica = |(host, ..): &(u32, bool, Option<u32>)| Replica {
        address: address(&format!("ip{host}")),
        flags: Flags::of("slave"),
        is_linked: true,
        master: None,
        priority: 100,
        offset: 7,
    };
    let peer = |other: &usize| Peer {
        address: address(&host(*other)),
        run_id: String::new(),
        flags: Flags::of("sentinel"),
    };
    let view = View {
        master: Master {
            name: "mymaster".to_owned(),
            address: address("ip0"),
            flags: Flags::of("master"),
            config_epoch: 0,
            replicas: 2,
            other_sentinels: 2,
            quorum: 2,
            down_after_milliseconds: 5000,
            failover_timeout: 10000,
            parallel_syncs: 1,
        },
        replicas: world.pods.iter().filter(|pod| pod.2.is_some()).map(replica).collect(),
        peers: peers.iter().map(peer).collect(),
        quorum: Quorum::Reached { usable: 2 },
    };
    Pod {
        name: format!("a-sentinel-{ordinal}"),
        uid: host(ordinal),
        address: host(ordinal),
        is_new: false,
        is_ready: true,
        is_hopeless: false,
        label: None,
        said: Some(view),
        refuses: None,
        accepts: None,
    }
}

/// An image that cannot be pulled, and then one that can: the operator leaves the sentinels with the first until the
/// data is rolled, so that must not wait for them.
#[test]
fn sentinels_that_the_operator_puts_off_hold_up_nothing() {
    let mut world = old();
    world.quiet = true;
    let mut set = world.set();
    set.sentinels = 3;
    set.watchers = vec![sentinel(0, &world, &[1]), sentinel(1, &world, &[0]), sentinel(2, &world, &[])];
    set.watchers[2].said = None;
    (set.watchers[2].is_new, set.watchers[2].is_ready) = (true, false);
    assert_eq!(next(&set), Decision::Wait("pod a-sentinel-2 does not answer yet".to_owned()));
    set.sentinels_are_later = true;
    assert_eq!(next(&set), Decision::Do(Move::Delete { pod: "a-2".to_owned(), uid: "ip2".to_owned() }));
    let dead = Peer { address: address("ipGone"), run_id: String::new(), flags: Flags::of("sentinel") };
    set.watchers[0].said.as_mut().unwrap().peers.push(dead);
    let watch = Move::Watch { pod: "a-sentinel-0".to_owned(), master: "ip0".to_owned() };
    assert_eq!(next(&set), Decision::Do(watch));
    set.watchers[0] = sentinel(0, &world, &[1]);
    set.watchers[0].said.as_mut().unwrap().quorum = Quorum::Missed("NOQUORUM".to_owned());
    assert_eq!(next(&set), Decision::Wait("sentinel a-sentinel-0: NOQUORUM".to_owned()));
    set.watchers.truncate(2);
    set.watchers[0] = sentinel(0, &world, &[1]);
    set.members.iter_mut().for_each(|pod| pod.is_new = true);
    assert_eq!(next(&set), Decision::Done, "the two that are well are left alone");
}

#[test]
fn two_masters_with_replicas_are_left_alone() {
    let mut world = old();
    world.quiet = true;
    world.pods.push((3, false, None));
    world.pods[2].2 = Some(3);
    world.labels.push("master");
    assert!(matches!(next(&world.set()), Decision::Doubt(..)));
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
    assert!(matches!(next(&set), Decision::Doubt(..)));
}

/// A link of a replica that has never been up since it started: whatever its offset says, it has copied nothing.
fn never_linked(set: &mut Set, pod: usize) {
    let link = set.members[pod].said.as_mut().unwrap().master.as_mut().unwrap();
    (link.is_up, link.was_up) = (false, false);
}

/// Found by deleting the master while a replica that had just been replaced was to copy from it: the other replica has
/// everything. In a set of two there is no other, and the one that has nothing new must not become the master.
#[test]
fn a_replica_that_has_restarted_and_copied_nothing_is_not_promoted() {
    let mut world = old();
    world.quiet = true;
    world.pods[0] = (9, false, None);
    world.labels[0] = "";
    let mut set = world.set();
    of_history(&mut set, 0, "of the master that is back", 0, None);
    // Redis counts from what its disk held.
    of_history(&mut set, 2, "its own", 500, Some(("of its disk", 501)));
    never_linked(&mut set, 2);
    assert_eq!(next(&set), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
    // What was written to a pod while it was a master for a moment is not given up without a word.
    of_history(&mut set, 2, "its own", 502, Some(("of its disk", 501)));
    assert!(matches!(next(&set), Decision::Doubt(Cause::Ambiguous, _)));
    of_history(&mut set, 2, "its own", 500, Some(("of its disk", 501)));
    set.members.remove(1);
    set.size = 2;
    assert!(matches!(next(&set), Decision::Doubt(Cause::Ambiguous, _)));
    // Both came back with what they had saved, the master with more.
    of_history(&mut set, 0, "of the master that is back", 120, Some(("h", 121)));
    of_history(&mut set, 1, "its own", 100, Some(("h", 101)));
    assert_eq!(next(&set), Decision::Do(Move::Follow { pod: "a-2".to_owned(), master: "ip9".to_owned() }));
}

#[test]
fn a_replica_that_is_copying_is_not_promoted() {
    let mut world = old();
    world.quiet = true;
    world.pods = vec![(0, false, Some(99)), (1, false, Some(99)), (2, false, Some(99))];
    let mut set = world.set();
    set.members[1].said.as_mut().unwrap().offset = 9;
    set.members[1].said.as_mut().unwrap().master.as_mut().unwrap().is_syncing = true;
    let Decision::Do(Move::Promote { pod }) = next(&set) else { panic!("expected a promotion") };
    assert_ne!(pod, "a-1");
}

/// Sentinels promote a replica while the master is stalled. When the master is back, it bears the label still, since
/// the operator is paused: clients that ask the sentinels have written to the other.
#[test]
fn a_failover_that_the_sentinels_have_completed_stays() {
    let mut world = old();
    world.quiet = true;
    world.pods.pop();
    world.labels.pop();
    world.pods[1].2 = None;
    let mut set = world.set();
    set.sentinels = 3;
    set.watchers =
        vec![sentinel(0, &world, &[1, 2]), sentinel(1, &world, &[0, 2]), sentinel(2, &world, &[0, 1])];
    of_history(&mut set, 0, "h", 9, None);
    of_history(&mut set, 1, "after", 120, Some(("h", 8)));
    let names = |set: &mut Set, sentinel: usize, host: &str, epoch: u64, flags: &str| {
        let view = set.watchers[sentinel].said.as_mut().unwrap();
        (view.master.address, view.master.config_epoch) = (address(host), epoch);
        view.master.flags = Flags::of(flags);
    };
    names(&mut set, 0, "ip0", 3, "master,o_down,failover_in_progress");
    let waits = Decision::Wait("the sentinels are choosing another master".to_owned());
    assert_eq!(next(&set), waits);
    // One knows of the new master, the others do not yet.
    names(&mut set, 0, "ip1", 3, "master");
    let follow = Decision::Do(Move::Follow { pod: "a-0".to_owned(), master: "ip1".to_owned() });
    assert_eq!(next(&set), follow);
    // The one that they name may be out of our reach only.
    let answer = set.members[1].said.take();
    let waits = "the sentinels name a-1 as the master, and it does not answer".to_owned();
    assert_eq!(next(&set), Decision::Wait(waits));
    set.members[1].said = answer;
    // While the former one does not answer, its Service must not lead to it when it comes back.
    set.members[0].said = None;
    assert_eq!(next(&set), Decision::Do(Move::Label { pod: "a-0".to_owned(), role: "slave" }));
    // Nobody names either, and each has what the other has not.
    set.watchers.clear();
    set.sentinels = 0;
    of_history_of_silent(&mut set, 9);
    assert!(matches!(next(&set), Decision::Doubt(Cause::Ambiguous, _)));
}

fn of_history_of_silent(set: &mut Set, offset: i64) {
    set.members[0].said = Some(replication(None, &[], offset));
}

/// Data is being moved here from a Redis elsewhere.
#[test]
fn a_set_that_follows_a_living_master_elsewhere_is_left_to_it() {
    let mut world = old();
    world.quiet = true;
    world.pods = vec![(0, false, Some(99)), (1, false, Some(0)), (2, false, Some(0))];
    let mut set = world.set();
    set.members[0].said.as_mut().unwrap().master.as_mut().unwrap().is_up = true;
    let why = "pod a-0 follows ip99:6379, which is none of the pods".to_owned();
    let doubt = Decision::Doubt(Cause::Elsewhere, why);
    assert_eq!(next(&set), doubt);
    // While it still copies.
    never_linked(&mut set, 0);
    assert_eq!(next(&set), doubt);
    assert!(!needs_healing(&set));
    (set.is_quiet, set.is_paused) = (false, false);
    assert_eq!(next(&set), doubt, "the operator is not paused for that");
}

#[test]
fn nobody_is_paused_for_a_set_that_cannot_be_rolled() {
    let world = old();
    assert_eq!(next(&world.set()), Decision::Do(Move::Pause));
    let mut set = world.set();
    set.members[0].said = None;
    let waits = Decision::Wait("no pod is the master, and a-0 does not answer".to_owned());
    assert_eq!(next(&set), waits);
    let mut picture = Picture::default();
    set.members[1].refuses = Some("WRONGPASS invalid username-password pair.".to_owned());
    picture.answers.set = Some(set);
    let Err(Next::Wait(waiting)) = asked(&picture) else { panic!("expected a wait") };
    let why = "pod a-1 refuses the provider (WRONGPASS invalid username-password pair)";
    assert_eq!((waiting.cause, waiting.why.as_str()), (Cause::Login, why));
}
