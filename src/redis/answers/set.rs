//! Answers of a replicated set: what Redis and the sentinels in its pods say.

use serde_json::Value as Json;

use crate::redis::object::{is_terminating, label, name, text};
use crate::redis::password::PasswordAt;
use crate::redis::running::{self, ROLE, address, is_ready};
use crate::redis::talk::{Master, Peer, Quorum, Replica, Replication};

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
            is_new: running::is_of(pod, Some(revision)),
            is_ready: is_ready(pod),
            label: label(pod, ROLE).map(str::to_owned),
            said,
            accepts: None,
        })
    }
}
