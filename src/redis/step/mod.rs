//! What to do now: the steps of an apply and of a destroy, as values.

mod moves;

pub use self::moves::{Mending, Move};
use super::desired::Form;
use super::object::Difference;
use super::objects::Key;
use super::opstree::Kind;
use super::waiting::{Cause, Waiting};

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<Deed = Step> {
    /// Nothing is left to do.
    Done,
    /// Something must happen first.
    Wait(Waiting),
    /// This, and then look again.
    Do(Deed),
    /// Nothing will help.
    Stuck(Waiting),
}

impl<Deed> Next<Deed> {
    /// Something must happen first, for that cause.
    pub fn wait(cause: Cause, why: impl Into<String>) -> Next<Deed> {
        Next::Wait(Waiting::new(cause, why))
    }

    /// Nothing will help, for that cause.
    pub fn stuck(cause: Cause, why: impl Into<String>) -> Next<Deed> {
        Next::Stuck(Waiting::new(cause, why))
    }
}

/// A step of an apply.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Create the namespace.
    CreateNamespace,
    /// Create an object whose data is written once.
    CreateObject(Key),
    /// Write an object.
    ApplyObject(Key),
    /// Give an object the labels and annotations that it should have.
    LabelObject(Key),
    /// Remove the owner of an object, because the owner is being deleted and the object would be deleted with
    /// it.
    DisownObject(Key),
    /// Delete an object that is no longer wanted.
    DeleteObject(Key),
    /// Write a custom resource; the one with the data is marked as unfinished.
    ApplyCustomResource {
        /// Its kind.
        kind: Kind,
        /// The uid of the existing object, so that a deleted one is not recreated.
        uid: Option<String>,
        /// The changes, for the log.
        differences: Vec<Difference>,
        /// The form.
        form: Form,
    },
    /// Begin to watch what runs.
    Watch,
    /// Read the StatefulSets.
    ReadStatefulSets,
    /// Look for volume claims that an earlier instance has left.
    FindClaims,
    /// Have every pod write its data in the form that it reads after the restart.
    Save,
    /// Make the operator look again, which it does at every write of a custom resource.
    Nudge(String),
    /// Ask Redis and the sentinels about their state.
    Talk,
    /// A move of a guarded rollout.
    Roll(Move),
    /// Give the pods of a custom resource the labels that it is about to get.
    LabelPods(Kind),
    /// Let the operator handle a custom resource again.
    Unpause(Kind),
    /// Pause the operator for a cluster.
    KeepOff,
    /// Ask the nodes of a cluster about their state.
    AskNodes,
    /// Repair a cluster.
    MendNodes(Mending),
    /// Ask every endpoint from within the cluster whether it is what it should be.
    Reach,
    /// Delete a pod of an older revision that does not become Ready. The StatefulSet controller waits for it
    /// forever before it creates a new pod, so fixing the cause would not be enough.
    DeletePod {
        /// Its name.
        name: String,
        /// The uid of exactly this pod.
        uid: String,
    },
    /// Remove the mark of an unfinished run.
    Finish {
        /// The uid of the custom resource with the data.
        uid: Option<String>,
    },
}

/// A step of a destroy.
#[derive(Clone, Debug, PartialEq)]
pub enum Removal {
    /// Make the custom resource with the data the owner of an object: if this run is cut off once the custom
    /// resource is gone, there is no state any more that knows the object.
    HandOver {
        /// Its key.
        key: Key,
        /// The uid of the custom resource with the data.
        owner: String,
    },
    /// Delete a custom resource.
    DeleteCustomResource {
        /// Its kind.
        kind: Kind,
        /// Its uid.
        uid: Option<String>,
    },
    /// Delete a volume claim that the StatefulSet controller recreated after the operator had deleted it.
    DeleteClaim {
        /// Its name.
        name: String,
        /// The uid of exactly this claim.
        uid: String,
    },
    /// Delete an object of ours.
    DeleteObject(Key),
}

impl Step {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Step::CreateNamespace => "create the namespace",
            Step::CreateObject(_) => "create an object",
            Step::ApplyObject(_) => "write an object",
            Step::LabelObject(_) => "label an object",
            Step::DisownObject(_) => "remove the owner of an object",
            Step::DeleteObject(_) => "delete an object that is no longer wanted",
            Step::ApplyCustomResource { .. } => "write the custom resource",
            Step::Watch => "watch",
            Step::ReadStatefulSets => "read the StatefulSets",
            Step::FindClaims => "look for volumes of an earlier instance",
            Step::Save => "save the data before a restart",
            Step::Nudge(_) => "make the operator look again",
            Step::Talk => "ask Redis and the sentinels",
            Step::Roll(todo) => todo.name(),
            Step::LabelPods(_) => "label the pods",
            Step::Unpause(_) => "unpause the operator",
            Step::KeepOff => "pause the operator while pods restart or copy",
            Step::AskNodes => "ask the nodes",
            Step::MendNodes(mending) => mending.name(),
            Step::Reach => "ask the endpoints",
            Step::DeletePod { .. } => "delete the broken pod of an older revision",
            Step::Finish { .. } => "mark as finished",
        }
    }

    /// The object of the step, for the log and for messages.
    pub fn object(&self) -> Option<&Key> {
        match self {
            Step::CreateObject(key)
            | Step::ApplyObject(key)
            | Step::LabelObject(key)
            | Step::DisownObject(key)
            | Step::DeleteObject(key) => Some(key),
            _ => None,
        }
    }

    /// Whether the step only looks, and changes nothing.
    pub fn is_a_look(&self) -> bool {
        matches!(
            self,
            Step::Watch
                | Step::ReadStatefulSets
                | Step::FindClaims
                | Step::Talk
                | Step::AskNodes
                | Step::Reach
        )
    }
}

impl Removal {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Removal::HandOver { .. } => "hand an object over to the custom resource",
            Removal::DeleteCustomResource { .. } => "delete the custom resource",
            Removal::DeleteClaim { .. } => "delete a recreated volume claim",
            Removal::DeleteObject(_) => "delete an object",
        }
    }
}
