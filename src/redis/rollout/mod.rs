//! How a replicated set is rolled without losing a write: what to do next, given what Redis and the sentinels say.
//!
//! `next` remembers nothing: it first puts right what a cut-off run may have left (a second master, a replica that follows
//! nobody, a label, a sentinel that watches a dead address), then waits until all is well, and only then takes the next
//! pod: sentinels, replicas, and last the master, after it has handed over to a pod that was rolled already. While pods of
//! two passwords are about, each accepts both; in the end none accepts the old one.
//!
//! `before_writing` is what must be so before the operator is shown a specification with another password or fewer pods.
//! `needs_healing` is whether a set is in a state that neither operator nor sentinels get it out of.

mod master;
mod passwords;
mod well;

#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use self::master::{master, said};
pub use self::master::{master_of, needs_healing};
use self::passwords::{silent, superfluous, wanting};
use self::well::{broken, put_right, stale, unsettled};
use super::object::{is_terminating, label, name, text};
use super::password::PasswordAt;
use super::reach::address;
use super::ready::{self, ROLE};
use super::talk::{Master, Peer, Quorum, Replica, Replication};

/// A pod with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod<Said> {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its IP address.
    pub address: String,
    /// Whether it is of the newest revision.
    pub is_new: bool,
    /// Whether the node says that it serves.
    pub is_ready: bool,
    /// The operator's label for its role.
    pub label: Option<String>,
    /// What it says; `None` while it does not answer.
    pub said: Option<Said>,
    /// Which of the passwords that matter it accepts; `None` where it asks for none, or they were not asked for.
    pub accepts: Option<Vec<PasswordAt>>,
}

/// What a sentinel says of the set.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The master it watches.
    pub master: Master,
    /// The replicas it knows.
    pub replicas: Vec<Replica>,
    /// The other sentinels it knows.
    pub peers: Vec<Peer>,
    /// Whether a failover could be decided on.
    pub quorum: Quorum,
}

/// A replicated set, as it is in the middle of being rolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// How many Redis pods the StatefulSet has.
    pub size: usize,
    /// How many of them, from the first, are to stay.
    pub stays: usize,
    /// Those that are not going, by name.
    pub members: Vec<Pod<Replication>>,
    /// How many sentinels there should be.
    pub sentinels: usize,
    /// Those that are not going, by name.
    pub watchers: Vec<Pod<View>>,
    /// Whether the operator changes the sentinels only once the data is rolled: what they are to be is not known yet, and
    /// one that does not come up stays so until then.
    pub sentinels_are_later: bool,
    /// Whether the operator is told to leave the data's pods alone: then an earlier run was cut off, and may have left
    /// anything.
    pub is_paused: bool,
    /// Whether the operator is proven to leave the set alone.
    pub is_quiet: bool,
    /// The passwords that must be accepted while pods are rolled: the one that is wanted first.
    pub valid: Vec<PasswordAt>,
    /// Those that must not be accepted any more in the end.
    pub former: Vec<PasswordAt>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Keep the operator off, and prove that it is not in the middle of something.
    Pause,
    /// Have a pod replaced.
    Delete {
        /// Its name.
        pod: String,
        /// Of this very pod.
        uid: String,
    },
    /// Make a pod a replica of that address.
    Follow {
        /// The pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Make a pod a master: none is left.
    Promote {
        /// The pod.
        pod: String,
    },
    /// Tell Services and operator what a pod is.
    Label {
        /// The pod.
        pod: String,
        /// `master` or `slave`.
        role: &'static str,
    },
    /// Have a pod accept every password that is valid, and use the one that is wanted.
    Admit {
        /// The pod.
        pod: String,
    },
    /// Have a pod accept the former passwords no more.
    Expel {
        /// The pod.
        pod: String,
    },
    /// Have a sentinel forget what it knows and watch the master at that address.
    Watch {
        /// The sentinel's pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Let the master hand over.
    HandOver {
        /// The master's pod.
        from: String,
        /// The replica's.
        to: String,
    },
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every pod is new, and all is well.
    Done,
    /// Something must happen first.
    Wait(String),
    /// This.
    Do(Move),
    /// Nothing that could be done without asking.
    Stuck(String),
}

impl<Said> Pod<Said> {
    /// A pod, given the newest revision of its StatefulSet; `None` for one that is going, or has no address yet.
    pub fn of(pod: &Json, revision: &str, said: Option<Said>) -> Option<Pod<Said>> {
        if is_terminating(pod) {
            return None;
        }
        Some(Pod {
            name: name(pod).to_owned(),
            uid: text(pod, &["metadata", "uid"])?.to_owned(),
            address: address(pod)?.to_owned(),
            is_new: label(pod, "controller-revision-hash") == Some(revision),
            is_ready: ready::is_ready(pod),
            label: label(pod, ROLE).map(str::to_owned),
            said,
            accepts: None,
        })
    }
}

/// What to do now.
pub fn next(set: &Set) -> Decision {
    let is_old = !set.members.iter().all(|pod| pod.is_new) || old_sentinels(set).next().is_some();
    if let Some(todo) = wanting(set).filter(|_| is_old) {
        return Decision::Do(todo);
    }
    if !set.is_quiet {
        return if is_old || set.is_paused { Decision::Do(Move::Pause) } else { expel(set) };
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
        .unwrap_or_else(|| expel(set))
}

/// The sentinels that can be replaced by what is wanted.
fn old_sentinels(set: &Set) -> impl DoubleEndedIterator<Item = &Pod<View>> {
    set.watchers.iter().filter(|pod| !set.sentinels_are_later && !pod.is_new)
}

/// All pods are new and well, and so is all that needed the former password.
pub fn expel(set: &Set) -> Decision {
    if let Some(todo) = superfluous(set) {
        return Decision::Do(todo);
    }
    let silent = (!set.former.is_empty()).then(|| silent(set)).flatten();
    silent.map_or(Decision::Done, |silent| {
        Decision::Wait(format!("pod {silent} does not answer, and it may still accept the former password"))
    })
}

/// What must be so before the operator is shown a specification with another password or fewer pods: it logs in with the
/// new password at once, and the StatefulSet gives its highest pods up, whoever is the master.
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
        .or_else(|| goes.then(|| successor(set, master)).flatten().map(Decision::Do))
        .unwrap_or(Decision::Done)
}

/// Every pod that serves accepts every password that is valid.
pub fn both_accepted(set: &Set) -> Decision {
    if let Some(todo) = wanting(set) {
        return Decision::Do(todo);
    }
    let silent = (set.valid.len() > 1).then(|| silent(set)).flatten();
    silent.map_or(Decision::Done, |silent| {
        Decision::Wait(format!(
            "pod {silent} does not answer, and it must accept the new password before the operator uses it"
        ))
    })
}

/// Whether the pod is one that a smaller set keeps.
fn is_to_stay(set: &Set, pod: &Pod<Replication>) -> bool {
    ordinal(&pod.name).is_none_or(|ordinal| ordinal < set.stays)
}

/// The number at the end of a pod's name.
pub fn ordinal(pod: &str) -> Option<usize> {
    pod.rsplit('-').next()?.parse().ok()
}

/// The next pod to be replaced.
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
    let delete = || Move::Delete { pod: master.name.clone(), uid: master.uid.clone() };
    Some(Decision::Do(successor(set, master).unwrap_or_else(delete)))
}

/// The handover to the replica that is furthest; `None` where there is none.
fn successor(set: &Set, master: &Pod<Replication>) -> Option<Move> {
    let replicas = set.members.iter().rev().filter(|pod| pod.name != master.name && is_to_stay(set, pod));
    let best = replicas.max_by_key(|pod| said(pod).map(|said| said.offset))?;
    Some(Move::HandOver { from: master.name.clone(), to: best.name.clone() })
}
