//! What tests of the steps start from.

use serde_json::Value as Json;

use super::Desired;
use crate::redis::topology::Topology;

/// An instance called `cache` that is there already, with what its custom resources are to be.
pub fn desired(topology: Topology, custom_resources: Vec<Json>) -> Desired {
    Desired {
        topology,
        name: "cache".to_owned(),
        namespace: "redis".to_owned(),
        guarded: custom_resources.clone(),
        custom_resources,
        is_guarded: true,
        companions: Vec::new(),
        secret: None,
        former_password: None,
        creating: false,
        create_namespace: false,
        wait: true,
    }
}
