//! Starting points for the tests of this module: an instance of each shape, as it is wanted and as it is when
//! it serves.

use serde_json::{Value as Json, json};

use super::answers::set::{Pod, Set};
use super::desired::Desired;
use super::memory::Memory;
use super::names::{annotation, label};
use super::next::next;
use super::objects::{Judged, Key, Need, Readiness, Role, Stage, Wanted, Write};
use super::picture::Picture;
use super::running::Running;
use super::step::Next;
use super::talk::{Address, MasterLink, Replication};
use super::topology::{Part, Topology};

/// Everything that an apply decides on, except what is wanted.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub picture: Picture,
    pub memory: Memory,
}

impl Scene {
    /// The next step of an apply.
    pub fn next(&self, desired: &Desired) -> Next {
        next(desired, &self.picture, &self.memory)
    }
}

/// The hash on custom resources and Services.
pub const HASH: &str = "2";

/// The custom resources of an instance called `cache`, as the operator leaves them.
pub fn custom_resources(topology: Topology) -> Vec<Json> {
    let custom_resource = |kind: super::opstree::Kind| {
        json!({
            "kind": kind.kind(),
            "metadata": {
                "name": "cache",
                "annotations": { annotation::SPEC_HASH: HASH, annotation::CLAIM: "mine" },
                "finalizers": [kind.finalizer()],
            },
            "spec": {
                "clusterSize": 3,
                "storage": { "volumeClaimTemplate": { "spec": { "resources": { "requests": { "storage": "2Gi" } } } } },
            },
            "status": {
                "masterNode": "cache-0", "state": "Ready",
                "readyLeaderReplicas": 3, "readyFollowerReplicas": 3,
            },
        })
    };
    topology.kinds().iter().map(|kind| custom_resource(*kind)).collect()
}

/// An object with the labels of that instance, and with this claim.
pub fn claimed(claim: &str) -> Json {
    let labels =
        json!({ label::INSTANCE: "cache", label::NAMESPACE: "redis", label::CLAIM: claim, "team": "a" });
    json!({ "metadata": { "labels": labels } })
}

fn object(role: Role, kind: &'static str, name: &str, write: Write, judged: Judged) -> Wanted {
    let (namespace, name) = ("redis".to_owned(), name.to_owned());
    let mut object = claimed("mine");
    object["metadata"]["name"] = json!(name);
    Wanted {
        key: Key { role, kind, namespace, name },
        object,
        write,
        stage: Stage::BeforeRedis,
        need: Need::Required,
        readiness: Readiness::Written,
        judged,
    }
}

/// The wanted state of that instance, which exists already.
pub fn desired(topology: Topology) -> Desired {
    Desired {
        topology,
        name: "cache".to_owned(),
        namespace: "redis".to_owned(),
        claim: "mine".to_owned(),
        custom_resources: custom_resources(topology),
        objects: vec![
            object(Role::Password, "Secret", "cache-auth", Write::Once, Judged::Presence),
            object(Role::Configuration, "ConfigMap", "cache-config-1", Write::Applied, Judged::Data),
        ],
        is_guarded: true,
        former_password: None,
        creating: false,
        takes_over: false,
        starts_empty: false,
        create_namespace: false,
        wait: true,
    }
}

/// What runs when that instance serves.
pub fn serving(topology: Topology) -> Running {
    let mut running = Running::default();
    let custom_resources = custom_resources(topology);
    for part in topology.parts() {
        let app = part.name("cache");
        let replicas = custom_resources.first().map_or(0, |one| part.replicas(one));
        running.stateful_sets.push(json!({
            "metadata": { "name": app, "generation": 3 },
            "spec": { "replicas": replicas },
            "status": {
                "observedGeneration": 3, "updatedReplicas": replicas, "readyReplicas": replicas,
                "currentRevision": "b", "updateRevision": "b",
            },
        }));
        running.services.push(json!({ "metadata": {
            "name": app,
            "annotations": { annotation::SPEC_HASH: HASH },
            "ownerReferences": [{ "kind": part.kind.kind(), "name": "cache" }],
        } }));
        running.pods.extend((0..replicas).map(|ordinal| pod(*part, ordinal)));
        running.claims.extend((0..replicas).filter(|_| part.has_data()).map(|ordinal| {
            json!({
                "metadata": { "name": format!("{app}-{app}-{ordinal}"), "labels": { "app": app } },
                "spec": { "resources": { "requests": { "storage": "2Gi" } } },
            })
        }));
    }
    running
}

fn pod(part: Part, ordinal: i64) -> Json {
    let app = part.name("cache");
    json!({
        "metadata": {
            "name": format!("{app}-{ordinal}"),
            "uid": format!("{app}-{ordinal}-uid"),
            "labels": {
                "app": app,
                "controller-revision-hash": "b",
                "redis-role": if ordinal == 0 { "master" } else { "slave" },
            },
        },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// The answers of a set with these members, without sentinels, while nobody has paused the operator.
pub fn set(members: Vec<Pod<Replication>>) -> Set {
    Set {
        known: usize::MAX,
        is_to_grow: false,
        size: members.len(),
        stays: members.len(),
        members,
        sentinels: 0,
        watchers: Vec::new(),
        sentinels_are_later: false,
        is_paused: false,
        is_quiet: false,
        valid: Vec::new(),
        former: Vec::new(),
    }
}

/// A link to the master at that address: up, or in the middle of a copy.
pub fn link(host: &str, is_syncing: bool) -> MasterLink {
    MasterLink {
        address: Address { host: host.to_owned(), port: 6379 },
        is_up: !is_syncing,
        was_up: true,
        is_syncing,
        last_io_seconds_ago: None,
        priority: None,
    }
}
