//! What one run of the loop remembers. Everything else that it decides on is in the cluster, so that any
//! other run can continue from there.

use std::collections::BTreeSet;

use super::objects::Key;

/// What a run remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Why the last write was not even possible.
    pub obstacle: Option<Obstacle>,
    /// What this run does without.
    pub denied: Denied,
    /// Whether the run has waited long enough for volumes that should grow.
    pub volumes_are_late: bool,
    /// Whether the run has waited long enough for others to decide which pod is the master.
    pub has_let_others_decide: bool,
    /// Pods that have not been Ready for so long that nothing is expected of them any more, by their uids.
    pub given_up: BTreeSet<String>,
    /// Whether this run has saved the data before a restart.
    pub is_saved: bool,
    /// How often the run waited for the operator without any news from it.
    pub silences: u64,
}

/// Something that must exist before anything can be written, and that may still be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The namespace of that name.
    NamespaceMissing(String),
    /// The definition (CRD) of that name.
    KindMissing(String),
}

/// Something that a run does without, because a right is missing or because it is not possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// Rolling the pods of a replicated set ourselves.
    GuardedRollout,
    /// Adding the pods of a replicated set ourselves.
    Enlargement,
    /// Making every pod of a cluster accept both passwords.
    BothPasswords,
    /// Labelling pods.
    PodLabels,
    /// Saving the data before a restart.
    Saving,
    /// Asking the endpoints from within the cluster.
    Endpoints,
    /// Writing an object.
    Object(Key),
    /// Changing the labels and annotations of an object.
    Metadata(Key),
}

/// Everything that a run does without.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denied(BTreeSet<Denial>);

impl Denied {
    /// Records that the run does without it.
    pub fn add(&mut self, denial: Denial) {
        self.0.insert(denial);
    }

    /// Whether the run does without it.
    pub fn has(&self, denial: &Denial) -> bool {
        self.0.contains(denial)
    }
}

impl<const N: usize> From<[Denial; N]> for Denied {
    fn from(all: [Denial; N]) -> Denied {
        Denied(BTreeSet::from(all))
    }
}
