//! The four shapes: the least configuration of each, and the kinds of custom resources it is made of.
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Standalone,
    Replication,
    Sentinel,
    Cluster,
}

pub const SHAPES: [Shape; 4] = [Shape::Standalone, Shape::Replication, Shape::Sentinel, Shape::Cluster];

impl Shape {
    /// What an instance of this shape cannot do without. Nobody waits for Redis: see `World::new`.
    pub fn base(self, namespace: &str) -> Json {
        let common = json!({ "name": "cache", "namespace": namespace, "wait": { "enabled": false } });
        let further = match self {
            Shape::Standalone => json!({}),
            Shape::Replication => json!({ "replica": { "count": 1 } }),
            Shape::Sentinel => json!({ "deployment_mode": "sentinel" }),
            Shape::Cluster => json!({ "deployment_mode": "cluster" }),
        };
        merged(&common, &further)
    }

    /// Its custom resources, as in URLs; that of the data first.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Shape::Standalone => &["redis"],
            Shape::Replication => &["redisreplications"],
            Shape::Sentinel => &["redisreplications", "redissentinels"],
            Shape::Cluster => &["redisclusters"],
        }
    }
}

/// RFC 7386: objects are merged, a null takes away, all else is replaced.
pub fn merged(target: &Json, patch: &Json) -> Json {
    let (Json::Object(target), Json::Object(patch)) = (target, patch) else {
        return if patch.is_object() { merged(&json!({}), patch) } else { patch.clone() };
    };
    let mut result = target.clone();
    for (name, value) in patch {
        if value.is_null() {
            result.remove(name);
        } else {
            let inner = merged(result.get(name).unwrap_or(&Json::Null), value);
            result.insert(name.clone(), inner);
        }
    }
    Json::Object(result)
}
