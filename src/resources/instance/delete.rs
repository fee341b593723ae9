//! Destroy: the custom resources first, then all that the operator made, then what we made.

use serde_json::Value as Json;
use tokio::time::{Instant, sleep_until};

use super::InstanceResource;
use super::cluster::Addresses;
use super::failure::{Ended, explain_delete, refused};
use super::model::Instance;
use crate::kubernetes::{self, Cluster, ObjectRef, Propagation, Watched};
use crate::redis::next::{Companion, Next, Observed, Step, Waiting, next_delete};
use crate::redis::object::text;
use crate::redis::opstree::api_version;
use crate::terraform::Diagnostic;
use crate::terraform::record::Record;
use crate::terraform::resource::{Call, Problems};

/// Deletes the instance and waits until nothing of it is left.
pub async fn delete(
    cluster: &Cluster,
    prior: Instance,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    if prior.deletion_protection {
        return Err(vec![protected(&prior)]);
    }
    let length = prior.timeouts.delete.length;
    let deadline = Instant::now() + length;
    let addresses = prior.addresses();
    let deletion = Deletion { cluster, addresses: &addresses, prior: &prior, call, deadline };
    match deletion.run().await {
        Ok(()) => {
            record.gone();
            Ok(())
        }
        Err(Failure::Refused(error)) => Err(vec![refused(&error)]),
        Err(Failure::Wait(waiting, stopped)) => {
            let ended = if stopped { Ended::Stopped } else { Ended::TimedOut(length) };
            Err(vec![explain_delete(cluster, &addresses, &waiting, ended).await])
        }
    }
}

/// Why an instance is not destroyed.
pub fn protected(instance: &Instance) -> Diagnostic {
    Diagnostic::error(
        format!("{} is protected against deletion", instance.id),
        "Its deletion_protection is true. To destroy or replace it, and lose its data, first apply the \
         configuration with deletion_protection = false.",
    )
    .at(crate::terraform::Path::of("deletion_protection"))
}

enum Failure {
    Refused(kubernetes::Error),
    Wait(Waiting, bool),
}

struct Deletion<'a> {
    cluster: &'a Cluster,
    addresses: &'a Addresses,
    prior: &'a Instance,
    call: &'a Call,
    deadline: Instant,
}

impl Deletion<'_> {
    async fn run(&self) -> Result<(), Failure> {
        let mut observed = Observed {
            companions: self
                .addresses
                .companions(self.cluster, self.deadline)
                .await
                .map_err(Failure::Refused)?,
            ..Observed::default()
        };
        for kind in self.addresses.topology.kinds() {
            let address = self.addresses.custom_resource(*kind);
            let found = self.cluster.get(&address, self.deadline).await.map_err(Failure::Refused)?.found();
            observed.set_custom_resource(*kind, found);
        }
        let mut watched = self.addresses.watch(self.cluster);
        let retained = self.prior.persistence.retain_on_delete;
        loop {
            match next_delete(self.addresses.topology, &self.prior.claim, retained, &observed) {
                Next::Done => return Ok(()),
                Next::Do(step) => self.act(&step, &mut observed).await?,
                Next::Wait(waiting) | Next::Stuck(waiting) => {
                    self.wait(&mut watched, waiting).await?;
                    for kind in self.addresses.topology.kinds() {
                        let shown = watched.get(&self.addresses.custom_resource(*kind)).cloned();
                        observed.set_custom_resource(*kind, shown);
                    }
                    observed.running = Some(self.addresses.running(&watched));
                }
            }
        }
    }

    async fn act(&self, step: &Step, observed: &mut Observed) -> Result<(), Failure> {
        tracing::info!(instance = %self.prior.id, step = step.name(), "doing");
        match step {
            Step::HandOver { companion, uid } => {
                self.hand_over(companion, uid).await?;
                let is_it = |one: &&mut Companion| *one == companion;
                observed.companions.iter_mut().filter(is_it).for_each(|one| one.owned = true);
            }
            Step::DeleteCompanion(companion) => {
                self.delete(&self.addresses.companion(companion.kind, &companion.name), None).await?;
                observed.companions.retain(|one| one != companion);
            }
            Step::DeleteClaim { name, uid } => {
                self.delete(&self.addresses.claim(name), Some(uid)).await?;
                if let Some(running) = &mut observed.running {
                    let is_it = |claim: &&mut Json| text(claim, &["metadata", "uid"]) == Some(uid);
                    let going = |claim: &mut Json| claim["metadata"]["deletionTimestamp"] = Json::from("now");
                    running.claims.iter_mut().filter(is_it).for_each(going);
                }
            }
            Step::DeleteCustomResource { kind, uid } => {
                self.delete(&self.addresses.custom_resource(*kind), uid.as_deref()).await?;
                // What is left is for the watch to say; until it does, the object counts as going.
                if let Some(mut going) = observed.custom_resource(*kind).cloned() {
                    going["metadata"]["deletionTimestamp"] = Json::from("now");
                    observed.set_custom_resource(*kind, Some(going));
                }
            }
            // Of create and update.
            _ => {}
        }
        Ok(())
    }

    async fn delete(&self, object: &ObjectRef, uid: Option<&str>) -> Result<(), Failure> {
        match self.cluster.delete(object, uid, Propagation::Background, self.deadline).await {
            // Another has its name already; it is for the watch to show.
            Ok(_) | Err(kubernetes::Error { cause: kubernetes::Cause::Replaced, .. }) => Ok(()),
            Err(error) => Err(Failure::Refused(error)),
        }
    }

    /// A companion that is gone needs no owner. Without the right to patch it, it is deleted all the same, only not if
    /// this run is cut off.
    async fn hand_over(&self, companion: &Companion, uid: &str) -> Result<(), Failure> {
        let owner = serde_json::json!({
            "apiVersion": api_version(),
            "kind": self.addresses.topology.data().kind(),
            "name": self.addresses.name,
            "uid": uid,
        });
        let owned = serde_json::json!({ "metadata": { "ownerReferences": [owner] } });
        let object = self.addresses.companion(companion.kind, &companion.name);
        match self.cluster.merge_patch(&object, &owned, None, self.deadline).await {
            Ok(_) | Err(kubernetes::Error { cause: kubernetes::Cause::NotFound, .. }) => Ok(()),
            Err(error @ kubernetes::Error { cause: kubernetes::Cause::Forbidden { .. }, .. }) => {
                tracing::debug!(%error, "going on without");
                Ok(())
            }
            Err(error) => Err(Failure::Refused(error)),
        }
    }

    async fn wait(&self, watched: &mut Watched, waiting: Waiting) -> Result<(), Failure> {
        tracing::info!(instance = %self.prior.id, why = waiting.why, "waiting");
        tokio::select! {
            changed = watched.changed() => changed.map_err(Failure::Refused),
            () = sleep_until(self.deadline) => Err(Failure::Wait(waiting, false)),
            () = self.call.cancelled.cancelled() => Err(Failure::Wait(waiting, true)),
        }
    }
}
