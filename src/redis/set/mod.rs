//! How a replicated set is rolled without losing a write: the next step, given the answers of Redis and the
//! sentinels.
//!
//! `next` remembers nothing. First it repairs what a cut-off run may have left: a second master, a replica
//! without a master, a wrong label, a sentinel that watches a dead address. Then it waits until the set is
//! healthy. Only then it takes the next pod: sentinels, replicas, and last the master, after it has handed
//! over to a pod that was replaced already. While pods with two passwords run, each pod accepts both; in the
//! end none accepts the old one.
//!
//! `before_writing` states the conditions for showing the operator a specification with another password or
//! fewer pods. `guarded`, `labels` and `heal` are the set's place in an apply.

pub mod growth;
pub mod guarded;
pub mod heal;
pub mod labels;

mod decided;
mod health;
mod history;
mod master;
mod passwords;
mod promotion;
mod remains;
mod verdict;

#[cfg(test)]
mod returns;
#[cfg(test)]
mod tests;

use self::health::{broken, put_right, stale, unsettled};
pub use self::master::{astray, follows_another, is_without_master, master_of, may_let_go, needs_healing};
use self::master::{master, said};
use self::passwords::{silent, superfluous, wanting};
use super::answers::set::{Pod, Set, View};
use super::picture::Picture;
use super::step::{Move, Next, Step};
use super::talk::Replication;
use super::waiting::Cause;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every pod is new, and the set is healthy.
    Done,
    /// Something must happen first.
    Wait(String),
    /// This.
    Do(Move),
    /// Nothing that could be done without asking a person, unless it changes soon.
    Doubt(Cause, String),
}

/// The answers of Redis and the sentinels; otherwise the step that must come first.
pub fn asked(picture: &Picture) -> Result<&Set, Next> {
    if let Some(missing) = &picture.answers.missing_password {
        let why = format!("there is no {missing}, which should hold the password");
        return Err(Next::wait(Cause::Reference, why));
    }
    let set = picture.answers.set.as_ref().ok_or(Next::Do(Step::Talk))?;
    match refused(set) {
        Some(why) => Err(Next::wait(Cause::Login, why)),
        None => Ok(set),
    }
}

/// A pod that refuses to be asked, in words. Nothing is paused or replaced without its answer.
fn refused(set: &Set) -> Option<String> {
    let members = set.members.iter().map(|pod| (&pod.name, &pod.refuses));
    let watchers = set.watchers.iter().map(|pod| (&pod.name, &pod.refuses));
    let (name, why) = members.chain(watchers).find_map(|(name, refuses)| Some((name, refuses.as_ref()?)))?;
    Some(format!("pod {name} refuses the provider ({})", why.trim_end_matches('.')))
}

/// Why the operator should not be paused, in place of the pause: nothing could be done for the set meanwhile.
pub fn before_pause(set: &Set) -> Option<Decision> {
    match master(set) {
        Ok(_) | Err(Decision::Do(_)) => None,
        Err(decision) => Some(decision),
    }
}

/// The next step.
pub fn next(set: &Set) -> Decision {
    let is_old = !set.members.iter().all(|pod| pod.is_new) || old_sentinels(set).next().is_some();
    if let Some(todo) = wanting(set).filter(|_| is_old) {
        return Decision::Do(todo);
    }
    if !set.is_quiet {
        return match (set.is_paused, is_old || set.is_to_grow) {
            (true, _) => Decision::Do(Move::Pause),
            (false, true) => before_pause(set).unwrap_or(Decision::Do(Move::Pause)),
            (false, false) => expel(set),
        };
    }
    let master = match master(set) {
        Ok(master) => master,
        Err(decision) => return decision,
    };
    put_right(set, master)
        .or_else(|| broken(set, master))
        .map(Decision::Do)
        .or_else(|| unsettled(set, master).map(|why| wanting(set).map_or(Decision::Wait(why), Decision::Do)))
        .or_else(|| stale(set, master))
        .or_else(|| replace(set, master))
        .or_else(|| (!is_to_stay(set, master)).then(|| hand_over(set, master)).flatten())
        .unwrap_or_else(|| expel(set))
}

/// The sentinels that can be replaced with the wanted spec.
fn old_sentinels(set: &Set) -> impl DoubleEndedIterator<Item = &Pod<View>> {
    set.watchers.iter().filter(|pod| !set.sentinels_are_later && !pod.is_new)
}

/// All pods are new and Ready, and nothing needs the former password any more. Sentinels that are rolled later still
/// log in with it.
pub fn expel(set: &Set) -> Decision {
    if set.sentinels_are_later {
        return Decision::Done;
    }
    if let Some(todo) = superfluous(set) {
        return Decision::Do(todo);
    }
    let silent = (!set.former.is_empty()).then(|| silent(set)).flatten();
    silent.map_or(Decision::Done, |silent| {
        Decision::Wait(format!("pod {silent} does not answer, but it may still accept the former password"))
    })
}

/// The conditions for showing the operator a specification with another password or fewer pods. The operator
/// logs in with the new password at once, and the StatefulSet removes its highest pods, whichever pod is the
/// master.
pub fn before_writing(set: &Set) -> Decision {
    let accepted = both_accepted(set);
    if accepted != Decision::Done {
        return accepted;
    }
    if set.stays >= set.size && !set.is_paused {
        return Decision::Done;
    }
    let master = match master(set) {
        Ok(master) => master,
        Err(decision) => return decision,
    };
    let goes = !is_to_stay(set, master);
    if !goes && !set.is_paused {
        return Decision::Done;
    }
    if !set.is_quiet {
        return Decision::Do(Move::Pause);
    }
    put_right(set, master)
        .map(Decision::Do)
        .or_else(|| unsettled(set, master).map(Decision::Wait))
        .or_else(|| goes.then(|| hand_over(set, master)).flatten())
        .unwrap_or(Decision::Done)
}

/// Whether every pod that serves accepts every valid password.
pub fn both_accepted(set: &Set) -> Decision {
    if let Some(todo) = wanting(set) {
        return Decision::Do(todo);
    }
    let silent = (set.valid.len() > 1).then(|| silent(set)).flatten();
    silent.map_or(Decision::Done, |silent| {
        Decision::Wait(format!(
            "pod {silent} does not answer, but it must accept the new password before the operator uses it"
        ))
    })
}

/// Whether the pod stays when the operator is let go.
fn is_to_stay(set: &Set, pod: &Pod<Replication>) -> bool {
    let stays = if set.is_to_grow { set.stays } else { set.stays.min(set.known) };
    ordinal(&pod.name).is_none_or(|ordinal| ordinal < stays)
}

/// The number at the end of a pod's name.
pub fn ordinal(pod: &str) -> Option<usize> {
    pod.rsplit('-').next()?.parse().ok()
}

/// The next pod to replace.
fn replace(set: &Set, master: &Pod<Replication>) -> Option<Decision> {
    if let Some(pod) = old_sentinels(set).next_back() {
        return Some(Decision::Do(Move::Delete { pod: pod.name.clone(), uid: pod.uid.clone() }));
    }
    let replicas = || set.members.iter().rev().filter(|pod| pod.name != master.name);
    if let Some(pod) = replicas().find(|pod| !pod.is_new) {
        return Some(Decision::Do(Move::Delete { pod: pod.name.clone(), uid: pod.uid.clone() }));
    }
    if master.is_new {
        return None;
    }
    let delete = || Decision::Do(Move::Delete { pod: master.name.clone(), uid: master.uid.clone() });
    Some(hand_over(set, master).unwrap_or_else(delete))
}

/// The most bytes that a replica may be behind when the master begins to hand over: the master holds writes back
/// until the replica has them. Pods are asked some milliseconds after one another, so a replica in step seems to be
/// behind by what was written meanwhile.
const MOST_BEHIND: i64 = 8 << 20;

/// The handover to the replica that is furthest; `None` if there is no replica.
fn hand_over(set: &Set, master: &Pod<Replication>) -> Option<Decision> {
    let offset = |pod: &Pod<Replication>| said(pod).map_or(0, |said| said.offset);
    let replicas = set.members.iter().rev().filter(|pod| pod.name != master.name && is_to_stay(set, pod));
    let best = replicas.max_by_key(|pod| offset(pod))?;
    let behind = offset(master) - offset(best);
    Some(if behind > MOST_BEHIND {
        Decision::Wait(format!("replica {} is {behind} bytes behind {}", best.name, master.name))
    } else {
        Decision::Do(Move::HandOver { from: master.name.clone(), to: best.name.clone() })
    })
}
