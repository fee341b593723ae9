//! Answers of a cluster: what each of its nodes says.

use crate::redis::talk::{Node, Replication};

/// All slots of a cluster.
pub const SLOTS: u32 = 16384;

/// What the pods of a cluster tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shards {
    /// All pods.
    pub pods: Vec<Pod>,
    /// How many masters there are to be.
    pub masters: usize,
    /// How many pods in all.
    pub size: usize,
    /// Whether the operator is proven to leave it alone.
    pub is_quiet: bool,
    /// Whether the same slots have been on the move for so long that whoever moved them has given up.
    pub is_stalled: bool,
}

/// A pod of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Whether it is one of the operator's leaders. It need not be a master: followers take over when it restarts.
    pub is_leader: bool,
    /// What it tells; `None`: it does not answer.
    pub said: Option<Said>,
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which nodes it knows, itself among them.
    pub nodes: Vec<Node>,
    /// Whom it follows, or who follows it.
    pub replication: Replication,
}

impl Said {
    /// Its own entry.
    pub fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.has("myself"))
    }
}
