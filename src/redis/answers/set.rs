//! Answers of a replicated set: what Redis and the sentinels in its pods say.

use serde_json::Value as Json;

use crate::redis::object::{is_terminating, label, name, text};
use crate::redis::password::PasswordAt;
use crate::redis::running::{self, ROLE, address, is_ready};
use crate::redis::talk::{Master, Peer, Quorum, Replica, Replication};

/// A pod with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod<Said> {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its IP address.
    pub address: String,
    /// Whether the pod has the newest revision.
    pub is_new: bool,
    /// Whether the node reports the pod as Ready.
    pub is_ready: bool,
    /// Whether nothing is expected of it as it is: it cannot start, or has not been Ready for too long.
    pub is_hopeless: bool,
    /// The operator's label for its role.
    pub label: Option<String>,
    /// Its answer; `None` while it does not answer.
    pub said: Option<Said>,
    /// Why it refuses to be asked: the password is not the one that it was started with, or it speaks TLS.
    pub refuses: Option<String>,
    /// Which of the relevant passwords the pod accepts; `None` if it needs no password, or if it was not
    /// asked.
    pub accepts: Option<Vec<PasswordAt>>,
}

/// What a sentinel reports about the set.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The master it watches.
    pub master: Master,
    /// The replicas it knows.
    pub replicas: Vec<Replica>,
    /// The other sentinels it knows.
    pub peers: Vec<Peer>,
    /// Whether the sentinels could decide on a failover.
    pub quorum: Quorum,
}

/// A replicated set during a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// How many Redis pods the StatefulSet has.
    pub size: usize,
    /// How many of these pods the custom resource knows; the others are being added.
    pub known: usize,
    /// Whether we add pods until there are as many as should stay. If not, an operator that is let go removes those
    /// that it does not know.
    pub is_to_grow: bool,
    /// How many of these pods should stay, counted from the first.
    pub stays: usize,
    /// The pods that are not being deleted, by name.
    pub members: Vec<Pod<Replication>>,
    /// How many sentinels there should be.
    pub sentinels: usize,
    /// The sentinels that are not being deleted, by name.
    pub watchers: Vec<Pod<View>>,
    /// Whether the operator changes the sentinels only once the data's pods are rolled. Until then the final
    /// spec of the sentinels is not known, and a sentinel that does not start stays that way.
    pub sentinels_are_later: bool,
    /// Whether the operator is paused for the data's pods. If so, an earlier run was cut off and may have
    /// left anything behind.
    pub is_paused: bool,
    /// Whether it is proven that the operator does not touch the set.
    pub is_quiet: bool,
    /// The passwords that must be accepted while pods are rolled, the wanted one first.
    pub valid: Vec<PasswordAt>,
    /// The passwords that no pod may accept in the end.
    pub former: Vec<PasswordAt>,
}

impl<Said> Pod<Said> {
    /// A pod, given the newest revision of its StatefulSet; `None` for a pod that is being deleted or has no
    /// address yet.
    pub fn of(pod: &Json, revision: &str, said: Option<Said>) -> Option<Pod<Said>> {
        if is_terminating(pod) {
            return None;
        }
        Some(Pod {
            name: name(pod).to_owned(),
            uid: text(pod, &["metadata", "uid"])?.to_owned(),
            address: address(pod)?.to_owned(),
            is_new: running::is_of(pod, Some(revision)),
            is_ready: is_ready(pod),
            is_hopeless: false,
            label: label(pod, ROLE).map(str::to_owned),
            said,
            refuses: None,
            accepts: None,
        })
    }
}
