//! The operator's API: group, version, kinds, and what its custom resources mean.

use serde_json::Value as Json;

use super::object::{self, Difference, at};

/// The API group of all its kinds.
pub const GROUP: &str = "redis.redis.opstreelabs.in";
/// The only version served since v0.20.
pub const VERSION: &str = "v1beta2";

/// A kind of the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One Redis without replicas.
    Redis,
    /// A master and its replicas.
    RedisReplication,
    /// Sentinels that watch a `RedisReplication`.
    RedisSentinel,
    /// Shards of leaders and followers.
    RedisCluster,
}

impl Kind {
    /// Those that carry data; an instance has exactly one of them.
    pub const WITH_DATA: [Kind; 3] = [Kind::Redis, Kind::RedisReplication, Kind::RedisCluster];

    /// As in `kind:`.
    pub fn kind(self) -> &'static str {
        match self {
            Kind::Redis => "Redis",
            Kind::RedisReplication => "RedisReplication",
            Kind::RedisSentinel => "RedisSentinel",
            Kind::RedisCluster => "RedisCluster",
        }
    }

    /// The kind that an object says it is of.
    pub fn of(object: &Json) -> Option<Kind> {
        let kind = object::text(object, &["kind"])?;
        [Kind::Redis, Kind::RedisReplication, Kind::RedisSentinel, Kind::RedisCluster]
            .into_iter()
            .find(|one| one.kind() == kind)
    }

    /// As in URLs, and in the name of its CRD.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
            Kind::RedisReplication => "redisreplications",
            Kind::RedisSentinel => "redissentinels",
            Kind::RedisCluster => "redisclusters",
        }
    }

    /// The name of its CRD.
    pub fn crd(self) -> String {
        format!("{}.{GROUP}", self.plural())
    }

    /// The finalizer that the operator adds at its first reconcile.
    pub fn finalizer(self) -> &'static str {
        match self {
            Kind::Redis => "redisFinalizer",
            Kind::RedisReplication => "redisReplicationFinalizer",
            Kind::RedisSentinel => "redisSentinelFinalizer",
            Kind::RedisCluster => "redisClusterFinalizer",
        }
    }

    /// With this annotation at `true` the operator leaves the object alone.
    pub fn skip_reconcile(self) -> &'static str {
        match self {
            Kind::Redis => "redis.opstreelabs.in/skip-reconcile",
            Kind::RedisReplication => "redisreplication.opstreelabs.in/skip-reconcile",
            Kind::RedisSentinel => "redissentinel.opstreelabs.in/skip-reconcile",
            Kind::RedisCluster => "rediscluster.opstreelabs.in/skip-reconcile",
        }
    }
}

/// Where custom resources hold node selectors.
const NODE_SELECTORS: [&[&str]; 3] = [
    &["spec", "nodeSelector"],
    &["spec", "redisLeader", "nodeSelector"],
    &["spec", "redisFollower", "nodeSelector"],
];

/// What differs between the custom resource that is wanted and the one that is there. A node selector
/// counts as a whole: an entry that somebody added keeps pods off our nodes.
pub fn differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let mut all = object::differences(wanted, found);
    // What a StatefulSet does without being told.
    all.retain(|difference| {
        !(difference.path == "spec.kubernetesConfig.updateStrategy.type"
            && difference.found.is_null()
            && difference.wanted == "RollingUpdate")
    });
    for selector in NODE_SELECTORS {
        let (ours, theirs) = (at(wanted, selector).as_object(), at(found, selector).as_object());
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
            all.push(Difference {
                path: format!("{}.{name}", selector.join(".")),
                names: selector.iter().map(|part| (*part).to_owned()).chain([name.clone()]).collect(),
                wanted: Json::Null,
                found: value.clone(),
            });
        }
    }
    all
}

/// `apiVersion` of all its kinds.
pub fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}
