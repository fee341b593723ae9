//! Every argument with a wrong value is an error on that argument, and all of them at once.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::case::Case;
use crate::diagnostics::Diagnostic;

/// An argument as messages name it, an expression of the right type and a wrong value, what the message must say. An
/// expression may bring along the arguments that are required beside it.
/// One instance bears all of them.
const WRONG: [(&str, &str, &str); 82] = [
    ("name", "\"My_Redis\"", "lower-case letters"),
    ("namespace", "\"Bad_NS\"", "lower-case letters"),
    ("version", "\"6.0\"", "Redis 6.2 or newer"),
    ("image.repository", "\"Quay.io/X:1\"", "without a tag"),
    ("image.tag", "\"a b\"", "an image tag"),
    ("image.pull_policy", "\"Sometimes\"", "IfNotPresent, Always, Never"),
    ("image.pull_secrets[0]", "\"-x\"", "the name of a Kubernetes object"),
    ("deployment_mode", "\"replicated\"", "standalone"),
    ("master.resources.requests.cpu", "\"lots\"", "a quantity"),
    ("master.resources.requests.memory", "\"1GB\"", "a quantity"),
    ("master.resources.limits.cpu", "\"-1\"", "a quantity"),
    ("master.resources.limits.memory", "\"0x\"", "a quantity"),
    ("persistence.storage_class", "\"Not A Class\"", "the name of a Kubernetes object"),
    ("persistence.size", "\"1Mi\"", "at least 64Mi"),
    ("persistence.node_conf_size", "\"x\"", "a quantity"),
    ("persistence.access_modes", "[\"Write\"]", "ReadWriteOnce"),
    ("persistence.existing_claims", "\"perhaps\"", "error, reuse"),
    ("persistence.rdb.save_interval", "\"900\"", "pairs of seconds and changes"),
    ("persistence.aof.fsync_policy", "\"sometimes\"", "always, everysec, no"),
    ("additional_config", "{ port = \"1\" }", "Services and probes"),
    ("maxmemory_percent", "101", "0 to 100"),
    ("authentication.existing_secret.name", "\"-\"", "the name of a Kubernetes object"),
    ("authentication.existing_secret.key", "\"a b\"", "a key of a Secret"),
    ("authentication.password_wo", "\"\"", "letters, digits"),
    ("authentication.password_wo_version", "1.5", "a whole number"),
    ("authentication.rotate[\"a\"]", "null", "must not be null"),
    ("security_context.run_as_user", "-1", "0 or more"),
    ("security_context.fs_group", "-2", "0 or more"),
    ("node_selector[\"a\"]", "null", "must not be null"),
    ("tolerations[0].operator", "\"Is\"", "Equal, Exists"),
    ("tolerations[0].effect", "\"Never\"", "NoSchedule, PreferNoSchedule, NoExecute"),
    ("tolerations[0].toleration_seconds", "1.5", "a whole number"),
    ("priority_class_name", "\"-\"", "the name of a Kubernetes object"),
    ("service_account", "\"-\"", "the name of a Kubernetes object"),
    ("env[\"A\"]", "null", "must not be null"),
    ("labels", "{ app = \"x\" }", "belongs to the operator"),
    ("annotations", "{ \"bad key\" = \"x\" }", "not a valid key"),
    ("custom_spec.redis", "\"[]\"", "a JSON object"),
    ("image.sentinel_repository", "\"Quay.io/X:1\"", "without a tag"),
    ("replica.resources.requests.cpu", "\"lots\"", "a quantity"),
    ("replica.resources.requests.memory", "\"1GB\"", "a quantity"),
    ("replica.resources.limits.cpu", "\"-1\"", "a quantity"),
    ("replica.resources.limits.memory", "\"1Mi\"", "at least 16Mi"),
    ("sentinel.quorum", "0", "above 0"),
    ("sentinel.down_after_milliseconds", "0", "above 0"),
    ("sentinel.failover_timeout", "-1", "above 0"),
    ("sentinel.parallel_syncs", "0", "above 0"),
    ("sentinel.master_name", "\"my master\"", "as sentinels accept"),
    ("sentinel.resources.requests.cpu", "\"lots\"", "a quantity"),
    ("sentinel.resources.requests.memory", "\"1GB\"", "a quantity"),
    ("sentinel.resources.limits.cpu", "\"-1\"", "a quantity"),
    ("sentinel.resources.limits.memory", "\"0x\"", "a quantity"),
    ("sentinel.pod_disruption_budget.min_available", "-1", "0 or more"),
    ("sentinel.pod_disruption_budget.max_unavailable", "-1", "0 or more"),
    ("cluster.version_mode", "\"v8\"", "v7, v6"),
    ("anti_affinity", "\"hard\"", "soft, required, none"),
    (
        "topology_spread_constraints[0].max_skew",
        "1.5, topology_key = \"zone\", when_unsatisfiable = \"ScheduleAnyway\"",
        "a whole number",
    ),
    ("pod_disruption_budget.min_available", "-1", "0 or more"),
    ("pod_disruption_budget.max_unavailable", "-1", "0 or more"),
    ("network_policy.allowed_namespaces[0]", "\"Bad_NS\"", "lower-case letters"),
    ("network_policy.allowed_cidrs", "[\"10.0.0.0\"]", "a CIDR block"),
    ("service.type", "\"ExternalName\"", "ClusterIP, NodePort, LoadBalancer"),
    ("service.annotations[\"a\"]", "null", "must not be null"),
    ("update_strategy.type", "\"Recreate\"", "RollingUpdate, OnDelete"),
    ("update_strategy.rolling_update.max_unavailable", "-1", "0 or more"),
    ("update_strategy.rolling_update.partition", "-1", "0 or more"),
    ("termination_grace_period_seconds", "-1", "0 or more"),
    ("readiness_probe.initial_delay_seconds", "-1", "0 or more"),
    ("readiness_probe.period_seconds", "0", "1 or more"),
    ("readiness_probe.timeout_seconds", "0", "1 or more"),
    ("readiness_probe.failure_threshold", "0", "1 or more"),
    ("liveness_probe.initial_delay_seconds", "-1", "0 or more"),
    ("liveness_probe.period_seconds", "0", "1 or more"),
    ("liveness_probe.timeout_seconds", "0", "1 or more"),
    ("liveness_probe.failure_threshold", "0", "1 or more"),
    ("custom_spec.replication", "\"1\"", "a JSON object"),
    ("custom_spec.sentinel", "\"x\"", "a JSON object"),
    ("custom_spec.cluster", "\"null\"", "a JSON object"),
    ("wait.on_failure", "\"panic\"", "error, warn"),
    ("timeouts.create", "\"soon\"", "a duration"),
    ("timeouts.read", "\"-1m\"", "a duration"),
    ("timeouts.update", "\"0\"", "a duration"),
];

/// Numbers that a new instance may not have, each with the shape that it needs. An instance that has one may keep it.
const UNSOUND: [(&str, &str, &str, &str); 4] = [
    ("replica.count", "6", "standalone", "0 to 5"),
    ("sentinel.replicas", "4", "sentinel", "3, 5 or 7"),
    ("cluster.num_shards", "2", "cluster", "at least 3"),
    ("cluster.replicas_per_shard", "6", "cluster", "0 to 5"),
];

/// Those whose type alone leaves nothing else to be wrong; core itself judges them, once for each root.
const TYPED: [(&str, &str); 24] = [
    ("create_namespace", "\"maybe\""),
    ("deletion_protection", "[]"),
    ("adopt_existing", "\"x\""),
    ("force_conflicts", "\"x\""),
    ("persistence.enabled", "\"x\""),
    ("persistence.retain_on_delete", "\"x\""),
    ("persistence.rdb.enabled", "\"x\""),
    ("persistence.aof.enabled", "\"x\""),
    ("authentication.enabled", "\"x\""),
    ("security_context.run_as_non_root", "\"x\""),
    ("tolerations[0].key", "[]"),
    ("tolerations[0].value", "[]"),
    ("wait.enabled", "\"x\""),
    ("wait.fail_fast", "\"x\""),
    ("sentinel.pod_disruption_budget.enabled", "\"x\""),
    ("sentinel.password_protected", "\"x\""),
    (
        "topology_spread_constraints[0].topology_key",
        "[], max_skew = 1, when_unsatisfiable = \"ScheduleAnyway\"",
    ),
    ("topology_spread_constraints[0].when_unsatisfiable", "[], max_skew = 1, topology_key = \"zone\""),
    ("pod_disruption_budget.enabled", "\"x\""),
    ("network_policy.enabled", "\"x\""),
    ("service.internal", "\"x\""),
    ("update_strategy.guarded", "\"x\""),
    ("timeouts.delete", "[]"),
    ("timeouts.create", "{}"),
];

/// More values that only look right: one instance each.
const ALSO_WRONG: [(&str, &str, &str); 45] = [
    ("name", "\"a.b\"", "lower-case letters"),
    ("name", "\"\"", "lower-case letters"),
    ("name", "\"n12345678901234567890123456789012345678901234567890123\"", "at most 52 characters"),
    ("version", "\"7\"", "major.minor"),
    ("version", "\"7.0.15\"", "image.tag"),
    ("version", "\"5.0.6\"", "Redis 6.2 or newer"),
    ("image.repository", "\"\"", "without a tag"),
    ("image.repository", "\"quay.io/opstree/redis@sha256:0\"", "without a tag"),
    ("image.tag", "\"\"", "image.tag"),
    ("persistence.access_modes", "[]", "ReadWriteOnce"),
    ("persistence.size", "\"0\"", "at least 64Mi"),
    ("persistence.rdb.save_interval", "\"\"", "pairs of seconds"),
    ("additional_config", "{ requirepass = \"x\" }", "authentication"),
    ("additional_config", "{ AppendOnly = \"yes\" }", "persistence.aof.enabled"),
    ("additional_config", "{ maxclients = \"1\\nsave 1 1\" }", "line break"),
    ("additional_config", "{ \"a b\" = \"1\" }", "redis.conf directive"),
    ("maxmemory_percent", "75.5", "a whole number"),
    ("maxmemory_percent", "-1", "0 to 100"),
    ("authentication.password_wo", "\"a b\"", "letters, digits"),
    ("authentication.password_wo", "\"a\\nb\"", "letters, digits"),
    ("annotations", "{ \"redis.opstreelabs.in/skip-reconcile\" = \"true\" }", "belongs to the operator"),
    ("labels", "{ \"a.b/\" = \"x\" }", "not a valid key"),
    ("custom_spec.redis", "jsonencode({ storage = {} })", "persistence"),
    ("custom_spec.redis", "jsonencode({ kubernetesConfig = { redisSecret = {} } })", "authentication"),
    ("timeouts.create", "\"0s\"", "a duration"),
    ("labels", "{ a = \"-x\" }", "both ends"),
    ("labels", "{ \"-a\" = \"x\" }", "not a valid key"),
    ("labels", "{ \"x..y/a\" = \"x\" }", "not a valid key"),
    ("labels", "{ \"terraform-provider-redis/instance\" = \"x\" }", "provider"),
    ("annotations", "{ \"terraform-provider-redis/settings\" = \"x\" }", "provider"),
    ("node_selector", "{ \"a b\" = \"c\" }", "not a valid key"),
    ("node_selector", "{ a = \"x y\" }", "both ends"),
    ("env", "{ \"A=B\" = \"c\" }", "A=B"),
    ("env", "{ REDIS_PASSWORD = \"c\" }", "REDIS_PASSWORD"),
    ("image.repository", "\"quay.io//redis\"", "without a tag"),
    ("additional_config", "{ user = \"default on nopass\" }", "user"),
    ("additional_config", "{ cluster-enabled = \"yes\" }", "cluster-enabled"),
    ("additional_config", "{ maxmemory = \"\" }", "maxmemory"),
    ("anti_affinity", "\"\"", "soft, required, none"),
    (
        "topology_spread_constraints",
        "[{ max_skew = 0, topology_key = \"zone\", when_unsatisfiable = \"DoNotSchedule\" }]",
        "a max_skew of 1 or more",
    ),
    (
        "topology_spread_constraints",
        "[{ max_skew = 1, topology_key = \"a b\", when_unsatisfiable = \"DoNotSchedule\" }]",
        "Constraint 0",
    ),
    (
        "topology_spread_constraints",
        "[{ max_skew = 1, topology_key = \"zone\", when_unsatisfiable = \"Never\" }]",
        "DoNotSchedule, ScheduleAnyway",
    ),
    ("custom_spec.replication", "jsonencode({ clusterSize = 5 })", "replica.count"),
    (
        "custom_spec.sentinel",
        "jsonencode({ redisSentinelConfig = { masterGroupName = \"a\" } })",
        "sentinel.master_name",
    ),
    ("custom_spec.cluster", "jsonencode({ redisFollower = { replicas = 1 } })", "cluster.replicas_per_shard"),
];

/// Arguments that are right each, but not together: what is said of them, and on which.
const GUARDS: [(&[(&str, &str)], &str); 12] = [
    (&[("version", "\"9.9\"")], "No image tag is known for Redis 9.9"),
    (
        &[
            ("authentication.existing_secret.name", "\"a\""),
            ("authentication.existing_secret.key", "\"b\""),
            ("authentication.password_wo", "\"hush\""),
        ],
        "Two passwords are given",
    ),
    (
        &[("authentication.enabled", "false"), ("authentication.password_wo", "\"hush\"")],
        "A password is given, but authentication is off",
    ),
    (
        &[
            ("authentication.existing_secret.name", "\"a\""),
            ("authentication.existing_secret.key", "\"b\""),
            ("authentication.password_wo_version", "1"),
        ],
        "password_wo_version has no password_wo",
    ),
    (&[("master.resources.requests.memory", "\"3Gi\"")], "The memory request exceeds the limit"),
    (&[("master.resources.requests.cpu", "\"1.5\"")], "The cpu request exceeds the limit"),
    (
        &[("security_context.run_as_user", "0"), ("security_context.run_as_non_root", "true")],
        "The pods must not run as root, but run_as_user is 0",
    ),
    (&[("authentication.password_wo_version", "1")], "password_wo_version has no password_wo"),
    (&[("tolerations", "[{ operator = \"Exists\", value = \"c\" }]")], "Invalid value for tolerations"),
    (&[("tolerations", "[{ operator = \"Equal\" }]")], "Invalid value for tolerations"),
    (
        &[("tolerations", "[{ key = \"a\", effect = \"NoSchedule\", toleration_seconds = 5 }]")],
        "Invalid value for tolerations",
    ),
    (&[("tolerations", "[{ key = \"a b\", operator = \"Exists\" }]")], "Invalid value for tolerations"),
];

/// Nested arguments as they are written.
#[derive(Default)]
struct Node {
    expression: String,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn set(&mut self, path: &str, expression: &str) {
        let path = path.replace("[\"", ".").replace("\"]", "").replace("[0]", ".[0]");
        let node = path.split('.').fold(self, |node, step| node.children.entry(step.to_owned()).or_default());
        node.expression = expression.to_owned();
    }

    fn text(&self) -> String {
        if self.children.is_empty() {
            return self.expression.clone();
        }
        if let Some(element) = self.children.get("[0]") {
            return format!("[{}]", element.text());
        }
        let fields = self.children.iter().map(|(name, node)| format!("{name} = {}", node.text()));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    }
}

/// Instances `i0`, `i1`… of which each bears the arguments of one row; a name where the row has none.
pub fn instances(rows: &[Vec<(&str, &str)>]) -> String {
    let mut text =
        "terraform {\n  required_providers {\n    redis = { source = \"redis-k8s/redis\" }\n  }\n}\n"
            .to_owned();
    for (number, row) in rows.iter().enumerate() {
        let mut root = Node::default();
        root.set("name", "\"cache\"");
        row.iter().for_each(|(path, expression)| root.set(path, expression));
        let arguments = root.children.iter().map(|(name, node)| format!("  {name} = {}\n", node.text()));
        let arguments: String = arguments.collect();
        text.push_str(&format!("\nresource \"redis_k8s_instance\" \"i{number}\" {{\n{arguments}}}\n"));
    }
    text
}

fn errors_of_plan(case: &Case, rows: &[Vec<(&str, &str)>]) -> Vec<Diagnostic> {
    case.write("main.tf", &instances(rows));
    let output = case.plan_fails();
    assert!(case.proxy.requests().is_empty(), "no cluster is asked: {}", case.proxy.describe());
    case.diagnostics(&output).into_iter().filter(Diagnostic::is_error).collect()
}

/// The arguments that a user may set, as dotted paths.
fn settable(attributes: &Value, above: &str, all: &mut BTreeSet<String>) {
    for (name, attribute) in attributes.as_object().unwrap() {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        if let Some(nested) = attribute.pointer("/nested_type/attributes") {
            settable(nested, &path, all);
        } else if attribute["required"] == true || attribute["optional"] == true {
            all.insert(path);
        }
    }
}

fn path_in_schema(path: &str) -> String {
    path.replace("[0]", "").split("[\"").next().unwrap().to_owned()
}

for_each_cli! {
    fn each_argument_has_a_row_here(cli: Cli) {
        let case = Case::new(cli, "rows");
        case.write("main.tf", &instances(&[vec![]]));
        let output = case.run(&["providers", "schema", "-json"]);
        let schema: Value = serde_json::from_str(&output.stdout).unwrap();
        let provider = schema["provider_schemas"].as_object().unwrap().values().next().unwrap();
        let mut all = BTreeSet::new();
        settable(&provider["resource_schemas"]["redis_k8s_instance"]["block"]["attributes"], "", &mut all);
        let rows = WRONG.iter().map(|row| row.0).chain(TYPED.iter().map(|row| row.0));
        let rows = rows.chain(UNSOUND.iter().map(|row| row.0));
        assert_eq!(rows.map(path_in_schema).collect::<BTreeSet<_>>(), all);
    }

    fn all_wrong_values_are_named_at_once(cli: Cli) {
        let case = Case::new(cli, "wrong");
        let errors = errors_of_plan(&case, &[WRONG.iter().map(|row| (row.0, row.1)).collect()]);
        for (path, _, part) in WRONG {
            let found: Vec<_> = errors.iter().filter(|error| error.summary == format!("Invalid value for {path}")).collect();
            assert_eq!(found.len(), 1, "{path} in {errors:#?}");
            assert!(found[0].detail.contains(part), "{path}: {found:#?}");
        }
        assert_eq!(errors.len(), WRONG.len(), "{errors:#?}");
    }

    fn numbers_that_a_new_instance_may_not_have_are_named(cli: Cli) {
        let case = Case::new(cli, "unsound");
        let modes = UNSOUND.map(|row| format!("{:?}", row.2));
        let rows: Vec<_> =
            UNSOUND.iter().zip(&modes).map(|(row, mode)| vec![(row.0, row.1), ("deployment_mode", mode.as_str())]).collect();
        let errors = errors_of_plan(&case, &rows);
        for (path, value, _, part) in UNSOUND {
            let named = |error: &&Diagnostic| error.summary == format!("Invalid value for {path}") && error.detail.contains(part);
            assert_eq!(errors.iter().filter(named).count(), 1, "{path} = {value} in {errors:#?}");
        }
    }

    fn a_wrong_type_is_named(cli: Cli) {
        let case = Case::new(cli, "typed");
        let errors = errors_of_plan(&case, &TYPED.map(|row| vec![row]));
        let root = |path: &str| path.split(['.', '[']).next().unwrap().to_owned();
        let mut wanted = TYPED.map(|row| root(row.0)).to_vec();
        wanted.sort();
        let found: Vec<_> = errors.iter().map(|error| root(error.attribute.as_deref().unwrap_or_default())).collect();
        assert_eq!(found, wanted, "{errors:#?}");
    }

    fn values_that_look_right_are_named(cli: Cli) {
        let case = Case::new(cli, "look-right");
        let errors = errors_of_plan(&case, &ALSO_WRONG.map(|row| vec![(row.0, row.1)]));
        let mut missed = Vec::new();
        for (number, (path, value, part)) in ALSO_WRONG.into_iter().enumerate() {
            let address = format!("redis_k8s_instance.i{number}");
            let found: Vec<_> = errors.iter().filter(|error| error.address.as_deref() == Some(&address)).collect();
            let named = |error: &Diagnostic| error.summary == format!("Invalid value for {path}") && error.detail.contains(part);
            if found.len() != 1 || !named(found[0]) {
                missed.push(format!("{path} = {value} must say {part:?}: {found:#?}"));
            }
        }
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }

    fn values_that_exclude_each_other_are_named(cli: Cli) {
        let case = Case::new(cli, "guards");
        let errors = errors_of_plan(&case, &GUARDS.map(|row| row.0.to_vec()));
        let mut found: Vec<_> = errors.iter().map(|error| (error.address.clone().unwrap_or_default(), error.summary.as_str())).collect();
        let mut wanted: Vec<_> = GUARDS.iter().enumerate().map(|(number, row)| (format!("redis_k8s_instance.i{number}"), row.1)).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
        // A password is never quoted, right or wrong.
        assert!(!case.outputs().iter().any(|output| output.to_string().contains("hush")));
    }

    /// Whatever is not known yet may turn out right.
    fn nothing_is_said_of_what_is_unknown(cli: Cli) {
        let case = Case::new(cli, "not-known");
        // Of a constraint all arguments are required, so one row brings the others along.
        let alone = |row: &&(&str, &str, &str)| !row.1.starts_with(['[', '{']) && !row.1.contains(", ");
        let rows = WRONG.iter().filter(alone).filter(|row| !row.0.ends_with(']'));
        let row: Vec<(&str, &str)> = rows.map(|row| (row.0, "terraform_data.later.output")).collect();
        let later = "\nresource \"terraform_data\" \"later\" {\n  input = \"1\"\n}\n";
        case.write("main.tf", &(instances(&[row]) + later));
        assert_eq!(case.plan().actions("redis_k8s_instance.i0"), ["create"]);
    }
}
