//! Names that are in use, found before the first write of a create: the operator takes over whatever has the name of an
//! object that it makes, and deletes that object with the instance.

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::failure;
use super::objects::address;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, Lookup, ObjectRef};
use crate::redis::desired::Desired;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, is_terminating, list, text, uid};
use crate::redis::opstree::{Kind, of_kind};
use crate::redis::topology::Made;
use crate::resources::connection::Connection;
use crate::resources::kinds::{DISRUPTION_BUDGET, SERVICE, STATEFUL_SET};
use crate::terraform::resource::Problems;
use crate::terraform::{Diagnostic, Path};

/// A custom resource of another kind whose objects would have the same names as ours.
pub async fn with_a_custom_resource(
    cluster: &Cluster,
    addresses: &Addresses,
    deadline: Instant,
) -> Result<Option<Kind>, Problems> {
    let managed = addresses.topology.clashes_if_managed();
    for kind in addresses.topology.clashes().iter().copied().chain(managed) {
        match cluster.get_metadata(&addresses.custom_resource(kind), deadline).await {
            Ok(Lookup::Found(found))
                if managed != Some(kind) || mark(&found, annotation::CLAIM).is_some() =>
            {
                return Ok(Some(kind));
            }
            Ok(_) => {}
            // Without the right to read that kind, a create still works.
            Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => {}
            Err(error) => return Err(vec![failure::refused(&error)]),
        }
    }
    Ok(None)
}

/// Why an object that the operator would make cannot be made: it exists and belongs to somebody else, or another
/// instance of this configuration is about to have it. `existing`: the custom resources, whose objects exist unless the
/// instance is about to be created.
pub async fn with_objects(
    connection: &Connection,
    cluster: &Cluster,
    addresses: &Addresses,
    desired: &Desired,
    existing: &[Json],
    deadline: Instant,
) -> Result<Option<Diagnostic>, Problems> {
    let made = |custom_resources: &[Json]| addresses.topology.made(&addresses.name, custom_resources);
    let before = if desired.creating { Vec::new() } else { made(existing) };
    let mut made = made(&desired.custom_resources);
    made.retain(|one| !before.contains(one));
    let places: Vec<ObjectRef> = made.iter().map(|made| place(made, &addresses.namespace)).collect();
    let id = addresses.to_string();
    let ours: Vec<String> = desired.objects.iter().map(|wanted| address(&wanted.key).to_string()).collect();
    let reserved = places.iter().map(ToString::to_string).chain(ours.iter().cloned());
    if let Err((object, owner)) = connection.reserve(&id, reserved) {
        let maker = if ours.contains(&object) { "provider" } else { "operator" };
        let why = format!("{owner}, another instance of this configuration, is about to have it");
        return Ok(Some(clash(addresses, desired, maker, &object, &why)));
    }
    let looks = places.iter().map(|place| cluster.get_metadata(place, deadline));
    for (place, found) in places.iter().zip(join_all(looks).await) {
        match found {
            Ok(Lookup::Found(found)) if !is_terminating(&found) => {
                if let Some(owner) = somebody_else(&found, addresses, existing) {
                    return Ok(Some(clash(addresses, desired, "operator", &place.to_string(), &owner)));
                }
            }
            Ok(_) => {}
            // Without the right to read that kind, an apply still works.
            Err(kubernetes::Error { cause: RequestCause::Forbidden { .. }, .. }) => {}
            Err(error) => return Err(vec![failure::refused(&error)]),
        }
    }
    Ok(None)
}

fn place(made: &Made, namespace: &str) -> ObjectRef {
    match made {
        Made::StatefulSet(name) => ObjectRef::namespaced(&STATEFUL_SET, namespace, name),
        Made::Service(name) => ObjectRef::namespaced(&SERVICE, namespace, name),
        Made::DisruptionBudget(name) => ObjectRef::namespaced(&DISRUPTION_BUDGET, namespace, name),
    }
}

/// Why the object is somebody else's, in words; `None` if the operator made it for this instance, or for an older one of this name
/// that is gone.
fn somebody_else(found: &Json, addresses: &Addresses, existing: &[Json]) -> Option<String> {
    let owners = list(found, &["metadata", "ownerReferences"]);
    let Some(owner) = owners.iter().find(|owner| at(owner, &["controller"]) == true) else {
        return Some("the operator did not make it".to_owned());
    };
    let (kind, owner_name) =
        (text(owner, &["kind"]).unwrap_or_default(), text(owner, &["name"]).unwrap_or_default());
    let is_ours = |ours: &&Kind| {
        let same_life = of_kind(existing, **ours).is_none_or(|one| uid(one) == text(owner, &["uid"]));
        ours.kind() == kind && owner_name == addresses.name && same_life
    };
    let ours = addresses.topology.kinds().iter().find(is_ours);
    ours.is_none().then(|| format!("it belongs to {kind} {owner_name}"))
}

fn clash(addresses: &Addresses, desired: &Desired, maker: &str, object: &str, why: &str) -> Diagnostic {
    let Addresses { namespace, name, topology, .. } = addresses;
    let remedy = if desired.creating { "Choose another name for the instance." } else { "Undo the change." };
    let harm = match maker {
        "operator" => {
            " The operator would take the object over, send its clients to another Redis, and delete it with the \
             instance."
        }
        _ => "",
    };
    Diagnostic::error(
        format!("The name {namespace}/{name} is in use by another {object}"),
        format!(
            "The {maker} makes {object} for a {} named {name}, but {why}.{harm} Nothing was changed. \
             {remedy} If nobody needs the object any more, delete it and apply again.",
            topology.data().kind(),
        ),
    )
    .at(Path::of("name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::topology::Topology;

    #[test]
    fn whose_an_object_is() {
        let addresses = Addresses::new("redis".to_owned(), "cache".to_owned(), Topology::Sentinel);
        let owned = |kind: &str, name: &str, uid: &str| {
            let owner = json!({ "kind": kind, "name": name, "uid": uid, "controller": true });
            json!({ "metadata": { "name": "cache", "ownerReferences": [owner] } })
        };
        let existing = [json!({ "kind": "RedisReplication", "metadata": { "name": "cache", "uid": "1" } })];
        let whose = |found: &Json| somebody_else(found, &addresses, &existing);
        assert_eq!(whose(&owned("RedisReplication", "cache", "1")), None);
        assert_eq!(whose(&owned("RedisSentinel", "cache", "2")), None, "of a life that is over");
        assert_eq!(
            whose(&owned("Redis", "cache-sentinel", "3")).as_deref(),
            Some("it belongs to Redis cache-sentinel")
        );
        assert!(
            whose(&owned("RedisReplication", "cache", "4")).is_some(),
            "the owner lives under another uid"
        );
        let by_hand = json!({ "metadata": { "name": "cache" } });
        assert_eq!(whose(&by_hand).as_deref(), Some("the operator did not make it"));
    }
}
