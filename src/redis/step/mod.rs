//! What to do now: the deeds of an apply and of a destroy, as values.

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

/// A deed of an apply.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the namespace.
    CreateNamespace,
    /// Make an object whose data is written once.
    CreateObject(Key),
    /// Write an object.
    ApplyObject(Key),
    /// Give an object the labels and annotations that it is to have.
    LabelObject(Key),
    /// Take an object from its owner, which is going and would take it along.
    DisownObject(Key),
    /// Delete an object that is no longer wanted.
    DeleteObject(Key),
    /// Write a custom resource; that of the data is marked as unfinished.
    ApplyCustomResource {
        /// Which.
        kind: Kind,
        /// Of the object that is there, so that a deleted one is not brought back.
        uid: Option<String>,
        /// What is to change, for the log.
        differences: Vec<Difference>,
        /// How.
        form: Form,
    },
    /// Begin to watch what runs.
    Watch,
    /// Have the operator look again, which it does at every write of a custom resource.
    Nudge(String),
    /// Ask Redis and the sentinels how they are.
    Talk,
    /// A move of a guarded rollout.
    Roll(Move),
    /// Give the pods of a custom resource the labels that it is about to have.
    LabelPods(Kind),
    /// Let the operator look after a custom resource again.
    Unpause(Kind),
    /// Keep the operator off a cluster.
    KeepOff,
    /// Ask the nodes of a cluster how they are.
    AskNodes,
    /// Mend a cluster.
    MendNodes(Mending),
    /// Ask every endpoint from within the cluster whether it is what it should be.
    Reach,
    /// Delete a pod of an older revision that does not become Ready: the StatefulSet controller waits for it for
    /// ever before it makes a new one, so mending the cause would not be enough.
    DeletePod {
        /// Its name.
        name: String,
        /// Of this very pod.
        uid: String,
    },
    /// Take the mark of an unfinished run away.
    Finish {
        /// Of the custom resource with the data.
        uid: Option<String>,
    },
}

/// A deed of a destroy.
#[derive(Clone, Debug, PartialEq)]
pub enum Removal {
    /// Let the custom resource with the data own an object: should this run be cut off once the custom resource is gone, no
    /// state would be left to tell of the object.
    HandOver {
        /// Which.
        key: Key,
        /// Of the custom resource with the data.
        owner: String,
    },
    /// Delete a custom resource.
    DeleteCustomResource {
        /// Which.
        kind: Kind,
        /// Of the custom resource.
        uid: Option<String>,
    },
    /// Delete a volume claim that the StatefulSet controller made anew after the operator had deleted it.
    DeleteClaim {
        /// Its name.
        name: String,
        /// Of this very claim.
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
            Step::DisownObject(_) => "take an object from its owner",
            Step::DeleteObject(_) => "delete what is no longer wanted",
            Step::ApplyCustomResource { .. } => "write the custom resource",
            Step::Watch => "watch",
            Step::Nudge(_) => "have the operator look again",
            Step::Talk => "ask Redis and the sentinels",
            Step::Roll(todo) => todo.name(),
            Step::LabelPods(_) => "label the pods",
            Step::Unpause(_) => "let the operator look after it again",
            Step::KeepOff => "keep the operator off while pods restart or copy",
            Step::AskNodes => "ask the nodes",
            Step::MendNodes(mending) => mending.name(),
            Step::Reach => "ask the endpoints",
            Step::DeletePod { .. } => "delete the broken pod of an older revision",
            Step::Finish { .. } => "mark as finished",
        }
    }

    /// The object that it is about, for the log and for messages.
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

    /// Whether it only looks, and changes nothing.
    pub fn is_a_look(&self) -> bool {
        matches!(self, Step::Watch | Step::Talk | Step::AskNodes | Step::Reach)
    }
}

impl Removal {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Removal::HandOver { .. } => "hand an object over to the custom resource",
            Removal::DeleteCustomResource { .. } => "delete the custom resource",
            Removal::DeleteClaim { .. } => "delete a volume claim that was made anew",
            Removal::DeleteObject(_) => "delete an object",
        }
    }
}
