//! The objects that the provider manages beside the custom resources: one file for each, and one line in the
//! table.
//!
//! An object is known by its role, kind, namespace and name, and carries the instance's claim in its labels.
//! An object of somebody else is never changed or deleted: one that has another claim, or that has none and was
//! not written by this provider.

mod configuration;
mod disruption_budget;
mod external_access;
mod network_policy;
mod password;

use serde_json::{Value as Json, json};

pub use self::configuration::recorded_settings;
pub use self::external_access::{external_host, external_service_name, service_annotations};
pub use self::password::{Once, once, wanted_secret};
use super::model::Instance;
use crate::kubernetes::{ObjectRef, Resource};
use crate::redis::config::short_hash;
use crate::redis::names::{MANAGER, annotation, label};
use crate::redis::object;
use crate::redis::objects::{Judged, Key, Need, Readiness, Role, Stage, Wanted, Write};
use crate::resources::kinds::{CONFIG_MAP, DISRUPTION_BUDGET, NETWORK_POLICY, SECRET, SERVICE};
use crate::terraform::{Diagnostic, Path};

/// A kind of object that we manage.
struct Managed {
    role: Role,
    resource: &'static Resource,
    /// The objects of that role that an instance should have: metadata, spec, data.
    build: fn(&Instance) -> Vec<Json>,
    write: Write,
    stage: Stage,
    need: Need,
    readiness: Readiness,
    judged: Judged,
}

/// All kinds, in the order in which their objects are written.
#[rustfmt::skip]
static TABLE: [Managed; 5] = {
    use Need::Required;
    use Stage::BeforeRedis;
    use Write::{Applied, Once};
    [
        Managed { role: Role::Password, resource: &SECRET, build: password::build, write: Once, stage: BeforeRedis,
                  need: Required, readiness: Readiness::Written, judged: Judged::Presence },
        Managed { role: Role::Configuration, resource: &CONFIG_MAP, build: configuration::build, write: Applied, stage: BeforeRedis,
                  need: Required, readiness: Readiness::Written, judged: Judged::Data },
        Managed { role: Role::NetworkPolicy, resource: &NETWORK_POLICY, build: network_policy::build, write: Applied, stage: BeforeRedis,
                  need: Required, readiness: Readiness::Written, judged: Judged::ExactSpec },
        Managed { role: Role::ExternalAccess, resource: &SERVICE, build: external_access::build, write: Applied, stage: BeforeRedis,
                  need: Required, readiness: Readiness::Written, judged: Judged::Spec },
        Managed { role: Role::DisruptionBudget, resource: &DISRUPTION_BUDGET, build: disruption_budget::build, write: Applied, stage: BeforeRedis,
                  need: Required, readiness: Readiness::Observed, judged: Judged::Spec },
    ]
};

/// The objects that an instance should have.
pub fn wanted(instance: &Instance) -> Vec<Wanted> {
    let of_role = |managed: &'static Managed| {
        let Managed { role, resource, build, write, stage, need, readiness, judged } = managed;
        build(instance).into_iter().map(move |mut object| {
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind);
            let key = Key {
                role: *role,
                kind: resource.kind,
                namespace: object::text(&object, &["metadata", "namespace"]).unwrap_or_default().to_owned(),
                name: object::name(&object).to_owned(),
            };
            Wanted {
                key,
                object,
                write: *write,
                stage: *stage,
                need: *need,
                readiness: *readiness,
                judged: *judged,
            }
        })
    };
    TABLE.iter().flat_map(of_role).collect()
}

/// Every API resource of which the provider creates objects.
pub fn resources() -> impl Iterator<Item = &'static Resource> {
    TABLE.iter().map(|managed| managed.resource)
}

/// The API resource of that kind of object.
pub fn resource_of(kind: &str) -> Option<&'static Resource> {
    resources().find(|resource| resource.kind == kind)
}

/// Where an object is.
pub fn address(key: &Key) -> ObjectRef {
    let managed = TABLE.iter().find(|managed| managed.role == key.role);
    // Every role has a line in the table; a test holds it.
    let resource = managed.map_or(&CONFIG_MAP, |managed| managed.resource);
    ObjectRef::namespaced(resource, key.namespace.as_str(), key.name.as_str())
}

/// The key of an object with our labels.
pub fn key_of(resource: &'static Resource, found: &Json) -> Option<Key> {
    let managed = TABLE.iter().find(|one| Some(one.role) == Role::of(found) && one.resource == resource)?;
    Some(Key {
        role: managed.role,
        kind: resource.kind,
        namespace: object::text(found, &["metadata", "namespace"])?.to_owned(),
        name: object::name(found).to_owned(),
    })
}

/// An object that is not ours has the name of an object that we need.
pub fn taken(key: &Key) -> Diagnostic {
    if key.role == Role::Password {
        return password::taken(key);
    }
    let Key { role, kind, namespace, name } = key;
    let (argument, instead) = match role {
        Role::NetworkPolicy => ("network_policy", ", or remove network_policy and keep the existing policy"),
        Role::DisruptionBudget => {
            ("pod_disruption_budget", ", or remove pod_disruption_budget and keep the existing budget")
        }
        Role::ExternalAccess => ("service.type", ""),
        Role::Password | Role::Configuration => ("name", ""),
    };
    Diagnostic::error(
        format!("The {kind} {namespace}/{name} already exists"),
        format!(
            "The provider needs this name for an object of its own, but the existing object was not created \
             for this instance. Nothing was changed. If nobody needs the object, delete it (`kubectl -n \
             {namespace} delete {} {name}`){instead}. Otherwise choose another name for the instance.",
            kind.to_lowercase()
        ),
    )
    .at(Path::of(argument))
}

/// Metadata of an object of ours, in the instance's namespace. Its hash shows if somebody has removed a label
/// or an annotation: everything that is left would still be as wanted.
fn metadata(instance: &Instance, role: Role, name: &str, annotations: &[(&str, String)]) -> Json {
    let mut labels = instance.labels.clone();
    for (label, value) in [
        (label::INSTANCE, instance.name.0.as_str()),
        (label::NAMESPACE, &instance.namespace.0),
        (label::ROLE, role.word()),
        (label::CLAIM, &instance.claim),
    ] {
        labels.insert(label.to_owned(), value.to_owned());
    }
    labels.entry("app.kubernetes.io/managed-by".to_owned()).or_insert_with(|| MANAGER.to_owned());
    let mut all = instance.annotations.clone();
    all.extend(annotations.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let hash = short_hash(&json!({ "labels": labels, "annotations": all }).to_string());
    all.insert(annotation::METADATA_HASH.to_owned(), hash);
    json!({ "name": name, "namespace": instance.namespace.0, "labels": labels, "annotations": all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::topology::Topology;
    use crate::resources::blocks::ServiceType;
    use crate::resources::instance::addresses::Addresses;
    use crate::resources::instance::import::with_defaults;
    use crate::resources::instance::model::AuthSecret;

    fn with_all_objects() -> Instance {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut instance = with_defaults(&Addresses::new(namespace, name, Topology::Standalone)).unwrap();
        instance.claim = "mine".to_owned();
        instance.auth_secret = Some(AuthSecret { name: "cache-auth".to_owned(), key: "password".to_owned() });
        instance.service.r#type = ServiceType::LoadBalancer;
        instance.network_policy.enabled = true;
        instance.pod_disruption_budget.enabled = true;
        instance
    }

    /// What a cluster has of an object is found again by its labels alone.
    #[test]
    fn every_object_has_an_identity_of_its_own() {
        let wanted = wanted(&with_all_objects());
        assert_eq!(wanted.len(), TABLE.len());
        for one in &wanted {
            let address = address(&one.key);
            assert_eq!((address.resource.kind, address.name.as_str()), (one.key.kind, one.key.name.as_str()));
            assert_eq!(key_of(address.resource, &one.object).as_ref(), Some(&one.key));
            assert_eq!(object::label(&one.object, label::CLAIM), Some("mine"));
            assert_eq!(resource_of(one.key.kind), Some(address.resource));
        }
        let mut keys: Vec<&Key> = wanted.iter().map(|one| &one.key).collect();
        keys.dedup();
        assert_eq!(keys.len(), wanted.len());
    }
}
