//! Causes for which something is not as it should be yet, and how long to be patient with each.

use std::time::Duration;

use super::opstree::Kind;

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The cause, which decides how long to be patient.
    pub cause: Cause,
    /// The kind of custom resource that is in the way, if it is one in particular.
    pub about: Option<Kind>,
    /// In words: what is missing, and what is known about it.
    pub why: String,
}

impl Waiting {
    /// A wait that no custom resource in particular causes.
    pub fn new(cause: Cause, why: impl Into<String>) -> Waiting {
        Waiting { cause, about: None, why: why.into() }
    }

    /// The same, caused by the custom resource of that kind.
    pub fn about(self, kind: Kind) -> Waiting {
        Waiting { about: Some(kind), ..self }
    }
}

/// Why something is not as it should be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The namespace does not exist.
    NamespaceMissing,
    /// A definition (CRD) does not exist.
    KindMissing,
    /// The operator has not touched the custom resource.
    OperatorAbsent,
    /// The operator has not acted on this spec.
    OperatorBehind,
    /// An annotation keeps the operator off.
    SkipReconcile,
    /// The image cannot be pulled.
    Image,
    /// The image reference is malformed.
    ImageName,
    /// A Secret or ConfigMap that a pod needs is missing.
    Reference,
    /// The container ends with an error, again and again.
    Crash,
    /// No node takes the pod.
    Unschedulable,
    /// A volume claim is not bound.
    Claim,
    /// A volume is being resized.
    Growing,
    /// A volume should be larger, and nobody resizes it.
    NotGrowing,
    /// The pod is on its way.
    Starting,
    /// No pod has the role it should have yet, or one too many has.
    Roles,
    /// The operator is putting the cluster together.
    Assembling,
    /// A Service does not lead to what it should.
    Unreachable,
    /// An object of ours is written, and its controller has not acted on it.
    ObjectNotReady,
    /// A pod of a guarded rollout is not well yet.
    Rolling,
    /// The nodes of a cluster do not agree yet, or one is copying.
    Nodes,
    /// A guarded rollout finds something that cannot be mended without asking.
    Ambiguous,
    /// An older object of that name is still being deleted.
    Terminating,
    /// The operator has not taken its finalizer away.
    Finalizer,
    /// Somebody else has deleted the object meanwhile.
    Deleted,
    /// Somebody else changes the object back.
    ChangedBack,
    /// An object that is not ours has the name that ours is to have.
    Taken,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Cause {
    /// How long a cause may last before waiting is given up; `None`: until the timeout of the operation.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Cause::Ambiguous
            | Cause::ImageName
            | Cause::Deleted
            | Cause::ChangedBack
            | Cause::Taken
            | Cause::SkipReconcile => Some(Duration::ZERO),
            Cause::Image | Cause::NotGrowing => Some(MINUTE),
            Cause::NamespaceMissing | Cause::KindMissing | Cause::Reference | Cause::ObjectNotReady => {
                Some(2 * MINUTE)
            }
            Cause::OperatorAbsent
            | Cause::OperatorBehind
            | Cause::Unschedulable
            | Cause::Claim
            | Cause::Growing => Some(5 * MINUTE),
            // A crash counts by its repetitions; the others end with the timeout.
            Cause::Crash
            | Cause::Starting
            | Cause::Roles
            | Cause::Assembling
            | Cause::Unreachable
            | Cause::Rolling
            | Cause::Nodes
            | Cause::Terminating
            | Cause::Finalizer => None,
        }
    }

    /// When to look again at a cause that no watch tells of; `None`: the watch tells.
    pub fn look_again(self) -> Option<Duration> {
        match self {
            // A restarted pod must be told whom to follow at once.
            Cause::Rolling => Some(Duration::from_millis(100)),
            // kube-proxy takes up to a second to follow.
            Cause::Unreachable => Some(Duration::from_millis(250)),
            // These credentials may not watch namespaces, definitions or objects of other kinds.
            Cause::NamespaceMissing | Cause::KindMissing | Cause::ObjectNotReady => {
                Some(Duration::from_millis(500))
            }
            // Secrets are not watched, nor is what nodes say.
            Cause::Reference | Cause::Nodes => Some(Duration::from_secs(1)),
            // By itself the operator looks at a cluster every 60 s.
            Cause::Assembling => Some(Duration::from_secs(5)),
            Cause::OperatorAbsent
            | Cause::OperatorBehind
            | Cause::SkipReconcile
            | Cause::Image
            | Cause::ImageName
            | Cause::Crash
            | Cause::Unschedulable
            | Cause::Claim
            | Cause::Growing
            | Cause::NotGrowing
            | Cause::Starting
            | Cause::Roles
            | Cause::Ambiguous
            | Cause::Terminating
            | Cause::Finalizer
            | Cause::Deleted
            | Cause::ChangedBack
            | Cause::Taken => None,
        }
    }

    /// Whether Redis serves all the same, and only the size of its volumes is not as asked for.
    pub fn is_about_size(self) -> bool {
        matches!(self, Cause::Growing | Cause::NotGrowing)
    }
}
