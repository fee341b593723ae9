//! Blocks of certain topologies: replicas, sentinels, shards.

use crate::redis::topology;
use crate::resources::blocks::SentinelDisruption;
use crate::resources::blocks::resources::{ReplicaResources, SentinelResources};
use crate::terraform::Value;
use crate::{choice, object};

choice! {
    /// The topology.
    pub enum DeploymentMode {
        /// One Redis, or a master with replicas but without failover.
        Standalone = "standalone",
        /// A master with replicas. Sentinels promote a replica when the master is lost.
        Sentinel = "sentinel",
        /// Shards.
        Cluster = "cluster",
    }
}

choice! {
    /// How the nodes of a cluster address each other.
    pub enum ClusterVersion {
        /// By host name: Redis 7 and newer.
        V7 = "v7",
        /// By address only.
        V6 = "v6",
    }
}

object! {
    /// The replicas of the master.
    pub struct Replica {
        /// Number of replicas. Standalone mode: 0 to 5, default 0. Sentinel mode: 1 to 5, default 2. Not valid in
        /// cluster mode: use `cluster.replicas_per_shard`. A change between 0 and more replaces the instance: its
        /// data is lost.
        count: Option<i64> = derived(usual_replicas).check_new(is_replica_count),
        /// CPU and memory of the replicas. Default: those of the master. In standalone and sentinel mode they must
        /// equal the master's, since any pod may become the master. In cluster mode they apply to the followers.
        resources: ReplicaResources = nested(),
    }
}

object! {
    /// The sentinels, which watch the master and promote a replica when the master is lost.
    pub struct Sentinel {
        /// Number of sentinels: 3, 5 or 7.
        replicas: i64 = default(3).check_new(is_sentinel_count),
        /// How many sentinels must agree that the master is lost. Default: the majority.
        quorum: i64 = derived(majority).rolls().check(is_positive),
        /// Milliseconds without an answer after which a sentinel considers the master lost.
        down_after_milliseconds: i64 = default(5000).rolls().check(is_positive),
        /// Milliseconds after which an unfinished failover is tried again.
        failover_timeout: i64 = default(10000).rolls().check(is_positive),
        /// How many replicas copy from a new master at the same time.
        parallel_syncs: i64 = default(1).rolls().check(is_positive),
        /// Name by which clients ask the sentinels for the master.
        master_name: String = default("mymaster").rolls().check(is_master_name),
        /// CPU and memory of each sentinel.
        resources: SentinelResources = nested(),
        /// How many sentinels must keep running during evictions, such as a node drain.
        pod_disruption_budget: SentinelDisruption = nested(),
        /// Whether the sentinels also require the password of Redis.
        password_protected: bool = default(false).rolls(),
    }
}

object! {
    /// The shards of a cluster.
    pub struct Cluster {
        /// Number of shards, at least 3. Slots move when shards are added or removed. One apply cannot both remove
        /// shards and restart the pods.
        num_shards: i64 = default(3).check_new(is_shard_count),
        /// Number of followers of each shard, 0 to 5. The volumes of removed followers stay.
        replicas_per_shard: i64 = default(1).check_new(is_follower_count),
        /// `v7` (nodes announce host names) or `v6` (nodes announce addresses only). Default: follows from `version`.
        version_mode: ClusterVersion = derived(version_mode).rolls(),
    }
}

/// Whether the configuration has that mode.
fn is_mode(root: &Value, mode: &str) -> Option<bool> {
    match root.get("deployment_mode") {
        Value::Unknown => None,
        value => Some(value.as_str() == Some(mode)),
    }
}

/// Whether sentinels apply.
pub fn in_sentinel_mode(root: &Value) -> Option<bool> {
    is_mode(root, "sentinel")
}

/// Whether shards apply.
pub fn in_cluster_mode(root: &Value) -> Option<bool> {
    is_mode(root, "cluster")
}

fn usual_replicas(root: &Value) -> Value {
    match root.get("deployment_mode") {
        Value::Unknown => Value::Unknown,
        mode => match mode.as_str() {
            Some("sentinel") => Value::from(2_i64),
            Some("cluster") => Value::Null,
            _ => Value::from(0_i64),
        },
    }
}

fn majority(root: &Value) -> Value {
    match root.get("sentinel").get("replicas") {
        Value::Number(number) => {
            number.as_i64().map_or(Value::Null, |replicas| Value::from(topology::majority(replicas)))
        }
        other => other.clone(),
    }
}

fn version_mode(root: &Value) -> Value {
    use crate::redis::version::Version;
    match root.get("version") {
        Value::Unknown => Value::Unknown,
        version => {
            let old = version
                .as_str()
                .and_then(|text| Version::parse(text).ok())
                .is_some_and(|version| version.major < 7);
            Value::from(if old { "v6" } else { "v7" })
        }
    }
}

fn within(number: i64, low: i64, high: i64) -> Result<(), String> {
    if (low..=high).contains(&number) {
        Ok(())
    } else {
        Err(format!("expected {low} to {high}, got {number}"))
    }
}

fn is_replica_count(count: &Option<i64>) -> Result<(), String> {
    count.map_or(Ok(()), |count| within(count, 0, 5))
}

fn is_follower_count(count: &i64) -> Result<(), String> {
    within(*count, 0, 5)
}

fn is_sentinel_count(count: &i64) -> Result<(), String> {
    if [3, 5, 7].contains(count) {
        return Ok(());
    }
    Err(format!(
        "expected 3, 5 or 7, got {count}: an even number of sentinels tolerates no more losses than the next \
         smaller number, and a single sentinel cannot reach a majority"
    ))
}

fn is_shard_count(count: &i64) -> Result<(), String> {
    if *count >= 3 {
        return Ok(());
    }
    Err(format!(
        "expected at least 3, got {count}: Redis Cluster needs at least three masters, because a majority of \
         them must agree on a failover"
    ))
}

fn is_positive(number: &i64) -> Result<(), String> {
    if *number > 0 { Ok(()) } else { Err(format!("expected a number above 0, got {number}")) }
}

fn is_master_name(name: &String) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.bytes().all(inner) {
        Ok(())
    } else {
        Err(format!("expected letters, digits, \"-\", \"_\" and \".\", as sentinels accept, got {name:?}"))
    }
}
