//! What happens to the pods when nodes or the pods themselves are replaced, and how they are reached from outside.

use std::collections::BTreeMap;

use crate::terraform::Value;
use crate::{choice, object};

object! {
    /// How many pods must keep running during evictions, such as a node drain.
    pub struct Disruption {
        /// Whether there is a budget. Default: `true` if the instance has more than one pod.
        enabled: bool = derived(several_pods),
        /// How many pods must keep running. In cluster mode, how many leaders and how many followers. Conflicts with
        /// `max_unavailable`. Default: 1, unless `max_unavailable` is set.
        min_available: Option<i64> = optional().check(is_count),
        /// How many pods may be unavailable at the same time.
        max_unavailable: Option<i64> = optional().check(is_count),
    }
}

object! {
    /// How many sentinels must keep running during evictions, such as a node drain.
    pub struct SentinelDisruption {
        /// Whether there is a budget.
        enabled: bool = default(true),
        /// How many sentinels must keep running. Conflicts with `max_unavailable`. Default: the majority, unless
        /// `max_unavailable` is set.
        min_available: Option<i64> = optional().check(is_count),
        /// How many sentinels may be unavailable at the same time.
        max_unavailable: Option<i64> = optional().check(is_count),
    }
}

fn several_pods(root: &Value) -> Value {
    match (root.get("deployment_mode"), root.get("replica").get("count")) {
        (Value::Unknown, _) => Value::Unknown,
        (mode, _) if mode.as_str() != Some("standalone") => Value::Bool(true),
        (_, Value::Number(count)) => Value::Bool(count.as_i64() != Some(0)),
        (_, Value::Unknown) => Value::Unknown,
        _ => Value::Bool(false),
    }
}

choice! {
    /// How clients reach a Service.
    pub enum ServiceType {
        /// Within the cluster.
        ClusterIp = "ClusterIP",
        /// Through a port of every node.
        NodePort = "NodePort",
        /// Through a load balancer of the cloud.
        LoadBalancer = "LoadBalancer",
    }
}

object! {
    /// How clients outside the Kubernetes cluster reach Redis.
    pub struct Service {
        /// `ClusterIP` gives no access from outside. `NodePort` and `LoadBalancer` reach the writable master; in
        /// cluster mode, any leader.
        r#type: ServiceType = default("ClusterIP"),
        /// Annotations of the Service for access from outside, such as those of a load balancer controller.
        annotations: BTreeMap<String, String> = default(Value::Map(BTreeMap::new())),
        /// Whether the load balancer is reachable only from the private network. Sets the AWS annotations for this.
        internal: bool = default(true),
    }
}

choice! {
    /// Whether pods of one instance share nodes.
    pub enum AntiAffinity {
        /// Preferably not.
        Soft = "soft",
        /// Never. Without enough nodes, pods stay pending.
        Required = "required",
        /// The scheduler decides.
        None = "none",
    }
}

choice! {
    /// How the StatefulSet replaces its pods.
    pub enum UpdateType {
        /// One after the other.
        RollingUpdate = "RollingUpdate",
        /// Only the pods that somebody deletes.
        OnDelete = "OnDelete",
    }
}

object! {
    /// How pods are replaced when a change restarts them.
    pub struct UpdateStrategy {
        /// Whether the provider replaces the pods of a replicated set itself, one at a time. It replaces a pod only
        /// when all others are healthy. The master comes last, after it has handed over to an already replaced
        /// replica. No acknowledged write is lost. This applies to standalone mode with replicas and to sentinel mode
        /// while `wait.enabled` is true, and needs some more rights. With `false`, the operator restarts the pods,
        /// and writes fail for about half a minute. `type` and `rolling_update` require `false`. In cluster mode the
        /// operator restarts the pods, and with `true` the provider pauses the operator while they copy data.
        guarded: bool = default(true).provider_only(),
        /// `RollingUpdate` (one pod after the other) or `OnDelete` (only the pods that somebody deletes).
        r#type: Option<UpdateType> = optional(),
        /// Limits of a rolling update.
        rolling_update: Option<RollingUpdate> = optional(),
    }
}

object! {
    /// Limits of a rolling update.
    pub struct RollingUpdate {
        /// How many pods may be unavailable at the same time.
        max_unavailable: Option<i64> = optional().check(is_count),
        /// Pods with a lower ordinal are not replaced.
        partition: Option<i64> = optional().check(is_count),
    }
}

fn is_count(count: &Option<i64>) -> Result<(), String> {
    match count {
        Some(count) if *count < 0 => Err(format!("expected 0 or more, got {count}")),
        _ => Ok(()),
    }
}
