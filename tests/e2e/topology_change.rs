//! Each argument of the shapes at rest: set, changed and unset it converges, and drift of it shows as one path and is
//! mended.
use serde_json::{Value, json};

use crate::case::Case;
use crate::drift::{differing, meaning};
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{applied, custom_resource_of, end, patch_of};
use crate::topology::{CLUSTERS, REPLICATIONS, SENTINELS, at_rest, cluster, sentinel};

/// A field of a custom resource and what it is then: kind, JSON pointer into the spec, value.
type Field = (&'static str, &'static str, Value);

/// Sets an argument and looks at the fields; an expression of `None` unsets it. The plan is empty after each.
fn each_converges(case: &Case, before: &Configuration, argument: &str, steps: &[(Option<&str>, &[Field])]) {
    for (expression, fields) in steps {
        let configuration = match expression {
            Some(expression) => before.clone().with(argument, expression),
            None => before.clone().without(argument),
        };
        case.write("main.tf", &configuration.text());
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{argument} = {expression:?}: {plan}");
        case.apply();
        for (kind, pointer, value) in *fields {
            let found = custom_resource_of(case, kind)["spec"].pointer(pointer).cloned().unwrap_or_default();
            assert_eq!(&found, value, "{argument} = {expression:?}: {kind} {pointer}");
        }
        case.plan_is_empty();
    }
}

/// Each edit alone shows as exactly the one path, and is gone after the next apply; what was there before is back.
fn each_edit_shows(case: &Case, plural: &str, edits: &[(Value, &str)]) {
    let before = meaning(&custom_resource_of(case, plural)["spec"]);
    for (edit, shown) in edits {
        patch_of(case, plural, "merge", &json!({ "spec": edit }));
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{edit}: {plan}");
        assert_eq!(differing(&plan), [*shown], "{edit}: {plan}");
        case.apply();
        assert_eq!(meaning(&custom_resource_of(case, plural)["spec"]), before, "{edit}");
    }
    case.plan_is_empty();
}

fn zone(skew: u8, app: &str) -> Value {
    json!([{
        "maxSkew": skew,
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": { "app": app } },
    }])
}

const PREFERRED: &str = "/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight";
const REQUIRED: &str =
    "/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey";

/// An instance of sentinels has two kinds of custom resources, and both follow.
fn with_sentinels() -> Configuration {
    at_rest(sentinel(""))
}

for_terraform! {
    fn placement_is_set_changed_and_unset(cli: Cli) {
        let before = with_sentinels();
        let case = applied(cli, "place", &before);
        let host = "kubernetes.io/hostname";
        each_converges(&case, &before, "anti_affinity", &[
            (Some("\"required\""), &[(REPLICATIONS, REQUIRED, json!(host)), (SENTINELS, REQUIRED, json!(host))]),
            (Some("\"none\""), &[(REPLICATIONS, "/affinity", Value::Null), (SENTINELS, "/affinity", Value::Null)]),
            (None, &[(REPLICATIONS, PREFERRED, json!(100)), (SENTINELS, PREFERRED, json!(100))]),
        ]);
        let spread = |skew: u8| format!("[{{ max_skew = {skew}, topology_key = \"zone\", when_unsatisfiable = \"ScheduleAnyway\" }}]");
        let field = "/topologySpreadConstraints";
        each_converges(&case, &before, "topology_spread_constraints", &[
            (Some(&spread(1)), &[(REPLICATIONS, field, zone(1, "cache")), (SENTINELS, field, zone(1, "cache-sentinel"))]),
            (Some(&spread(2)), &[(REPLICATIONS, field, zone(2, "cache")), (SENTINELS, field, zone(2, "cache-sentinel"))]),
            (None, &[(REPLICATIONS, field, Value::Null), (SENTINELS, field, Value::Null)]),
        ]);
        end(&case);
    }

    fn lives_are_set_changed_and_unset(cli: Cli) {
        let before = with_sentinels();
        let case = applied(cli, "lives", &before);
        let field = "/terminationGracePeriodSeconds";
        each_converges(&case, &before, "termination_grace_period_seconds", &[
            (Some("20"), &[(REPLICATIONS, field, json!(20)), (SENTINELS, field, json!(20))]),
            (Some("40"), &[(REPLICATIONS, field, json!(40)), (SENTINELS, field, json!(40))]),
            (None, &[(REPLICATIONS, field, Value::Null), (SENTINELS, field, Value::Null)]),
        ]);
        each_converges(&case, &before, "readiness_probe", &[
            (Some("{ period_seconds = 7, initial_delay_seconds = 3 }"), &[
                (REPLICATIONS, "/readinessProbe/periodSeconds", json!(7)),
                (SENTINELS, "/readinessProbe/initialDelaySeconds", json!(3)),
            ]),
            (Some("{ period_seconds = 8 }"), &[
                (REPLICATIONS, "/readinessProbe/periodSeconds", json!(8)),
                (REPLICATIONS, "/readinessProbe/initialDelaySeconds", Value::Null),
            ]),
            (None, &[(REPLICATIONS, "/readinessProbe", Value::Null), (SENTINELS, "/readinessProbe", Value::Null)]),
        ]);
        each_converges(&case, &before, "liveness_probe", &[
            (Some("{ timeout_seconds = 7, failure_threshold = 3 }"), &[
                (REPLICATIONS, "/livenessProbe/timeoutSeconds", json!(7)),
                (SENTINELS, "/livenessProbe/failureThreshold", json!(3)),
            ]),
            (Some("{ failure_threshold = 4 }"), &[
                (REPLICATIONS, "/livenessProbe/timeoutSeconds", Value::Null),
                (SENTINELS, "/livenessProbe/failureThreshold", json!(4)),
            ]),
            (None, &[(REPLICATIONS, "/livenessProbe", Value::Null), (SENTINELS, "/livenessProbe", Value::Null)]),
        ]);
        end(&case);
    }

    fn updates_and_budgets_are_set_changed_and_unset(cli: Cli) {
        let before = with_sentinels();
        let case = applied(cli, "updates", &before);
        let field = "/kubernetesConfig/updateStrategy/type";
        let partition = "/kubernetesConfig/updateStrategy/rollingUpdate/partition";
        each_converges(&case, &before, "update_strategy", &[
            (Some("{ guarded = false, type = \"OnDelete\" }"), &[(REPLICATIONS, field, json!("OnDelete")), (SENTINELS, field, json!("OnDelete"))]),
            (Some("{ guarded = false, type = \"RollingUpdate\", rolling_update = { partition = 1 } }"), &[(REPLICATIONS, partition, json!(1))]),
            (None, &[(REPLICATIONS, field, json!("RollingUpdate")), (SENTINELS, field, json!("RollingUpdate"))]),
        ]);
        let (min, max) = ("/pdb/minAvailable", "/pdb/maxUnavailable");
        each_converges(&case, &before, "pod_disruption_budget", &[
            (Some("{ max_unavailable = 1 }"), &[(REPLICATIONS, max, json!(1)), (REPLICATIONS, min, Value::Null), (SENTINELS, min, json!(2))]),
            (Some("{ enabled = false }"), &[(REPLICATIONS, "/pdb", Value::Null), (SENTINELS, min, json!(2))]),
            (None, &[(REPLICATIONS, min, json!(1))]),
        ]);
        end(&case);
    }

    fn sentinels_are_changed(cli: Cli) {
        let before = with_sentinels();
        let case = applied(cli, "sentinels", &before);
        let secret = "/kubernetesConfig/redisSecret/name";
        // The majority and what an eviction must leave follow from their number.
        each_converges(&case, &before, "sentinel", &[
            (Some("{ replicas = 5 }"), &[
                (SENTINELS, "/clusterSize", json!(5)),
                (SENTINELS, "/redisSentinelConfig/quorum", json!("3")),
                (SENTINELS, "/pdb/minAvailable", json!(3)),
            ]),
            (Some("{ down_after_milliseconds = 6000, failover_timeout = 20000, parallel_syncs = 2 }"), &[
                (SENTINELS, "/redisSentinelConfig/downAfterMilliseconds", json!("6000")),
                (SENTINELS, "/redisSentinelConfig/failoverTimeout", json!("20000")),
                (SENTINELS, "/redisSentinelConfig/parallelSyncs", json!("2")),
                (SENTINELS, "/clusterSize", json!(3)),
            ]),
            (Some("{ password_protected = true, master_name = \"lead\" }"), &[
                (SENTINELS, secret, json!("cache-auth")),
                (SENTINELS, "/redisSentinelConfig/masterGroupName", json!("lead")),
            ]),
            (None, &[
                (SENTINELS, secret, Value::Null),
                (SENTINELS, "/redisSentinelConfig/masterGroupName", json!("mymaster")),
            ]),
        ]);
        end(&case);
    }

    fn shards_are_changed(cli: Cli) {
        let before = at_rest(cluster());
        let case = applied(cli, "shards", &before);
        each_converges(&case, &before, "cluster", &[
            (Some("{ num_shards = 4 }"), &[(CLUSTERS, "/redisLeader/replicas", json!(4)), (CLUSTERS, "/redisFollower/replicas", json!(4))]),
            (Some("{ num_shards = 3, replicas_per_shard = 2 }"), &[(CLUSTERS, "/redisLeader/replicas", json!(3)), (CLUSTERS, "/redisFollower/replicas", json!(6))]),
        ]);
        let before = before.with("cluster", "{ num_shards = 3, replicas_per_shard = 2 }");
        let memory = "/redisFollower/resources/limits/memory";
        each_converges(&case, &before, "replica", &[
            (Some("{ resources = { limits = { memory = \"256Mi\" } } }"), &[(CLUSTERS, memory, json!("256Mi")), (CLUSTERS, "/redisLeader/resources/limits/memory", json!("128Mi"))]),
            (None, &[(CLUSTERS, memory, json!("128Mi"))]),
        ]);
        let kind = "/kubernetesConfig/service/serviceType";
        each_converges(&case, &before, "service", &[
            (Some("{ type = \"NodePort\" }"), &[(CLUSTERS, kind, json!("NodePort"))]),
            (Some("{ type = \"LoadBalancer\", internal = false }"), &[(CLUSTERS, kind, json!("LoadBalancer"))]),
            (None, &[(CLUSTERS, "/kubernetesConfig/service", Value::Null)]),
        ]);
        end(&case);
    }

    fn drift_of_a_replicated_set(cli: Cli) {
        let full = with_sentinels()
            .with("replica", "{ count = 2 }")
            .with("pod_disruption_budget", "{ min_available = 1 }")
            .with("readiness_probe", "{ period_seconds = 7 }")
            .with("termination_grace_period_seconds", "20")
            .with("anti_affinity", "\"soft\"");
        let case = applied(cli, "drift-set", &full);
        let term = |weight: u8| json!([{ "weight": weight, "podAffinityTerm": { "topologyKey": "other" } }]);
        let preferred = |weight: u8| json!({ "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": term(weight) } } });
        each_edit_shows(&case, REPLICATIONS, &[
            (json!({ "clusterSize": 4 }), "replica.count"),
            (json!({ "pdb": { "minAvailable": 2 } }), "pod_disruption_budget.min_available"),
            (json!({ "pdb": null }), "pod_disruption_budget.enabled"),
            (json!({ "pdb": { "enabled": false } }), "pod_disruption_budget.enabled"),
            (json!({ "affinity": null }), "anti_affinity"),
            (preferred(1), "repairs.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"),
            (json!({ "readinessProbe": { "periodSeconds": 9 } }), "readiness_probe.period_seconds"),
            (json!({ "terminationGracePeriodSeconds": 21 }), "termination_grace_period_seconds"),
            (json!({ "topologySpreadConstraints": zone(1, "cache") }), "topology_spread_constraints"),
        ]);
        let config = |field: &str, value: Value| json!({ "redisSentinelConfig": { field: value } });
        let config_of = |field: &str| format!("repairs.RedisSentinel spec.redisSentinelConfig.{field}");
        let (password, host) = (config_of("redisReplicationPassword.secretKeyRef.name"), config_of("redisReplicationName"));
        each_edit_shows(&case, SENTINELS, &[
            (json!({ "clusterSize": 5 }), "sentinel.replicas"),
            (config("quorum", json!("3")), "sentinel.quorum"),
            (config("downAfterMilliseconds", json!("1")), "sentinel.down_after_milliseconds"),
            (config("failoverTimeout", json!("1")), "sentinel.failover_timeout"),
            (config("parallelSyncs", json!("2")), "sentinel.parallel_syncs"),
            (config("masterGroupName", json!("other")), "sentinel.master_name"),
            (config("redisReplicationPassword", json!({ "secretKeyRef": { "name": "other" } })), &password),
            (config("redisReplicationName", json!("other")), &host),
            (json!({ "pdb": { "minAvailable": 1 } }), "sentinel.pod_disruption_budget.min_available"),
            (json!({ "pdb": null }), "sentinel.pod_disruption_budget.enabled"),
            (json!({ "kubernetesConfig": { "resources": { "limits": { "memory": "129Mi" } } } }), "sentinel.resources.limits.memory"),
            (json!({ "kubernetesConfig": { "image": "quay.io/other/redis-sentinel:v7.0.15" } }), "image.sentinel_repository"),
            (json!({ "kubernetesConfig": { "image": "quay.io/opstree/redis-sentinel:v7.0.12" } }), "repairs.RedisSentinel spec.kubernetesConfig.image"),
            (json!({ "affinity": null }), "repairs.RedisSentinel spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"),
            (json!({ "nodeSelector": { "no-such": "other" } }), "repairs.RedisSentinel spec.nodeSelector.no-such"),
        ]);
        end(&case);
    }

    fn drift_of_a_cluster(cli: Cli) {
        let full = at_rest(cluster())
            .with("cluster", "{ num_shards = 3, replicas_per_shard = 1 }")
            .with("replica", "{ resources = { limits = { memory = \"256Mi\" } } }");
        let case = applied(cli, "drift-shards", &full);
        let memory = |amount: &str| json!({ "resources": { "limits": { "memory": amount } } });
        each_edit_shows(&case, CLUSTERS, &[
            (json!({ "clusterSize": 4 }), "repairs.spec.clusterSize"),
            (json!({ "redisLeader": { "replicas": 4 } }), "cluster.num_shards"),
            (json!({ "redisFollower": { "replicas": 2 } }), "repairs.spec.redisFollower.replicas"),
            (json!({ "redisFollower": { "replicas": 6 } }), "cluster.replicas_per_shard"),
            (json!({ "clusterVersion": "v6" }), "cluster.version_mode"),
            (json!({ "redisLeader": memory("129Mi") }), "master.resources.limits.memory"),
            (json!({ "redisFollower": memory("255Mi") }), "replica.resources.limits.memory"),
            (json!({ "redisLeader": { "pdb": { "minAvailable": 2 } } }), "pod_disruption_budget.min_available"),
            (json!({ "redisFollower": { "pdb": { "minAvailable": 2 } } }), "repairs.spec.redisFollower.pdb.minAvailable"),
            (json!({ "redisLeader": { "affinity": null } }), "anti_affinity"),
            (json!({ "redisFollower": { "nodeSelector": { "no-such": "other" } } }), "repairs.spec.redisFollower.nodeSelector.no-such"),
            (json!({ "redisFollower": { "redisConfig": null } }), "repairs.spec.redisFollower.redisConfig.additionalRedisConfig"),
            (json!({ "kubernetesConfig": { "service": { "serviceType": "NodePort" } } }), "service.type"),
            (json!({ "persistenceEnabled": false }), "repairs.spec.persistenceEnabled"),
            (json!({ "storage": { "nodeConfVolume": false } }), "repairs.spec.storage.nodeConfVolume"),
        ]);
        end(&case);
    }
}
