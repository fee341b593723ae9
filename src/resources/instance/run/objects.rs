//! The writes of our own objects.

use super::super::failure::refused;
use super::super::model::ManagedObject;
use super::super::objects::{address, taken};
use super::{Failure, Run};
use crate::kubernetes::{self, Cause as RequestCause, Propagation};
use crate::redis::object::removal;
use crate::redis::objects::{Found, Key, labelling};
use crate::resources::redaction::Redaction;
use crate::resources::write;

impl Run<'_> {
    /// The one write of an object whose data is written once.
    pub(super) async fn create_object(&mut self, key: &Key) -> Result<(), Failure> {
        let Some(once) = self.once.iter().find(|once| once.key == *key) else { return Ok(()) };
        let address = address(key);
        let written = match write::create_surely(self.cluster, &address, &once.body, self.deadline).await {
            Ok(_) => {
                self.remember_made(key);
                // The answer contains the data, which must stay secret.
                self.cluster.get_metadata(&address, self.deadline).await?.found()
            }
            // An earlier run that was cut off may have created the object: then the object still has the data
            // of that run.
            Err(kubernetes::Error { cause: RequestCause::AlreadyExists, .. }) => {
                let found = self.cluster.get_metadata(&address, self.deadline).await?.found();
                let is_ours = |object: &serde_json::Value| {
                    let found = Found { key: key.clone(), object: object.clone() };
                    found.is_of(&self.addresses.namespace, &self.addresses.name)
                };
                if !found.as_ref().is_some_and(is_ours) {
                    return Err(Failure::Problem(taken(key)));
                }
                found
            }
            Err(error) if matches!(error.cause, RequestCause::NamespaceMissing { .. }) => {
                return Err(error.into());
            }
            // A webhook may quote the object that it refuses.
            Err(error) => {
                let redaction = Redaction::of([&once.secret]);
                return Err(Failure::Problem(redaction.diagnostic(refused(&error))));
            }
        };
        self.picture.set_object(key, written);
        Ok(())
    }

    pub(super) async fn apply_object(&mut self, key: &Key) -> Result<(), kubernetes::Error> {
        let Some(wanted) = self.desired.object(key) else { return Ok(()) };
        let address = address(key);
        // A null marks what must not be there. The API server reads a null differently, so the field is left
        // out instead.
        let body = crate::redis::object::without_nulls(&wanted.object);
        let force = self.settings.force;
        // Server-side apply leaves alone what others have added, and the API server may refuse both together.
        let found = self.picture.object(key).map(|found| wanted.differences(&found.object));
        if let Some(removal) = found.and_then(|differences| removal(&differences)) {
            self.cluster.merge_patch(&address, &removal, None, self.deadline).await?;
        }
        let written = write::apply(self.cluster, &address, &body, None, force, self.deadline).await?;
        // An object that existed before must not be deleted again.
        if self.picture.object(key).is_none() {
            self.remember_made(key);
        }
        self.picture.set_object(key, Some(written));
        Ok(())
    }

    pub(super) async fn label_object(&mut self, key: &Key) -> Result<(), kubernetes::Error> {
        let (Some(wanted), Some(found)) = (self.desired.object(key), self.picture.object(key)) else {
            return Ok(());
        };
        if let Some(patch) = labelling(&wanted.object, &found.object) {
            let address = address(key);
            match self.cluster.merge_patch(&address, &patch, None, self.deadline).await {
                Err(error) if is_gone(&error) => return self.forget_object(key),
                patched => patched?,
            };
            let labelled = self.cluster.get_metadata(&address, self.deadline).await?.found();
            self.picture.set_object(key, labelled);
        }
        Ok(())
    }

    pub(super) async fn disown_object(&mut self, key: &Key) -> Result<(), kubernetes::Error> {
        let address = address(key);
        match write::disown(self.cluster, &address, self.deadline).await {
            // The owner is being deleted, and the object was deleted with it.
            Err(error) if is_gone(&error) => return self.forget_object(key),
            disowned => disowned?,
        };
        let Some(mut found) = self.picture.object(key).cloned() else { return Ok(()) };
        found.object["metadata"]["ownerReferences"] = serde_json::Value::Null;
        self.picture.set_object(key, Some(found.object));
        Ok(())
    }

    /// Notes an object to take back if the custom resource cannot be written. An object that the state knows was
    /// only restored, and stays.
    fn remember_made(&mut self, key: &Key) {
        let Key { kind, namespace, name, .. } = key;
        let is_known =
            |one: &ManagedObject| one.kind == *kind && one.namespace == *namespace && one.name == *name;
        if !self.known.iter().any(is_known) {
            self.made.push(address(key));
        }
    }

    /// The next look creates it again, if it is wanted.
    fn forget_object(&mut self, key: &Key) -> Result<(), kubernetes::Error> {
        self.picture.set_object(key, None);
        Ok(())
    }

    pub(super) async fn delete_object(&mut self, key: &Key) -> Result<(), kubernetes::Error> {
        self.cluster.delete(&address(key), None, Propagation::Background, self.deadline).await?;
        self.picture.set_object(key, None);
        Ok(())
    }
}

/// Whether an object was deleted between our look and our write.
fn is_gone(error: &kubernetes::Error) -> bool {
    matches!(error.cause, RequestCause::NotFound)
}
