//! Moves of a guarded rollout, and repairs of a cluster: steps that send commands to Redis itself.

/// A move of a guarded rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Pause the operator, and prove that no reconcile is under way.
    Pause,
    /// Replace a pod.
    Delete {
        /// Its name.
        pod: String,
        /// The uid of exactly this pod.
        uid: String,
    },
    /// Give the StatefulSet of the data so many pods.
    Enlarge {
        /// How many.
        to: i64,
    },
    /// Make a pod a replica of that address.
    Follow {
        /// The pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Make a pod the master, because there is none.
    Promote {
        /// The pod.
        pod: String,
    },
    /// Label a pod with its role, for the Services and the operator.
    Label {
        /// The pod.
        pod: String,
        /// `master` or `slave`.
        role: &'static str,
    },
    /// Make a pod accept every valid password.
    Admit {
        /// The pod.
        pod: String,
    },
    /// Make a pod forget the former passwords.
    Expel {
        /// The pod.
        pod: String,
    },
    /// Make a sentinel forget what it knows and watch the master at that address.
    Watch {
        /// The sentinel's pod.
        pod: String,
        /// The master's address.
        master: String,
    },
    /// Make the master hand over.
    HandOver {
        /// The master's pod.
        from: String,
        /// The replica's pod.
        to: String,
    },
}

/// Repairs of a cluster that are safe without a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mending {
    /// Make every pod forget nodes that are gone.
    Forget {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Make a follower of a master with too many followers follow a master with too few.
    Follow {
        /// The follower's address.
        address: String,
        /// The id of its new master.
        master: String,
    },
    /// Make a leader that came back without its volumes join the cluster again, if it is no longer needed as
    /// a master.
    Meet {
        /// The pod's address.
        address: String,
        /// The address of a node in the cluster.
        at: String,
    },
    /// Close slots whose move was abandoned.
    CloseSlots {
        /// The address of a node in the cluster.
        at: String,
    },
    /// Make a superfluous master give its slots to the others. It was a leader that came back without its
    /// volumes: the operator added it and gave it slots, although a follower had taken its place.
    Drain {
        /// The master's id.
        id: String,
        /// The address of a node in the cluster.
        at: String,
    },
    /// Reset a pod that came back with the knowledge of before it was forgotten, so that it can be added
    /// again.
    Reset {
        /// Its address.
        address: String,
    },
    /// Make a follower take over from its master, with the agreement of the master: no write is lost.
    TakeOver {
        /// The follower's address.
        address: String,
    },
}

impl Move {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Move::Pause => "pause the operator",
            Move::Delete { .. } => "replace a pod",
            Move::Enlarge { .. } => "enlarge the StatefulSet",
            Move::Follow { .. } => "make a pod follow the master",
            Move::Promote { .. } => "promote a replica",
            Move::Label { .. } => "label a pod",
            Move::Admit { .. } => "make a pod accept both passwords",
            Move::Expel { .. } => "make a pod forget the former password",
            Move::Watch { .. } => "make a sentinel watch the master",
            Move::HandOver { .. } => "make the master hand over",
        }
    }
}

impl Mending {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Mending::Forget { .. } => "make the nodes forget a node that is gone",
            Mending::Follow { .. } => "make a node follow a leader that lacks a follower",
            Mending::Meet { .. } => "make a node join the cluster again",
            Mending::Drain { .. } => "move the slots of a superfluous master",
            Mending::CloseSlots { .. } => "close slots whose move was abandoned",
            Mending::Reset { .. } => "reset a forgotten node",
            Mending::TakeOver { .. } => "make a leader take over from its follower",
        }
    }
}
