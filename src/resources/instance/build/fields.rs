//! Groups of fields that several kinds share.

use serde_json::{Map, Value as Json, json};

use super::super::model::Instance;
use crate::redis::names::annotation;
use crate::redis::opstree::Kind;
use crate::redis::topology::{Part, Topology, majority};
use crate::resources::blocks::{
    Amounts, AntiAffinity, Disruption, Image, Persistence, Probe, RollingUpdate, SecurityContext,
    SentinelDisruption, Spread, Toleration, UpdateStrategy, UpdateType,
};

/// `kubernetesConfig`, which every kind has.
pub(super) fn kubernetes_config(instance: &Instance, kind: Kind, amounts: &Amounts) -> Map<String, Json> {
    let Image { repository, sentinel_repository, tag, pull_policy, pull_secrets } = &instance.image;
    let repository = if kind == Kind::RedisSentinel { sentinel_repository } else { repository };
    let secrets = pull_secrets.iter().map(|secret| json!({ "name": secret.0 })).collect();
    let protected = match (&instance.sentinel, kind) {
        (Some(sentinel), Kind::RedisSentinel) => sentinel.password_protected,
        _ => true,
    };
    let secret = instance
        .auth_secret
        .as_ref()
        .filter(|_| protected)
        .map(|secret| json!({ "name": secret.name, "key": secret.key }));
    let ignored: Vec<&str> = annotation::IGNORED.into_iter().chain([kind.skip_reconcile()]).collect();
    Map::from_iter([
        ("image".to_owned(), json!(format!("{repository}:{tag}"))),
        ("imagePullPolicy".to_owned(), json!(pull_policy.word())),
        ("imagePullSecrets".to_owned(), unless_empty(pull_secrets.is_empty(), secrets)),
        ("resources".to_owned(), resources(amounts)),
        ("ignoreAnnotations".to_owned(), json!(ignored)),
        ("redisSecret".to_owned(), json!(secret)),
        ("updateStrategy".to_owned(), update_strategy(&instance.update_strategy)),
    ])
}

/// Fields of every kind for all its pods.
pub(super) fn of_all_pods(instance: &Instance) -> Map<String, Json> {
    let Instance { security_context, priority_class_name, service_account, env, .. } = instance;
    let SecurityContext { run_as_non_root, run_as_user, fs_group } = security_context;
    let variables = env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    // A null says that the field must not be there: a field that somebody adds by hand is removed again.
    Map::from_iter([
        (
            "podSecurityContext".to_owned(),
            json!({ "fsGroup": fs_group, "runAsNonRoot": run_as_non_root, "runAsUser": run_as_user }),
        ),
        ("priorityClassName".to_owned(), json!(priority_class_name.as_ref().map(|class| &class.0))),
        ("serviceAccountName".to_owned(), json!(service_account.as_ref().map(|account| &account.0))),
        ("env".to_owned(), unless_empty(env.is_empty(), variables)),
    ])
}

/// Fields of the pods of one StatefulSet: in a cluster, leaders and followers each.
pub(super) fn of_part(instance: &Instance, part: Part) -> Map<String, Json> {
    let Instance {
        node_selector,
        tolerations,
        anti_affinity,
        topology_spread_constraints,
        pod_disruption_budget,
        termination_grace_period_seconds,
        readiness_probe,
        liveness_probe,
        ..
    } = instance;
    let mut fields = Map::from_iter([
        ("nodeSelector".to_owned(), unless_empty(node_selector.is_empty(), json!(node_selector))),
        (
            "tolerations".to_owned(),
            unless_empty(tolerations.is_empty(), tolerations.iter().map(toleration).collect()),
        ),
        ("affinity".to_owned(), affinity(*anti_affinity, instance, part)),
        ("terminationGracePeriodSeconds".to_owned(), json!(termination_grace_period_seconds)),
        ("readinessProbe".to_owned(), probe(readiness_probe.as_ref())),
        ("livenessProbe".to_owned(), probe(liveness_probe.as_ref())),
    ]);
    if part.kind != Kind::Redis {
        fields.insert(
            "topologySpreadConstraints".to_owned(),
            spreads(topology_spread_constraints, &instance.app(part)),
        );
        let pdb = match (&instance.sentinel, part.kind) {
            (Some(sentinel), Kind::RedisSentinel) => {
                sentinel_budget(&sentinel.pod_disruption_budget, sentinel.replicas)
            }
            _ => budget(pod_disruption_budget),
        };
        fields.insert("pdb".to_owned(), pdb);
    }
    fields
}

pub(super) fn unless_empty(empty: bool, value: Json) -> Json {
    if empty { Json::Null } else { value }
}

pub(super) fn resources(amounts: &Amounts) -> Json {
    let Amounts { requested_cpu, requested_memory, cpu, memory } = amounts;
    json!({
        "requests": { "cpu": requested_cpu.canonical(), "memory": requested_memory.canonical() },
        "limits": { "cpu": cpu.canonical(), "memory": memory.canonical() },
    })
}

pub(super) fn storage(persistence: &Persistence) -> Map<String, Json> {
    let Persistence {
        enabled: _,
        storage_class,
        size,
        // For cluster mode only.
        node_conf_size: _,
        access_modes,
        // Part of redis.conf.
        rdb: _,
        aof: _,
        retain_on_delete,
        existing_claims: _,
    } = persistence;
    Map::from_iter([
        ("keepAfterDelete".to_owned(), json!(retain_on_delete)),
        (
            "volumeClaimTemplate".to_owned(),
            json!({
                "spec": {
                    "storageClassName": storage_class.0,
                    "accessModes": access_modes,
                    "resources": { "requests": { "storage": size.canonical() } },
                },
            }),
        ),
    ])
}

fn toleration(toleration: &Toleration) -> Json {
    let Toleration { key, operator, value, effect, toleration_seconds } = toleration;
    let fields = [
        ("key", key.as_ref().map(|key| json!(key))),
        ("operator", operator.as_ref().map(|operator| json!(operator))),
        ("value", value.as_ref().map(|value| json!(value))),
        ("effect", effect.as_ref().map(|effect| json!(effect))),
        ("tolerationSeconds", toleration_seconds.map(|seconds| json!(seconds))),
    ];
    Json::Object(fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect())
}

/// Keeps the pods of one instance apart. Leaders and followers of a cluster count as one group: a node that
/// fails with a leader and its follower would lose the shard.
pub fn affinity(anti_affinity: AntiAffinity, instance: &Instance, part: Part) -> Json {
    let topology = instance.topology();
    let apps: Vec<String> = topology
        .parts()
        .iter()
        .filter(|other| other.kind == part.kind)
        .map(|other| instance.app(*other))
        .collect();
    let term = json!({
        "labelSelector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": apps }] },
        "topologyKey": "kubernetes.io/hostname",
    });
    match anti_affinity {
        // A single pod has no other pod to be kept apart from.
        _ if topology == Topology::Standalone => Json::Null,
        AntiAffinity::None => Json::Null,
        AntiAffinity::Soft => json!({ "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 100, "podAffinityTerm": term }],
        } }),
        AntiAffinity::Required => json!({ "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [term],
        } }),
    }
}

/// Spreads the pods of one StatefulSet.
fn spreads(spreads: &[Spread], app: &str) -> Json {
    let rule = |spread: &Spread| {
        let Spread { max_skew, topology_key, when_unsatisfiable } = spread;
        json!({
            "maxSkew": max_skew,
            "topologyKey": topology_key,
            "whenUnsatisfiable": when_unsatisfiable,
            "labelSelector": { "matchLabels": { "app": app } },
        })
    };
    unless_empty(spreads.is_empty(), spreads.iter().map(rule).collect())
}

/// How many pods an eviction must leave.
pub fn budget(disruption: &Disruption) -> Json {
    let Disruption { enabled, min_available, max_unavailable } = disruption;
    pdb(*enabled, *min_available, *max_unavailable, 1)
}

/// How many sentinels an eviction must leave.
pub fn sentinel_budget(disruption: &SentinelDisruption, sentinels: i64) -> Json {
    let SentinelDisruption { enabled, min_available, max_unavailable } = disruption;
    pdb(*enabled, *min_available, *max_unavailable, majority(sentinels))
}

fn pdb(enabled: bool, min: Option<i64>, max: Option<i64>, usual: i64) -> Json {
    if !enabled {
        return Json::Null;
    }
    let min = if max.is_some() { min } else { min.or(Some(usual)) };
    json!({ "enabled": true, "minAvailable": min, "maxUnavailable": max })
}

/// The timings of a probe; the operator adds the probe itself. A probe without timings is left out: an empty
/// object would stay behind.
pub fn probe(probe: Option<&Probe>) -> Json {
    let Some(Probe { initial_delay_seconds, period_seconds, timeout_seconds, failure_threshold }) = probe
    else {
        return Json::Null;
    };
    let timings = [initial_delay_seconds, period_seconds, timeout_seconds, failure_threshold];
    let probe = json!({
        "initialDelaySeconds": initial_delay_seconds,
        "periodSeconds": period_seconds,
        "timeoutSeconds": timeout_seconds,
        "failureThreshold": failure_threshold,
    });
    unless_empty(timings.iter().all(|timing| timing.is_none()), probe)
}

/// How the StatefulSet controller replaces pods.
pub fn update_strategy(strategy: &UpdateStrategy) -> Json {
    let UpdateStrategy {
        // An argument of the provider only.
        guarded: _,
        r#type,
        rolling_update,
    } = strategy;
    let rolling = rolling_update.as_ref().map(|rolling| {
        let RollingUpdate { max_unavailable, partition } = rolling;
        let limits = json!({ "maxUnavailable": max_unavailable, "partition": partition });
        unless_empty(max_unavailable.is_none() && partition.is_none(), limits)
    });
    // Written even if it is the default. Removing `OnDelete` would leave a null, which the kind's definition
    // refuses because the operator owns the empty object around it.
    let r#type = r#type.unwrap_or(UpdateType::RollingUpdate);
    json!({ "type": r#type.word(), "rollingUpdate": rolling })
}
