//! Whether the volumes have the requested size. The operator changes the request of a claim, the storage
//! driver changes the volume, and the node changes the file system on it.

use serde_json::Value as Json;

use super::object::{at, list, name, text};
use super::opstree::of_kind;
use super::quantity::Quantity;
use super::running::Running;
use super::topology::{Part, Topology};
use super::waiting::{Cause, Waiting};

/// A data claim that still requests less than the custom resource does.
pub fn smaller_claim(part: Part, custom_resource: &Json, running: &Running) -> Option<String> {
    let wanted = wanted(custom_resource)?;
    data_claims(part, custom_resource, running)
        .find(|claim| asked(claim).is_some_and(|size| size < wanted))
        .map(|claim| name(claim).to_owned())
}

/// A volume that is still smaller than its claim requests. Redis serves all the same, and not every driver
/// can resize.
pub fn growing(topology: Topology, custom_resources: &[Json], running: &Running) -> Option<Waiting> {
    topology.parts().iter().filter(|part| part.has_data()).find_map(|part| {
        let custom_resource = of_kind(custom_resources, part.kind)?;
        data_claims(*part, custom_resource, running).find_map(behind)
    })
}

fn behind(claim: &Json) -> Option<Waiting> {
    let capacity = quantity(claim, &["status", "capacity", "storage"])?;
    if capacity >= asked(claim)? {
        return None;
    }
    let size = |path: &[&str]| text(claim, path).unwrap_or_default().to_owned();
    let (is, wanted) =
        (size(&["status", "capacity", "storage"]), size(&["spec", "resources", "requests", "storage"]));
    let conditions = list(claim, &["status", "conditions"]);
    let stage = conditions.iter().find(|condition| condition["status"] == "True").map(|condition| {
        let message = text(condition, &["message"]).filter(|message| !message.is_empty());
        let kind = text(condition, &["type"]).unwrap_or_default();
        message.map_or_else(|| kind.to_owned(), |message| format!("{kind}: {message}"))
    });
    let is_seen = stage.is_some() || !at(claim, &["status", "allocatedResourceStatuses"]).is_null();
    let stage = stage.map(|stage| format!(" ({stage})")).unwrap_or_default();
    let cause = if is_seen { Cause::Growing } else { Cause::NotGrowing };
    let why = format!("the volume of claim {} has {is} of the requested {wanted}{stage}", name(claim));
    Some(Waiting::new(cause, why))
}

fn data_claims<'a>(
    part: Part,
    custom_resource: &Json,
    running: &'a Running,
) -> impl Iterator<Item = &'a Json> {
    let app = part.name(name(custom_resource));
    let data = format!("{app}-{app}-");
    running.claims.iter().filter(move |claim| name(claim).starts_with(&data))
}

fn wanted(custom_resource: &Json) -> Option<Quantity> {
    let template = ["spec", "storage", "volumeClaimTemplate", "spec", "resources", "requests", "storage"];
    quantity(custom_resource, &template)
}

fn asked(claim: &Json) -> Option<Quantity> {
    quantity(claim, &["spec", "resources", "requests", "storage"])
}

fn quantity(object: &Json, path: &[&str]) -> Option<Quantity> {
    text(object, path).and_then(Quantity::parse)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{custom_resources, serving};
    use super::*;

    const ALL: [Topology; 4] =
        [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster];

    #[test]
    fn a_volume_is_waited_for_while_it_is_smaller_than_asked_for() {
        let pending = json!([{ "type": "FileSystemResizePending", "status": "True", "message": "waiting for the node" }]);
        let statuses = [
            (json!({}), None),
            (json!({ "capacity": { "storage": "2Gi" } }), None),
            (json!({ "capacity": { "storage": "2048Mi" } }), None),
            (json!({ "capacity": { "storage": "3Gi" } }), None),
            (json!({ "capacity": { "storage": "1Gi" } }), Some(Cause::NotGrowing)),
            (json!({ "capacity": { "storage": "1Gi" }, "conditions": pending }), Some(Cause::Growing)),
            (
                json!({ "capacity": { "storage": "1Gi" }, "allocatedResourceStatuses": { "storage": "ControllerResizeInProgress" } }),
                Some(Cause::Growing),
            ),
        ];
        for topology in ALL {
            for (status, cause) in &statuses {
                let mut running = serving(topology);
                running.claims.last_mut().unwrap()["status"] = status.clone();
                let found = growing(topology, &custom_resources(topology), &running);
                assert_eq!(found.map(|waiting| waiting.cause), *cause, "{topology:?}: {status}");
            }
        }
    }

    #[test]
    fn what_is_known_of_the_driver_is_said() {
        let mut running = serving(Topology::Standalone);
        running.claims[0]["status"] = json!({
            "capacity": { "storage": "1Gi" },
            "conditions": [
                { "type": "Resizing", "status": "False" },
                { "type": "FileSystemResizePending", "status": "True", "message": "waiting for the node" },
            ],
        });
        let found = growing(Topology::Standalone, &custom_resources(Topology::Standalone), &running);
        assert_eq!(
            found.unwrap().why,
            "the volume of claim cache-cache-0 has 1Gi of the requested 2Gi (FileSystemResizePending: waiting for the node)"
        );
    }

    #[test]
    fn the_clusters_own_file_is_another_claim() {
        let mut running = serving(Topology::Cluster);
        running.claims[0]["metadata"]["name"] = json!("node-conf-cache-leader-0");
        running.claims[0]["status"] = json!({ "capacity": { "storage": "1Gi" } });
        assert_eq!(growing(Topology::Cluster, &custom_resources(Topology::Cluster), &running), None);
    }
}
