//! What only some topologies have: replicas, sentinels, shards.

use crate::resources::blocks::SentinelDisruption;
use crate::resources::blocks::resources::{ReplicaResources, SentinelResources};
use crate::terraform::Value;
use crate::{choice, object};

choice! {
    /// The topology.
    pub enum DeploymentMode {
        /// One Redis, or a master with replicas that nobody promotes.
        Standalone = "standalone",
        /// A master with replicas, of which sentinels promote one when the master is lost.
        Sentinel = "sentinel",
        /// Shards.
        Cluster = "cluster",
    }
}

choice! {
    /// How the nodes of a cluster speak of each other.
    pub enum ClusterVersion {
        /// By host name: Redis 7 and newer.
        V7 = "v7",
        /// By address only.
        V6 = "v6",
    }
}

object! {
    /// Copies of the master.
    pub struct Replica {
        /// How many replicas: 0 to 5 in standalone mode (default 0), 1 to 5 in sentinel mode (default 2). Not valid in
        /// cluster mode, where `cluster.replicas_per_shard` says it. From 0 to more, or back, replaces the instance:
        /// its data is lost.
        count: Option<i64> = derived(usual_replicas).check(is_replica_count),
        /// CPU and memory of the replicas; the master's where not set. In standalone and sentinel mode they must
        /// equal the master's, since any of the pods may become it. In cluster mode they are the followers'.
        resources: ReplicaResources = nested(),
    }
}

object! {
    /// The sentinels, which watch the master and promote a replica when it is lost.
    pub struct Sentinel {
        /// How many sentinels: 3, 5 or 7.
        replicas: i64 = default(3).check(is_sentinel_count),
        /// How many sentinels must agree that the master is lost; the majority where not set.
        quorum: i64 = derived(majority).rolls().check(is_positive),
        /// After how many milliseconds without an answer a sentinel holds the master to be lost.
        down_after_milliseconds: i64 = default(5000).rolls().check(is_positive),
        /// Milliseconds after which a failover that does not end is tried again.
        failover_timeout: i64 = default(10000).rolls().check(is_positive),
        /// How many replicas copy from a new master at the same time.
        parallel_syncs: i64 = default(1).rolls().check(is_positive),
        /// The name by which clients ask sentinels for the master.
        master_name: String = default("mymaster").rolls().check(is_master_name),
        /// CPU and memory of each sentinel.
        resources: SentinelResources = nested(),
        /// How many sentinels an eviction, such as the drain of a node, must leave.
        pod_disruption_budget: SentinelDisruption = nested(),
        /// Whether the sentinels ask for the password of Redis, too.
        password_protected: bool = default(false).rolls(),
    }
}

object! {
    /// The shards of a cluster.
    pub struct Cluster {
        /// How many shards; at least 3. The slots move when shards are added or removed. Shards cannot be removed in
        /// one apply with a change that restarts the pods.
        num_shards: i64 = default(3).check(is_shard_count),
        /// Followers of each shard, 0 to 5. The volumes of those that go stay.
        replicas_per_shard: i64 = default(1).check(is_follower_count),
        /// `v7`, with which nodes announce host names, or `v6`; follows from `version` where not set.
        version_mode: ClusterVersion = derived(version_mode).rolls(),
    }
}

/// Whether the configuration is of that mode.
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
            number.as_i64().map_or(Value::Null, |replicas| Value::from(replicas / 2 + 1))
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
        "expected 3, 5 or 7, got {count}: an even number of sentinels tolerates no more losses than one fewer, and one \
         alone cannot agree with anybody"
    ))
}

fn is_shard_count(count: &i64) -> Result<(), String> {
    if *count >= 3 {
        return Ok(());
    }
    Err(format!(
        "expected at least 3, got {count}: Redis makes no cluster of fewer masters, since a majority of them must agree \
         on a failover"
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
