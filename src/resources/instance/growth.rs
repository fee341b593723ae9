//! Another size of the volumes, judged by the claims and their class before anything is written. The operator tries for
//! ever to change a claim that Kubernetes does not let it change, and every other change waits behind that.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::model::Instance;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, Lookup, ObjectRef};
use crate::redis::object::{at, name, text};
use crate::redis::quantity::Quantity;
use crate::redis::running::is_claim_of;
use crate::resources::kinds::{CLAIM, STORAGE_CLASS};
use crate::terraform::{Diagnostic, Path};

/// Why the volumes cannot have the size that the instance asks for; `None` if they can, or if the claims or their class
/// cannot be read.
///
/// # Errors
/// What the API server refuses but for a missing right.
pub async fn refused(
    cluster: &Cluster,
    instance: &Instance,
    deadline: Instant,
) -> Result<Option<Diagnostic>, kubernetes::Error> {
    let addresses = instance.addresses();
    let wanted = &instance.persistence.size;
    let namespace = Some(addresses.namespace.as_str());
    let all = match cluster.list(&CLAIM, namespace, Some(&addresses.selector()), deadline).await {
        Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => return Ok(None),
        all => all?,
    };
    let has_data = |claim: &&Json| {
        let is_of_nodes = name(claim).starts_with("node-conf-");
        is_claim_of(addresses.topology, &addresses.name, claim) && !is_of_nodes
    };
    let claims: Vec<(&Json, Quantity)> =
        all.iter().filter(has_data).filter_map(|claim| Some((claim, asked(claim)?))).collect();
    if let Some((claim, size)) = claims.iter().find(|(_, size)| size > wanted) {
        return Ok(Some(cannot_shrink(wanted, name(claim), size)));
    }
    let Some((claim, size)) = claims.iter().find(|(_, size)| size < wanted) else { return Ok(None) };
    let Some(class) = text(claim, &["spec", "storageClassName"]).filter(|class| !class.is_empty()) else {
        return Ok(None);
    };
    match cluster.get(&ObjectRef::cluster_wide(&STORAGE_CLASS, class), deadline).await {
        Ok(Lookup::Found(found)) if at(&found, &["allowVolumeExpansion"]) != true => {
            Ok(Some(cannot_grow(wanted, name(claim), size, class)))
        }
        Ok(_) | Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn asked(claim: &Json) -> Option<Quantity> {
    text(claim, &["spec", "resources", "requests", "storage"]).and_then(Quantity::parse)
}

fn cannot_shrink(wanted: &Quantity, claim: &str, size: &Quantity) -> Diagnostic {
    Diagnostic::error(
        format!("Volumes cannot shrink to {wanted}"),
        format!(
            "The claim {claim} requests {size}, and Kubernetes does not shrink volumes. Nothing was changed. Set \
             persistence.size to {size} or more, or create a new instance and move the data there."
        ),
    )
    .at(Path::of("persistence.size"))
}

fn cannot_grow(wanted: &Quantity, claim: &str, size: &Quantity, class: &str) -> Diagnostic {
    Diagnostic::error(
        format!("Volumes of the storage class {class} cannot grow to {wanted}"),
        format!(
            "The claim {claim} requests {size}, and its storage class {class} does not allow larger volumes \
             (allowVolumeExpansion). Nothing was changed. Set persistence.size = \"{size}\". Or, if the driver can \
             enlarge volumes, allow it: `kubectl patch storageclass {class} -p '{{\"allowVolumeExpansion\":true}}'`. \
             Otherwise create a new instance with another storage class and move the data there."
        ),
    )
    .at(Path::of("persistence.size"))
}
