//! What the sentinels say about the master: among those who decide, they are asked first.

use super::history::was_given;
use crate::redis::answers::set::{Pod, Set, View};
use crate::redis::talk::{Quorum, Replica, Replication};

/// What the sentinels say about the master.
pub(super) enum Verdict<'a> {
    /// There are none, none answers, or they disagree.
    None,
    /// A failover is under way, or about to begin.
    Pending,
    /// They name the master at this address.
    Address(&'a str),
    /// They name a master at an address that no pod has any more, and cannot choose another one.
    Gone,
}

/// Among sentinels the highest config-epoch wins: a failover that a majority has agreed on raises it.
pub(super) fn named_by_sentinels(set: &Set) -> Verdict<'_> {
    let views = || set.watchers.iter().filter_map(|pod| pod.said.as_ref());
    let is_failing_over = |view: &View| {
        view.master.flags.has("failover_in_progress")
            || (view.master.flags.has("o_down") && can_fail_over(set, view))
    };
    if views().any(is_failing_over) {
        return Verdict::Pending;
    }
    let highest = views().map(|view| view.master.config_epoch).max();
    let named = || views().filter(|view| Some(view.master.config_epoch) == highest);
    // One that has restarted, or was not told yet, may name an address that no pod has.
    let lives = |view: &&View| set.members.iter().any(|pod| pod.address == view.master.address.host);
    let Some(first) = named().find(lives) else {
        return match (highest, named().any(|view| can_fail_over(set, view))) {
            (None, _) => Verdict::None,
            (_, true) => Verdict::Pending,
            (_, false) => Verdict::Gone,
        };
    };
    // Those that know the former address still may be about to promote another one.
    if named().any(|view| !lives(&view) && can_fail_over(set, view)) {
        return Verdict::Pending;
    }
    let host = first.master.address.host.as_str();
    if first.master.flags.is_down() || named().filter(lives).any(|view| view.master.address.host != host) {
        return Verdict::None;
    }
    Verdict::Address(host)
}

/// Whether the sentinel knows a replica of its master to promote, and whether enough other sentinels may agree. A replica that
/// follows another one, or has not copied everything, is none that they should promote.
pub(super) fn can_fail_over(set: &Set, view: &View) -> bool {
    let follows = |its: &Replication| {
        its.master.as_ref().is_some_and(|link| link.address.host == view.master.address.host)
            && was_given(its)
    };
    let may_be_promoted = |replica: &Replica| {
        let pod = set.members.iter().find(|pod| pod.address == replica.address.host);
        pod.is_some_and(|pod| pod.said.as_ref().map_or(pod.is_ready, follows))
    };
    view.replicas.iter().any(may_be_promoted)
        && matches!(view.quorum, Quorum::Reached { .. })
        && may_be_agreed(set, view)
}

/// Whether enough sentinels may watch the same address, and so may agree that the master is down and elect the one that
/// fails over. A sentinel counts all others that it knows, even if they watch another address.
fn may_be_agreed(set: &Set, view: &View) -> bool {
    let watches_another = |pod: &&Pod<View>| {
        pod.said.as_ref().is_some_and(|its| its.master.address.host != view.master.address.host)
    };
    let others = set.watchers.iter().filter(watches_another).count();
    let known = view.peers.len() + 1;
    let majority = known / 2 + 1;
    let quorum = usize::try_from(view.master.quorum).unwrap_or(majority);
    known.saturating_sub(others) >= majority.max(quorum)
}

/// Whether sentinels may have made another pod the master, to which applications write that ask them.
pub(super) fn may_have_failed_over(set: &Set) -> bool {
    set.watchers.iter().any(|pod| pod.said.as_ref().is_none_or(|view| view.master.config_epoch > 0))
}
