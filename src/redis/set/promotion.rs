//! Which pod becomes the master if there is none: the data decides.

use super::Decision;
use super::history::{has_all_of, has_all_of_former, was_given};
use super::master::{follows_another, has_everything, said};
use super::verdict::may_have_failed_over;
use crate::redis::answers::set::{Pod, Set};
use crate::redis::step::Move;
use crate::redis::talk::Replication;
use crate::redis::waiting::Cause;

/// There is no master: the replica that is furthest in the common history becomes the master. A replica that
/// has had no link since it started, and was not written to, holds only what its disk held; a replica that is copying
/// holds less.
pub(super) fn promotion(set: &Set) -> Decision {
    if let Some(silent) = set.members.iter().find(|pod| pod.said.is_none()) {
        return Decision::Wait(format!("no pod is the master, and {} does not answer", silent.name));
    }
    if set.members.len() < set.size {
        return Decision::Wait("no pod is the master, and not all pods exist".to_owned());
    }
    if let Some(why) = follows_another(set) {
        return Decision::Doubt(Cause::Elsewhere, why);
    }
    let promote = |pod: &Pod<Replication>| Decision::Do(Move::Promote { pod: pod.name.clone() });
    let replicas = || set.members.iter().filter(|pod| said(pod).is_some_and(|said| said.master.is_some()));
    let furthest = replicas().max_by_key(|pod| said(pod).map(|said| said.offset));
    if let Some(whole) = furthest.into_iter().chain(replicas()).find(|pod| has_everything(set, pod)) {
        return promote(whole);
    }
    let given = replicas().filter(|pod| said(pod).is_some_and(was_given));
    let best = given.max_by_key(|pod| said(pod).map(|said| said.offset));
    let has_all = |best: &Pod<Replication>| {
        let mut others = replicas().filter_map(said).filter(|said| was_given(said) || has_own_writes(said));
        others.all(|other| said(best).is_some_and(|best| has_all_of(best, other)))
    };
    // Who has come back with a history that nobody knows may have been the master until then. If no Service has led to it
    // since, nor any sentinel, keys that expire are all that it can have added.
    let is_written_to =
        |pod: &Pod<Replication>| pod.label.as_deref() == Some("master") || may_have_failed_over(set);
    let has_all_of_masters = |best: &Pod<Replication>| {
        let is_back = |pod: &&Pod<Replication>| {
            said(pod).is_some_and(|its| its.master.is_none() && its.former.is_some())
        };
        set.members.iter().filter(is_back).all(|pod| {
            let has_all = if is_written_to(pod) { has_all_of } else { has_all_of_former };
            said(best).zip(said(pod)).is_some_and(|(best, its)| has_all(best, its))
        })
    };
    let Some(best) = best.filter(|best| has_all(best) && has_all_of_masters(best)) else {
        return Decision::Doubt(
            Cause::Ambiguous,
            "no pod is the master, and the data of the pods has different histories, so the provider cannot \
             decide whose data to keep"
                .to_owned(),
        );
    };
    promote(best)
}

/// Whether a replica may have been written to as a master since it started: it has gone on from what its disk held.
/// (A pod that has just come back as a master counts keys that expire, too, and is behind the replicas.)
pub(super) fn has_own_writes(said: &Replication) -> bool {
    let is_copying = said.master.as_ref().is_some_and(|link| link.is_syncing);
    !is_copying && said.former.as_ref().map_or(said.offset > 1, |former| said.offset >= former.until)
}
