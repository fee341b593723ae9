//! Which pod is the master; `promotion`: which pod becomes the master if there is none.
//!
//! Those decide who decide in Redis: the sentinels, by the highest config-epoch; then the replicas, by the master that
//! they follow; then the operator's label, unless it is overtaken: nobody moves it while the operator is paused. If none
//! of them knows a master, the data decides: one pod certainly has everything that the others have.

use super::history::{has_all_of, was_given};
use super::promotion::{has_own_writes, promotion};
use super::verdict::{Verdict, can_fail_over, may_have_failed_over, named_by_sentinels};
use super::{Decision, ordinal};
use crate::redis::answers::set::{Pod, Set};
use crate::redis::object::{count, text};
use crate::redis::picture::Picture;
use crate::redis::talk::Replication;
use crate::redis::topology::Topology;
use crate::redis::waiting::Cause;

/// The pod that is the master, as far as the answers show.
pub fn master_of(set: &Set) -> Option<&str> {
    master(set).ok().map(|pod| pod.name.as_str())
}

/// The pod that is the master. A restarted pod starts as a master without replicas.
pub(super) fn master(set: &Set) -> Result<&Pod<Replication>, Decision> {
    let is_master = |pod: &&Pod<Replication>| said(pod).is_some_and(|said| said.master.is_none());
    let masters: Vec<&Pod<Replication>> = set.members.iter().filter(is_master).collect();
    let followed: Vec<&Pod<Replication>> =
        masters.iter().copied().filter(|pod| followers(set, pod) > 0).collect();
    let verdict = named_by_sentinels(set);
    match verdict {
        Verdict::Address(host) => {
            if let Some(named) = masters.iter().find(|pod| pod.address == host) {
                return Ok(named);
            }
            if let Some(silent) = set.members.iter().find(|pod| pod.address == host && pod.said.is_none()) {
                let name = &silent.name;
                return Err(Decision::Wait(format!(
                    "the sentinels name {name} as the master, and it does not answer"
                )));
            }
        }
        Verdict::Pending if masters.len() != 1 || followed.is_empty() => {
            return Err(Decision::Wait("the sentinels are choosing another master".to_owned()));
        }
        Verdict::Pending | Verdict::None | Verdict::Gone => {}
    }
    // Whoever was the master last may come back with more than the others have.
    let decided = |pod| match verdict {
        Verdict::Gone => surely(set, pod),
        _ => Ok(pod),
    };
    match followed.as_slice() {
        [one] => return decided(one),
        [first, second, ..] => return Err(two_masters(first, second)),
        [] => {}
    }
    let labelled = |pod: &&&Pod<Replication>| pod.label.as_deref() == Some("master");
    let labelled = only(masters.iter().filter(labelled).copied()).filter(|pod| !is_overtaken(set, pod));
    if let Some(labelled) = labelled {
        let promoted = masters.iter().find(|pod| {
            pod.name != labelled.name && !is_being_added(set, pod) && was_promoted_over(pod, labelled)
        });
        return match promoted {
            Some(promoted) => Err(two_masters(labelled, promoted)),
            None => decided(labelled),
        };
    }
    let whole = only(masters.iter().copied().filter(|pod| has_everything(set, pod)));
    let promoted = || only(masters.iter().copied().filter(|pod| is_promoted(set, pod)));
    let back = || only(masters.iter().copied()).filter(|pod| is_back_with_the_data(set, pod));
    whole.or_else(promoted).or_else(back).ok_or_else(|| promotion(set))
}

/// The only one of them.
fn only<'a>(mut pods: impl Iterator<Item = &'a Pod<Replication>>) -> Option<&'a Pod<Replication>> {
    pods.next().filter(|_| pods.next().is_none())
}

/// The pod, if every other pod follows it, or has nothing that it lacks.
fn surely<'a>(set: &Set, pod: &'a Pod<Replication>) -> Result<&'a Pod<Replication>, Decision> {
    let lacks = "the master that the sentinels have chosen last is gone";
    if set.members.len() < set.size {
        return Err(Decision::Wait(format!("{lacks}, and not all pods exist")));
    }
    for other in set.members.iter().filter(|other| other.name != pod.name) {
        let (Some(mine), Some(its)) = (said(pod), said(other)) else {
            return Err(Decision::Wait(format!("{lacks}, and {} does not answer", other.name)));
        };
        // Who follows gives up whatever else it has; a copy may take long.
        match its.master.as_ref().filter(|link| link.address.host == pod.address) {
            Some(link) if link.is_up || link.is_syncing => continue,
            Some(_) => return Err(Decision::Wait(format!("{lacks}, and {} does not copy yet", other.name))),
            None => {}
        }
        if !has_all_of(mine, its) {
            return Err(Decision::Doubt(
                Cause::Ambiguous,
                format!(
                    "{lacks}, and {} may have writes that {} lacks, so the provider cannot decide whose data to keep",
                    other.name, pod.name
                ),
            ));
        }
    }
    Ok(pod)
}

fn two_masters(one: &Pod<Replication>, other: &Pod<Replication>) -> Decision {
    Decision::Doubt(
        Cause::Ambiguous,
        format!(
            "{} and {} are both masters with replicas or writes of their own, and the provider cannot decide \
             whose data to keep",
            one.name, other.name
        ),
    )
}

/// How many pods follow a pod.
fn followers(set: &Set, master: &Pod<Replication>) -> usize {
    let follows = |pod: &&Pod<Replication>| {
        let link = said(pod).and_then(|said| said.master.as_ref());
        link.is_some_and(|link| link.address.host == master.address)
    };
    set.members.iter().filter(follows).count()
}

/// Whether all pods answer, and this pod certainly has everything that the others have.
pub(super) fn has_everything(set: &Set, pod: &Pod<Replication>) -> bool {
    let Some(mine) = said(pod) else { return false };
    let mut others = set.members.iter().filter(|other| other.name != pod.name);
    set.members.len() >= set.size
        && others.all(|other| {
            said(other).is_some_and(|its| has_all_of(mine, its) || is_of_another_life(set, other, mine))
        })
}

/// Whether a pod that is being added cannot have anything of the set: it follows nobody and has never copied from the
/// set, and no sentinel has made it the master meanwhile. Its volume may be of another life.
fn is_of_another_life(set: &Set, other: &Pod<Replication>, mine: &Replication) -> bool {
    let histories = |said: &Replication| {
        let former = said.former.as_ref().map(|former| former.history.clone());
        [Some(said.history.clone()), former].into_iter().flatten().collect::<Vec<_>>()
    };
    let is_related =
        |its: &Replication| histories(its).iter().any(|history| histories(mine).contains(history));
    is_being_added(set, other)
        && said(other).is_some_and(|its| its.former.is_some() && !was_given(its) && !is_related(its))
}

/// Whether a pod is one of those that are being added, and nobody can have made it the master: no sentinel has failed
/// over, and it is not labelled.
fn is_being_added(set: &Set, pod: &Pod<Replication>) -> bool {
    ordinal(&pod.name).is_some_and(|ordinal| ordinal >= set.known)
        && pod.label.as_deref() != Some("master")
        && !may_have_failed_over(set)
}

/// Whether the pod has come back with what was on its disk, and nobody else has anything: all others were told to follow
/// a pod that is gone, before they had copied from it. Whoever told them has decided that their data does not count.
fn is_back_with_the_data(set: &Set, pod: &Pod<Replication>) -> bool {
    let holds_nothing = |its: &Replication| its.master.is_some() && !was_given(its) && !has_own_writes(its);
    let mut others = set.members.iter().filter(|other| other.name != pod.name);
    said(pod).is_some_and(|mine| mine.former.is_some())
        && set.members.len() >= set.size
        && others.all(|other| said(other).is_some_and(holds_nothing))
}

/// Whether a labelled master has come back with less than a replica of its history has, and nobody has written to it since:
/// whoever labelled it has only seen that it is a master.
fn is_overtaken(set: &Set, labelled: &Pod<Replication>) -> bool {
    let has_more = |mine: &Replication, its: &Replication| {
        was_given(its) && has_all_of(its, mine) && !has_all_of(mine, its)
    };
    let said_by_all = || set.members.iter().filter_map(said);
    said(labelled).is_some_and(|mine| {
        mine.former.as_ref().is_some_and(|former| mine.offset < former.until)
            && said_by_all().any(|its| has_more(mine, its))
    })
}

/// Whether somebody made the pod a master while it followed that one, and the two have gone separate ways.
fn was_promoted_over(pod: &Pod<Replication>, labelled: &Pod<Replication>) -> bool {
    let (Some(its), Some(labelled)) = (said(pod), said(labelled)) else { return false };
    let is_of_it = its.former.as_ref().is_some_and(|former| former.history == labelled.history);
    is_of_it && !has_all_of(labelled, its)
}

/// Whether the pod was a replica like the others and was promoted at the point where their histories part: no
/// replica has more data.
fn is_promoted(set: &Set, master: &Pod<Replication>) -> bool {
    let Some(mine) = said(master) else { return false };
    let replicas = || set.members.iter().filter_map(said).filter(|said| said.master.is_some());
    replicas().next().is_some() && replicas().all(|replica| has_all_of(mine, replica))
}

/// A pod that follows a master which is none of the pods, in words: somebody is moving data, and the pod is nobody
/// else's to promote.
pub fn follows_another(set: &Set) -> Option<String> {
    let is_ours = |host: &str| set.members.iter().any(|pod| pod.address == host);
    set.members.iter().find_map(|pod| {
        let link = said(pod)?.master.as_ref().filter(|link| !is_ours(&link.address.host))?;
        // While it copies, or waits for that, others follow it. So they do a former master that has handed over while the
        // operator was paused; all other replicas of a pod that is gone follow only that one.
        let is_live = link.is_up || (followers(set, pod) > 0 && !(set.is_paused && link.was_up));
        is_live.then(|| format!("pod {} follows {}, which is none of the pods", pod.name, link.address))
    })
}

/// Whether neither the operator nor the sentinels will repair the set: all pods are replicas, or sentinels
/// watch an address that no pod has.
pub fn needs_healing(set: &Set) -> bool {
    let lives = |host: &str| set.members.iter().any(|pod| pod.address == host);
    let views = || set.watchers.iter().filter_map(|pod| pod.said.as_ref());
    let is_replica = |pod: &Pod<Replication>| said(pod).is_some_and(|said| said.master.is_some());
    if set.members.len() >= set.size && set.members.iter().all(is_replica) {
        // Sentinels that agree and know a replica promote it by themselves.
        return follows_another(set).is_none() && !views().any(|view| can_fail_over(set, view));
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
/// still considers the former master the master would make the new master its replica, and one that knows of fewer pods
/// than there are would remove the highest. `master`: the pod that is the master, if the run has asked; a run that has
/// not asked does not know what an earlier run has left.
pub fn may_let_go(picture: &Picture, topology: Topology, master: Option<&str>) -> bool {
    if !topology.is_replicated() {
        return true;
    }
    let data = picture.custom_resource(topology.data());
    let named = data.and_then(|data| text(data, &["status", "masterNode"]));
    let size =
        data.map(|data| count(data, &["spec", "clusterSize"])).and_then(|size| usize::try_from(size).ok());
    let stays = |master: &str| ordinal(master).zip(size).is_none_or(|(ordinal, size)| ordinal < size);
    master.is_some_and(|master| named.is_none_or(|named| named == master) && stays(master))
}

/// A sentinel that names a master at an address that no Redis pod has, in words.
pub fn astray(named: &[(String, String)], addresses: &[&str]) -> Option<String> {
    let (pod, host) = named.iter().find(|(_, host)| !addresses.contains(&host.as_str()))?;
    Some(format!("{pod} watches a master at {host}, but no pod has that address"))
}

pub(super) fn said(pod: &Pod<Replication>) -> Option<&Replication> {
    pod.said.as_ref()
}
