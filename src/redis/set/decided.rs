//! Whether it is decided which pod is the master, before anything is written or paused. After all pods have restarted, the
//! operator or the sentinels choose one; a write in the middle of that would have the operator settle on the master that
//! it last knew, and a pause would leave the choice to us.

use super::asked;
use super::guarded::is_rolled_by_us;
use super::master::said;
use crate::redis::answers::set::Set;
use crate::redis::desired::Desired;
use crate::redis::memory::Memory;
use crate::redis::opstree::Hold;
use crate::redis::picture::Picture;
use crate::redis::step::Next;
use crate::redis::waiting::Cause;

/// The wait for others to decide; `None` if they have, or if they had their time. While the operator is paused, it decides
/// nothing.
pub(super) fn decided_by_others(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let kinds = || desired.topology.kinds().iter().copied();
    let is_begun =
        kinds().any(|kind| picture.hold(kind) != Hold::Nobody || is_rolled_by_us(kind, desired, picture));
    if !desired.is_guarded || is_begun || memory.has_let_others_decide {
        return None;
    }
    match asked(picture) {
        Ok(set) => undecided(set).map(|why| Next::wait(Cause::Settling, why)),
        Err(next) => Some(next),
    }
}

/// Why it is not decided which pod is the master, although all pods answer: several are, or a pod follows another one. It
/// is so after all pods have restarted, until the operator has chosen one.
fn undecided(set: &Set) -> Option<String> {
    let all: Option<Vec<_>> = set.members.iter().map(|pod| Some((pod, said(pod)?))).collect();
    let all = all.filter(|all| all.len() >= set.size)?;
    let (masters, replicas): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, said)| said.master.is_none());
    match masters.as_slice() {
        [] => None,
        [(master, _)] => replicas.into_iter().find_map(|(pod, said)| {
            let followed = &said.master.as_ref()?.address.host;
            // A chain of replicas is decided, too.
            let strays = !set.members.iter().any(|member| member.address == *followed);
            strays.then(|| format!("{} is the master, but {} follows {followed}", master.name, pod.name))
        }),
        several => {
            let names: Vec<&str> = several.iter().map(|(pod, _)| pod.name.as_str()).collect();
            Some(format!("several pods are masters: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::answers::set::Pod;
    use crate::redis::fixture::{self, link};
    use crate::redis::talk::Replication;

    fn set(masters: &[Option<&str>]) -> Set {
        let member = |(ordinal, master): (usize, &Option<&str>)| Pod {
            name: format!("a-{ordinal}"),
            uid: String::new(),
            address: format!("ip{ordinal}"),
            is_new: false,
            is_ready: true,
            is_hopeless: false,
            label: None,
            said: Some(Replication {
                master: master.map(|host| link(host, false)),
                replicas: Vec::new(),
                history: "h".to_owned(),
                former: None,
                offset: 1,
                failover_state: None,
            }),
            refuses: None,
            accepts: None,
        };
        fixture::set(masters.iter().enumerate().map(member).collect())
    }

    #[test]
    fn one_master_that_all_follow_is_decided() {
        assert_eq!(undecided(&set(&[None, Some("ip0"), Some("ip0")])), None);
        assert_eq!(undecided(&set(&[None, Some("ip0"), Some("ip1")])), None, "a chain");
        assert!(undecided(&set(&[None, None])).is_some_and(|why| why.contains("a-0, a-1")));
        assert!(undecided(&set(&[None, Some("ip7")])).is_some());
        // Nobody else would choose one: the healing does.
        assert_eq!(undecided(&set(&[Some("ip7"), Some("ip7")])), None);
        let mut silent = set(&[None, None]);
        silent.members[1].said = None;
        assert_eq!(undecided(&silent), None, "a pod that does not start is mended by the rollout");
    }
}
