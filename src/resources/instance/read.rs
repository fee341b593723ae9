//! Refresh: the state brought up to date, from lists that all instances of a namespace share.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::InstanceResource;
use super::astray::astray;
use super::build::build;
use super::cluster::Addresses;
use super::failure::refused;
use super::model::{AuthSecret, Instance};
use super::nodes::not_whole;
use super::state::{Found, external_service_name, observe};
use crate::kubernetes::{self, Cluster, Content, Lookup, ObjectRef};
use crate::redis::next::{Desired, Rendered};
use crate::redis::topology::Topology;
use crate::resources::connection::{Connection, NoCluster};
use crate::terraform::Diagnostic;
use crate::terraform::record::Record;
use crate::terraform::resource::{Call, Problems};

/// Brings the record up to date with the cluster.
pub async fn read(
    connection: &Connection,
    state: Instance,
    record: &Record<InstanceResource>,
    call: &Call,
) -> Result<(), Problems> {
    let cluster = match connection.cluster() {
        Ok(cluster) => cluster,
        Err(reason @ NoCluster::Unknown(_)) => {
            let reason = reason.diagnostic();
            record.warn(Diagnostic::warning(
                format!("{} was not refreshed", state.id),
                format!("{}: {}", reason.summary, reason.detail),
            ));
            return Ok(());
        }
        Err(reason) => return Err(vec![reason.diagnostic()]),
    };
    let deadline = Instant::now() + state.timeouts.read.length;
    let looked = tokio::select! {
        looked = look(&cluster, &state, deadline) => looked,
        () = call.cancelled.cancelled() => {
            return Err(vec![Diagnostic::error("Stopped", "The refresh was stopped; nothing was changed.")]);
        }
    };
    match looked {
        Ok(Some(instance)) => record.save(&instance, &instance.identity()),
        Ok(None) => record.gone(),
        Err(error) => return Err(vec![refused(&error)]),
    }
    Ok(())
}

/// The instance as it is; `None` only if the cluster says that it is gone.
async fn look(
    cluster: &Cluster,
    state: &Instance,
    deadline: Instant,
) -> Result<Option<Instance>, kubernetes::Error> {
    let addresses = state.addresses();
    let data = match cluster.get_shared(&addresses.data(), Content::Whole, deadline).await? {
        Lookup::Found(data) => data,
        Lookup::Absent => return Ok(None),
        Lookup::KindMissing => {
            return if addresses.definition_is_gone(cluster, deadline).await? {
                Ok(None)
            } else {
                // The CRD is there and its kind is not served: not to be told from a server that is starting.
                Err(kubernetes::Error::kind_not_served(&addresses.data()))
            };
        }
    };
    let written = build(state, false, true);
    let mut found = find(cluster, &addresses, &written, state.auth_secret.as_ref(), data, deadline).await?;
    match addresses.topology {
        Topology::Sentinel => found.astray = astray(cluster, &addresses, &found).await,
        Topology::Cluster => found.not_whole = not_whole(cluster, &addresses, &found).await,
        Topology::Standalone | Topology::Replication => {}
    }
    Ok(Some(observe(state, &written, &found)))
}

/// Everything else that belongs to an instance.
async fn find(
    cluster: &Cluster,
    addresses: &Addresses,
    written: &Desired,
    secret: Option<&AuthSecret>,
    data: Json,
    deadline: Instant,
) -> Result<Found, kubernetes::Error> {
    let whole = async |object: ObjectRef| {
        cluster.get_shared(&object, Content::Whole, deadline).await.map(Lookup::found)
    };
    let mut found = Found { custom_resources: vec![data], ..Found::default() };
    for kind in addresses.topology.kinds().iter().skip(1) {
        found.custom_resources.extend(whole(addresses.custom_resource(*kind)).await?);
    }
    for wanted in &written.companions {
        let object = whole(addresses.companion(wanted.kind, wanted.name())).await?;
        found.companions.extend(object.map(|object| Rendered { kind: wanted.kind, object }));
    }
    for stateful_set in addresses.stateful_sets() {
        found.stateful_sets.extend(whole(stateful_set).await?);
    }
    if let Some(name) = external_service_name(written) {
        let ours = found.companions.iter().find(|one| one.name() == name).map(|one| one.object.clone());
        found.external_service = match ours {
            Some(ours) => Some(ours),
            None => whole(addresses.service(&name)).await?,
        };
    }
    if let Some(secret) = secret {
        let address = addresses.secret(&secret.name);
        let metadata = cluster.get_shared(&address, Content::Metadata, deadline).await?;
        found.secret_exists = Some(metadata.found().is_some());
    }
    Ok(found)
}
