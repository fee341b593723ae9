//! Create and update of an instance: the checks before anything is written, then a run of the loop, then the
//! report to core.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::build::{build, still_held};
use super::model::{AuthSecret, Instance};
use super::objects::{once, wanted_secret};
use super::remains::Remains;
use super::run::{Run, Settings, Task};
use super::settle::settle;
use super::telling::{Operation, Telling, conclude};
use super::{InstanceResource, adopt, clashes, endpoints, existing_secret, failure, growth};
use crate::kubernetes::{self, Cluster, Lookup};
use crate::redis::names::{self, PASSWORD_KEY, annotation};
use crate::redis::next::next;
use crate::redis::object::{annotation as mark, is_terminating};
use crate::redis::opstree::{self, Kind, of_kind};
use crate::redis::password::PasswordAt;
use crate::redis::repair::Subject;
use crate::redis::topology::Topology;
use crate::resources::connection::Connection;
use crate::resources::password;
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
        Change::Create { planned } => {
            Box::pin(create(connection, &cluster, settle(&planned, None)?, record, call)).await
        }
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
            Box::pin(update(connection, &cluster, operation, prior, instance, record, call)).await
        }
        Change::Delete { prior } => super::delete::delete(&cluster, prior, record, call).await,
    }
}

async fn create(
    connection: &Connection,
    cluster: &Cluster,
    mut instance: Instance,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    let deadline = Instant::now() + instance.timeouts.create.length;
    let existing = existing(cluster, &instance.addresses(), deadline).await?;
    instance.app_labels = opstree::app_labels(&existing);
    let addresses = instance.addresses();
    if let Some(clash) = clashes::with_a_custom_resource(cluster, &addresses, deadline).await? {
        return Err(vec![failure::name_clashes(&addresses, clash)]);
    }
    if let Some(taken) = taken(&addresses, &existing, instance.adopt_existing) {
        return Err(vec![taken]);
    }
    let named = build(&instance, true, instance.wait.enabled);
    let clash = clashes::with_objects(connection, cluster, &addresses, &named, &existing, deadline).await?;
    if let Some(clash) = clash {
        return Err(vec![clash]);
    }
    if let Some(unusable) = existing_secret::unusable(cluster, &instance, deadline).await {
        return Err(vec![unusable]);
    }
    instance.auth_secret = wanted_secret(&instance);
    let remains = Remains { cluster, instance: &instance, existing: &existing, deadline };
    if let Some(problem) = remains.in_the_way().await? {
        return Err(vec![problem]);
    }
    let has_served = remains.has_served().await;
    let length = instance.timeouts.create.length;
    let adopting = !existing.is_empty() && instance.adopt_existing;
    if adopting {
        let diagnostics = adopt::judge(cluster, &addresses, &existing, &instance, deadline).await?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            // The consequences of a change are not lost then.
            return Err(diagnostics.into_iter().filter(Diagnostic::is_error).collect());
        }
        diagnostics.into_iter().for_each(|warning| record.warn(warning));
    }
    let mut desired = build(&instance, true, instance.wait.enabled);
    let data = of_kind(&existing, addresses.topology.data());
    let is_there =
        |data: &Json| !is_terminating(data) && mark(data, annotation::UNFINISHED) != Some("creating");
    // The pods of an existing cluster have something to lose, like those of an instance of ours.
    if adopting && addresses.topology == Topology::Cluster && data.is_some_and(is_there) {
        desired.creating = false;
    }
    let settings = Settings {
        // Adopted is every field that the configuration sets.
        force: instance.force_conflicts || adopting,
        ..settings(&instance, Operation::Create, length)
    };
    let telling = Telling::new(record, &instance, &desired, &[]);
    let task = Task {
        addresses,
        custom_resources: existing,
        known: Vec::new(),
        once: once(&instance, &desired.objects),
        desired,
        // An error must not taint an instance that serves.
        served: adopting || has_served,
        decide: next,
        settings,
    };
    let outcome = Run::new(cluster, task, call, &telling).until_done().await;
    conclude(cluster, Operation::Create, instance, outcome, record, deadline, &[]).await
}

/// The custom resources that exist.
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

/// Why the name cannot be used: an object of that name exists and does not come from a create of ours that
/// was cut off. An adoption takes what no state owns. Sentinels whose data was deleted by hand are taken over if they
/// have our mark.
fn taken(addresses: &Addresses, existing: &[Json], adopts: bool) -> Option<Diagnostic> {
    let data = of_kind(existing, addresses.topology.data());
    let resumed = data.is_some_and(|data| mark(data, annotation::UNFINISHED) == Some("creating"));
    existing.iter().find_map(|one| {
        let kind = Kind::of(one)?;
        let carries_data = kind == addresses.topology.data();
        let by_us = mark(one, annotation::CLAIM).is_some();
        let left_alone = by_us && !carries_data && data.is_none();
        let free = is_terminating(one) || resumed || left_alone || (adopts && !by_us);
        (!free).then(|| failure::name_taken(addresses, kind, by_us))
    })
}

async fn update(
    connection: &Connection,
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
    if let Some(unusable) = existing_secret::unusable(cluster, &instance, deadline).await {
        return Err(vec![unusable]);
    }
    let existing = existing(cluster, &addresses, deadline).await?;
    let data = of_kind(&existing, addresses.topology.data());
    let is_going = || prior.repairs.contains_key(&Subject::Deletion.to_string());
    let going = data.map_or_else(is_going, is_terminating);
    if instance.persistence.enabled && instance.persistence.size != prior.persistence.size && !going {
        match growth::refused(cluster, &instance, deadline).await {
            Ok(None) => {}
            Ok(Some(refused)) => return Err(vec![refused]),
            Err(error) => return Err(vec![failure::refused(&error)]),
        }
    }
    let planned_secret = instance.auth_secret.take();
    instance.auth_secret = match secret_of_update(cluster, &prior, &instance, deadline).await {
        // New pods would take whatever password a Secret of that name has.
        Ok(_) if going && planned_secret.is_some() => planned_secret.clone(),
        Ok(secret) => secret,
        Err(error) => return Err(vec![failure::refused(&error)]),
    };
    if planned_secret.is_some() && planned_secret != instance.auth_secret {
        return Err(vec![failure::secret_went(&instance)]);
    }
    // What is recreated is no longer as it was found.
    let is_there = |field: &str| {
        let is_it =
            |one: &Json| Kind::of(one).is_some_and(|kind| field.split(' ').next() == Some(kind.kind()));
        existing.iter().any(|one| is_it(one) && !is_terminating(one))
    };
    instance.as_found.retain(|field, _| is_there(field));
    instance.as_found = still_held(&instance);
    let mut desired = build(&instance, false, instance.wait.enabled);
    let clash = clashes::with_objects(connection, cluster, &addresses, &desired, &existing, deadline).await?;
    if let Some(clash) = clash {
        return Err(vec![clash]);
    }
    // An object that is being deleted cannot be changed: once it is gone, it is recreated.
    desired.creating = going;
    desired.takes_over = going;
    desired.former_password =
        prior.auth_secret.map(|AuthSecret { name, key }| PasswordAt { secret: name, key });
    let known = prior.objects;
    let telling = Telling::new(record, &instance, &desired, &known);
    let task = Task {
        addresses,
        custom_resources: existing,
        known: known.clone(),
        once: once(&instance, &desired.objects),
        desired,
        served: false,
        decide: next,
        settings: settings(&instance, operation, length),
    };
    let outcome = Run::new(cluster, task, call, &telling).until_done().await;
    conclude(cluster, operation, instance, outcome, record, deadline, &known).await
}

fn settings(instance: &Instance, operation: Operation, length: std::time::Duration) -> Settings {
    Settings {
        force: instance.force_conflicts,
        fail_fast: instance.wait.fail_fast,
        length,
        domain: endpoints::domain(instance).to_owned(),
        unfinished: match operation {
            Operation::Create => Some("creating"),
            Operation::Update | Operation::Mend => instance.wait.enabled.then_some("updating"),
        },
    }
}

/// Where the password should be: where it was, unless it is rotated, or unless a password that nobody else
/// knows is lost with its Secret. A new Secret has a new name, because only a new name restarts the pods.
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

/// Whether the password should change. A new version of the same password is no change.
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
