//! Masters that end and come back in the middle of a change, each found by a seed of the simulated world.

use super::*;
use crate::redis::fixture::{self, link};
use crate::redis::talk::{Address, Attached, Flags, Former, Master, MasterLink, Peer, Quorum, Replica};

/// A pod that answers: its history and offset, and what it follows.
fn pod(
    ordinal: usize,
    history: &str,
    offset: i64,
    former: Option<(&str, i64)>,
    follows: Option<&str>,
) -> Pod<Replication> {
    Pod {
        name: format!("a-{ordinal}"),
        uid: format!("u{ordinal}"),
        address: format!("ip{ordinal}"),
        is_new: true,
        is_ready: true,
        is_hopeless: false,
        label: None,
        said: Some(Replication {
            // Nobody reaches a pod that is gone.
            master: follows.map(|host| MasterLink { is_up: host != "gone", ..link(host, false) }),
            replicas: Vec::new(),
            history: history.to_owned(),
            former: former.map(|(history, until)| Former { history: history.to_owned(), until }),
            offset,
            failover_state: None,
        }),
        refuses: None,
        accepts: None,
    }
}

/// A sentinel that names a master at that address, by that failover, and knows a replica of it.
fn sentinel(named: &str, epoch: u64, replica: &str) -> Pod<View> {
    let address = |host: &str| Address { host: host.to_owned(), port: 6379 };
    let peer =
        |host: &str| Peer { address: address(host), run_id: String::new(), flags: Flags::of("sentinel") };
    let view = View {
        master: Master {
            name: "mymaster".to_owned(),
            flags: Flags::of("master,s_down"),
            address: address(named),
            config_epoch: epoch,
            replicas: 1,
            other_sentinels: 2,
            quorum: 2,
            down_after_milliseconds: 5000,
            failover_timeout: 10000,
            parallel_syncs: 1,
        },
        replicas: vec![Replica {
            address: address(replica),
            flags: Flags::of("slave"),
            is_linked: true,
            master: None,
            priority: 100,
            offset: 0,
        }],
        peers: ["ipS1", "ipS2"].map(peer).to_vec(),
        quorum: Quorum::Reached { usable: 3 },
    };
    let Pod { name, uid, .. } = pod(7, "", 0, None, None);
    Pod {
        name,
        uid,
        address: "ip-of-sentinel".to_owned(),
        is_new: true,
        is_ready: true,
        is_hopeless: false,
        label: None,
        said: Some(view),
        refuses: None,
        accepts: None,
    }
}

fn set(members: Vec<Pod<Replication>>) -> Set {
    Set { is_quiet: true, is_paused: true, ..fixture::set(members) }
}

fn never_linked(mut pod: Pod<Replication>) -> Pod<Replication> {
    let link = pod.said.as_mut().unwrap().master.as_mut().unwrap();
    (link.is_up, link.was_up) = (false, false);
    pod
}

/// Seed 105: the only other pod was told to follow the master, and had not copied when the master was evicted.
#[test]
fn who_is_back_with_the_data_is_the_master_if_nobody_else_has_any() {
    let back = || pod(0, "own", 120, Some(("h", 121)), None);
    let empty = || never_linked(pod(1, "its own", 50, Some(("of its disk", 51)), Some("gone")));
    assert_eq!(master_of(&set(vec![back(), empty()])), Some("a-0"));
    // It may have begun anew itself, and then nobody knows.
    let both_empty = set(vec![pod(0, "own", 0, None, None), empty()]);
    assert_eq!(master_of(&both_empty), None);
    // A pod that is missing may have everything.
    assert_eq!(master_of(&Set { size: 3, ..set(vec![back(), empty()]) }), None);
}

/// Seed 675: the only pod is evicted while the second one starts; its volume is of another life.
#[test]
fn a_pod_that_is_being_added_has_nothing_of_the_set() {
    let members =
        || vec![pod(0, "own", 120, Some(("h", 121)), None), pod(1, "its own", 50, Some(("disk", 51)), None)];
    assert_eq!(master_of(&Set { known: 1, ..set(members()) }), Some("a-0"));
    assert_eq!(master_of(&Set { known: 2, ..set(members()) }), None, "it belongs to the set");
    let mut related = set(members());
    related.known = 1;
    related.members[1] = pod(1, "its own", 130, Some(("h", 131)), None);
    assert_eq!(master_of(&related), Some("a-1"), "it has been the master meanwhile");
}

/// A new pod has a volume of the set's former life, and keys of it have expired since its start.
#[test]
fn a_pod_that_is_being_added_was_not_promoted() {
    let members = || {
        let mut master = pod(0, "h", 200, None, None);
        master.label = Some("master".to_owned());
        vec![master, pod(1, "its own", 130, Some(("h", 101)), None)]
    };
    let added = Set { known: 1, ..set(members()) };
    assert_eq!(master_of(&added), Some("a-0"));
    assert_eq!(master_of(&set(members())), None, "somebody has promoted it");
    let failed_over = Set { watchers: vec![sentinel("gone", 1, "nobody")], ..added };
    assert_eq!(master_of(&failed_over), None, "the sentinels may have promoted it");
}

/// A master was killed, and keys have expired since it came back with an older snapshot.
#[test]
fn keys_that_expire_do_not_count_where_no_service_leads() {
    let replicas = || {
        let mut promoted = pod(1, "h", 133, Some(("before h", 90)), Some("gone"));
        promoted.said.as_mut().unwrap().master.as_mut().unwrap().was_up = true;
        let mut other = pod(2, "h", 130, Some(("before h", 90)), Some("gone"));
        other.said.as_mut().unwrap().master.as_mut().unwrap().was_up = true;
        vec![promoted, other]
    };
    let back = |label: Option<&str>| Pod {
        label: label.map(str::to_owned),
        ..pod(0, "own", 150, Some(("h", 101)), None)
    };
    let with = |label| set([vec![back(label)], replicas()].concat());
    assert_eq!(next(&with(None)), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
    let promote = Decision::Do(Move::Promote { pod: "a-1".to_owned() });
    assert_ne!(next(&with(Some("master"))), promote);
    // The sentinels had led applications to it.
    let mut elected = with(None);
    elected.watchers = vec![sentinel("gone", 1, "nobody")];
    assert_ne!(next(&elected), promote);
}

/// The operator has labelled a pod that had just come back from an older snapshot, because it said that it is a master.
#[test]
fn a_label_is_overtaken_by_a_replica_that_has_more() {
    let back = |offset: i64| Pod {
        label: Some("master".to_owned()),
        ..pod(2, "own", offset, Some(("h", 51)), None)
    };
    let replica = || pod(1, "h", 109, None, Some("gone"));
    let given = |mut pod: Pod<Replication>| {
        pod.said.as_mut().unwrap().master.as_mut().unwrap().was_up = true;
        pod
    };
    let killed = || pod(0, "another", 50, Some(("h", 51)), None);
    let all = |back: Pod<Replication>| set(vec![killed(), given(replica()), back]);
    assert_eq!(next(&all(back(50))), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
    assert_eq!(master_of(&all(back(60))), Some("a-2"), "somebody has written to it");
}

/// Seed 125: a replica that missed the handover is not promoted over the evicted master.
#[test]
fn a_replica_is_not_promoted_over_a_history_that_nobody_knows() {
    let stale = pod(1, "h", 133, None, Some("gone"));
    let evicted = pod(0, "own", 140, Some(("after h", 141)), None);
    let killed = pod(2, "other", 50, Some(("h", 51)), None);
    assert!(matches!(
        next(&set(vec![evicted, stale.clone(), killed.clone()])),
        Decision::Doubt(Cause::Ambiguous, _)
    ));
    let known = pod(0, "own", 100, Some(("h", 101)), None);
    assert_eq!(next(&set(vec![known, stale, killed])), Decision::Do(Move::Promote { pod: "a-1".to_owned() }));
}

/// Seed 1083: the sentinels had chosen another master, which was evicted, too.
#[test]
fn the_last_choice_of_the_sentinels_is_not_passed_over() {
    let master = || pod(0, "own", 137, Some(("h", 138)), None);
    let follower = || pod(1, "own", 137, None, Some("ip0"));
    let elected = || pod(2, "its own", 139, Some(("elected", 140)), None);
    let mut both = set(vec![master(), follower(), elected()]);
    assert_eq!(master_of(&both), Some("a-0"), "without sentinels the one that is followed");
    both.watchers = vec![sentinel("gone", 1, "nobody")];
    assert!(matches!(next(&both), Decision::Doubt(Cause::Ambiguous, _)));
    both.members.pop();
    let why = "the master that the sentinels have chosen last is gone, and not all pods exist";
    assert_eq!(next(&Set { size: 3, ..both }), Decision::Wait(why.to_owned()));
    // Whoever copies from it gives up the rest; that may take long.
    let mut copying = pod(1, "of its own", 500, None, Some("ip0"));
    let link = copying.said.as_mut().unwrap().master.as_mut().unwrap();
    (link.is_up, link.is_syncing) = (false, true);
    let mut both = set(vec![master(), copying]);
    both.watchers = vec![sentinel("gone", 1, "nobody")];
    assert_eq!(master_of(&both), Some("a-0"));
    // As long as they can choose, nobody else does.
    let mut able = set(vec![master(), pod(1, "h", 137, None, Some("gone"))]);
    able.watchers = vec![sentinel("gone", 1, "ip1")];
    let choosing = Decision::Wait("the sentinels are choosing another master".to_owned());
    assert_eq!(next(&able), choosing);
    // Fewer sentinels are wanted; those that live decide.
    able.sentinels = 1;
    assert_eq!(next(&able), choosing);
    // One was told of the pod that is back, and the others would promote another one all the same.
    let told = sentinel("ip0", 1, "ip1");
    let mut both = able.clone();
    both.watchers.extend([sentinel("gone", 1, "ip1"), told.clone()]);
    assert_eq!(next(&both), choosing);
    // One alone elects nobody.
    both.watchers = vec![sentinel("gone", 1, "ip1"), told.clone(), told];
    assert_ne!(next(&both), choosing);
}

/// A growth was cut off, a sentinel has made a new pod the master, and another wish comes first: the operator would remove
/// the pods that it does not know.
#[test]
fn a_master_that_the_operator_would_remove_hands_over_first() {
    let mut grown = set(vec![
        pod(0, "h", 9, None, Some("ip2")),
        pod(1, "h", 9, None, Some("ip2")),
        pod(2, "h", 9, None, None),
    ]);
    grown.members[2].label = Some("master".to_owned());
    for replica in [0, 1] {
        grown.members[replica].label = Some("slave".to_owned());
        let attached = Attached {
            address: Address { host: format!("ip{replica}"), port: 6379 },
            state: "online".to_owned(),
            offset: 9,
            lag: 0,
        };
        grown.members[2].said.as_mut().unwrap().replicas.push(attached);
    }
    (grown.known, grown.is_to_grow) = (2, false);
    let hand_over = |to: &str| Decision::Do(Move::HandOver { from: "a-2".to_owned(), to: to.to_owned() });
    assert_eq!(next(&grown), hand_over("a-0"));
    grown.known = 1;
    assert_eq!(next(&grown), hand_over("a-0"));
    grown.is_to_grow = true;
    assert_eq!(next(&grown), Decision::Done, "the custom resource gets its size first");
}
