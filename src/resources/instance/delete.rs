//! Destroy: the custom resources first, then everything that the operator created, then our own objects.

use serde_json::Value as Json;
use tokio::time::{Instant, sleep_until};

use super::InstanceResource;
use super::addresses::Addresses;
use super::build::build;
use super::failure::{explain_delete, refused};
use super::gather::Gather;
use super::model::Instance;
use super::objects::address;
use super::run::Ended;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, ObjectRef, Propagation, Watched};
use crate::redis::next::{Leaving, next_delete};
use crate::redis::object;
use crate::redis::objects::Key;
use crate::redis::opstree::api_version;
use crate::redis::picture::Picture;
use crate::redis::step::{Next, Removal};
use crate::redis::waiting::Waiting;
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
        "Its deletion_protection is true. To destroy or replace the instance and lose its data, first apply \
         the configuration with deletion_protection = false.",
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
        let mut picture = self.first_look().await.map_err(Failure::Refused)?;
        let mut watched = self.addresses.watch(self.cluster);
        let leaving = Leaving {
            topology: self.addresses.topology,
            namespace: &self.addresses.namespace,
            claim: &self.prior.claim,
            retained: self.prior.persistence.retain_on_delete,
        };
        loop {
            match next_delete(leaving, &picture) {
                Next::Done => return Ok(()),
                Next::Do(removal) => self.act(&removal, &mut picture).await?,
                Next::Wait(waiting) | Next::Stuck(waiting) => {
                    self.wait(&mut watched, waiting).await?;
                    for kind in self.addresses.topology.kinds() {
                        let shown = watched.get(&self.addresses.custom_resource(*kind)).cloned();
                        picture.set_custom_resource(*kind, shown);
                    }
                    picture.running = Some(self.addresses.running(&watched));
                }
            }
        }
    }

    async fn first_look(&self) -> Result<Picture, kubernetes::Error> {
        let gather = Gather::fresh(self.cluster, self.addresses, self.deadline);
        let mut picture = Picture::default();
        gather.custom_resources(&mut picture).await?;
        gather.wanted(&build(self.prior, false, true).objects, &mut picture).await?;
        gather.labelled(&self.prior.objects, &mut picture).await?;
        Ok(picture)
    }

    async fn act(&self, removal: &Removal, picture: &mut Picture) -> Result<(), Failure> {
        tracing::info!(instance = %self.prior.id, step = removal.name(), "doing");
        let going = |object: &mut Json| object["metadata"]["deletionTimestamp"] = Json::from("now");
        match removal {
            Removal::HandOver { key, owner } => {
                self.hand_over(key, owner).await?;
                if let Some(mut found) = picture.object(key).cloned() {
                    found.object["metadata"]["ownerReferences"] = serde_json::json!([{ "uid": owner }]);
                    picture.set_object(key, Some(found.object));
                }
            }
            Removal::DeleteObject(key) => {
                self.delete(&address(key), None).await?;
                picture.set_object(key, None);
            }
            Removal::DeleteClaim { name, uid } => {
                self.delete(&self.addresses.claim(name), Some(uid)).await?;
                if let Some(running) = &mut picture.running {
                    let is_it = |claim: &&mut Json| object::uid(claim) == Some(uid);
                    running.claims.iter_mut().filter(is_it).for_each(going);
                }
            }
            Removal::DeleteCustomResource { kind, uid } => {
                self.delete(&self.addresses.custom_resource(*kind), uid.as_deref()).await?;
                // The watch reports what is left; until it does, the object counts as being deleted.
                if let Some(mut left) = picture.custom_resource(*kind).cloned() {
                    going(&mut left);
                    picture.set_custom_resource(*kind, Some(left));
                }
            }
        }
        Ok(())
    }

    async fn delete(&self, object: &ObjectRef, uid: Option<&str>) -> Result<(), Failure> {
        match self.cluster.delete(object, uid, Propagation::Background, self.deadline).await {
            // A new object already has this name; the watch will show it.
            Ok(_) | Err(kubernetes::Error { cause: RequestCause::Replaced, .. }) => Ok(()),
            Err(error) => Err(Failure::Refused(error)),
        }
    }

    /// An object that is gone needs no owner. Without the right to patch it, the object is deleted all the
    /// same, but not if this run is cut off.
    async fn hand_over(&self, key: &Key, owner: &str) -> Result<(), Failure> {
        let owner = serde_json::json!({
            "apiVersion": api_version(),
            "kind": self.addresses.topology.data().kind(),
            "name": self.addresses.name,
            "uid": owner,
        });
        let owned = serde_json::json!({ "metadata": { "ownerReferences": [owner] } });
        match self.cluster.merge_patch(&address(key), &owned, None, self.deadline).await {
            Ok(_) | Err(kubernetes::Error { cause: RequestCause::NotFound, .. }) => Ok(()),
            Err(error @ kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => {
                tracing::debug!(%error, "continuing without an owner");
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
