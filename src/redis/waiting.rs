//! Causes of a wait, and how patient a run is with each.

use std::time::Duration;

use super::opstree::Kind;

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The cause, which decides how patient the run is.
    pub cause: Cause,
    /// The kind of the custom resource that causes the wait, if it is a particular one.
    pub about: Option<Kind>,
    /// What is missing, and what is known about it, in words.
    pub why: String,
}

impl Waiting {
    /// A wait without a particular custom resource as its cause.
    pub fn new(cause: Cause, why: impl Into<String>) -> Waiting {
        Waiting { cause, about: None, why: why.into() }
    }

    /// The same wait, caused by the custom resource of that kind.
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
    /// The operator has not processed the custom resource at all.
    OperatorAbsent,
    /// The operator has not processed this spec.
    OperatorBehind,
    /// An annotation pauses the operator.
    SkipReconcile,
    /// The operator is paused in the middle of a rollout, and this apply cannot continue it.
    LeftPaused,
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
    /// The API server refuses the pods: a policy, a limit, a webhook.
    PodsRefused,
    /// A quota leaves no room for the pods.
    Quota,
    /// The pod is starting.
    Starting,
    /// No pod has the role that it should have yet, or one pod too many has it.
    Roles,
    /// Several pods are masters, and the operator or the sentinels have not decided between them yet.
    Settling,
    /// The operator is assembling the cluster.
    Assembling,
    /// A Service does not reach the pod that it should reach.
    Unreachable,
    /// An object of ours is written, but its controller has not processed it.
    ObjectNotReady,
    /// A pod of a guarded rollout is not Ready yet.
    Rolling,
    /// The nodes of a cluster do not agree yet, or one of them is copying.
    Nodes,
    /// A guarded rollout finds a problem that it cannot repair without asking a person.
    Ambiguous,
    /// A pod refuses the login with the password that it should have.
    Login,
    /// A pod follows a master that is none of the pods of the set.
    Elsewhere,
    /// An older object of that name is still being deleted.
    Terminating,
    /// The operator has not removed its finalizer.
    Finalizer,
    /// Somebody else has deleted the object meanwhile.
    Deleted,
    /// Somebody else changes the object back.
    ChangedBack,
    /// An object that is not ours has the name of a wanted object.
    Taken,
    /// Volumes of an earlier instance stay.
    Kept,
}

const MINUTE: Duration = Duration::from_secs(60);
/// For how long every moment counts.
const SWIFT: Duration = Duration::from_secs(3);

impl Cause {
    /// How long a cause may last before the run gives up; `None`: until the timeout of the operation.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Cause::ImageName | Cause::Deleted | Cause::ChangedBack | Cause::Taken | Cause::Kept => {
                Some(Duration::ZERO)
            }
            // The watch may still show a pause of ours that is over.
            Cause::SkipReconcile => Some(Duration::from_secs(5)),
            Cause::PodsRefused => Some(Duration::from_secs(15)),
            // A container that starts again reads its Secret again, and sentinels may decide.
            Cause::Login | Cause::Ambiguous => Some(Duration::from_secs(20)),
            // A replica notices after a minute that its master is gone. The operator needs half a minute to choose a
            // master after all pods have restarted.
            Cause::Elsewhere | Cause::Settling => Some(Duration::from_secs(90)),
            Cause::Image | Cause::NotGrowing => Some(MINUTE),
            Cause::NamespaceMissing
            | Cause::KindMissing
            | Cause::Reference
            | Cause::ObjectNotReady
            | Cause::Quota => Some(2 * MINUTE),
            Cause::OperatorAbsent
            | Cause::OperatorBehind
            | Cause::Unschedulable
            | Cause::Claim
            | Cause::Growing => Some(5 * MINUTE),
            // A crash counts by its repetitions; the other causes last until the timeout.
            Cause::Crash
            | Cause::Starting
            | Cause::Roles
            | Cause::Assembling
            | Cause::Unreachable
            | Cause::LeftPaused
            | Cause::Rolling
            | Cause::Nodes
            | Cause::Terminating
            | Cause::Finalizer => None,
        }
    }

    /// When to look again at a cause that no watch reports, and that has lasted so long; `None`: the watch reports it.
    pub fn look_again(self, lasted: Duration) -> Option<Duration> {
        match self {
            // A restarted pod must learn its master at once.
            Cause::Rolling => Some(Duration::from_millis(100)),
            // kube-proxy takes up to a second to follow. Each look is a command in a pod.
            Cause::Unreachable if lasted < SWIFT => Some(Duration::from_millis(250)),
            Cause::Unreachable => Some(Duration::from_secs(1)),
            // These credentials may not watch namespaces, definitions or objects of other kinds.
            Cause::NamespaceMissing | Cause::KindMissing | Cause::ObjectNotReady => {
                Some(Duration::from_millis(500))
            }
            // Secrets are not watched, and neither are the answers of nodes.
            Cause::Reference
            | Cause::Login
            | Cause::Ambiguous
            | Cause::Elsewhere
            | Cause::Settling
            | Cause::Nodes => Some(Duration::from_secs(1)),
            // The operator looks at a cluster by itself every 60 s.
            Cause::Assembling => Some(Duration::from_secs(5)),
            Cause::OperatorAbsent
            | Cause::OperatorBehind
            | Cause::SkipReconcile
            | Cause::LeftPaused
            | Cause::Image
            | Cause::ImageName
            | Cause::Crash
            | Cause::Unschedulable
            | Cause::Claim
            | Cause::Growing
            | Cause::NotGrowing
            | Cause::PodsRefused
            | Cause::Quota
            | Cause::Starting
            | Cause::Roles
            | Cause::Terminating
            | Cause::Finalizer
            | Cause::Deleted
            | Cause::ChangedBack
            | Cause::Taken
            | Cause::Kept => None,
        }
    }

    /// Whether Redis serves all the same, and only the size of its volumes is not as requested.
    pub fn is_about_size(self) -> bool {
        matches!(self, Cause::Growing | Cause::NotGrowing)
    }
}
