//! Arguments for our part of redis.conf that have no effect because `custom_spec` has chosen another
//! ConfigMap.

use serde_json::Value as Json;

use super::super::model::Instance;
use crate::redis::object::at;
use crate::redis::topology::Topology;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

/// The arguments that our ConfigMap is rendered from.
const SETTINGS: [&str; 4] = ["persistence.rdb", "persistence.aof", "maxmemory_percent", "additional_config"];

/// Whether the argument is one of them.
pub(super) fn is_one(path: &Path) -> bool {
    let path = path.to_string();
    SETTINGS.iter().any(|one| path.starts_with(one))
}

/// Whether the custom resource names no ConfigMap, or the ConfigMap of somebody else, such as that of a Helm
/// chart that an import has found.
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

/// Warns about arguments without effect.
pub(super) fn without_effect(planned: &Instance<Planned>, changes: &[Changed]) -> Option<Diagnostic> {
    if !are_elsewhere(planned) {
        return None;
    }
    let paths: Vec<&Path> = changes.iter().map(|changed| &changed.path).filter(|path| is_one(path)).collect();
    let first = (*paths.first()?).clone();
    let names: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
    let warning = Diagnostic::warning(
        format!("{} will have no effect", names.join(", ")),
        "custom_spec chooses another ConfigMap for redis.conf than the provider's, or none. To use these \
         arguments, remove redisConfig from custom_spec. The pods restart with this change.",
    );
    Some(warning.at(first))
}
