//! Moves of a guarded rollout, and what mends a cluster: deeds that are told to Redis itself.

/// A move of a guarded rollout.
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

/// What mends a cluster without a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mending {
    /// Every pod forgets nodes that are gone.
    Forget {
        /// Their ids.
        ids: Vec<String>,
    },
    /// A follower of a master that has too many follows one that has too few.
    Follow {
        /// The follower's address.
        address: String,
        /// The id of its new master.
        master: String,
    },
    /// A leader that came back without its volumes, and is not needed as a master any more, joins the cluster again.
    Meet {
        /// The pod's address.
        address: String,
        /// The address of one that is in the cluster.
        at: String,
    },
    /// Slots whose move was broken off are where they belong again.
    CloseSlots {
        /// The address of one that is in the cluster.
        at: String,
    },
    /// A master too many gives its slots to the others: met by the operator, a leader that came back without its volumes was
    /// given slots beside the follower that had taken its place.
    Drain {
        /// The master's id.
        id: String,
        /// The address of one that is in the cluster.
        at: String,
    },
    /// A pod that came back with what it knew before it was forgotten begins anew, so that it can be added again.
    Reset {
        /// Its address.
        address: String,
    },
    /// A follower takes over from its master, which agrees to it: no write is lost.
    TakeOver {
        /// The follower's address.
        address: String,
    },
}

impl Move {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Move::Pause => "keep the operator off",
            Move::Delete { .. } => "have a pod replaced",
            Move::Follow { .. } => "make a pod follow the master",
            Move::Promote { .. } => "promote a replica",
            Move::Label { .. } => "label a pod",
            Move::Admit { .. } => "have a pod accept both passwords",
            Move::Expel { .. } => "have a pod accept the former password no more",
            Move::Watch { .. } => "have a sentinel watch the master",
            Move::HandOver { .. } => "let the master hand over",
        }
    }
}

impl Mending {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Mending::Forget { .. } => "have the nodes forget one that is gone",
            Mending::Follow { .. } => "have a node follow a leader that lacks one",
            Mending::Meet { .. } => "have a node join the cluster again",
            Mending::Drain { .. } => "have a master too many give its slots away",
            Mending::CloseSlots { .. } => "close slots whose move was broken off",
            Mending::Reset { .. } => "have a forgotten node begin anew",
            Mending::TakeOver { .. } => "have a leader take over from its follower",
        }
    }
}
