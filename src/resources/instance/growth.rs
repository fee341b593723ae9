//! Another size of the volumes, judged by the claims and their class before anything is written. The operator tries for
//! ever to change a claim that Kubernetes does not let it change, and every other change waits behind that.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, timeout_at};

use super::InstanceResource;
use super::model::Instance;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, Lookup, ObjectRef};
use crate::redis::object::{at, name, text};
use crate::redis::quantity::Quantity;
use crate::redis::repair::Subject;
use crate::redis::running::is_claim_of;
use crate::resources::connection::Connection;
use crate::resources::kinds::{CLAIM, STORAGE_CLASS};
use crate::terraform::resource::PlanChange;
use crate::terraform::{Diagnostic, Path};

/// Longest time in which a plan asks. What is not answered by then is left to the apply.
const ASKING: Duration = Duration::from_secs(5);

/// Why the apply will refuse to make the volumes larger. The class alone is asked, and only if they are to grow: the
/// claims are needed only for the reason.
pub async fn refused_at_plan(
    connection: &Connection,
    change: &PlanChange<InstanceResource>,
) -> Option<Diagnostic> {
    let larger = larger(change)?;
    let cluster = connection.cluster().ok()?;
    let deadline = Instant::now() + ASKING;
    let class = ObjectRef::cluster_wide(&STORAGE_CLASS, &larger.persistence.storage_class.0);
    let refused = async {
        let found = cluster.get(&class, deadline).await.ok()?.found()?;
        if may_grow(&found) { None } else { refused(&cluster, &larger, deadline).await.ok()? }
    };
    timeout_at(deadline, refused).await.ok()?
}

/// The instance with the larger volumes that a plan asks for, if it keeps its volumes.
fn larger(change: &PlanChange<InstanceResource>) -> Option<Instance> {
    let (prior, planned) = (change.prior.as_ref()?, change.planned.as_ref()?);
    let size = planned.persistence.known()?.size.known()?;
    let persistence = &prior.persistence;
    let is_going = prior.repairs.contains_key(&Subject::Deletion.to_string());
    let has_class = persistence.enabled && !persistence.storage_class.0.is_empty();
    if !has_class || *size <= persistence.size || is_going || !change.requires_replace.is_empty() {
        return None;
    }
    let mut larger = prior.clone();
    larger.persistence.size = size.clone();
    Some(larger)
}

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
        Ok(Lookup::Found(found)) if !may_grow(&found) => {
            Ok(Some(cannot_grow(wanted, name(claim), size, class)))
        }
        Ok(_) | Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn may_grow(class: &Json) -> bool {
    at(class, &["allowVolumeExpansion"]) == true
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

#[cfg(test)]
mod tests {
    use super::super::addresses::Addresses;
    use super::super::import::with_defaults;
    use super::*;
    use crate::redis::topology::Topology;
    use crate::terraform::attribute::as_planned;
    use crate::terraform::private::Private;

    /// Nothing listens there, and nobody may be asked.
    fn change(edit: impl Fn(&mut Instance, &mut PlanChange<InstanceResource>)) -> Option<Quantity> {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut prior = with_defaults(&Addresses::new(namespace, name, Topology::Standalone)).unwrap();
        prior.persistence.size = Quantity::parse("1Gi").unwrap();
        let mut after = prior.clone();
        after.persistence.size = Quantity::parse("2Gi").unwrap();
        let mut change = PlanChange {
            prior: None,
            planned: as_planned::<Instance>(&after),
            changes: Vec::new(),
            requires_replace: Vec::new(),
            private: Private::default(),
        };
        edit(&mut prior, &mut change);
        change.prior = change.planned.is_some().then_some(prior);
        larger(&change).map(|instance| instance.persistence.size)
    }

    #[test]
    fn the_class_is_asked_only_if_volumes_that_stay_are_to_grow() {
        let size = |size: &str| Quantity::parse(size).unwrap();
        assert_eq!(change(|_, _| ()), Some(size("2Gi")));
        assert_eq!(change(|prior, _| prior.persistence.size = size("2048Mi")), None, "the same size");
        assert_eq!(
            change(|prior, _| prior.persistence.size = size("3Gi")),
            None,
            "another guard refuses that"
        );
        assert_eq!(change(|prior, _| prior.persistence.enabled = false), None);
        assert_eq!(change(|prior, _| prior.persistence.storage_class.0.clear()), None);
        let is_going = |prior: &mut Instance| {
            prior.repairs.insert(Subject::Deletion.to_string(), String::new());
        };
        assert_eq!(change(|prior, _| is_going(prior)), None, "it gets new volumes");
        assert_eq!(change(|_, change| change.requires_replace.push(Path::of("name"))), None);
        assert_eq!(change(|_, change| change.planned = None), None, "a destroy");
    }
}
