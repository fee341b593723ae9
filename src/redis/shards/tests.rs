//! A cluster as its nodes tell of it, and what is to be done about it.

use super::*;
use crate::redis::step::Mending;
use crate::redis::talk::{Address, Attached, MasterLink, Replication, SlotRange};

fn address(host: &str) -> Address {
    Address { host: host.to_owned(), port: 6379 }
}

/// Three masters and three replicas, `n0`…`n5`: `n3` follows `n0`.
fn cluster() -> Shards {
    shards(&[0, 1, 2])
}

/// As above, with other masters for the three replicas.
fn shards(masters: &[usize]) -> Shards {
    let first = [0, 5461, 10923];
    let last = [5460, 10922, 16383];
    let node = |index: usize, myself: usize| {
        let role = if index < 3 { "master" } else { "slave" };
        let flags = if index == myself { vec!["myself", role] } else { vec![role] };
        Node {
            id: format!("id{index}"),
            address: Some(address(&format!("ip{index}"))),
            hostname: Some(format!("n{index}")),
            flags: flags.into_iter().map(str::to_owned).collect(),
            master: (index >= 3).then(|| format!("id{}", masters[index - 3])),
            config_epoch: 1,
            link: Link::Connected,
            slots: (index < 3)
                .then(|| SlotRange { first: first[index], last: last[index] })
                .into_iter()
                .collect(),
            moving: Vec::new(),
        }
    };
    let replication = |index: usize| Replication {
        master: (index >= 3).then(|| MasterLink {
            address: address(&format!("ip{}", masters[index - 3])),
            is_up: true,
            was_up: true,
            is_syncing: false,
            last_io_seconds_ago: Some(0),
            priority: Some(100),
        }),
        replicas: (3..6)
            .filter(|replica| masters[replica - 3] == index)
            .map(|replica| Attached {
                address: address(&format!("ip{replica}")),
                state: "online".to_owned(),
                offset: 7,
                lag: 0,
            })
            .collect(),
        history: "h".to_owned(),
        former: None,
        offset: 7,
        failover_state: None,
    };
    let pod = |index: usize| Pod {
        name: format!("n{index}"),
        address: format!("ip{index}"),
        is_leader: index < 3,
        said: Some(Said {
            nodes: (0..6).map(|other| node(other, index)).collect(),
            replication: replication(index),
        }),
    };
    Shards { pods: (0..6).map(pod).collect(), masters: 3, size: 6, ..Shards::default() }
}

fn link(shards: &mut Shards, index: usize) -> &mut MasterLink {
    shards.pods[index].said.as_mut().unwrap().replication.master.as_mut().unwrap()
}

/// A node that all know, and that is none of the pods.
fn with_stranger(mut shards: Shards, flags: &[&str], slots: Vec<SlotRange>) -> Shards {
    for said in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
        let mut stranger = said.nodes[5].clone();
        stranger.id = "gone".to_owned();
        stranger.hostname = Some("n6".to_owned());
        stranger.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        stranger.slots = slots.clone();
        said.nodes.push(stranger);
    }
    shards
}

#[test]
fn a_whole_cluster() {
    assert_eq!(cluster().whole(), Ok(()));
    assert_eq!((cluster().copying(), cluster().mending()), (None, None));
}

#[test]
fn what_is_wrong_is_said_of_the_pod_that_says_it() {
    let wrong = |change: &dyn Fn(&mut Said)| {
        let mut shards = cluster();
        change(shards.pods[1].said.as_mut().unwrap());
        shards.whole().unwrap_err()
    };
    assert_eq!(wrong(&|said| said.nodes[4].flags.push("fail?".to_owned())), "n1 reports n4 as fail?");
    assert_eq!(wrong(&|said| said.nodes[4].link = Link::Disconnected), "n1 has no link to n4");
    assert_eq!(wrong(&|said| drop(said.nodes.pop())), "n1 knows 5 of 6 nodes");
    assert_eq!(
        wrong(&|said| said.nodes[1].moving.push("[7-<-id0]".to_owned())),
        "slots are being moved to or from n1"
    );
    assert_eq!(wrong(&|said| said.nodes[0].slots[0].first = 1), "n1 reports 16383 of 16384 slots as served");
    let mut shards = cluster();
    shards.pods[2].said = None;
    assert_eq!(shards.whole().unwrap_err(), "n2 does not answer");
    shards.pods.pop();
    assert_eq!(shards.whole().unwrap_err(), "5 of 6 pods exist");
    let mut shards = cluster();
    link(&mut shards, 4).is_up = false;
    shards.pods[1].said.as_mut().unwrap().replication.replicas.clear();
    assert_eq!(shards.whole().unwrap_err(), "n4 has lost its master");
}

/// Before its turn, and while it copies: the operator must not interrupt it. A link to an address that is no more is
/// the operator's to mend.
#[test]
fn a_replica_that_copies() {
    let mut shards = cluster();
    (link(&mut shards, 4).is_up, link(&mut shards, 4).is_syncing) = (false, true);
    assert_eq!(shards.copying().as_deref(), Some("n4 is copying the data of n1"));
    assert!(shards.whole().is_err());
    link(&mut shards, 4).is_syncing = false;
    assert!(shards.copying().is_some(), "the master lists it");
    shards.pods[1].said.as_mut().unwrap().replication.replicas.clear();
    assert_eq!(shards.copying(), None);
}

#[test]
fn a_node_that_is_gone_is_forgotten() {
    let forget = Some(Mending::Forget { ids: vec!["gone".to_owned()] });
    for flags in [["slave", "fail"], ["slave", "noaddr"], ["master", "fail"]] {
        let shards = with_stranger(cluster(), &flags, Vec::new());
        assert!(shards.whole().is_err());
        assert_eq!(shards.mending(), forget, "{flags:?}");
    }
    let serves = vec![SlotRange { first: 1, last: 1 }];
    assert_eq!(with_stranger(cluster(), &["master", "fail"], serves).mending(), None, "it has slots");
    assert_eq!(with_stranger(cluster(), &["slave"], Vec::new()).mending(), None, "it is well");
    let mut shards = with_stranger(cluster(), &["slave", "fail"], Vec::new());
    shards.pods[0].said = None;
    assert_eq!(shards.mending(), None, "it may be the pod that does not answer");
}

#[test]
fn followers_are_evened_out() {
    let shards = shards(&[0, 0, 2]);
    assert_eq!(shards.whole().unwrap_err(), "n0 has 2 of 1 followers");
    let follow = Mending::Follow { address: "ip4".to_owned(), master: "id1".to_owned() };
    assert_eq!(shards.mending(), Some(follow));
}

#[test]
fn who_follows_a_follower_follows_a_master() {
    let mut chained = cluster();
    for said in chained.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
        said.nodes[4].master = Some("id3".to_owned());
    }
    let follow = Mending::Follow { address: "ip4".to_owned(), master: "id1".to_owned() };
    assert_eq!(chained.mending(), Some(follow));
}

#[test]
fn a_pod_that_has_met_nobody_is_the_operators_to_add() {
    let mut shards = shards(&[0, 0, 2]);
    shards.pods[5].said.as_mut().unwrap().nodes.retain(|node| node.has("myself"));
    assert_eq!(shards.mending(), None);
}

/// A follower has taken its place, so the operator lacks nobody: it would give slots to one it has met, or leave it alone.
#[test]
fn a_leader_without_its_volumes_becomes_a_follower() {
    // `n3` has taken over from `n0`, which knows itself alone, by another id.
    let mut shards = cluster();
    let slots = vec![SlotRange { first: 0, last: 5460 }];
    for said in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
        said.nodes[3].flags.retain(|flag| flag != "slave");
        said.nodes[3].flags.push("master".to_owned());
        said.nodes[3].slots.clone_from(&slots);
        said.nodes[3].master = None;
        (said.nodes[0].id, said.nodes[0].slots) = ("new".to_owned(), Vec::new());
    }
    let apart = |mut shards: Shards| {
        for (index, said) in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()).enumerate() {
            said.nodes.retain(|node| (node.id == "new") == (index == 0));
        }
        shards
    };
    let alone = apart(shards.clone());
    let meet = Mending::Meet { address: "ip0".to_owned(), at: "ip1".to_owned() };
    assert_eq!(alone.mending(), Some(meet));
    let follow = Mending::Follow { address: "ip0".to_owned(), master: "id3".to_owned() };
    assert_eq!(shards.mending(), Some(follow), "the others know it by now");
    let mut given_slots = shards.clone();
    for said in given_slots.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
        said.nodes[0].slots = vec![SlotRange { first: 0, last: 1364 }];
        said.nodes[3].slots = vec![SlotRange { first: 1365, last: 5460 }];
    }
    let drain = Mending::Drain { id: "id3".to_owned(), at: "ip0".to_owned() };
    assert_eq!(given_slots.mending(), Some(drain), "the operator was first");
    let asked = given_slots.pods[0].said.as_mut().unwrap();
    asked.nodes[3].flags.retain(|flag| flag != "master");
    assert_eq!(given_slots.mending(), None, "the node that is asked knows it as a follower");
    let growing = Shards { masters: 4, size: 6, ..alone.clone() };
    assert_eq!(growing.mending(), None, "the operator is to make it the fourth master");
    let mut follower = alone;
    follower.pods[0].is_leader = false;
    assert_eq!(follower.mending(), None, "the operator is to make it a follower");
}

#[test]
fn slots_that_nobody_moves_any_more_are_closed() {
    let mut shards = cluster();
    shards.pods[1].said.as_mut().unwrap().nodes[1].moving.push("[7-<-id0]".to_owned());
    assert_eq!((shards.moving(), shards.mending()), (vec!["[7-<-id0]"], None));
    let close = Some(Mending::CloseSlots { at: "ip0".to_owned() });
    let stalled = Shards { is_stalled: true, ..shards.clone() };
    assert_eq!(stalled.mending(), close);
    // While a shard more or less is under way there are more or fewer pods than are wanted.
    let giving_up = Shards { size: 8, ..stalled.clone() };
    assert_eq!(giving_up.mending(), close);
    assert_eq!(Shards { is_stalled: true, ..cluster() }.mending(), None);
    let by_hand = Shards { is_quiet: true, ..shards };
    assert_eq!(by_hand.mending(), None, "a person may be moving them");
    let failed = with_stranger(stalled, &["master", "fail"], Vec::new());
    assert_eq!(failed.mending(), Some(Mending::Forget { ids: vec!["gone".to_owned()] }), "that first");
}

#[test]
fn a_pod_that_came_back_and_is_known_to_none_begins_anew() {
    let mut forgotten = cluster();
    for said in forgotten.pods.iter_mut().take(5).filter_map(|pod| pod.said.as_mut()) {
        said.nodes.retain(|node| node.id != "id5");
    }
    assert_eq!(forgotten.mending(), Some(Mending::Reset { address: "ip5".to_owned() }));
    let mut joining = forgotten.clone();
    joining.pods[0].said.as_mut().unwrap().nodes[1].flags.push("handshake".to_owned());
    assert_eq!(joining.mending(), None, "the operator is adding one");
    forgotten.pods[5].said.as_mut().unwrap().nodes[5].slots = vec![SlotRange { first: 1, last: 1 }];
    assert_eq!(forgotten.mending(), None, "it thinks that it serves");
}

#[test]
fn a_leader_that_follows_takes_over_before_shards_go() {
    let mut shards = cluster();
    assert_eq!(shards.leader_that_follows(), None);
    shards.pods[4].is_leader = true;
    assert_eq!(shards.leader_that_follows(), Some(Mending::TakeOver { address: "ip4".to_owned() }));
}
