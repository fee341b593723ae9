//! Create, update and delete: one loop, `observe → next → do`. What to do is decided in `redis::next`; here it
//! is done, and waited for. Being cut off anywhere is ordinary: the next apply observes and goes on.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::build::wanted_secret;
use super::cluster::Addresses;
use super::failure;
use super::model::{AuthSecret, Instance};
use super::rollout::{Operation, Rollout};
use super::settle::settle;
use super::state::DELETION;
use super::{InstanceResource, adopt, password};
use crate::kubernetes::{self, Cause as Refusal, Cluster, Lookup};
use crate::redis::names::{self, PASSWORD_KEY, annotation};
use crate::redis::object::{annotation as mark, is_terminating};
use crate::redis::opstree::Kind;
use crate::resources::connection::Connection;
use crate::terraform::Diagnostic;
use crate::terraform::attribute::Change as Class;
use crate::terraform::record::Record;
use crate::terraform::resource::{Call, Change, Problems};

/// Does what was planned.
pub async fn apply(
    connection: &Connection,
    change: Change<InstanceResource>,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    let cluster = connection.cluster().map_err(|reason| vec![reason.diagnostic()])?;
    match change {
        Change::Create { planned } => create(&cluster, settle(&planned, None)?, record, call).await,
        Change::Update { prior, planned, changes } => {
            let instance = settle(&planned, Some(&prior))?;
            let for_the_cluster = changes.iter().any(|changed| changed.change != Class::ProviderOnly);
            if !for_the_cluster && prior.repairs.is_empty() {
                record.save(&instance, &instance.identity());
                return Ok(());
            }
            let refused = super::plan::refusals(&prior, &planned, &changes);
            if !refused.is_empty() {
                return Err(refused);
            }
            let operation = if for_the_cluster { Operation::Update } else { Operation::Mend };
            update(&cluster, operation, prior, instance, record, call).await
        }
        Change::Delete { prior } => super::delete::delete(&cluster, prior, record, call).await,
    }
}

async fn create(
    cluster: &Cluster,
    mut instance: Instance,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    let deadline = Instant::now() + instance.timeouts.create.length;
    let addresses = instance.addresses();
    let existing = existing(cluster, &addresses, deadline).await?;
    let clash = clashing(cluster, &addresses, deadline).await?;
    if let Some(kind) = clash {
        return Err(vec![failure::name_clashes(&addresses, kind)]);
    }
    if !instance.adopt_existing
        && let Some(taken) = taken(&addresses, &existing)
    {
        return Err(vec![taken]);
    }
    instance.auth_secret = wanted_secret(&instance);
    let length = instance.timeouts.create.length;
    let adopting = !existing.is_empty() && instance.adopt_existing;
    if adopting {
        let diagnostics = adopt::judge(cluster, &addresses, &existing, &instance, deadline).await?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            // What would follow from it does not, then.
            return Err(diagnostics.into_iter().filter(Diagnostic::is_error).collect());
        }
        diagnostics.into_iter().for_each(|warning| record.warn(warning));
    }
    Rollout::new(cluster, instance, Operation::Create, existing, record, call, length)
        .adopting(adopting)
        .run()
        .await
}

/// The custom resources that are there.
async fn existing(
    cluster: &Cluster,
    addresses: &Addresses,
    deadline: Instant,
) -> Result<Vec<Json>, Problems> {
    let mut existing = Vec::new();
    for kind in addresses.topology.kinds() {
        match cluster.get(&addresses.custom_resource(*kind), deadline).await {
            Ok(lookup) => existing.extend(lookup.found()),
            Err(error) => return Err(vec![failure::refused(&error)]),
        }
    }
    Ok(existing)
}

/// A custom resource of another kind whose objects would have the names of ours.
async fn clashing(
    cluster: &Cluster,
    addresses: &Addresses,
    deadline: Instant,
) -> Result<Option<Kind>, Problems> {
    for kind in addresses.topology.clashes() {
        match cluster.get_metadata(&addresses.custom_resource(*kind), deadline).await {
            Ok(Lookup::Found(_)) => return Ok(Some(*kind)),
            Ok(_) => {}
            // Who may not see that kind is not kept from making another.
            Err(kubernetes::Error { cause: Refusal::Forbidden { .. }, .. }) => {}
            Err(error) => return Err(vec![failure::refused(&error)]),
        }
    }
    Ok(None)
}

/// Why the name cannot be used: something of that name was not made by a create that was cut off. Sentinels that have
/// lost their data to a deletion by hand are taken over if they bear our mark.
fn taken(addresses: &Addresses, existing: &[Json]) -> Option<Diagnostic> {
    let data = existing.iter().find(|one| Kind::of(one) == Some(addresses.topology.data()));
    let resumed = data.is_some_and(|data| mark(data, annotation::UNFINISHED) == Some("creating"));
    existing.iter().find_map(|one| {
        let kind = Kind::of(one)?;
        let carries_data = kind == addresses.topology.data();
        let by_us = mark(one, annotation::CLAIM).is_some();
        let free = is_terminating(one) || resumed || (by_us && !carries_data && data.is_none());
        (!free).then(|| failure::name_taken(addresses, kind, by_us))
    })
}

async fn update(
    cluster: &Cluster,
    operation: Operation,
    prior: Instance,
    mut instance: Instance,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    let length = instance.timeouts.update.length;
    let deadline = Instant::now() + length;
    let addresses = instance.addresses();
    if addresses.topology != prior.topology() {
        return Err(vec![failure::replaces_late(&prior, &addresses)]);
    }
    let existing = existing(cluster, &addresses, deadline).await?;
    let data = existing.iter().find(|one| Kind::of(one) == Some(addresses.topology.data()));
    let going = data.map_or(prior.repairs.contains_key(DELETION), is_terminating);
    let planned_secret = instance.auth_secret.take();
    instance.auth_secret = match secret_of_update(cluster, &prior, &instance, deadline).await {
        // New pods take whatever password a Secret of that name has.
        Ok(_) if going && planned_secret.is_some() => planned_secret.clone(),
        Ok(secret) => secret,
        Err(error) => return Err(vec![failure::refused(&error)]),
    };
    if planned_secret.is_some() && planned_secret != instance.auth_secret {
        return Err(vec![failure::secret_went(&instance)]);
    }
    Rollout::new(cluster, instance, operation, existing, record, call, length)
        .making_anew(going)
        .coming_from(prior.auth_secret)
        .run()
        .await
}

/// Where the password is to be: where it was, unless it is rotated, or a password that nobody else knows is lost
/// with its Secret. A new Secret has a new name, since only that restarts the pods.
async fn secret_of_update(
    cluster: &Cluster,
    prior: &Instance,
    instance: &Instance,
    deadline: Instant,
) -> Result<Option<AuthSecret>, kubernetes::Error> {
    if rotated(cluster, prior, instance, deadline).await? {
        return Ok(wanted_secret(instance));
    }
    let Some(current) = &prior.auth_secret else { return Ok(None) };
    let authentication = &instance.authentication;
    let generated = authentication.existing_secret.is_none() && authentication.password_wo.is_none();
    let address = instance.addresses().secret(&current.name);
    if generated && cluster.get_metadata(&address, deadline).await? == Lookup::Absent {
        let name = names::secret(&instance.name.0, &password::random(16));
        return Ok(Some(AuthSecret { name, key: PASSWORD_KEY.to_owned() }));
    }
    Ok(Some(current.clone()))
}

/// Whether the password is to be another one than before. A new version of the same password is none.
async fn rotated(
    cluster: &Cluster,
    prior: &Instance,
    instance: &Instance,
    deadline: Instant,
) -> Result<bool, kubernetes::Error> {
    let (before, after) = (&prior.authentication, &instance.authentication);
    let Some(current) = &prior.auth_secret else { return Ok(before.enabled != after.enabled) };
    let same_source = before.enabled == after.enabled && before.existing_secret == after.existing_secret;
    if same_source && before.rotate == after.rotate && before.password_wo_version == after.password_wo_version
    {
        return Ok(false);
    }
    let Some(password) = after.password_wo.as_ref().filter(|_| same_source) else { return Ok(true) };
    let address = instance.addresses().secret(&current.name);
    match cluster.get(&address, deadline).await? {
        Lookup::Found(found) => Ok(!password::is(&found, &current.key, password.expose())),
        Lookup::Absent | Lookup::KindMissing => Ok(true),
    }
}
