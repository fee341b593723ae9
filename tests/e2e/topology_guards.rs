//! What a plan refuses or warns of because of the shape, and what an apply refuses that no plan could see. The messages
//! are kept whole, to be read: each says what, why, and what to write instead.
use serde_json::json;

use crate::bad_input::instances;
use crate::case::Case;
use crate::cli::Cli;
use crate::diagnostics::assert_snapshot;
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{applied, custom_resource, definition, end, resting, summaries};
use crate::topology::{CLUSTERS, at_rest, cluster, replication};

type Row = &'static [(&'static str, &'static str)];

const SENTINEL: (&str, &str) = ("deployment_mode", "\"sentinel\"");
const CLUSTER: (&str, &str) = ("deployment_mode", "\"cluster\"");

/// Each is wrong in one way; the instances are called `i0`, `i1`…
const WRONG: [Row; 28] = [
    &[SENTINEL, ("name", "\"n1234567890123456789012345678901234567890123\"")],
    &[CLUSTER, ("replica.count", "1")],
    &[SENTINEL, ("replica.count", "0")],
    &[("sentinel.replicas", "3")],
    &[CLUSTER, ("sentinel.replicas", "3")],
    &[("cluster.num_shards", "3")],
    &[SENTINEL, ("cluster.num_shards", "3")],
    &[SENTINEL, ("sentinel.quorum", "4")],
    &[SENTINEL, ("sentinel.password_protected", "true"), ("authentication.enabled", "false")],
    &[("replica.count", "1"), ("persistence.enabled", "false")],
    &[CLUSTER, ("persistence.enabled", "false")],
    &[SENTINEL, ("update_strategy.type", "\"OnDelete\"")],
    &[CLUSTER, ("update_strategy.rolling_update.partition", "1")],
    &[(
        "topology_spread_constraints",
        "[{ max_skew = 1, topology_key = \"zone\", when_unsatisfiable = \"DoNotSchedule\" }]",
    )],
    &[CLUSTER, ("network_policy.enabled", "true"), ("service.type", "\"NodePort\"")],
    &[CLUSTER, ("pod_disruption_budget.min_available", "1"), ("pod_disruption_budget.max_unavailable", "1")],
    &[
        SENTINEL,
        ("sentinel.pod_disruption_budget.min_available", "1"),
        ("sentinel.pod_disruption_budget.max_unavailable", "1"),
    ],
    &[SENTINEL, ("replica.resources.limits.memory", "\"3Gi\"")],
    &[CLUSTER, ("replica.resources.requests.memory", "\"3Gi\"")],
    &[SENTINEL, ("sentinel.resources.requests.cpu", "\"1\"")],
    &[SENTINEL, ("custom_spec.redis", "\"{}\"")],
    &[("custom_spec.cluster", "\"{}\"")],
    &[CLUSTER, ("custom_spec.cluster", "jsonencode({ redisExporter = { enabled = true } })")],
    &[
        SENTINEL,
        (
            "custom_spec.sentinel",
            "jsonencode({ redisSentinelConfig = { resolveHostnames = \"yes\", announceHostnames = \"yes\" } })",
        ),
    ],
    &[("replica.count", "1"), ("custom_spec.replication", "jsonencode({ acl = {}, resources = {} })")],
    &[("replica.count", "1"), ("persistence.rdb", "{ enabled = false }")],
    &[("additional_config", "{ min-replicas-to-write = \"1\" }")],
    &[("additional_config", "{ dbfilename = \"mine.rdb\" }")],
];

/// These are said, and the plan goes on.
const DOUBTFUL: [Row; 10] = [
    &[("service.annotations", "{ a = \"b\" }")],
    &[("pod_disruption_budget.enabled", "true")],
    &[("network_policy.allowed_namespaces", "[\"shop\"]")],
    &[("network_policy.enabled", "true"), ("service.type", "\"LoadBalancer\"")],
    &[SENTINEL, ("update_strategy.guarded", "false"), ("update_strategy.type", "\"OnDelete\"")],
    &[CLUSTER, ("custom_spec.cluster", "jsonencode({ podManagementPolicy = \"Parallel\" })")],
    &[("replica.count", "1"), ("custom_spec.replication", "jsonencode({ hostPort = 1 })")],
    &[
        ("replica.count", "1"),
        (
            "custom_spec.replication",
            "jsonencode({ kubernetesConfig = { persistentVolumeClaimRetentionPolicy = { whenScaled = \"Delete\" } } })",
        ),
    ],
    &[("network_policy.enabled", "true")],
    &[("replica.count", "1"), ("additional_config", "{ min-replicas-to-write = \"1\" }")],
];

/// The other side of each: what a guard must let pass.
const RIGHT: [Row; 10] = [
    &[SENTINEL, ("name", "\"n123456789012345678901234567890123456789012\"")],
    &[("replica.count", "1"), ("name", "\"n123456789012345678901234567890123456789012345678901\"")],
    &[SENTINEL, ("sentinel.quorum", "3"), ("sentinel.password_protected", "true")],
    &[
        ("replica.count", "1"),
        ("persistence.enabled", "false"),
        ("custom_spec.replication", "jsonencode({})"),
    ],
    &[CLUSTER, ("cluster.replicas_per_shard", "0"), ("pod_disruption_budget.max_unavailable", "1")],
    &[CLUSTER, ("replica.resources.limits.memory", "\"3Gi\"")],
    &[("pod_disruption_budget.enabled", "true"), ("pod_disruption_budget.min_available", "0")],
    &[CLUSTER, ("network_policy.enabled", "true"), ("network_policy.allowed_cidrs", "[\"10.0.0.0/8\"]")],
    &[
        SENTINEL,
        ("master.resources.limits.memory", "\"2.5Gi\""),
        ("replica.resources.limits.memory", "\"2560Mi\""),
    ],
    &[SENTINEL, ("update_strategy.guarded", "false"), ("update_strategy.rolling_update.partition", "1")],
];

fn planned(case: &Case, rows: &[Row]) {
    let rows: Vec<Vec<(&str, &str)>> = rows.iter().map(|row| row.to_vec()).collect();
    case.write("main.tf", &instances(&rows));
}

/// A custom resource that somebody made by hand, and that the operator leaves alone.
fn by_hand(case: &Case, kind: &str, spec: serde_json::Value) {
    let skip = format!("{}.opstreelabs.in/skip-reconcile", kind.to_lowercase());
    let object = json!({
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2",
        "kind": kind,
        "metadata": { "name": "cache", "annotations": { skip: "true" } },
        "spec": spec,
    });
    case.kubectl_apply(&object.to_string());
}

fn of_hand() -> serde_json::Value {
    json!({ "kubernetesConfig": { "image": "quay.io/opstree/redis:v7.0.15", "imagePullPolicy": "IfNotPresent" } })
}

/// A number that a plan cannot know while it changes.
fn counted(count: u8) -> Configuration {
    let later = format!("resource \"terraform_data\" \"count\" {{\n  input = {count}\n}}\n");
    resting().with("replica", "{ count = terraform_data.count.output }").and(&later)
}

for_alternate_clis! {
    fn what_does_not_go_with_the_shape_is_refused(cli: Cli) {
        let case = Case::new(cli, "shapes-wrong");
        planned(&case, &WRONG);
        let output = case.plan_fails();
        assert!(case.proxy.requests().is_empty(), "no cluster is asked: {}", case.proxy.describe());
        let diagnostics = case.diagnostics(&output);
        for (number, row) in WRONG.iter().enumerate() {
            let address = format!("redis_k8s_instance.i{number}");
            let named = |one: &crate::diagnostics::Diagnostic| one.is_error() && one.address.as_deref() == Some(&address);
            assert!(diagnostics.iter().any(named), "{address} is let pass: {row:?}");
        }
        assert_snapshot("shapes-refused", &diagnostics);
    }

    fn what_is_doubtful_is_said(cli: Cli) {
        let case = Case::new(cli, "shapes-doubt");
        planned(&case, &DOUBTFUL);
        case.assert_diagnostics("shapes-doubtful", &case.plan().output);
    }

    fn what_is_right_passes(cli: Cli) {
        let case = Case::new(cli, "shapes-right");
        planned(&case, &RIGHT);
        let plan = case.plan();
        assert_eq!(case.diagnostics(&plan.output), []);
    }

    /// What cannot be done to shards that exist: said at plan, and nothing is written.
    fn shards_that_exist(cli: Cli) {
        let with = |arguments: &str| at_rest(cluster()).with("cluster", &format!("{{ {arguments} }}"));
        let case = applied(cli, "shapes-exist", &with("num_shards = 4, replicas_per_shard = 2"));
        let both = with("num_shards = 3, replicas_per_shard = 2").with("maxmemory_percent", "50");
        case.write("main.tf", &both.text());
        case.assert_diagnostics("fewer-shards-and-a-restart", &case.plan_fails());
        case.write("main.tf", &with("num_shards = 4, replicas_per_shard = 2, version_mode = \"v6\"").text());
        case.assert_diagnostics("other-addresses", &case.plan().output);
        let size = "{ size = \"64Mi\", node_conf_size = \"128Mi\" }";
        case.write("main.tf", &with("num_shards = 4, replicas_per_shard = 2").with("persistence", size).text());
        assert_eq!(summaries(&case, &case.plan_fails()), ["persistence.node_conf_size cannot change on an existing instance"]);
        case.write("main.tf", &with("num_shards = 4, replicas_per_shard = 2").text());
        case.plan_is_empty();
        end(&case);
    }

    /// In cluster mode the nodes announce other addresses then, so the operator restarts them.
    fn a_port_of_the_node_restarts_shards(cli: Cli) {
        let case = applied(cli, "shapes-port", &at_rest(cluster()));
        case.write("main.tf", &at_rest(cluster()).with("service", "{ type = \"NodePort\" }").text());
        case.assert_diagnostics("shards-behind-a-port", &case.plan().output);
        case.write("main.tf", &at_rest(cluster()).with("service", "{ type = \"LoadBalancer\" }").text());
        assert_eq!(case.diagnostics(&case.plan().output), [], "a load balancer in front of them restarts none");
        case.write("main.tf", &at_rest(cluster()).text());
        end(&case);
    }

    /// The first replica makes another kind of object of it.
    fn a_first_replica_replaces(cli: Cli) {
        let case = applied(cli, "shapes-first", &resting());
        case.write("main.tf", &resting().with("replica", "{ count = 1 }").text());
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["delete", "create"]);
        assert_eq!(plan.replaced_by(ADDRESS), ["replica.count"]);
        case.assert_diagnostics("first-replica", &plan.output);
        let protected = resting().with("deletion_protection", "true");
        case.write("main.tf", &protected.text());
        case.apply();
        case.write("main.tf", &protected.with("replica", "{ count = 1 }").text());
        assert_eq!(summaries(&case, &case.plan_fails()), ["The instance is protected against replacement"]);
        case.write("main.tf", &resting().text());
        case.apply();
        end(&case);
    }

    /// And the last one that goes.
    fn the_last_replica_replaces(cli: Cli) {
        let case = applied(cli, "shapes-last", &at_rest(replication()));
        case.write("main.tf", &at_rest(replication()).without("replica").text());
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["delete", "create"]);
        assert_eq!(plan.replaced_by(ADDRESS), ["replica.count"]);
        end(&case);
    }

    /// The plan goes on, and nothing is lost without having been said: core plans again in apply, with the value, and
    /// refuses what the first plan did not have, in words of its own that call it a fault of the provider.
    fn a_count_that_is_not_known_at_plan(cli: Cli) {
        let case = applied(cli, "shapes-unknown", &counted(0));
        let uid = custom_resource(&case)["metadata"]["uid"].clone();
        case.write("main.tf", &counted(1).text());
        assert_eq!(case.plan().actions(ADDRESS), ["update"]);
        let output = case.apply_fails();
        let said = case.diagnostics(&output);
        assert!(said.iter().any(|one| one.summary.ends_with("will be replaced: its data is lost")), "{said:#?}");
        assert_eq!(custom_resource(&case)["metadata"]["uid"], uid);
        assert!(!case.tainted(ADDRESS));
        // Now that it is known, the plan says what it comes to.
        assert_eq!(case.plan().replaced_by(ADDRESS), ["replica.count"]);
        case.write("main.tf", &counted(0).text());
        assert_eq!(case.plan().actions(ADDRESS), ["update"]);
        case.apply();
        assert_eq!(custom_resource(&case)["metadata"]["uid"], uid);
        case.plan_is_empty();
        end(&case);
    }

    /// Both would make objects of the same names. Nothing of ours may be left behind by the attempt.
    fn a_name_that_clashes(cli: Cli) {
        let case = Case::new(cli, "shapes-clash");
        by_hand(&case, "Redis", of_hand());
        case.write("main.tf", &at_rest(replication()).text());
        case.assert_diagnostics("name-clashes", &case.apply_fails());
        assert!(case.resource(ADDRESS).is_null());
        case.write("main.tf", &at_rest(cluster()).text());
        // These two share no name, unless both are ours: then they would share the Secret.
        case.apply();
        case.plan_is_empty();
        let other = "resource \"redis_k8s_instance\" \"other\" {\n  name = \"cache\"\n  namespace = \"{namespace}\"\n}\n";
        case.write("main.tf", &at_rest(cluster()).and(other).text());
        let summary = "A RedisCluster named <namespace>/cache already exists".to_owned();
        assert_eq!(summaries(&case, &case.apply_fails()), [summary]);
        case.destroy();
        case.kubectl(&["delete", &definition("redis"), "cache"]);
        case.assert_nothing_left();
    }

    /// Two kinds may bear one name: an import by id cannot tell which is meant, one by identity can.
    fn an_import_of_a_name_that_two_kinds_bear(cli: Cli) {
        let case = Case::new(cli, "shapes-both");
        case.write("main.tf", &at_rest(cluster()).text());
        case.apply();
        by_hand(&case, "Redis", of_hand());
        case.run(&["state", "rm", ADDRESS]);
        let by = |target: &str| {
            let block = format!("import {{\n  to = {ADDRESS}\n  {target}\n}}\n");
            case.write("main.tf", &at_rest(cluster()).and(&block).text());
        };
        by("id = \"{namespace}/cache\"");
        case.assert_diagnostics("import-of-two", &case.plan_fails());
        by("identity = { namespace = \"{namespace}\", name = \"cache\", kind = \"RedisSentinel\" }");
        let output = case.plan_fails();
        // Only where the CLI has identities in import blocks: Terraform 1.12, OpenTofu 1.12.
        if output.to_string().contains("The argument \"id\" is required") {
            assert_eq!(cli, Cli::Terraform, "{output}");
            case.kubectl(&["delete", &definition("redis"), "cache"]);
            case.write("main.tf", &at_rest(cluster()).text());
            case.import(ADDRESS, &format!("{}/cache", case.namespace));
        } else {
            case.assert_diagnostics("import-of-sentinels", &output);
            by("identity = { namespace = \"{namespace}\", name = \"cache\", kind = \"RedisCluster\" }");
            case.apply();
            case.plan_is_empty();
            case.kubectl(&["delete", &definition("redis"), "cache"]);
        }
        assert_eq!(case.resource(ADDRESS)["deployment_mode"], "cluster");
        assert!(!case.kubectl(&["get", &definition(CLUSTERS), "-o", "name"]).is_empty());
        end(&case);
    }
}
