//! What to do now. One pure function for apply and one for delete: they look at what is wanted and what is
//! observed, remember nothing, and so go on from wherever an earlier run was cut off.

mod apply;
mod delete;
#[cfg(test)]
mod fixture;
mod guarded;
mod heal;
mod labels;
mod passwords;
mod shards;
#[cfg(test)]
mod world;

pub use apply::next;
pub use delete::next_delete;
pub use guarded::{is_left_paused, sentinels_are_later};
pub use passwords::{former_passwords, given, valid_passwords};
use serde_json::Value as Json;

use super::object::{self, Difference};
use super::opstree::Kind;
use super::password::PasswordAt;
use super::ready::Running;
use super::rollout::{Move, Set};
use super::shards::{Mending, Shards};
use super::topology::Topology;

/// What is wanted, rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its shape.
    pub topology: Topology,
    /// Its name, which is that of every custom resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The custom resources, without the mark of an unfinished run; that of the data first.
    pub custom_resources: Vec<Json>,
    /// The same with pods that only we replace, for a guarded rollout; empty where there can be none.
    pub guarded: Vec<Json>,
    /// Whether we are to roll the pods; otherwise we only put right what a rollout of ours that was cut off has left.
    pub is_guarded: bool,
    /// Objects of ours that the custom resources need or complete; not the Secret, which is written only once.
    pub companions: Vec<Rendered>,
    /// The Secret that we keep, by name; `None` where the user keeps one, or there is no password.
    pub secret: Option<String>,
    /// The password before this run, as far as the state knows one.
    pub former_password: Option<PasswordAt>,
    /// Whether this run makes the instance; otherwise it must be there.
    pub creating: bool,
    /// Make the namespace if it is not there.
    pub create_namespace: bool,
    /// Wait until Redis serves.
    pub wait: bool,
}

impl Desired {
    /// The custom resource that carries the data.
    pub fn data(&self) -> &Json {
        self.custom_resource(self.topology.data())
    }

    /// The custom resource of that kind; null where the instance has none.
    pub fn custom_resource(&self, kind: Kind) -> &Json {
        of_kind(&self.custom_resources, kind).unwrap_or(&Json::Null)
    }

    /// The custom resource of that kind while a guarded rollout goes on.
    pub fn guarded(&self, kind: Kind) -> Option<&Json> {
        of_kind(&self.guarded, kind)
    }

    /// The custom resource of that kind in that form.
    pub fn written(&self, kind: Kind, form: &Form) -> Json {
        let plain = self.custom_resource(kind);
        match form {
            Form::Final => plain.clone(),
            Form::Rolled => self.guarded(kind).unwrap_or(plain).clone(),
            Form::Without(names) => labels::without(self.guarded(kind).unwrap_or(plain), names),
        }
    }

    /// Whether a custom resource includes that ConfigMap into redis.conf. `custom_spec` may choose another one, or none.
    pub fn names_config_map(&self, name: &str) -> bool {
        let paths: [&[&str]; 2] = [
            &["spec", "redisConfig", "additionalRedisConfig"],
            &["spec", "redisLeader", "redisConfig", "additionalRedisConfig"],
        ];
        paths.iter().any(|path| object::text(self.data(), path) == Some(name))
    }

    /// The companion of that kind.
    pub fn companion(&self, kind: CompanionKind) -> Option<&Json> {
        self.companions.iter().find(|one| one.kind == kind).map(|one| &one.object)
    }
}

/// A companion as it is to be, or as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its kind.
    pub kind: CompanionKind,
    /// The object.
    pub object: Json,
}

impl Rendered {
    /// Its name.
    pub fn name(&self) -> &str {
        object::name(&self.object)
    }
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The custom resources.
    pub custom_resources: Vec<Json>,
    /// Those of our companions that are wanted and were found.
    pub written: Vec<Rendered>,
    /// Whether the Secret that we keep is there.
    pub secret_exists: bool,
    /// Whether it has other labels or annotations than it is to have.
    pub secret_is_mislabelled: bool,
    /// Companion objects of this instance, whatever their name.
    pub companions: Vec<Companion>,
    /// Why the last write could not even be tried.
    pub obstacle: Option<Obstacle>,
    /// What runs; `None` while it is not being watched.
    pub running: Option<Running>,
    /// Whether what should be reachable is; `None` while it has not been asked. `Err` says what is not.
    pub reached: Option<Result<(), String>>,
    /// Whether volumes that should grow have been waited for long enough.
    pub volumes_are_late: bool,
    /// What Redis and the sentinels say, while the set is being rolled; `None` while they have not been asked.
    pub set: Option<Set>,
    /// The password that is wanted, where it was looked for and is not there: nobody can be asked with it, and no pod started.
    pub missing_password: Option<PasswordAt>,
    /// What the nodes of a cluster say; `None` while they have not been asked. `Err`: they cannot be.
    pub shards: Option<Result<Shards, String>>,
    /// Whether pods of two passwords cannot be made to accept both.
    pub passwords_are_apart: bool,
    /// Whether these credentials may not label pods.
    pub pods_are_not_labelled: bool,
    /// How often nothing was heard of the operator while it was waited for.
    pub silences: u64,
}

impl Observed {
    /// The custom resource of that kind.
    pub fn custom_resource(&self, kind: Kind) -> Option<&Json> {
        of_kind(&self.custom_resources, kind)
    }

    /// Takes note of a custom resource, or that it is gone.
    pub fn set_custom_resource(&mut self, kind: Kind, object: Option<Json>) {
        self.custom_resources.retain(|one| Kind::of(one) != Some(kind));
        self.custom_resources.extend(object);
    }

    /// Takes note of a companion that was written.
    pub fn set_written(&mut self, kind: CompanionKind, object: Json) {
        self.written.retain(|one| one.kind != kind);
        self.written.push(Rendered { kind, object });
    }
}

fn of_kind(objects: &[Json], kind: Kind) -> Option<&Json> {
    objects.iter().find(|object| Kind::of(object) == Some(kind))
}

/// An object of ours beside the custom resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its kind.
    pub kind: CompanionKind,
    /// Its name.
    pub name: String,
    /// Whether something owns it, so that the cluster deletes it with its owner.
    pub owned: bool,
}

/// The kinds of companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanionKind {
    /// Part of redis.conf.
    ConfigMap,
    /// The password.
    Secret,
    /// What reaches the master from outside of the cluster.
    Service,
}

impl CompanionKind {
    /// As in `kind:`.
    pub fn kind(self) -> &'static str {
        match self {
            CompanionKind::ConfigMap => "ConfigMap",
            CompanionKind::Secret => "Secret",
            CompanionKind::Service => "Service",
        }
    }
}

/// What must exist before anything can be written, and may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The namespace.
    NamespaceMissing,
    /// The definition of that kind.
    KindMissing(Kind),
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing is left to do.
    Done,
    /// Something must happen first.
    Wait(Waiting),
    /// This, and then look again.
    Do(Step),
    /// Nothing will help.
    Stuck(Waiting),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The cause, which decides how long to be patient.
    pub cause: Cause,
    /// In words: what is missing, and what is known about it.
    pub why: String,
}

/// Why something is not as it should be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The namespace does not exist.
    NamespaceMissing,
    /// The operator's CRD does not exist.
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
    /// A pod of a guarded rollout is not well yet.
    Rolling,
    /// The nodes of a cluster do not agree yet, or one is copying.
    Nodes,
    /// What a guarded rollout finds cannot be mended without asking.
    Ambiguous,
    /// An older object of that name is still being deleted.
    Terminating,
    /// The operator has not taken its finalizer away.
    Finalizer,
    /// It was deleted by somebody else meanwhile.
    Deleted,
    /// Somebody else changes it back.
    ChangedBack,
}

/// In which form a custom resource is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is to stay.
    Final,
    /// So that only we replace its pods.
    Rolled,
    /// Likewise, and without these labels.
    Without(Vec<String>),
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the namespace.
    CreateNamespace,
    /// Make the Secret with the password.
    CreateSecret(String),
    /// Give it the labels and annotations that it is to have.
    LabelSecret(String),
    /// Write a companion.
    ApplyCompanion(CompanionKind),
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
    /// Delete a companion that is no longer wanted.
    DeleteCompanion(Companion),
    /// Take the mark of an unfinished run away.
    Finish {
        /// Of the custom resource with the data.
        uid: Option<String>,
    },
    /// Let the custom resource with the data own a companion: should this run be cut off once the custom resource is
    /// gone, no state would be left to tell of the companion.
    HandOver {
        /// Which.
        companion: Companion,
        /// Of the custom resource with the data.
        uid: String,
    },
    /// Delete a volume claim that the StatefulSet controller made anew after the operator had deleted it.
    DeleteClaim {
        /// Its name.
        name: String,
        /// Of this very claim.
        uid: String,
    },
    /// Delete a custom resource.
    DeleteCustomResource {
        /// Which.
        kind: Kind,
        /// Of the custom resource.
        uid: Option<String>,
    },
}

impl Step {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Step::CreateNamespace => "create the namespace",
            Step::CreateSecret(_) => "create the Secret",
            Step::LabelSecret(_) => "label the Secret",
            Step::ApplyCompanion(CompanionKind::ConfigMap) => "write the ConfigMap",
            Step::ApplyCompanion(CompanionKind::Service) => "write the Service",
            Step::ApplyCompanion(CompanionKind::Secret) => "write the Secret",
            Step::ApplyCustomResource { .. } => "write the custom resource",
            Step::Watch => "watch",
            Step::Nudge(_) => "have the operator look again",
            Step::Talk => "ask Redis and the sentinels",
            Step::Roll(Move::Pause) => "keep the operator off",
            Step::Roll(Move::Delete { .. }) => "have a pod replaced",
            Step::Roll(Move::Follow { .. }) => "make a pod follow the master",
            Step::Roll(Move::Promote { .. }) => "promote a replica",
            Step::Roll(Move::Label { .. }) => "label a pod",
            Step::Roll(Move::Admit { .. }) => "have a pod accept both passwords",
            Step::Roll(Move::Expel { .. }) => "have a pod accept the former password no more",
            Step::Roll(Move::Watch { .. }) => "have a sentinel watch the master",
            Step::Roll(Move::HandOver { .. }) => "let the master hand over",
            Step::LabelPods(_) => "label the pods",
            Step::Unpause(_) => "let the operator look after it again",
            Step::KeepOff => "keep the operator off while pods restart or copy",
            Step::AskNodes => "ask the nodes",
            Step::MendNodes(Mending::Forget { .. }) => "have the nodes forget one that is gone",
            Step::MendNodes(Mending::Follow { .. }) => "have a node follow a leader that lacks one",
            Step::MendNodes(Mending::Meet { .. }) => "have a node join the cluster again",
            Step::MendNodes(Mending::Drain { .. }) => "have a master too many give its slots away",
            Step::MendNodes(Mending::CloseSlots { .. }) => "close slots whose move was broken off",
            Step::MendNodes(Mending::Reset { .. }) => "have a forgotten node begin anew",
            Step::MendNodes(Mending::TakeOver { .. }) => "have a leader take over from its follower",
            Step::Reach => "ask the endpoints",
            Step::DeletePod { .. } => "delete the broken pod of an older revision",
            Step::DeleteCompanion(_) => "delete what is no longer wanted",
            Step::Finish { .. } => "mark as finished",
            Step::DeleteClaim { .. } => "delete a volume claim that was made anew",
            Step::HandOver { .. } => "hand a companion over to the custom resource",
            Step::DeleteCustomResource { .. } => "delete the custom resource",
        }
    }
}

fn wait(cause: Cause, why: impl Into<String>) -> Next {
    Next::Wait(Waiting { cause, why: why.into() })
}
