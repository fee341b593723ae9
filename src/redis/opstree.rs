//! The operator's API: group, version, kinds.

use serde_json::Value as Json;

use super::object::{self, Difference, at};

/// The API group of all its kinds.
pub const GROUP: &str = "redis.redis.opstreelabs.in";
/// The only version served since v0.20.
pub const VERSION: &str = "v1beta2";

/// With this annotation at `true` the operator leaves a `Redis` alone.
pub const SKIP_RECONCILE: &str = "redis.opstreelabs.in/skip-reconcile";

/// A kind of the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One Redis without replicas.
    Redis,
}

impl Kind {
    /// As in `kind:`.
    pub fn kind(self) -> &'static str {
        match self {
            Kind::Redis => "Redis",
        }
    }

    /// As in URLs, and in the name of its CRD.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
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
        }
    }
}

/// What differs between the custom resource that is wanted and the one that is there. The node selector
/// counts as a whole: an entry that somebody added keeps pods off our nodes.
pub fn differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let selector = ["spec", "nodeSelector"];
    let mut all = object::differences(wanted, found);
    if let (Some(ours), Some(theirs)) = (at(wanted, &selector).as_object(), at(found, &selector).as_object())
    {
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
