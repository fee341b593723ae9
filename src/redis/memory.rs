//! What one run of the loop remembers. Everything else it decides on is in the cluster, so that any other run can go on
//! from there.

use std::collections::BTreeSet;

use super::objects::Key;

/// What a run remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Why the last write could not even be tried.
    pub obstacle: Option<Obstacle>,
    /// What this run does without.
    pub denied: Denied,
    /// Whether volumes that should grow have been waited for long enough.
    pub volumes_are_late: bool,
    /// How often nothing was heard of the operator while it was waited for.
    pub silences: u64,
}

/// Something that must exist before anything can be written, and may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The namespace of that name.
    NamespaceMissing(String),
    /// The definition (CRD) of that name.
    KindMissing(String),
}

/// Something that a run does without: a right is missing for it, or it cannot be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// To roll the pods of a replicated set ourselves.
    GuardedRollout,
    /// To have every pod of a cluster accept both passwords.
    BothPasswords,
    /// To label pods.
    PodLabels,
    /// To ask the endpoints from within the cluster.
    Endpoints,
    /// To write an object.
    Object(Key),
    /// To change the labels and annotations of an object.
    Metadata(Key),
}

/// All that a run does without.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denied(BTreeSet<Denial>);

impl Denied {
    /// Takes note.
    pub fn add(&mut self, denial: Denial) {
        self.0.insert(denial);
    }

    /// Whether the run does without that.
    pub fn has(&self, denial: &Denial) -> bool {
        self.0.contains(denial)
    }
}

impl<const N: usize> From<[Denial; N]> for Denied {
    fn from(all: [Denial; N]) -> Denied {
        Denied(BTreeSet::from(all))
    }
}
