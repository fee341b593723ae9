//! The disruption budget of a single Redis: the operator's kind for one pod has no field for a budget. All
//! other kinds have one, and two budgets for one pod would block every eviction of it.

use serde_json::{Value as Json, json};

use super::metadata;
use crate::redis::names;
use crate::redis::objects::Role;
use crate::redis::topology::Topology;
use crate::resources::blocks::Disruption;
use crate::resources::instance::model::Instance;

pub(super) fn build(instance: &Instance) -> Vec<Json> {
    let Disruption { enabled, min_available, max_unavailable } = &instance.pod_disruption_budget;
    if !enabled || instance.topology() != Topology::Standalone {
        return Vec::new();
    }
    // A null says that the other limit must not be there: Kubernetes takes only one of the two.
    let min_available = if max_unavailable.is_some() { *min_available } else { min_available.or(Some(1)) };
    let name = names::disruption_budget(&instance.name.0);
    let part = instance.topology().parts().first();
    vec![json!({
        "metadata": metadata(instance, Role::DisruptionBudget, &name, &[]),
        "spec": {
            "selector": { "matchLabels": {
                "app": part.map(|part| instance.app(*part)),
                "redis_setup_type": part.map(|part| part.setup()),
            } },
            "minAvailable": min_available,
            "maxUnavailable": max_unavailable,
        },
    })]
}
