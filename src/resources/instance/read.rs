//! Refresh: updates the state, from lists that all instances of a namespace share.

use tokio::time::Instant;

use super::InstanceResource;
use super::build::build;
use super::failure::refused;
use super::gather::Gather;
use super::model::Instance;
use super::state::observe;
use crate::kubernetes::{self, Cluster, Content, Lookup};
use crate::redis::picture::Picture;
use crate::resources::connection::{Connection, NoCluster};
use crate::terraform::record::Record;
use crate::terraform::resource::{Call, Problems};
use crate::terraform::{Diagnostic, Path};

/// Updates the record from the cluster.
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
        Ok(Some((instance, has_password))) => {
            record.save(&instance, &instance.identity());
            let existing = instance.authentication.existing_secret.as_ref();
            if let Some(secret) = existing.filter(|_| has_password == Some(false)) {
                record.warn(secret_missing(&instance, &secret.name.0));
            }
        }
        Ok(None) => record.gone(),
        Err(error) => return Err(vec![refused(&error)]),
    }
    Ok(())
}

fn secret_missing(instance: &Instance, secret: &str) -> Diagnostic {
    let namespace = &instance.namespace.0;
    Diagnostic::warning(
        format!("The Secret {namespace}/{secret} with the password of {} does not exist", instance.id),
        "Redis runs on with the password that it has, but a pod that restarts cannot start. Create the Secret again, \
         with the same password, or refer to another Secret.",
    )
    .at(Path::of("authentication.existing_secret"))
}

/// The instance as it is, and whether its password exists; `None` only if the cluster reports that it is gone.
async fn look(
    cluster: &Cluster,
    state: &Instance,
    deadline: Instant,
) -> Result<Option<(Instance, Option<bool>)>, kubernetes::Error> {
    let addresses = state.addresses();
    let gather = Gather::shared(cluster, &addresses, deadline);
    let data = match gather.get(&addresses.data(), Content::Whole).await? {
        Lookup::Found(data) => data,
        Lookup::Absent => return Ok(None),
        Lookup::KindMissing => {
            return if addresses.definition_is_gone(cluster, deadline).await? {
                Ok(None)
            } else {
                // The CRD exists but its kind is not served: this cannot be distinguished from a server that
                // is starting.
                Err(kubernetes::Error::kind_not_served(&addresses.data()))
            };
        }
    };
    let written = build(state, false, true);
    let mut picture = Picture { custom_resources: vec![data], ..Picture::default() };
    gather.custom_resources(&mut picture).await?;
    gather.made(&written, &mut picture).await?;
    gather.wanted(&written.objects, &mut picture).await?;
    gather.unwanted(&written.objects, &state.objects, &mut picture).await?;
    if let Some(secret) = &state.auth_secret {
        let address = addresses.secret(&secret.name);
        picture.has_password = Some(gather.get(&address, Content::Metadata).await?.found().is_some());
    }
    gather.answers(&mut picture).await;
    Ok(Some((observe(state, &written, &picture), picture.has_password)))
}
