//! Warnings about an instance of others: sentinels that watch it but cannot be managed with it, and nodes
//! that forget their cluster.

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::kubernetes::{self, Cause, Cluster};
use crate::redis::names::REDIS_PORT;
use crate::redis::object::{self, at, text};
use crate::redis::opstree::Kind;
use crate::redis::topology::Topology;
use crate::resources::kinds::resource;
use crate::terraform::Diagnostic;

/// The `RedisSentinel`s that watch a `RedisReplication`, whatever their names. Without the right to list
/// them, only the one with the name of the instance is found.
pub async fn watching(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    deadline: Instant,
) -> Result<Vec<Json>, kubernetes::Error> {
    let kind = resource(Kind::RedisSentinel);
    let sentinels = match cluster.list(kind, Some(namespace), None, deadline).await {
        Ok(sentinels) => sentinels,
        Err(kubernetes::Error { cause: Cause::KindNotServed { .. }, .. }) => Vec::new(),
        Err(kubernetes::Error { cause: Cause::Forbidden { .. }, .. }) => {
            let address = kubernetes::ObjectRef::namespaced(kind, namespace, name);
            cluster.get(&address, deadline).await?.found().into_iter().collect()
        }
        Err(error) => return Err(error),
    };
    Ok(sentinels.into_iter().filter(|one| watches(one, name)).collect())
}

fn watches(sentinels: &Json, name: &str) -> bool {
    text(sentinels, &["spec", "redisSentinelConfig", "redisReplicationName"]) == Some(name)
}

/// Whether the nodes of a cluster lose nodes.conf when they restart. Nothing can be added to existing
/// volumes.
pub fn nodes_forget(data: &Json, topology: Topology) -> bool {
    let storage = at(data, &["spec", "storage"]);
    topology == Topology::Cluster
        && !storage.is_null()
        && storage.get("nodeConfVolume") != Some(&Json::Bool(true))
}

/// Whether sentinels watch the instance that are not managed with it. They do not learn when the provider changes the
/// master.
pub fn are_watching(data: &Json, others: &[Json]) -> bool {
    !others.is_empty() || at(data, &["spec", "sentinel", "size"]).as_i64().is_some_and(|size| size > 0)
}

/// What an import of the instance leaves out, and what is dangerous about the instance.
pub fn warnings(data: &Json, topology: Topology, others: &[Json]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let id = format!("{}/{}", text(data, &["metadata", "namespace"]).unwrap_or_default(), object::name(data));
    let name = object::name(data);
    let guard = "Until then set update_strategy = { guarded = false }, because these sentinels do not learn \
                 when the provider changes the master.";
    if nodes_forget(data, topology) {
        warnings.push(Diagnostic::warning(
            format!("The nodes of {id} forget their cluster when they restart"),
            "The cluster was created without spec.storage.nodeConfVolume, and a volume cannot be added to \
             existing pods. If all pods restart, for whatever reason, the cluster falls apart and most keys \
             are lost. Create a new instance and move the data there. Until then do not apply a plan that \
             warns that Redis will restart.",
        ));
    }
    if !at(data, &["spec", "TLS"]).is_null() {
        warnings.push(Diagnostic::warning(
            format!("{id} accepts TLS only, and the provider cannot talk to it"),
            "The import is complete. But an apply could not ask Redis, and would wait in vain; url also says redis:// \
             instead of rediss://. Set wait = { enabled = false } and update_strategy = { guarded = false }: then the \
             operator restarts the pods by itself.",
        ));
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(object::name).collect();
        let names = names.join(", ");
        let detail = if topology == Topology::Sentinel {
            format!(
                "The instance has sentinels of its own name, and these sentinels watch it as well: both \
                 would promote replicas. Point the applications to the Service {name}-sentinel-sentinel, \
                 then delete the RedisSentinel {names}."
            )
        } else {
            format!(
                "The sentinels of an instance must have its name. The RedisSentinel {names} continues to run \
                 but is not managed here: {id} is imported as a master with replicas, and sentinel_host is \
                 null. To manage its sentinels, create a RedisSentinel {name} with the same spec, wait until \
                 it is Ready, point the applications to the Service {name}-sentinel-sentinel, delete the \
                 RedisSentinel {names}, and import again. {guard}"
            )
        };
        warnings
            .push(Diagnostic::warning(format!("The RedisSentinel {names} of {id} is not imported"), detail));
    }
    if at(data, &["spec", "sentinel", "size"]).as_i64().is_some_and(|size| size > 0) {
        warnings.push(Diagnostic::warning(
            format!("The sentinels within the RedisReplication {id} are not imported"),
            format!(
                "The operator creates these sentinels from spec.sentinel. They continue to run but are not \
                 managed here: {id} is imported as a master with replicas, and sentinel_host is null. To \
                 manage sentinels, create a RedisSentinel {name} that watches the RedisReplication, wait \
                 until it is Ready, point the applications to the Service {name}-sentinel-sentinel, remove \
                 spec.sentinel from the RedisReplication, and import again. {guard}"
            ),
        ));
    }
    warnings
}

/// The port of a cluster, if it is not the one that the provider and its outputs know.
pub(super) fn other_port(data: &Json) -> Option<i64> {
    at(data, &["spec", "port"]).as_i64().filter(|port| *port != i64::from(REDIS_PORT))
}

/// A cluster on another port.
pub(super) fn unreachable(namespace: &str, name: &str, port: i64) -> Diagnostic {
    Diagnostic::error(
        format!("The RedisCluster {namespace}/{name} listens on port {port}"),
        format!(
            "Its spec.port is {port}. The provider reaches Redis on port {REDIS_PORT} only, and host, port and url would \
             be wrong. Nothing was imported. (The operator itself cannot assemble such a cluster either.) Create a new \
             instance and move the data there."
        ),
    )
}

/// A `RedisReplication` without any replica.
pub(super) fn without_replicas(namespace: &str, name: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The RedisReplication {namespace}/{name} has no replica"),
        format!(
            "An instance with a single pod is a Redis, not a RedisReplication. Add a replica, then import \
             the instance: `kubectl -n {namespace} patch {} {name} --type=merge -p \
             '{{\"spec\":{{\"clusterSize\":2}}}}'`.",
            Kind::RedisReplication.crd()
        ),
    )
}
