//! Answers of a cluster: what each of its nodes reports.

use crate::redis::talk::{Node, Replication};

/// All slots of a cluster.
pub const SLOTS: u32 = 16384;

/// The answers of all pods of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shards {
    /// All pods.
    pub pods: Vec<Pod>,
    /// How many masters there should be.
    pub masters: usize,
    /// How many pods there should be in all.
    pub size: usize,
    /// Whether it is proven that the operator does not touch the cluster.
    pub is_quiet: bool,
    /// Whether the same slots have been in a move for so long that the move counts as abandoned.
    pub is_stalled: bool,
}

/// A pod of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Whether the pod is one of the operator's leaders. A leader need not be a master: a follower takes over
    /// when the leader restarts.
    pub is_leader: bool,
    /// Its answer; `None` if it does not answer.
    pub said: Option<Said>,
}

/// The answer of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The nodes that it knows, including itself.
    pub nodes: Vec<Node>,
    /// Its master, or its followers.
    pub replication: Replication,
}

impl Said {
    /// Its own entry.
    pub fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.has("myself"))
    }
}
