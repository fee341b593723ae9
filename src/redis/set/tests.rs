//! A set whose pods behave, rolled move by move.

use super::*;
use crate::redis::talk::{Address, Attached, Flags, Master, MasterLink, Peer, Quorum, Replica};

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
                accepts: None,
            }
        };
        Set {
            size: self.pods.len(),
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
            Move::Watch { .. } | Move::Admit { .. } | Move::Expel { .. } => {}
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
        label: None,
        said: Some(view),
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

/// Found by deleting the master while a replica that had just been replaced was to copy from it: the other replica has
/// everything. In a set of two there is no other, and the one that has nothing new must not become the master.
#[test]
fn a_replica_that_has_restarted_and_copied_nothing_is_not_promoted() {
    let mut world = old();
    world.quiet = true;
    world.pods[0] = (9, false, None);
    world.labels[0] = "";
    let mut set = world.set();
    let fresh = set.members[2].said.as_mut().unwrap();
    (fresh.history, fresh.offset) = ("its own".to_owned(), 0);
    assert_eq!(next(&set), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
    set.members.remove(1);
    set.size = 2;
    assert!(matches!(next(&set), Decision::Stuck(_)));
}
