//! The Secret with a password of ours. Its data is written once; its labels and annotations follow the configuration.

use serde_json::Value as Json;

use super::super::build::secret;
use super::super::failure::refused;
use super::super::password;
use super::{Failure, Rollout};
use crate::kubernetes::{self, Cause as Refusal, FIELD_MANAGER, ObjectRef};
use crate::redis::names::INSTANCE_LABEL;
use crate::redis::object::{at, label, list, text};
use crate::terraform::{Diagnostic, Path};

impl Rollout<'_> {
    pub(super) async fn create_secret(&mut self, name: &str) -> Result<(), Failure> {
        let address = self.addresses.secret(name);
        let given = self.instance.authentication.password_wo.as_ref();
        let password = given.map_or_else(|| password::random(32), |password| password.expose().to_owned());
        let body = secret(&self.instance, name, &password);
        match self.create_surely(&address, &body).await {
            Ok(_) => self.made.push(address),
            // A run that was cut off made it: it is immutable, so it still has the password of that run.
            Err(kubernetes::Error { cause: Refusal::AlreadyExists, .. }) => {
                let found = self.cluster.get_metadata(&address, self.deadline).await?.found();
                let ours = |found: &Json| label(found, INSTANCE_LABEL) == Some(self.addresses.name.as_str());
                if !found.as_ref().is_some_and(ours) {
                    return Err(Failure::Problem(secret_taken(&address)));
                }
                if found.as_ref().is_some_and(is_owned) {
                    self.disown(&address).await?;
                }
            }
            Err(error) if matches!(error.cause, Refusal::NamespaceMissing { .. }) => return Err(error.into()),
            // A webhook may quote what it refuses.
            Err(error) => return Err(Failure::Problem(password::redacted(refused(&error), &password))),
        }
        self.observed.secret_exists = true;
        Ok(())
    }

    /// The metadata that a Secret of ours is to have.
    pub(super) fn labels_of_secret(&self, name: &str) -> Json {
        at(&secret(&self.instance, name, ""), &["metadata"]).clone()
    }

    /// Nothing depends on it, so without the right to patch Secrets it stays as it is.
    pub(super) async fn label_secret(&mut self, name: &str) -> Result<(), kubernetes::Error> {
        let address = self.addresses.secret(name);
        let found = self.cluster.get_metadata(&address, self.deadline).await?.found();
        if let Some(patch) = found.and_then(|found| labelling(&self.labels_of_secret(name), &found)) {
            match self.cluster.merge_patch(&address, &patch, None, self.deadline).await {
                Err(error) if matches!(error.cause, Refusal::Forbidden { .. }) => {
                    self.record.warn(not_labelled(&address, &error));
                }
                outcome => drop(outcome?),
            }
        }
        self.observed.secret_is_mislabelled = false;
        Ok(())
    }

    /// A destroy that was cut off had handed it over to a custom resource that is going: it must not go with it.
    pub(super) async fn disown(&mut self, address: &ObjectRef) -> Result<(), kubernetes::Error> {
        let disowned = serde_json::json!({ "metadata": { "ownerReferences": null } });
        self.cluster.merge_patch(address, &disowned, None, self.deadline).await.map(drop)
    }
}

/// A merge patch that gives an object these labels and annotations, and takes away those that we gave it before; `None` where it
/// is as it should be. Those of others stay.
pub(super) fn labelling(wanted: &Json, found: &Json) -> Option<Json> {
    let mut patch = serde_json::Map::new();
    for field in ["labels", "annotations"] {
        let (wanted, there) = (at(wanted, &[field]), at(found, &["metadata", field]));
        let differs = |name: &str, value: &Json| there.get(name) != Some(value);
        let entries = wanted.as_object().into_iter().flatten();
        let mut changes: serde_json::Map<String, Json> = entries
            .filter(|(name, value)| differs(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let superfluous =
            ours(found, field).filter(|name| wanted.get(*name).is_none() && there.get(*name).is_some());
        changes.extend(superfluous.map(|name| (name.to_owned(), Json::Null)));
        if !changes.is_empty() {
            patch.insert(field.to_owned(), Json::Object(changes));
        }
    }
    (!patch.is_empty()).then(|| serde_json::json!({ "metadata": patch }))
}

/// The names of the labels or annotations that we have written, as the API server keeps account of it.
fn ours<'f>(found: &'f Json, field: &str) -> impl Iterator<Item = &'f str> {
    let entries = list(found, &["metadata", "managedFields"]).iter();
    let ours = entries.filter(|entry| text(entry, &["manager"]) == Some(FIELD_MANAGER));
    let path = format!("f:{field}");
    ours.filter_map(move |entry| at(entry, &["fieldsV1", "f:metadata", &path]).as_object())
        .flat_map(|fields| fields.keys().filter_map(|name| name.strip_prefix("f:")))
}

fn not_labelled(address: &ObjectRef, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The {address} keeps its labels and annotations"),
        format!(
            "They are not those of the configuration, and these credentials may not patch Secrets: {error}."
        ),
    )
}

pub(super) fn is_owned(object: &Json) -> bool {
    !list(object, &["metadata", "ownerReferences"]).is_empty()
}

fn secret_taken(address: &ObjectRef) -> Diagnostic {
    Diagnostic::error(
        format!("The {address} exists already"),
        "The provider keeps the password in a Secret of this name, and this one is not its own; nothing was changed. \
         To use the password in it, set authentication.existing_secret. Otherwise delete it, or choose another name \
         for the instance.",
    )
    .at(Path::of("authentication"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_of_ours_follow_and_those_of_others_stay() {
        let found = json!({ "metadata": {
            "labels": { "team": "one", "old": "yes", "theirs": "x" },
            "annotations": { "note": "n" },
            "managedFields": [
                { "manager": "kubectl", "fieldsV1": { "f:metadata": { "f:labels": { "f:theirs": {} } } } },
                { "manager": FIELD_MANAGER, "fieldsV1": { "f:data": { "f:password": {} }, "f:metadata": {
                    "f:labels": { ".": {}, "f:team": {}, "f:old": {} }, "f:annotations": { "f:note": {}, "f:gone": {} },
                } } },
            ],
        } });
        let wanted = json!({ "labels": { "team": "two" }, "annotations": { "note": "n" } });
        let patch = json!({ "metadata": { "labels": { "team": "two", "old": null } } });
        assert_eq!(labelling(&wanted, &found), Some(patch));
        let same = json!({ "labels": { "team": "one", "old": "yes" }, "annotations": { "note": "n" } });
        assert_eq!(labelling(&same, &found), None);
    }
}
