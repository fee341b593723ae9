//! The arguments that the redis.conf of an imported instance was made from.

use serde_json::Value as Json;

use super::super::directives;
use super::super::model::{CustomSpec, Instance};
use super::super::state::strings;
use crate::redis::config::{self, save_points};
use crate::redis::object::{at, list, text};
use crate::redis::topology::Topology;
use crate::resources::blocks::{Disruption, Fsync, NetworkPolicy, Service, ServiceType};
use crate::resources::types::{JsonObject, NamespaceName};
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// Takes the arguments that our ConfigMap records.
pub(super) fn take_recorded(instance: &mut Instance, recorded: &Json) {
    let persistence = &mut instance.persistence;
    if let Some(enabled) = at(recorded, &["rdb", "enabled"]).as_bool() {
        persistence.rdb.enabled = enabled;
    }
    if let Some(interval) = text(recorded, &["rdb", "save_interval"]) {
        persistence.rdb.save_interval = interval.to_owned();
    }
    if let Some(enabled) = at(recorded, &["aof", "enabled"]).as_bool() {
        persistence.aof.enabled = enabled;
    }
    if let Some(policy) = text(recorded, &["aof", "fsync_policy"])
        && let Ok(policy) = Fsync::parse(&Value::from(policy))
    {
        persistence.aof.fsync_policy = policy;
    }
    if let Some(percent) = at(recorded, &["maxmemory_percent"]).as_i64() {
        instance.maxmemory_percent = percent;
    }
    let custom = |kind| {
        text(recorded, &["custom_spec", kind]).and_then(|custom| JsonObject::parse(&Value::from(custom)).ok())
    };
    instance.custom_spec = CustomSpec {
        redis: custom("redis"),
        replication: custom("replication"),
        sentinel: custom("sentinel"),
        cluster: custom("cluster"),
    };
    instance.as_found = strings(at(recorded, &["as_found"]));
    let service = at(recorded, &["service"]);
    if let Some(Ok(word)) = text(service, &["type"]).map(|word| ServiceType::parse(&Value::from(word))) {
        instance.service = Service {
            r#type: word,
            annotations: strings(at(service, &["annotations"])),
            internal: at(service, &["internal"]).as_bool().unwrap_or(instance.service.internal),
        };
    }
    let budget = at(recorded, &["pod_disruption_budget"]);
    // In every other shape the custom resource says it.
    if let Some(enabled) = at(budget, &["enabled"]).as_bool()
        && instance.topology() == Topology::Standalone
    {
        let limit = |field| at(budget, &[field]).as_i64();
        let (min_available, max_unavailable) = (limit("min_available"), limit("max_unavailable"));
        instance.pod_disruption_budget = Disruption { enabled, min_available, max_unavailable };
    }
    let policy = at(recorded, &["network_policy"]);
    if let Some(enabled) = at(policy, &["enabled"]).as_bool() {
        let words = |field| list(policy, &[field]).iter().filter_map(Json::as_str).map(str::to_owned);
        instance.network_policy = NetworkPolicy {
            enabled,
            allowed_namespaces: words("allowed_namespaces").map(NamespaceName).collect(),
            allowed_cidrs: words("allowed_cidrs").collect(),
        };
    }
    instance.authentication.rotate = strings(at(recorded, &["rotate"]));
    instance.additional_config = strings(at(recorded, &["additional_config"]));
}

/// What is in force if somebody else wrote redis.conf: the defaults of the operator and its images for a
/// volume, and then `config_map`, if the custom resource names one. Our own file would say the same.
pub(super) fn take_others(instance: &mut Instance, spec: &Json, config_map: Option<&Json>) {
    let persistence = &mut instance.persistence;
    persistence.aof.enabled = persistence.enabled;
    instance.maxmemory_percent = at(spec, &["redisConfig", "maxMemoryPercentOfLimit"]).as_i64().unwrap_or(0);
    let written = config_map.and_then(|config_map| text(config_map, &["data", config::KEY]));
    let directives = written.unwrap_or_default().lines().filter_map(directive);
    let mut saves = None;
    for (name, value) in directives {
        match name.as_str() {
            // An empty value removes all earlier ones.
            "save" if value == "\"\"" => saves = Some(Vec::new()),
            "save" => saves.get_or_insert_with(Vec::new).push(value),
            "appendonly" => persistence.aof.enabled = value == "yes",
            "appendfsync" => {
                let policy = Fsync::parse(&Value::from(value.as_str()));
                persistence.aof.fsync_policy = policy.unwrap_or(persistence.aof.fsync_policy);
            }
            _ => {
                let lines = instance.additional_config.entry(name).or_default();
                *lines = if lines.is_empty() { value } else { format!("{lines}\n{value}") };
            }
        }
    }
    // Directives that no argument may set stay in their file alone.
    instance
        .additional_config
        .retain(|name, value| directives::are_directives(&[(name.clone(), value.clone())].into()).is_ok());
    if let Some(saves) = saves {
        let interval = saves.join(" ");
        persistence.rdb.enabled = !saves.is_empty();
        if save_points(&interval).is_ok() {
            persistence.rdb.save_interval = interval;
        }
    }
}

fn directive(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, value) = line.split_once(char::is_whitespace)?;
    (!line.starts_with('#')).then(|| (name.to_lowercase(), value.trim().to_owned()))
}
