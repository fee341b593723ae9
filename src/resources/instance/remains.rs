//! What an earlier instance of the same name has left, judged before the first write of a create: volumes with data, a
//! Secret with another password, a create that was cut off.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::failure;
use super::model::Instance;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, Lookup, Propagation};
use crate::redis::names::label;
use crate::redis::object::{self, is_terminating, name, text};
use crate::redis::objects::Role;
use crate::redis::opstree::of_kind;
use crate::redis::ready;
use crate::redis::running::{Running, is_claim_of};
use crate::resources::blocks::ExistingClaims;
use crate::resources::kinds::CLAIM;
use crate::resources::password;
use crate::terraform::resource::Problems;
use crate::terraform::{Diagnostic, Path};

/// How many claims a message names.
const NAMED: usize = 5;

/// A create, and the custom resources of its name that exist.
#[derive(Clone, Copy)]
pub struct Remains<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The instance that is about to be created.
    pub instance: &'a Instance,
    /// The custom resources of that name.
    pub existing: &'a [Json],
    /// The end of the operation.
    pub deadline: Instant,
}

impl Remains<'_> {
    /// Why the create cannot go on; a Secret that only a create that was cut off can need is deleted.
    ///
    /// # Errors
    /// What the API server refuses.
    pub async fn in_the_way(self) -> Result<Option<Diagnostic>, Problems> {
        let problem = match self.claims().await {
            Ok(None) => self.secret().await,
            problem => problem,
        };
        problem.map_err(|error| vec![failure::refused(&error)])
    }

    /// Whether the Redis of a create that was cut off has served since.
    pub async fn has_served(self) -> bool {
        let addresses = self.instance.addresses();
        if !self.has_data() {
            return false;
        }
        let mut running = Running::default();
        for stateful_set in addresses.stateful_sets() {
            match self.cluster.get(&stateful_set, self.deadline).await {
                Ok(lookup) => running.stateful_sets.extend(lookup.found()),
                // Nobody knows, and an instance that serves must not be destroyed.
                Err(_) => return true,
            }
        }
        ready::has_served(addresses.topology, &addresses.name, &running)
    }

    fn has_data(self) -> bool {
        of_kind(self.existing, self.instance.topology().data()).is_some_and(|data| !is_terminating(data))
    }

    /// The operator deletes the claims before the custom resource is gone. The run judges those that stay.
    fn is_about_to_go_with_its_claims(self) -> bool {
        let data = of_kind(self.existing, self.instance.topology().data());
        data.is_some_and(|data| {
            is_terminating(data) && object::at(data, &["spec", "storage", "keepAfterDelete"]) != true
        })
    }

    /// A StatefulSet mounts whatever claims have the names of its own: Redis would start with the data of another
    /// time, and a destroy would delete claims that somebody had asked to keep.
    async fn claims(self) -> Result<Option<Diagnostic>, kubernetes::Error> {
        let is_to_start_empty = is_to_start_empty(self.instance);
        if !is_to_start_empty || self.has_data() || self.is_about_to_go_with_its_claims() {
            return Ok(None);
        }
        let addresses = self.instance.addresses();
        let kept = kept_claims(self.cluster, &addresses, self.deadline).await?;
        Ok((!kept.is_empty()).then(|| volumes_exist(&addresses, &kept)))
    }

    /// The Secret of a create that was cut off has the password that was given then.
    async fn secret(self) -> Result<Option<Diagnostic>, kubernetes::Error> {
        let authentication = &self.instance.authentication;
        let (Some(given), Some(secret), None) =
            (&authentication.password_wo, &self.instance.auth_secret, &authentication.existing_secret)
        else {
            return Ok(None);
        };
        let address = self.instance.addresses().secret(&secret.name);
        let found = match self.cluster.get(&address, self.deadline).await {
            Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => return Ok(None),
            found => found?,
        };
        let Lookup::Found(found) = found else { return Ok(None) };
        let Instance { namespace, name, .. } = self.instance;
        let bears = |key: &str, value: &str| object::label(&found, key) == Some(value);
        let is_ours = bears(label::INSTANCE, &name.0)
            && bears(label::NAMESPACE, &namespace.0)
            && Role::of(&found) == Some(Role::Password);
        if !is_ours || password::is(&found, &secret.key, given.expose()) {
            return Ok(None);
        }
        if self.has_data() {
            return Ok(Some(password_differs(self.instance)));
        }
        let uid = text(&found, &["metadata", "uid"]);
        self.cluster.delete(&address, uid, Propagation::Background, self.deadline).await?;
        Ok(None)
    }
}

/// Whether the instance must not begin with the data of an earlier one.
pub fn is_to_start_empty(instance: &Instance) -> bool {
    instance.persistence.enabled && instance.persistence.existing_claims != ExistingClaims::Reuse
}

/// The volume claims that pods of an instance of that name would mount, and that nobody deletes; none, if they cannot be
/// listed.
///
/// # Errors
/// What the API server refuses but for a missing right.
pub async fn kept_claims(
    cluster: &Cluster,
    addresses: &Addresses,
    deadline: Instant,
) -> Result<Vec<Json>, kubernetes::Error> {
    let mut claims = match cluster.list_metadata(&CLAIM, Some(&addresses.namespace), None, deadline).await {
        Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => return Ok(Vec::new()),
        claims => claims?,
    };
    claims.retain(|claim| is_claim_of(addresses.topology, &addresses.name, claim) && !is_terminating(claim));
    Ok(claims)
}

/// Why volumes of an earlier instance are in the way.
pub fn volumes_exist(addresses: &Addresses, left: &[Json]) -> Diagnostic {
    let namespace = &addresses.namespace;
    let since = |claim: &Json| text(claim, &["metadata", "creationTimestamp"]).unwrap_or_default().to_owned();
    let mut names: Vec<String> =
        left.iter().take(NAMED).map(|claim| format!("{} (created {})", name(claim), since(claim))).collect();
    if left.len() > NAMED {
        names.push(format!("{} more", left.len() - NAMED));
    }
    let all: Vec<&str> = left.iter().map(name).collect();
    Diagnostic::error(
        format!("Volumes of an earlier instance named {addresses} exist"),
        format!(
            "The pods would mount these claims, and Redis would start with the data on them: {}. Nothing was changed. \
             To start with this data, set persistence.existing_claims = \"reuse\"; a destroy then deletes the \
             claims, unless persistence.retain_on_delete = true. If nobody needs the data, delete the claims: \
             `kubectl -n {namespace} delete pvc {}`. Otherwise choose another name.",
            names.join(", "),
            all.join(" "),
        ),
    )
    .at(Path::of("persistence.existing_claims"))
}

fn password_differs(instance: &Instance) -> Diagnostic {
    Diagnostic::error(
        format!("{} was begun with another password", instance.id),
        "An earlier create of this instance was cut off, and its pods use the password that authentication.password_wo \
         had then. Nothing was changed. Set that password again and apply; then change the password together \
         with password_wo_version. Or delete the custom resource, if it holds no data yet, and apply again.",
    )
    .at(Path::of("authentication.password_wo"))
}
