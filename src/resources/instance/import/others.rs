//! What is to be said of an instance that others have made: sentinels that watch it and cannot be managed with it, nodes that
//! forget their cluster.

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::kubernetes::{self, Cause, Cluster};
use crate::redis::object::{self, at, text};
use crate::redis::opstree::Kind;
use crate::redis::topology::Topology;
use crate::resources::kinds::resource;
use crate::terraform::Diagnostic;

/// The `RedisSentinel`s that watch a `RedisReplication`, whatever they are called. Who may not list them is told of the one
/// of its name alone.
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

/// Whether the nodes of a cluster lose nodes.conf when they restart. Nothing can be added to volumes that are there.
pub fn nodes_forget(data: &Json, topology: Topology) -> bool {
    let storage = at(data, &["spec", "storage"]);
    topology == Topology::Cluster
        && !storage.is_null()
        && storage.get("nodeConfVolume") != Some(&Json::Bool(true))
}

/// What of the instance is not taken over, and what is dangerous about it.
pub fn warnings(data: &Json, topology: Topology, others: &[Json]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let id = format!("{}/{}", text(data, &["metadata", "namespace"]).unwrap_or_default(), object::name(data));
    let name = object::name(data);
    let guard = "Until then write update_strategy = { guarded = false }: these sentinels are not told when the provider \
                 changes the master.";
    if nodes_forget(data, topology) {
        warnings.push(Diagnostic::warning(
            format!("The nodes of {id} forget their cluster when they restart"),
            "It was made without spec.storage.nodeConfVolume, and a volume cannot be added to pods that exist. Whatever restarts \
             them all, an apply or anybody else, tears the cluster apart, and most keys are lost. Make a new instance, move the \
             data there, and until then change nothing of which the plan warns that Redis will restart.",
        ));
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(object::name).collect();
        let names = names.join(", ");
        let detail = if topology == Topology::Sentinel {
            format!(
                "The instance has sentinels of its own name, and these watch it as well; both would promote replicas. \
                 Point the applications to the Service {name}-sentinel-sentinel, then delete the RedisSentinel {names}."
            )
        } else {
            format!(
                "Sentinels of an instance bear its name. The RedisSentinel {names} goes on as it is, but is not managed from \
                 here: {id} is imported as a master with replicas, and sentinel_host is null. To have its sentinels managed, \
                 make a RedisSentinel {name} with the same spec, wait until it is Ready, point the applications to the \
                 Service {name}-sentinel-sentinel, delete the RedisSentinel {names}, and import again. {guard}"
            )
        };
        warnings
            .push(Diagnostic::warning(format!("The RedisSentinel {names} of {id} is not imported"), detail));
    }
    if at(data, &["spec", "sentinel", "size"]).as_i64().is_some_and(|size| size > 0) {
        warnings.push(Diagnostic::warning(
            format!("The sentinels within the RedisReplication {id} are not imported"),
            format!(
                "The operator makes them of spec.sentinel. They go on as they are, but are not managed from here: {id} is \
                 imported as a master with replicas, and sentinel_host is null. To have sentinels managed, make a \
                 RedisSentinel {name} that watches it, wait until it is Ready, point the applications to the Service \
                 {name}-sentinel-sentinel, take spec.sentinel out of the RedisReplication, and import again. {guard}"
            ),
        ));
    }
    warnings
}

/// The operator's kind for replicas, without any.
pub(super) fn without_replicas(namespace: &str, name: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The RedisReplication {namespace}/{name} has no replica"),
        format!(
            "An instance of one Redis is a Redis, not a RedisReplication. Give it a replica, then import it: `kubectl -n \
             {namespace} patch {} {name} --type=merge -p '{{\"spec\":{{\"clusterSize\":2}}}}'`.",
            Kind::RedisReplication.crd()
        ),
    )
}
