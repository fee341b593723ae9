//! Refused requests: those that may heal become an obstacle, those that the run can do without are remembered, any other ends
//! the run.

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

    /// Without the rights for a guarded rollout, the operator rolls the pods; and a cluster is mended without a proof that the
    /// operator is kept off.
    async fn do_without(&mut self, step: &Step, error: kubernetes::Error) -> Result<(), Failure> {
        let id = self.addresses.to_string();
        match (self.desired.topology, step) {
            (_, Step::LabelObject(key)) => {
                self.observer.warn(keeps_its_labels(&address(key), &error));
                self.memory.denied.add(Denial::Metadata(key.clone()));
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
        format!("{id} was not rolled by the provider"),
        format!(
            "The operator restarts the pods then, and writes may fail for half a minute: {error}.\n\nA guarded rollout needs \
             the rights to create pods/portforward, to get Secrets, to delete and patch pods, and in the operator's \
             namespace to list Deployments and pods and to get pods/log."
        ),
    )
}

fn not_labelled(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The Services of {id} lead nowhere until its pods are replaced"),
        format!(
            "The operator selects pods by the labels of the instance, and its pods have those that are new only once it has \
             replaced them; clients that know a node go on meanwhile: {error}.\n\nTo label the pods before needs the right to \
             patch pods."
        ),
    )
}

pub(super) fn one_password(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("Not both passwords of {id} are valid while its pods are replaced"),
        format!(
            "A pod that has restarted refuses the former password, and one that has not refuses the new one, so some keys \
             cannot be reached until all pods have been replaced: {why}.\n\nTo tell each pod of both needs the rights to \
             create pods/portforward and to get Secrets."
        ),
    )
}

fn not_written(address: &ObjectRef, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The {address} was not written"),
        format!("Apply goes on without it: {error}."),
    )
}

fn keeps_its_labels(address: &ObjectRef, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The {address} keeps its labels and annotations"),
        format!(
            "They are not those of the configuration, and these credentials may not patch Secrets: {error}."
        ),
    )
}
