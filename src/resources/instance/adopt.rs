//! Adoption: a create with `adopt_existing` over existing objects of others. No plan has seen these objects,
//! so whatever a plan would refuse on an existing instance is refused here, before anything is written.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::import::{self, others};
use super::model::Instance;
use crate::kubernetes::Cluster;
use crate::redis::names::annotation;
use crate::redis::object::{self, annotation as mark};
use crate::redis::opstree::of_kind;
use crate::redis::topology::Topology;
use crate::redis::version::Version;
use crate::resources::blocks::SecretKey;
use crate::terraform::resource::Problems;
use crate::terraform::{Diagnostic, Path};

/// The errors and warnings about taking over these custom resources with that configuration.
pub async fn judge(
    cluster: &Cluster,
    addresses: &Addresses,
    existing: &[Json],
    wanted: &Instance,
    deadline: Instant,
) -> Result<Vec<Diagnostic>, Problems> {
    let Some(data) = of_kind(existing, addresses.topology.data()) else { return Ok(Vec::new()) };
    // A create of ours that was cut off.
    if object::is_terminating(data) || mark(data, annotation::UNFINISHED) == Some("creating") {
        return Ok(Vec::new());
    }
    if others::nodes_forget(data, addresses.topology) {
        return Err(vec![forgetful(&wanted.id)]);
    }
    let found = import::found(cluster, addresses, existing, deadline).await?;
    let mut diagnostics = refused(&found, wanted);
    diagnostics.extend(password(&found, wanted));
    if addresses.topology == Topology::Sentinel {
        let Addresses { namespace, name, .. } = addresses;
        let watching = others::watching(cluster, namespace, name, deadline).await;
        let watching = watching.map_err(|error| vec![super::failure::refused(&error)])?;
        let others: Vec<Json> = watching.into_iter().filter(|one| object::name(one) != name).collect();
        diagnostics.extend(others::warnings(data, addresses.topology, &others));
    }
    Ok(diagnostics)
}

/// An adoption restarts pods if anything differs, and there was no plan that showed it.
fn forgetful(id: &str) -> Diagnostic {
    Diagnostic::error(
        format!("{id} cannot be adopted: its nodes forget their cluster when they restart"),
        "The cluster was created without spec.storage.nodeConfVolume, and a volume cannot be added to \
         existing pods. If the configuration restarted the pods, most keys would be lost. Nothing was \
         written. Choose another name and move the data there. Or import the cluster, and do not apply a \
         plan that warns that Redis will restart.",
    )
}

/// Differences that Kubernetes would refuse to the operator, which would block every other change, and
/// differences that would lose data.
fn refused(found: &Instance, wanted: &Instance) -> Vec<Diagnostic> {
    let (is, to_be) = (&found.persistence, &wanted.persistence);
    let mut wrong: Vec<(&str, String, String)> = Vec::new();
    if is.enabled != to_be.enabled {
        wrong.push(("persistence.enabled", is.enabled.to_string(), to_be.enabled.to_string()));
    } else if is.enabled {
        if is.storage_class != to_be.storage_class {
            let (is, to_be) = (&is.storage_class.0, &to_be.storage_class.0);
            wrong.push(("persistence.storage_class", format!("{is:?}"), format!("{to_be:?}")));
        }
        if is.access_modes != to_be.access_modes {
            let (is, to_be) = (&is.access_modes, &to_be.access_modes);
            wrong.push(("persistence.access_modes", format!("{is:?}"), format!("{to_be:?}")));
        }
        if to_be.size < is.size {
            wrong.push(("persistence.size", format!("\"{}\"", is.size), format!("\"{}\"", to_be.size)));
        }
    }
    let version = |instance: &Instance| Version::of_tag(&instance.image.tag).unwrap_or(instance.version.0);
    if version(wanted) < version(found) {
        let (is, to_be) = (&found.image.tag, &wanted.image.tag);
        wrong.push(("image.tag", format!("{is:?}"), format!("{to_be:?}")));
    }
    let diagnostic = |(path, is, to_be): (&str, String, String)| {
        Diagnostic::error(
            format!("{} cannot be adopted with {path} = {to_be}", wanted.id),
            format!(
                "The existing instance has {path} = {is}, and this value cannot change. Nothing was written. \
                 Set {path} = {is}, or choose another name and move the data there."
            ),
        )
        .at(Path::of(path))
    };
    wrong.into_iter().map(diagnostic).collect()
}

/// The password follows the configuration like everything else, but its users should know.
fn password(found: &Instance, wanted: &Instance) -> Option<Diagnostic> {
    let (is, to_be) = (&found.authentication, &wanted.authentication);
    let same = is.enabled == to_be.enabled && (!is.enabled || is.existing_secret == to_be.existing_secret);
    if same {
        return None;
    }
    let keep = match &is.existing_secret {
        Some(SecretKey { name, key }) => {
            format!("authentication = {{ existing_secret = {{ name = {:?}, key = {key:?} }} }}", name.0)
        }
        None if !is.enabled => "authentication = { enabled = false }".to_owned(),
        // A Secret of ours: a rotation.
        None => return None,
    };
    Some(
        Diagnostic::warning(
            format!("The password of {} changes", wanted.id),
            format!(
                "The configuration sets another password than the adopted instance has. Clients that use the \
                 former password will be refused. To keep the former password of an instance when adopting \
                 it, use {keep}."
            ),
        )
        .at(Path::of("authentication")),
    )
}
