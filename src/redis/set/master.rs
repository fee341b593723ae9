//! Which pod is the master, and which pod becomes the master if there is none.

use super::Decision;
use crate::redis::answers::set::{Pod, Set};
use crate::redis::object::text;
use crate::redis::picture::Picture;
use crate::redis::step::Move;
use crate::redis::talk::{Quorum, Replication};
use crate::redis::topology::Topology;

/// The pod that is the master, as far as the answers show.
pub fn master_of(set: &Set) -> Option<&str> {
    master(set).ok().map(|pod| pod.name.as_str())
}

/// The pod that the others follow. A restarted pod starts as a master without replicas.
pub(super) fn master(set: &Set) -> Result<&Pod<Replication>, Decision> {
    let masters = set.members.iter().filter(|pod| said(pod).is_some_and(|said| said.master.is_none()));
    let followers = |pod: &&Pod<Replication>| {
        let named = |other: &&Pod<Replication>| {
            let link = said(other).and_then(|said| said.master.as_ref());
            link.is_some_and(|link| link.address.host == pod.address)
        };
        let is_labelled = pod.label.as_deref() == Some("master");
        (set.members.iter().filter(named).count(), is_labelled, is_promoted(set, pod))
    };
    let mut masters: Vec<&Pod<Replication>> = masters.collect();
    masters.sort_by_key(followers);
    match masters.as_slice() {
        [.., second, first] if followers(second).0 > 0 => Err(Decision::Stuck(format!(
            "{} and {} are both masters with replicas of their own, and the provider cannot decide whose \
             data to keep",
            first.name, second.name
        ))),
        // A master without replicas and without the label has restarted, and may be behind the replicas.
        [.., first] if followers(first) > (0, false, false) => Ok(first),
        _ => Err(promotion(set)),
    }
}

/// Whether the pod was a replica like the others and was promoted at the point where their histories part: no
/// other pod has more data.
fn is_promoted(set: &Set, master: &Pod<Replication>) -> bool {
    let Some(former) = said(master).and_then(|said| said.former.as_ref()) else { return false };
    let replicas = || set.members.iter().filter_map(said).filter(|said| said.master.is_some());
    replicas().next().is_some()
        && replicas().all(|replica| replica.history == former.history && replica.offset < former.until)
}

/// Whether neither the operator nor the sentinels will repair the set: all pods are replicas, or sentinels
/// watch an address that no pod has.
pub fn needs_healing(set: &Set) -> bool {
    let lives = |host: &str| set.members.iter().any(|pod| pod.address == host);
    let views = || set.watchers.iter().filter_map(|pod| pod.said.as_ref());
    let is_replica = |pod: &Pod<Replication>| said(pod).is_some_and(|said| said.master.is_some());
    if set.members.len() >= set.size && set.members.iter().all(is_replica) {
        // Sentinels that agree and know a replica promote it by themselves.
        return !views().any(|view| {
            let knows_a_replica = view.replicas.iter().any(|replica| lives(&replica.address.host));
            knows_a_replica && matches!(view.quorum, Quorum::Reached { .. })
        });
    }
    master(set).is_ok() && views().any(|view| !lives(&view.master.address.host))
}

/// All pods exist, and the operator finds no master among them.
pub fn is_without_master(topology: Topology, instance: &str, picture: &Picture) -> bool {
    let Some(data) = picture.custom_resource(topology.data()) else { return false };
    topology.is_replicated()
        && picture.at_rest(topology, instance, true).is_ok()
        && text(data, &["status", "masterNode"]).is_none_or(str::is_empty)
}

/// Whether the operator may handle the instance again when a run ends, however it ends. An operator that
/// still considers the former master the master would make the new master its replica. `master`: the pod that
/// is the master, if the run has asked; a run that has not asked does not know what an earlier run has left.
pub fn may_let_go(picture: &Picture, topology: Topology, master: Option<&str>) -> bool {
    if !topology.is_replicated() {
        return true;
    }
    let data = picture.custom_resource(topology.data());
    let named = data.and_then(|data| text(data, &["status", "masterNode"]));
    master.is_some_and(|master| named.is_none_or(|named| named == master))
}

/// A sentinel that names a master at an address that no Redis pod has, in words.
pub fn astray(named: &[(String, String)], addresses: &[&str]) -> Option<String> {
    let (pod, host) = named.iter().find(|(_, host)| !addresses.contains(&host.as_str()))?;
    Some(format!("{pod} watches a master at {host}, but no pod has that address"))
}

/// There is no master: the replica that is furthest in the common history becomes the master. A replica that
/// has restarted and has received nothing since has an empty history of its own: it is behind, although its
/// disk may hold much data.
fn promotion(set: &Set) -> Decision {
    let silent = set.members.iter().find(|pod| pod.said.is_none());
    if let Some(silent) = silent.filter(|_| set.members.len() < set.size || !set.members.is_empty()) {
        return Decision::Wait(format!("no pod is the master, and {} does not answer", silent.name));
    }
    if set.members.len() < set.size {
        return Decision::Wait("no pod is the master, and not all pods exist".to_owned());
    }
    let was_given = |said: &Replication| said.master.is_some() && said.offset > 0;
    let replicas = || set.members.iter().filter(|pod| said(pod).is_some_and(was_given));
    let histories: Vec<&str> =
        replicas().filter_map(|pod| said(pod).map(|said| said.history.as_str())).collect();
    if histories.is_empty() {
        return Decision::Stuck(
            "no pod is the master, and all pods have restarted, so the provider cannot decide whose data to \
             keep"
                .to_owned(),
        );
    }
    if histories.windows(2).any(|pair| pair[0] != pair[1]) {
        return Decision::Stuck(
            "no pod is the master, and the data of the pods has different histories, so the provider cannot \
             decide whose data to keep"
                .to_owned(),
        );
    }
    let best = replicas().max_by_key(|pod| said(pod).map(|said| said.offset));
    best.map_or_else(
        || Decision::Wait("no pod exists yet".to_owned()),
        |best| Decision::Do(Move::Promote { pod: best.name.clone() }),
    )
}

pub(super) fn said(pod: &Pod<Replication>) -> Option<&Replication> {
    pod.said.as_ref()
}
