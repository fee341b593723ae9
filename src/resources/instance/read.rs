//! Refresh: the state brought up to date, from lists that all instances of a namespace share.

use tokio::time::Instant;

use super::InstanceResource;
use super::build::build;
use super::cluster::Addresses;
use super::failure::refused;
use super::model::Instance;
use super::state::{Found, observe};
use crate::kubernetes::{self, Cluster, Content, Lookup};
use crate::redis::object;
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
    let addresses: Addresses = state.addresses();
    let custom_resource =
        match cluster.get_shared(&addresses.custom_resource(), Content::Whole, deadline).await? {
            Lookup::Found(custom_resource) => custom_resource,
            Lookup::Absent => return Ok(None),
            Lookup::KindMissing => {
                return if addresses.definition_is_gone(cluster, deadline).await? {
                    Ok(None)
                } else {
                    // The CRD is there and its kind is not served: not to be told from a server that is starting.
                    cluster.get(&addresses.custom_resource(), deadline).await.map(|_| Some(state.clone()))
                };
            }
        };
    let desired = build(state, false, true);
    let config_map = addresses.config_map(object::name(&desired.config_map));
    let config_map = cluster.get_shared(&config_map, Content::Whole, deadline).await?.found();
    let stateful_set = cluster.get_shared(&addresses.stateful_set(), Content::Whole, deadline).await?.found();
    let secret_exists = match &state.auth_secret {
        None => None,
        Some(secret) => {
            let address = addresses.secret(&secret.name);
            Some(cluster.get_shared(&address, Content::Metadata, deadline).await?.found().is_some())
        }
    };
    Ok(Some(observe(
        state,
        &Found {
            custom_resource: &custom_resource,
            config_map: config_map.as_ref(),
            secret_exists,
            stateful_set: stateful_set.as_ref(),
        },
    )))
}
