//! What happens to the pods when nodes or the pods themselves are replaced, and how they are reached from outside.

use std::collections::BTreeMap;

use crate::terraform::Value;
use crate::{choice, object};

object! {
    /// How many pods an eviction, such as the drain of a node, must leave.
    pub struct Disruption {
        /// Whether there is a budget; by default where there is more than one pod.
        enabled: bool = derived(several_pods),
        /// How many pods must stay; in cluster mode, how many leaders and how many followers. Only one of this and
        /// `max_unavailable`; 1 where neither is set.
        min_available: Option<i64> = optional().check(is_count),
        /// How many pods may go at the same time.
        max_unavailable: Option<i64> = optional().check(is_count),
    }
}

object! {
    /// How many sentinels an eviction, such as the drain of a node, must leave.
    pub struct SentinelDisruption {
        /// Whether there is a budget.
        enabled: bool = default(true),
        /// How many sentinels must stay. Only one of this and `max_unavailable`; the majority where neither is set.
        min_available: Option<i64> = optional().check(is_count),
        /// How many sentinels may go at the same time.
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
    /// How a Service is reached.
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
    /// How Redis is reached from outside of the cluster.
    pub struct Service {
        /// `ClusterIP`: not at all. `NodePort` and `LoadBalancer` reach the writable master; in cluster mode, any leader.
        r#type: ServiceType = default("ClusterIP"),
        /// Annotations of that Service, such as those of a load balancer controller.
        annotations: BTreeMap<String, String> = default(Value::Map(BTreeMap::new())),
        /// Whether a load balancer is reached only from the private network. Sets the annotations of AWS for that.
        internal: bool = default(true),
    }
}

choice! {
    /// Whether pods of one instance share nodes.
    pub enum AntiAffinity {
        /// Not if it can be helped.
        Soft = "soft",
        /// Never: without enough nodes pods stay pending.
        Required = "required",
        /// As the scheduler likes.
        None = "none",
    }
}

choice! {
    /// How the StatefulSet replaces its pods.
    pub enum UpdateType {
        /// One after the other.
        RollingUpdate = "RollingUpdate",
        /// Only those that somebody deletes.
        OnDelete = "OnDelete",
    }
}

object! {
    /// How pods are replaced when a change restarts them.
    pub struct UpdateStrategy {
        /// Whether the provider replaces the pods of a replicated set itself: one at a time, each only when all others are
        /// well, and the master last, after it has handed over to a replica that was replaced before. No acknowledged
        /// write is lost. It applies to standalone mode with replicas and to sentinel mode, while `wait.enabled` is true;
        /// the credentials need some more rights for it. With `false` the operator restarts the pods, and writes fail for
        /// about half a minute. `type` and `rolling_update` need `false`. In cluster mode the operator restarts the pods, and
        /// is kept off while they copy; with `false` it is not.
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
        /// Pods with a lower ordinal stay as they are.
        partition: Option<i64> = optional().check(is_count),
    }
}

fn is_count(count: &Option<i64>) -> Result<(), String> {
    match count {
        Some(count) if *count < 0 => Err(format!("expected 0 or more, got {count}")),
        _ => Ok(()),
    }
}
