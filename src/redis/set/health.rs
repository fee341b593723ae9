//! Whether a set is healthy: what to repair, and what to wait for.

use super::master::said;
use super::{Decision, old_sentinels};
use crate::redis::answers::set::{Pod, Set, View};
use crate::redis::step::Move;
use crate::redis::talk::{Address, Quorum, Replica, Replication};

/// Repairs what a cut-off run, or the restart of a pod, has left. The label of the master comes first,
/// because otherwise its Service may reach no pod.
pub(super) fn put_right(set: &Set, master: &Pod<Replication>) -> Option<Move> {
    let follows = |pod: &&Pod<Replication>| {
        let link = said(pod).map(|said| said.master.as_ref().map(|link| link.address.host.as_str()));
        link.is_none_or(|link| link == Some(master.address.as_str()))
    };
    let replicas = || set.members.iter().filter(|pod| pod.name != master.name);
    // It may come back as a master of its own: the Service must not lead there, too.
    let lingers = |pod: &&Pod<Replication>| pod.said.is_none() && pod.label.as_deref() == Some("master");
    if let Some(pod) = replicas().find(lingers) {
        return Some(Move::Label { pod: pod.name.clone(), role: "slave" });
    }
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

/// A pod of an older revision that does not start: the wanted spec may be what repairs it. A pod that is busy for a moment
/// may hold what others lack.
pub(super) fn broken(set: &Set, master: &Pod<Replication>) -> Option<Move> {
    let members = set.members.iter().filter(|pod| pod.name != master.name);
    let members = members.filter(|pod| is_broken(pod)).map(|pod| (&pod.name, &pod.uid));
    let watchers = old_sentinels(set).filter(|pod| is_broken(pod)).map(|pod| (&pod.name, &pod.uid));
    let (pod, uid) = members.chain(watchers).next()?;
    Some(Move::Delete { pod: pod.clone(), uid: uid.clone() })
}

fn is_broken<Said>(pod: &Pod<Said>) -> bool {
    !pod.is_new && !pod.is_ready && pod.said.is_none() && pod.is_hopeless
}

/// The first part of the set that is not healthy yet.
pub(super) fn unsettled(set: &Set, master: &Pod<Replication>) -> Option<String> {
    if set.members.len() < set.size {
        return Some(format!("{} of {} Redis pods exist", set.members.len(), set.size));
    }
    let watchers = || set.watchers.iter().filter(|pod| !set.sentinels_are_later || pod.said.is_some());
    if set.watchers.len() < set.sentinels && !set.sentinels_are_later {
        return Some(format!("{} of {} sentinels exist", set.watchers.len(), set.sentinels));
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
    let sentinels = watchers().map(|pod| (&pod.name, pod.said.is_some(), pod.is_ready));
    if let Some(starting) = members.chain(sentinels).find_map(starting) {
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
    watchers().find_map(|pod| {
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
        let missing = watchers().find(|one| one.name != pod.name && !meets(&one.address));
        if let Some(missing) = missing {
            return Some(format!("sentinel {} does not know sentinel {} yet", pod.name, missing.name));
        }
        match &view.quorum {
            Quorum::Reached { .. } if view.master.flags.are_only("master") => None,
            Quorum::Reached { .. } => {
                Some(format!("sentinel {} reports the master as {}", pod.name, view.master.flags))
            }
            Quorum::Missed(why) => Some(format!("sentinel {}: {why}", pod.name)),
        }
    })
}

/// A sentinel never forgets by itself: removed pods would be counted in a failover.
pub(super) fn stale(set: &Set, master: &Pod<Replication>) -> Option<Decision> {
    let dead = |view: &View| {
        let members = |address: &Address| set.members.iter().any(|pod| pod.address == address.host);
        let watchers = |address: &Address| set.watchers.iter().any(|pod| pod.address == address.host);
        !view.replicas.iter().all(|replica| members(&replica.address))
            || !view.peers.iter().all(|peer| watchers(&peer.address))
    };
    let pod = set.watchers.iter().find(|pod| pod.said.as_ref().is_some_and(dead))?;
    Some(Decision::Do(Move::Watch { pod: pod.name.clone(), master: master.address.clone() }))
}
