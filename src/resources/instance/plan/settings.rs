//! Arguments that go into our part of redis.conf, where `custom_spec` has chosen another.

use serde_json::Value as Json;

use super::super::model::Instance;
use crate::redis::object::at;
use crate::redis::topology::Topology;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

/// The arguments that our ConfigMap is rendered from.
const SETTINGS: [&str; 4] = ["persistence.rdb", "persistence.aof", "maxmemory_percent", "additional_config"];

/// Whether it is one of those.
pub(super) fn is_one(path: &Path) -> bool {
    let path = path.to_string();
    SETTINGS.iter().any(|one| path.starts_with(one))
}

/// Whether the custom resource names no ConfigMap, or somebody else's: that of a Helm chart, as an import has found it.
pub(super) fn are_elsewhere(planned: &Instance<Planned>) -> bool {
    let Some(custom) = planned.custom_spec.known() else { return false };
    let spec = match planned.planned_topology() {
        Some(Topology::Standalone) => custom.redis.known(),
        Some(Topology::Replication | Topology::Sentinel) => custom.replication.known(),
        Some(Topology::Cluster) => custom.cluster.known(),
        None => None,
    };
    let Some(Some(spec)) = spec else { return false };
    let section = if planned.planned_topology() == Some(Topology::Cluster) {
        at(&spec.object, &["redisLeader"])
    } else {
        &spec.object
    };
    section
        .get("redisConfig")
        .is_some_and(|config| matches!(config, Json::Null) || config.get("additionalRedisConfig").is_some())
}

/// Says so.
pub(super) fn without_effect(planned: &Instance<Planned>, changes: &[Changed]) -> Option<Diagnostic> {
    if !are_elsewhere(planned) {
        return None;
    }
    let paths: Vec<&Path> = changes.iter().map(|changed| &changed.path).filter(|path| is_one(path)).collect();
    let first = (*paths.first()?).clone();
    let names: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
    let warning = Diagnostic::warning(
        format!("{} will have no effect", names.join(", ")),
        "custom_spec has chosen another ConfigMap for redis.conf than the provider's, or none. To have redis.conf made of \
         the arguments, take redisConfig out of custom_spec; the pods restart then, with what these arguments say.",
    );
    Some(warning.at(first))
}
