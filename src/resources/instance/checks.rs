//! Values that Kubernetes or the operator would refuse, reported at plan: labels, annotations, environment,
//! tolerations. Each `Err` says what was expected instead.

use std::collections::BTreeMap;

use crate::redis::names;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Spread, Toleration};
use crate::resources::types::{DnsLabel, JsonObject};

type Strings = BTreeMap<String, String>;

/// Labels of users: well-formed, and none of the operator's or the provider's own.
pub fn are_labels(labels: &Strings) -> Result<(), String> {
    for key in labels.keys() {
        if names::RESERVED_LABELS.contains(&key.as_str()) {
            return Err(format!(
                "the label {key} belongs to the operator: it would break the selectors of its Services and \
                 StatefulSets; choose another name"
            ));
        }
        not_reserved("label", key)?;
    }
    are_label_pairs(labels)
}

/// Labels of nodes.
pub fn are_label_pairs(labels: &Strings) -> Result<(), String> {
    for (key, value) in labels {
        is_qualified_name(key)?;
        if !value.is_empty() && !is_name_part(value) {
            return Err(format!(
                "the value {value:?} of {key} is not valid: expected at most 63 letters, digits, \"-\", \"_\" and \
                 \".\", with a letter or digit at both ends"
            ));
        }
    }
    Ok(())
}

/// Annotations of users.
pub fn are_annotations(annotations: &Strings) -> Result<(), String> {
    for key in annotations.keys() {
        not_reserved("annotation", key)?;
        is_qualified_name(key)?;
    }
    Ok(())
}

fn not_reserved(what: &str, key: &str) -> Result<(), String> {
    if key.starts_with(names::PREFIX) || key.contains("opstreelabs.in/") {
        return Err(format!("the {what} {key} belongs to the operator or to this provider; remove it"));
    }
    Ok(())
}

fn is_qualified_name(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if is_name_part(name) && prefix.is_none_or(is_subdomain) {
        return Ok(());
    }
    Err(format!("{key:?} is not a valid key: expected name or prefix/name, such as example.com/team"))
}

fn is_name_part(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    text.len() <= 253
        && text
            .split('.')
            .map(str::as_bytes)
            .all(|label| end(label.first()) && end(label.last()) && label.iter().all(inner))
}

/// Variables that the operator sets itself.
const OPERATORS_VARIABLES: [&str; 10] = [
    "ACL_MODE",
    "PERSISTENCE_ENABLED",
    "REDIS_ADDR",
    "REDIS_MAJOR_VERSION",
    "REDIS_MAX_MEMORY",
    "REDIS_PASSWORD",
    "REDIS_PORT",
    "SERVER_MODE",
    "SETUP_MODE",
    "TLS_MODE",
];

/// Environment variables.
pub fn are_variables(variables: &Strings) -> Result<(), String> {
    for name in variables.keys() {
        if OPERATORS_VARIABLES.contains(&name.as_str()) {
            return Err(format!("the operator sets the variable {name} itself; remove it"));
        }
        let first = |first: char| first.is_ascii_alphabetic() || "-._".contains(first);
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !name.starts_with(first) || !name.bytes().all(inner) {
            return Err(format!(
                "{name:?} is not the name of an environment variable: expected letters, digits, \"_\", \"-\" and \
                 \".\", not beginning with a digit"
            ));
        }
    }
    Ok(())
}

/// Tolerations that the API server accepts.
pub fn are_tolerations(tolerations: &[Toleration]) -> Result<(), String> {
    tolerations.iter().enumerate().try_for_each(|(index, toleration)| {
        is_toleration(toleration).map_err(|reason| format!("toleration {index}: {reason}"))
    })
}

fn is_toleration(toleration: &Toleration) -> Result<(), String> {
    let exists = toleration.operator.as_deref() == Some("Exists");
    let value = toleration.value.as_deref().unwrap_or_default();
    match toleration.key.as_deref() {
        None | Some("") if !exists => return Err("without a key, operator must be Exists".to_owned()),
        Some(key) if !key.is_empty() => is_qualified_name(key)?,
        _ => {}
    }
    if exists && !value.is_empty() {
        return Err("with operator Exists, value must not be set".to_owned());
    }
    if !value.is_empty() && !is_name_part(value) {
        return Err(format!("{value:?} is not the value of a taint"));
    }
    if toleration.toleration_seconds.is_some() && toleration.effect.as_deref() != Some("NoExecute") {
        return Err("with toleration_seconds, effect must be NoExecute".to_owned());
    }
    Ok(())
}

/// The longest name that an instance of any shape can have; `validate` knows the limit of each shape.
pub fn fits_into_labels(name: &DnsLabel) -> Result<(), String> {
    let longest = Topology::Standalone.longest_name();
    if name.0.len() <= longest {
        return Ok(());
    }
    Err(format!(
        "expected at most {longest} characters, got {}: Kubernetes puts the name and a hash of ten letters into a \
         label of at most 63",
        name.0.len()
    ))
}

/// Spread constraints that the API server accepts.
pub fn are_spreads(spreads: &[Spread]) -> Result<(), String> {
    const WORDS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
    spreads.iter().enumerate().try_for_each(|(index, spread)| {
        let Spread { max_skew, topology_key, when_unsatisfiable } = spread;
        if *max_skew < 1 {
            return Err(format!("constraint {index}: expected a max_skew of 1 or more, got {max_skew}"));
        }
        if !WORDS.contains(&when_unsatisfiable.as_str()) {
            return Err(format!(
                "constraint {index}: expected when_unsatisfiable to be one of {}, got {when_unsatisfiable:?}",
                WORDS.join(", ")
            ));
        }
        is_qualified_name(topology_key).map_err(|reason| format!("constraint {index}: {reason}"))
    })
}

/// A number of seconds.
pub fn is_not_negative(seconds: &Option<i64>) -> Result<(), String> {
    match seconds {
        Some(seconds) if *seconds < 0 => Err(format!("expected 0 or more, got {seconds}")),
        _ => Ok(()),
    }
}

/// A share of a hundred.
pub fn is_percentage(percent: &i64) -> Result<(), String> {
    if (0..=100).contains(percent) { Ok(()) } else { Err(format!("expected 0 to 100, got {percent}")) }
}

/// Fields of custom resources from which endpoints, guards and readiness are derived.
const NOT_CUSTOM: [(&str, &str); 18] = [
    ("storage", "use persistence"),
    ("persistenceEnabled", "use persistence"),
    ("redisConfig", "use additional_config"),
    ("redisLeader.redisConfig", "use additional_config"),
    ("redisFollower.redisConfig", "use additional_config"),
    ("hostNetwork", "host, port and url are those of the Services"),
    ("port", "host, port and url are those of the Services"),
    ("clusterSize", "use replica.count, sentinel.replicas or cluster.num_shards"),
    ("redisLeader.replicas", "use cluster.num_shards"),
    ("redisFollower.replicas", "use cluster.replicas_per_shard"),
    ("clusterVersion", "use cluster.version_mode"),
    ("sentinel", "use deployment_mode = \"sentinel\", which makes a RedisSentinel"),
    ("redisSentinelConfig.redisReplicationName", "the sentinels belong to the instance"),
    ("redisSentinelConfig.masterGroupName", "use sentinel.master_name"),
    ("redisSentinelConfig.quorum", "use sentinel.quorum"),
    ("redisSentinelConfig.redisReplicationPassword", "use authentication"),
    ("kubernetesConfig.redisSecret", "use authentication"),
    ("kubernetesConfig.ignoreAnnotations", "the provider needs it"),
];

/// A custom spec that does not set fields of the arguments.
pub fn leaves_ours_alone(spec: &Option<JsonObject>) -> Result<(), String> {
    let Some(spec) = spec else { return Ok(()) };
    let is_set =
        |path: &str| path.split('.').try_fold(&spec.object, |object, name| object.get(name)).is_some();
    let is_refused = |field: &str| is_set(field) && !is_another_file(&spec.object, field);
    match NOT_CUSTOM.iter().find(|(field, _)| is_refused(field)) {
        Some((field, instead)) => Err(format!("{field} cannot be set here: {instead}")),
        None => Ok(()),
    }
}

/// Whether that field is `redisConfig` and only chooses the ConfigMap, or none: instead of ours, a ConfigMap
/// that somebody else keeps, such as that of a Helm chart.
fn is_another_file(spec: &serde_json::Value, field: &str) -> bool {
    let Some(above) = field.strip_suffix("redisConfig") else { return false };
    let section = above.trim_end_matches('.');
    let holder = if section.is_empty() { spec } else { &spec[section] };
    let config = holder.get("redisConfig");
    config.is_some_and(|config| {
        let other = config.get("additionalRedisConfig");
        let chooses = other.is_some_and(|name| name.is_null() || name.is_string());
        config.is_null() || (chooses && config.as_object().is_some_and(|fields| fields.len() == 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(key: &str, value: &str) -> Strings {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn labels_follow_the_api_servers_rules() {
        for (key, value) in [("team", "a"), ("example.com/team", "A_1.b"), ("a", "")] {
            assert_eq!(are_labels(&strings(key, value)), Ok(()), "{key}={value}");
        }
        for (key, value) in [
            ("app", "x"),
            ("terraform-provider-redis/instance", "x"),
            ("-a", "x"),
            ("x..y/a", "x"),
            ("a/b/c", "x"),
            ("a", "-x"),
            ("a", "x y"),
        ] {
            assert!(are_labels(&strings(key, value)).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn tolerations_follow_the_api_servers_rules() {
        let none =
            Toleration { key: None, operator: None, value: None, effect: None, toleration_seconds: None };
        let text = |text: &str| Some(text.to_owned());
        let exists = Toleration { operator: text("Exists"), ..none.clone() };
        let key = Toleration { key: text("a"), ..none.clone() };
        assert_eq!(are_tolerations(&[exists.clone(), key.clone()]), Ok(()));
        for wrong in [
            none,
            Toleration { value: text("b"), ..exists },
            Toleration { key: text("a b"), ..key.clone() },
            Toleration { toleration_seconds: Some(5), effect: text("NoSchedule"), ..key },
        ] {
            assert!(are_tolerations(std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
