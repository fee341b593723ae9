//! Fields that must not be merged into the operator's custom resources: kinds that this instance does not
//! have, and fields with which the operator crashes, gets stuck or loses data. Each was found in the
//! operator's source or by its users.

use serde_json::Value as Json;

use super::super::model::Instance;
use crate::redis::hazards::{Hazard, hazards};
use crate::redis::opstree::Kind;
use crate::resources::types::JsonObject;
use crate::terraform::{Diagnostic, Path, Planned};

pub(super) fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    let Some(custom) = config.custom_spec.known() else { return Vec::new() };
    let all = [
        (Kind::Redis, custom.redis.known()),
        (Kind::RedisReplication, custom.replication.known()),
        (Kind::RedisSentinel, custom.sentinel.known()),
        (Kind::RedisCluster, custom.cluster.known()),
    ];
    all.into_iter()
        .filter_map(|(kind, spec)| Some((kind, format!("custom_spec.{}", argument(kind)), spec?.as_ref()?)))
        .flat_map(|(kind, path, spec)| of_kind(config, kind, &path, spec))
        .collect()
}

fn argument(kind: Kind) -> &'static str {
    match kind {
        Kind::Redis => "redis",
        Kind::RedisReplication => "replication",
        Kind::RedisSentinel => "sentinel",
        Kind::RedisCluster => "cluster",
    }
}

fn of_kind(config: &Instance<Planned>, kind: Kind, path: &str, spec: &JsonObject) -> Vec<Diagnostic> {
    let Some(topology) = config.planned_topology() else { return Vec::new() };
    if !topology.kinds().contains(&kind) {
        let kinds: Vec<&str> = topology.kinds().iter().map(|kind| kind.kind()).collect();
        let instead: Vec<String> =
            topology.kinds().iter().map(|kind| format!("custom_spec.{}", argument(*kind))).collect();
        let diagnostic = Diagnostic::error(
            format!("{path} has no effect"),
            format!(
                "It applies to a {}, but an instance of this shape consists of {}. Remove it, or use {}.",
                kind.kind(),
                kinds.join(" and "),
                instead.join(" or ")
            ),
        );
        return vec![diagnostic.at(Path::of(path))];
    }
    let spec: &Json = &spec.object;
    hazards(kind, spec).into_iter().map(|hazard| diagnostic(&hazard, path)).collect()
}

fn diagnostic(hazard: &Hazard, path: &str) -> Diagnostic {
    let summary = format!("{path}: {}", hazard.summary);
    let detail = hazard.detail.to_owned();
    let diagnostic = if hazard.is_fatal {
        Diagnostic::error(summary, detail)
    } else {
        Diagnostic::warning(summary, detail)
    };
    diagnostic.at(Path::of(path))
}
