//! Refused requests. A refusal that may heal becomes an obstacle, a refusal that the run can do without is
//! remembered, and any other refusal ends the run.

use super::super::objects::address;
use super::{Failure, Run};
use crate::kubernetes::{self, Cause as RequestCause, ObjectRef};
use crate::redis::memory::{Denial, Obstacle};
use crate::redis::objects::Need;
use crate::redis::step::{Move, Step};
use crate::redis::topology::Topology;
use crate::terraform::Diagnostic;

impl Run<'_> {
    pub(super) async fn refused(&mut self, step: &Step, error: kubernetes::Error) -> Result<(), Failure> {
        match &error.cause {
            RequestCause::NamespaceMissing { namespace } => {
                self.memory.obstacle = Some(Obstacle::NamespaceMissing(namespace.clone()));
                Ok(())
            }
            RequestCause::KindNotServed { .. } | RequestCause::Forbidden { .. } if self.is_optional(step) => {
                self.go_without_object(step, &error);
                Ok(())
            }
            RequestCause::KindNotServed { definition, .. } => {
                self.memory.obstacle = Some(Obstacle::KindMissing(definition.clone()));
                Ok(())
            }
            RequestCause::Forbidden { .. } => self.do_without(step, error).await,
            _ => Err(error.into()),
        }
    }

    fn is_optional(&self, step: &Step) -> bool {
        let wanted = step.object().and_then(|key| self.desired.object(key));
        wanted.is_some_and(|wanted| wanted.need == Need::Optional)
    }

    fn go_without_object(&mut self, step: &Step, error: &kubernetes::Error) {
        let Some(key) = step.object() else { return };
        self.observer.warn(not_written(&address(key), error));
        self.memory.denied.add(Denial::Object(key.clone()));
    }

    /// Without the rights for a guarded rollout, the operator restarts the pods. A cluster is repaired
    /// without proof that the operator is paused.
    async fn do_without(&mut self, step: &Step, error: kubernetes::Error) -> Result<(), Failure> {
        let id = self.addresses.to_string();
        match (self.desired.topology, step) {
            (_, Step::LabelObject(key)) => {
                self.observer.warn(keeps_its_labels(&address(key), &error));
                self.memory.denied.add(Denial::Metadata(key.clone()));
            }
            // Who does not wait watches only to find the pods that must save.
            (_, Step::Watch) if !self.desired.wait && !self.memory.denied.has(&Denial::Saving) => {
                self.go_unsaved(&id, &error)?;
            }
            (Topology::Cluster, Step::Roll(Move::Pause)) => {
                self.keep_off_cluster().await?;
                self.take_for_quiet();
            }
            (Topology::Cluster, Step::LabelPods(_)) => {
                self.observer.warn(not_labelled(&id, &error));
                self.memory.denied.add(Denial::PodLabels);
            }
            (Topology::Cluster, Step::Talk | Step::Roll(_)) => {
                self.observer.warn(one_password(&id, &error.to_string()));
                self.memory.denied.add(Denial::BothPasswords);
            }
            (_, Step::Roll(Move::Enlarge { .. })) => {
                self.observer.warn(not_enlarged(&id, &error));
                self.memory.denied.add(Denial::Enlargement);
            }
            (_, Step::Talk | Step::LabelPods(_) | Step::Roll(_)) => {
                self.observer.warn(not_guarded(&id, &error));
                self.let_go().await;
                self.memory.denied.add(Denial::GuardedRollout);
            }
            _ => return Err(error.into()),
        }
        Ok(())
    }
}

fn not_guarded(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The provider could not roll out the change to {id}"),
        format!(
            "Cause: {error}.\n\nThe operator restarts the pods instead, and writes may fail for half a \
             minute. A guarded rollout needs the rights to create pods/portforward, to get Secrets, and to \
             delete and patch pods. In the operator's namespace it needs the rights to list Deployments and \
             pods, and to get pods/log. If the password changes and the rights were missing only for a part of the apply, a \
             pod may accept the former password until it restarts."
        ),
    )
}

fn not_enlarged(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The operator adds the pods of {id}"),
        format!(
            "Cause: {error}.\n\nThe operator adds the pods one after the other. If it looks at a new pod just before the pod \
             follows the master, the Service leads to both for some seconds, and what is written to the new pod is lost. \
             To add pods while the operator is paused, the provider needs the right to patch statefulsets/scale."
        ),
    )
}

fn not_labelled(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The Services of {id} reach no pod until its pods are replaced"),
        format!(
            "Cause: {error}.\n\nThe operator's Services select pods by the new labels at once, but pods get \
             the new labels only when they are replaced. Clients that are already connected to a node \
             continue to work. To label the pods beforehand, the provider needs the right to patch pods."
        ),
    )
}

pub(super) fn one_password(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("Clients of {id} may be refused while its pods are replaced"),
        format!(
            "Cause: {why}.\n\nUntil all pods have been replaced, restarted pods accept only the new password \
             and the other pods only the former one, so some keys cannot be reached. To let every pod accept \
             both passwords, the provider needs the rights to create pods/portforward and to get Secrets."
        ),
    )
}

fn not_written(address: &ObjectRef, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The {address} was not written"),
        format!("Cause: {error}.\n\nThe apply continues without this object."),
    )
}

fn keeps_its_labels(address: &ObjectRef, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The labels and annotations of the {address} were not updated"),
        format!(
            "Cause: {error}.\n\nThe {address} keeps its former labels and annotations, which differ from the \
             configuration."
        ),
    )
}
