//! Every argument of the schema, with two values, and what it needs around it. `every_argument_has_a_row` fails until a
//! new one stands here; that is all there is to do for it.
use serde_json::{Value as Json, json};

use super::shape::Shape;
use super::shape::Shape::{Cluster, Replication, Sentinel, Standalone};

/// What a change of an argument comes to, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It stands in the cluster, and is gone from there when it is unset.
    Written,
    /// The same, but unsetting it is refused: it only grows.
    Grows,
    /// The cluster is not touched; the state keeps it.
    Kept,
    /// It stands in the cluster from the creation on; a change is refused.
    Fixed,
    /// A change makes another instance.
    Replaces,
    /// This shape does not have it: an error at that argument, or at the object around it.
    Invalid,
}

/// One argument.
pub struct Row {
    /// `a.b`; `a[].b` for a member of a list's objects.
    pub path: &'static str,
    /// What is merged into the shape's configuration, unless `of_shape` has something else.
    first: Json,
    second: Json,
    of_shape: Vec<(Shape, Json, Json)>,
    /// What is around it before it is set and after it is unset.
    pub with: Json,
    effects: Vec<(Shape, Effect)>,
    /// Whether it stays out where all arguments are set at once: it excludes another one.
    pub alone: bool,
}

/// An argument with two values.
fn row(path: &'static str, first: impl Into<Json>, second: impl Into<Json>) -> Row {
    beside(path, nested(path, first.into()), nested(path, second.into()))
}

/// An argument whose values need others beside them, which change or go with it.
fn beside(path: &'static str, first: Json, second: Json) -> Row {
    Row { path, first, second, of_shape: Vec::new(), with: json!({}), effects: Vec::new(), alone: false }
}

/// `a.b` and 1 → `{ "a": { "b": 1 } }`.
pub fn nested(path: &str, value: Json) -> Json {
    path.rsplit('.').fold(value, |inner, name| json!({ name: inner }))
}

impl Row {
    fn with(self, with: Json) -> Row {
        Row { with, ..self }
    }

    fn alone(self) -> Row {
        Row { alone: true, ..self }
    }

    /// Other values in that shape.
    fn of(mut self, shape: Shape, first: Json, second: Json) -> Row {
        self.of_shape.push((shape, first, second));
        self
    }

    /// Another effect in those shapes than its class of change says.
    fn where_it_is(mut self, effect: Effect, shapes: &[Shape]) -> Row {
        self.effects.extend(shapes.iter().map(|shape| (*shape, effect)));
        self
    }

    fn invalid(self, shapes: &[Shape]) -> Row {
        self.where_it_is(Effect::Invalid, shapes)
    }

    fn kept(self, shapes: &[Shape]) -> Row {
        self.where_it_is(Effect::Kept, shapes)
    }

    /// Both values, as what is merged into the configuration.
    pub fn values(&self, shape: Shape) -> (&Json, &Json) {
        let of_shape = self.of_shape.iter().find(|(one, ..)| *one == shape);
        of_shape.map_or((&self.first, &self.second), |(_, first, second)| (first, second))
    }

    /// What it comes to in that shape, where its class of change does not say it.
    pub fn effect(&self, shape: Shape) -> Option<Effect> {
        self.effects.iter().find(|(one, _)| *one == shape).map(|(_, effect)| *effect)
    }
}

const ALL: [Shape; 4] = super::shape::SHAPES;
const NOT_SENTINEL: [Shape; 3] = [Standalone, Replication, Cluster];
const NOT_CLUSTER: [Shape; 3] = [Standalone, Replication, Sentinel];

pub fn rows() -> Vec<Row> {
    [whole(), workload(), topology(), data(), placement(), life(), custom(), provider()]
        .into_iter()
        .flatten()
        .collect()
}

fn whole() -> Vec<Row> {
    let mode = |mode: &str| json!({ "deployment_mode": mode, "replica": null });
    vec![
        row("name", "other", "third"),
        row("namespace", "other", "third"),
        row("create_namespace", true, false),
        row("version", "7.2", "7.4").where_it_is(Effect::Grows, &ALL),
        beside("deployment_mode", mode("sentinel"), mode("cluster"))
            .of(Sentinel, mode("standalone"), mode("cluster"))
            .of(Cluster, mode("standalone"), mode("sentinel")),
        row("labels", json!({ "team": "one" }), json!({ "team": "two" })),
        row("annotations", json!({ "team": "one" }), json!({ "team": "two" })),
    ]
}

fn workload() -> Vec<Row> {
    let secret = |name: &str, key: &str| json!({ "authentication": { "existing_secret": { "name": name, "key": key } } });
    let password = |word: &str, version: i64| json!({ "authentication": { "password_wo": word, "password_wo_version": version } });
    vec![
        row("image.repository", "quay.io/opstree/redis-one", "quay.io/opstree/redis-two"),
        row("image.sentinel_repository", "quay.io/opstree/one", "quay.io/opstree/two").kept(&NOT_SENTINEL),
        row("image.tag", "v7.0.12", "v7.0.14"),
        row("image.pull_policy", "Always", "Never"),
        row("image.pull_secrets", json!(["one"]), json!(["one", "two"])),
        row("authentication.enabled", false, true).alone(),
        beside("authentication.existing_secret.name", secret("one", "word"), secret("two", "word")).alone(),
        beside("authentication.existing_secret.key", secret("one", "word"), secret("one", "other")).alone(),
        beside("authentication.password_wo", password("one", 1), password("two", 2)),
        beside("authentication.password_wo_version", password("one", 1), password("two", 2)),
        row("authentication.rotate", json!({ "month": "one" }), json!({ "month": "two" })),
        row("env", json!({ "ONE": "1" }), json!({ "ONE": "2", "TWO": "" })),
        row("additional_config", json!({ "timeout": "100" }), json!({ "timeout": "200", "hz": "20" })),
        row("maxmemory_percent", 50, 0),
        row("security_context.run_as_non_root", true, false),
        row("security_context.run_as_user", 1000, 2000),
        row("security_context.fs_group", 2000, 0),
        row("priority_class_name", "high", "low"),
        row("service_account", "one", "two"),
    ]
}

fn topology() -> Vec<Row> {
    let amounts = [
        ["requests.cpu", "100m", "200m"],
        ["requests.memory", "128Mi", "256Mi"],
        ["limits.cpu", "2", "2500m"],
        ["limits.memory", "3Gi", "4Gi"],
    ];
    let of_master = [
        "master.resources.requests.cpu",
        "master.resources.requests.memory",
        "master.resources.limits.cpu",
        "master.resources.limits.memory",
    ];
    let of_replica = [
        "replica.resources.requests.cpu",
        "replica.resources.requests.memory",
        "replica.resources.limits.cpu",
        "replica.resources.limits.memory",
    ];
    let of_sentinel = [
        "sentinel.resources.requests.cpu",
        "sentinel.resources.requests.memory",
        "sentinel.resources.limits.cpu",
        "sentinel.resources.limits.memory",
    ];
    let mut rows = Vec::new();
    for (index, [part, first, second]) in amounts.into_iter().enumerate() {
        rows.push(row(of_master[index], first, second));
        // Any of the pods may become the master, so they have what it has; only followers may differ.
        let both = |amount: &str| {
            let of = |whose: &str| nested(&format!("{whose}.resources.{part}"), json!(amount));
            super::shape::merged(&of("master"), &of("replica"))
        };
        let own = |amount: &str| nested(of_replica[index], json!(amount));
        rows.push(beside(of_replica[index], both(first), both(second)).of(Cluster, own(first), own(second)));
    }
    for (path, [first, second]) in
        of_sentinel.into_iter().zip([["50m", "60m"], ["64Mi", "96Mi"], ["300m", "1"], ["300Mi", "1Gi"]])
    {
        rows.push(row(path, first, second).invalid(&NOT_SENTINEL));
    }
    rows.extend([
        row("replica.count", 2, 3)
            .of(Sentinel, nested("replica.count", json!(1)), nested("replica.count", json!(3)))
            .where_it_is(Effect::Replaces, &[Standalone])
            .invalid(&[Cluster]),
        row("cluster.num_shards", 4, 5).invalid(&NOT_CLUSTER).alone(),
        row("cluster.replicas_per_shard", 2, 3).invalid(&NOT_CLUSTER),
        row("cluster.version_mode", "v6", "v7").invalid(&NOT_CLUSTER),
    ]);
    let sentinels = [
        row("sentinel.replicas", 5, 7),
        row("sentinel.quorum", 1, 3),
        row("sentinel.down_after_milliseconds", 6000, 7000),
        row("sentinel.failover_timeout", 20000, 30000),
        row("sentinel.parallel_syncs", 2, 3),
        row("sentinel.master_name", "one", "two"),
        row("sentinel.password_protected", true, false),
        row("sentinel.pod_disruption_budget.enabled", false, true).alone(),
        row("sentinel.pod_disruption_budget.min_available", 1, 3).alone(),
        row("sentinel.pod_disruption_budget.max_unavailable", 1, 2),
    ];
    rows.extend(sentinels.map(|row| row.invalid(&NOT_SENTINEL)));
    rows
}

fn data() -> Vec<Row> {
    let accepted = json!({ "custom_spec": { "replication": "{}" } });
    let without_volume = json!({ "persistence": { "enabled": false } });
    let cache = |accepted: &Json| {
        (
            super::shape::merged(&without_volume, accepted),
            super::shape::merged(&json!({ "persistence": { "enabled": true } }), accepted),
        )
    };
    let (of_set, with_volume) = cache(&accepted);
    let (of_cluster, cluster_with_volume) = cache(&json!({ "custom_spec": { "cluster": "{}" } }));
    let logged = || json!({ "persistence": { "aof": { "enabled": true } } });
    vec![
        row("persistence.enabled", false, true)
            .of(Replication, of_set.clone(), with_volume.clone())
            .of(Sentinel, of_set, with_volume)
            .of(Cluster, of_cluster, cluster_with_volume)
            .alone(),
        row("persistence.storage_class", "one", "two"),
        row("persistence.access_modes", json!(["ReadWriteMany"]), json!(["ReadWriteOncePod"])),
        row("persistence.size", "20Gi", "30Gi").where_it_is(Effect::Grows, &ALL),
        row("persistence.node_conf_size", "2Gi", "3Gi").where_it_is(Effect::Fixed, &[Cluster]),
        row("persistence.retain_on_delete", true, false),
        row("persistence.existing_claims", "reuse", "error"),
        // A set without any file on disk is refused.
        row("persistence.rdb.enabled", false, true).with(logged()).alone(),
        row("persistence.rdb.save_interval", "60 1", "120 2"),
        row("persistence.aof.enabled", true, false).alone(),
        row("persistence.aof.fsync_policy", "always", "no").with(logged()),
    ]
}

fn placement() -> Vec<Row> {
    let tolerated = |one: Json| json!({ "tolerations": [one] });
    let effect = |effect: &str| tolerated(json!({ "key": "a", "operator": "Exists", "effect": effect }));
    let seconds = |seconds: Json| {
        tolerated(
            json!({ "key": "a", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": seconds }),
        )
    };
    let spread = |skew: i64, key: &str, otherwise: &str| {
        json!({ "topology_spread_constraints": [
            { "max_skew": skew, "topology_key": key, "when_unsatisfiable": otherwise },
        ] })
    };
    let (zone, host) = ("topology.kubernetes.io/zone", "kubernetes.io/hostname");
    let mut rows = vec![
        row("node_selector", json!({ "disk": "one" }), json!({ "disk": "two", "zone": "a" })),
        row("tolerations", json!([{ "key": "a" }]), json!([{ "key": "a" }, { "operator": "Exists" }])),
        beside("tolerations[].key", tolerated(json!({ "key": "a" })), tolerated(json!({ "key": "b" })))
            .alone(),
        beside(
            "tolerations[].operator",
            tolerated(json!({ "key": "a", "operator": "Exists" })),
            tolerated(json!({ "key": "a", "operator": "Equal" })),
        )
        .with(tolerated(json!({ "key": "a" })))
        .alone(),
        beside(
            "tolerations[].value",
            tolerated(json!({ "key": "a", "value": "one" })),
            tolerated(json!({ "key": "a", "value": "" })),
        )
        .with(tolerated(json!({ "key": "a" })))
        .alone(),
        beside("tolerations[].effect", effect("NoSchedule"), effect("PreferNoSchedule"))
            .with(tolerated(json!({ "key": "a", "operator": "Exists" })))
            .alone(),
        beside("tolerations[].toleration_seconds", seconds(json!(60)), seconds(json!(0)))
            .with(seconds(Json::Null))
            .alone(),
        row("anti_affinity", "required", "none").kept(&[Standalone]),
    ];
    let usual = || spread(1, zone, "DoNotSchedule");
    let budget = |enabled: bool| json!({ "pod_disruption_budget": { "enabled": enabled } });
    let spreads = [
        beside("topology_spread_constraints", usual(), spread(2, host, "ScheduleAnyway")),
        beside("topology_spread_constraints[].max_skew", usual(), spread(2, zone, "DoNotSchedule")).alone(),
        beside("topology_spread_constraints[].topology_key", usual(), spread(1, host, "DoNotSchedule"))
            .alone(),
        beside(
            "topology_spread_constraints[].when_unsatisfiable",
            usual(),
            spread(1, zone, "ScheduleAnyway"),
        )
        .alone(),
    ];
    rows.extend(spreads.map(|row| row.invalid(&[Standalone])));
    rows.extend([
        row("pod_disruption_budget.enabled", false, true).of(Standalone, budget(true), budget(false)).alone(),
        row("pod_disruption_budget.min_available", 2, 0).with(budget(true)).alone(),
        row("pod_disruption_budget.max_unavailable", 1, 2).with(budget(true)),
    ]);
    rows
}

fn life() -> Vec<Row> {
    let reached = || json!({ "service": { "type": "LoadBalancer" } });
    let restricted = || json!({ "network_policy": { "enabled": true } });
    let by_hand = || json!({ "update_strategy": { "guarded": false } });
    let mut rows = vec![
        row("network_policy.enabled", true, false).alone(),
        row("network_policy.allowed_namespaces", json!(["one"]), json!(["one", "two"])).with(restricted()),
        row("network_policy.allowed_cidrs", json!(["10.0.0.0/8"]), json!(["10.0.0.0/8", "fd00::/8"]))
            .with(restricted()),
        row("service.type", "NodePort", "LoadBalancer").alone(),
        row("service.annotations", json!({ "team": "one" }), json!({ "team": "two" })).with(reached()),
        row("service.internal", false, true).with(reached()),
        row("update_strategy.guarded", false, true).alone(),
        row("update_strategy.type", "OnDelete", "RollingUpdate").with(by_hand()),
        row("update_strategy.rolling_update.max_unavailable", 2, 3).with(by_hand()),
        row("update_strategy.rolling_update.partition", 1, 0).with(by_hand()),
        row("termination_grace_period_seconds", 60, 0),
    ];
    for path in [
        "readiness_probe.initial_delay_seconds",
        "readiness_probe.period_seconds",
        "readiness_probe.timeout_seconds",
        "readiness_probe.failure_threshold",
        "liveness_probe.initial_delay_seconds",
        "liveness_probe.period_seconds",
        "liveness_probe.timeout_seconds",
        "liveness_probe.failure_threshold",
    ] {
        rows.push(row(path, 10, 20));
    }
    rows
}

fn custom() -> Vec<Row> {
    let whole = |group: i64| json!({ "securityContext": { "runAsGroup": group } }).to_string();
    let leaders =
        |group: i64| json!({ "redisLeader": { "securityContext": { "runAsGroup": group } } }).to_string();
    vec![
        row("custom_spec.redis", whole(1), whole(2)).invalid(&[Replication, Sentinel, Cluster]),
        row("custom_spec.replication", whole(1), whole(2)).invalid(&[Standalone, Cluster]),
        row("custom_spec.sentinel", whole(1), whole(2)).invalid(&NOT_SENTINEL),
        row("custom_spec.cluster", leaders(1), leaders(2)).invalid(&NOT_CLUSTER),
    ]
}

fn provider() -> Vec<Row> {
    vec![
        row("wait.enabled", true, false).alone(),
        row("wait.fail_fast", false, true),
        row("wait.on_failure", "warn", "error"),
        row("deletion_protection", true, false),
        row("adopt_existing", true, false),
        row("force_conflicts", true, false),
        row("timeouts.create", "15m", "25m"),
        row("timeouts.read", "2m", "90s"),
        row("timeouts.update", "15m", "25m"),
        row("timeouts.delete", "15m", "25m"),
    ]
}
