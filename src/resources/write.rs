//! Writes that all our resources perform in the same way: server-side apply with a rule for conflicts, a
//! create with a certain result, and the takeover of an object that another tool has created.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use crate::kubernetes::{Apply, Cause, Cluster, Error, FIELD_MANAGER, ObjectRef};
use crate::redis::object::{list, text, uid};

/// Command-line tools with which people edit by hand. A refresh has shown their changes and the plan has
/// announced to undo them, so they are no conflict; a controller's field is one.
const TOOLS: [&str; 10] = [
    "kubectl",
    "kubectl-edit",
    "kubectl-patch",
    "kubectl-replace",
    "kubectl-set",
    "kubectl-label",
    "kubectl-annotate",
    "kubectl-scale",
    "kubectl-create",
    "kubectl-client-side-apply",
];

/// How often a create is sent if its answer was lost.
const TRIES: u32 = 4;
/// Pause between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// Server-side apply. `force` takes over fields that another controller owns; fields that a person with
/// kubectl owns are taken over anyway.
///
/// # Errors
/// As [`Cluster::apply`]; a conflict only with managers other than command-line tools.
pub async fn apply(
    cluster: &Cluster,
    address: &ObjectRef,
    body: &Json,
    uid: Option<&str>,
    force: bool,
    deadline: Instant,
) -> Result<Json, Error> {
    let apply = |force| Apply { force, uid, deadline };
    match cluster.apply(address, body, apply(force)).await {
        Err(Error { cause: Cause::Conflict { fields }, .. })
            if fields.iter().all(|field| TOOLS.contains(&field.manager.as_str())) =>
        {
            cluster.apply(address, body, apply(true)).await
        }
        outcome => outcome,
    }
}

/// A create whose answer was lost may or may not have been carried out. Sending it again shows which, and is
/// harmless.
///
/// # Errors
/// As [`Cluster::create`].
pub async fn create_surely(
    cluster: &Cluster,
    address: &ObjectRef,
    body: &Json,
    deadline: Instant,
) -> Result<Json, Error> {
    let mut tries = 1;
    loop {
        match cluster.create(address, body, deadline).await {
            Err(error) if error.cause.may_pass() && tries < TRIES && Instant::now() < deadline => {
                tracing::debug!(%error, tries, "trying again");
                tries += 1;
                sleep(BETWEEN_TRIES).await;
            }
            outcome => return outcome,
        }
    }
}

/// Takes over an object that is imported or adopted: the tool that created it keeps none of its fields. A
/// field that the tool owned beside us would be a conflict with every later change. The owners of status
/// fields stay.
///
/// # Errors
/// As [`Cluster::merge_patch`].
pub async fn take_over(
    cluster: &Cluster,
    address: &ObjectRef,
    written: &Json,
    deadline: Instant,
) -> Result<Json, Error> {
    let all = list(written, &["metadata", "managedFields"]).iter();
    let stays = |entry: &&Json| {
        text(entry, &["manager"]) == Some(FIELD_MANAGER) || text(entry, &["subresource"]).is_some()
    };
    let ours: Vec<&Json> = all.filter(stays).collect();
    let patch = serde_json::json!({ "metadata": { "managedFields": ours } });
    cluster.merge_patch(address, &patch, uid(written), deadline).await
}

/// Removes the owner that a destroy has set before it was cut off: the owner is being deleted, and the object
/// must not be deleted with it.
///
/// # Errors
/// As [`Cluster::merge_patch`].
pub async fn disown(cluster: &Cluster, address: &ObjectRef, deadline: Instant) -> Result<Json, Error> {
    let disowned = serde_json::json!({ "metadata": { "ownerReferences": null } });
    cluster.merge_patch(address, &disowned, None, deadline).await
}

#[cfg(test)]
mod tests {
    use crate::kubernetes::FIELD_MANAGER;
    use crate::redis::names::MANAGER;

    #[test]
    fn we_are_one_manager() {
        assert_eq!(FIELD_MANAGER, MANAGER);
    }
}
