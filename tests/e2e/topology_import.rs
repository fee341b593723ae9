//! An instance of several kinds of objects is found again: after one of them was deleted by hand, and by an import.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::drift::differing;
use crate::import::{forgotten, settled};
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{applied, custom_resource_of, definition, end};
use crate::topology::{REPLICATIONS, SENTINELS, at_rest, cluster, replication, sentinel};

/// An instance of sentinels has two kinds of custom resources.
fn with_sentinels() -> Configuration {
    at_rest(sentinel(""))
}

/// What the Helm charts of the operator render, and a set by hand that sentinels of another name watch. No node takes the pods.
const OTHERS: &str = include_str!("others.yaml");

/// Makes them as Helm does.
fn others(case: &Case) {
    case.write("others.yaml", OTHERS);
    let file = case.path("others.yaml");
    case.kubectl(&["create", "--field-manager=helm", "-f", &file.to_string_lossy()]);
}

/// The revision of each StatefulSet's pods, once the operator has read what is written.
fn revisions(case: &Case) -> Vec<String> {
    const SETS: [&str; 3] = ["one", "set", "shards-leader"];
    let path = |name: &str| format!("/apis/apps/v1/namespaces/{}/statefulsets/{name}", case.namespace);
    let revision = |name: &&str| {
        let set = case.object(&path(name))?;
        set["status"]["updateRevision"].as_str().map(|revision| format!("{name} {revision}"))
    };
    case.wait_until("the StatefulSets", Duration::from_secs(60), || SETS.iter().map(revision).collect())
}

/// The operator copies the hash of what we wrote to its Services, once it has acted on it.
fn is_read(case: &Case, kind: &str, name: &str, service: &str) {
    const HASH: &str = "/metadata/annotations/terraform-provider-redis~1spec-hash";
    let of = |what: &[&str]| case.kubectl_json(&[&["get"], what].concat()).pointer(HASH).cloned();
    case.wait_until("the operator has read it", Duration::from_secs(60), || {
        let (wanted, read) = (of(&[&definition(kind), name]), of(&["service", service]));
        (wanted.is_some() && wanted == read).then_some(())
    });
}

/// What others made, under the name of the resource: the generated configuration has nothing to do, a change of it restarts
/// nothing, and Helm owns nothing any more.
fn imported_and_changed(case: &Case) {
    const NAMES: [&str; 3] = ["one", "set", "shards"];
    let before = revisions(case);
    let block = |name: &str| {
        format!("import {{\n  to = redis_k8s_instance.{name}\n  id = \"{{namespace}}/{name}\"\n}}\n")
    };
    let head = crate::import::HEAD;
    case.write("main.tf", &format!("{head}{}{}", NAMES.map(block).concat(), block("lone")));
    let output = case.run(&["plan", "-json", "-generate-config-out=generated.tf"]);
    assert!(output.succeeded(), "{output}");
    let warnings = case.diagnostics(&output);
    let left_out = |what: &str| warnings.iter().any(|one| one.summary.starts_with(what));
    assert!(left_out("The RedisSentinel watch of <namespace>/lone is not imported"), "{output}");
    assert!(
        left_out("The sentinels within the RedisReplication <namespace>/lone are not imported"),
        "{output}"
    );
    let plan = case.plan();
    for name in NAMES {
        let address = format!("redis_k8s_instance.{name}");
        assert_eq!(plan.actions(&address), ["no-op"], "{}\n{plan}", case.read("generated.tf"));
    }
    case.proxy.forget();
    case.apply();
    assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());

    case.write("main.tf", head);
    let generated = case.read("generated.tf").replace("retain_on_delete = false", "retain_on_delete = true");
    // Nobody waits for pods that no node takes.
    let waits = |part: &str| part.replacen("= true", "= false", 1);
    let mut parts = generated.split("wait = {");
    let first = parts.next().unwrap_or_default().to_owned();
    let changed = parts.fold(first, |text, part| format!("{text}wait = {{{}", waits(part)));
    case.write("generated.tf", &changed);
    let output = case.apply();
    let restarts = case.diagnostics(&output).into_iter().any(|one| one.summary == "Redis will restart");
    assert!(!restarts, "{output}");
    case.plan_is_empty();
    is_read(case, "redis", "one", "one");
    is_read(case, REPLICATIONS, "set", "set");
    is_read(case, "redisclusters", "shards", "shards-leader");
    assert_eq!(revisions(case), before, "pods would be replaced");
    let set = case.kubectl_json(&["get", &definition(REPLICATIONS), "set", "--show-managed-fields"]);
    let managers = set["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let names: Vec<&Value> = managers.iter().map(|entry| &entry["manager"]).collect();
    assert!(names.iter().all(|name| *name != "helm"), "{names:?}");
    assert_eq!(set["spec"]["redisExporter"]["enabled"], true, "what no argument expresses stays");
}

/// The same objects, taken over with a configuration of one's own.
fn adopted(case: &Case) {
    let base = || {
        at_rest(Configuration::small())
            .with("persistence", "{ size = \"64Mi\" }")
            .with("security_context", "{ run_as_user = 1000 }")
    };
    let shapes = [
        ("one", "redis", base()),
        (
            "set",
            REPLICATIONS,
            base().with("deployment_mode", "\"sentinel\"").with("replica", "{ count = 1 }"),
        ),
        ("shards", "redisclusters", base().with("deployment_mode", "\"cluster\"")),
    ];
    let uid = |kind: &str, name: &str| {
        case.kubectl_json(&["get", &definition(kind), name])["metadata"]["uid"].clone()
    };
    for (name, kind, configuration) in shapes {
        let before = uid(kind, name);
        let configuration = configuration.with("name", &format!("{name:?}"));
        case.write("main.tf", &configuration.text());
        let output = case.apply_fails();
        assert!(output.to_string().contains("exists already"), "{output}");
        case.write("main.tf", &configuration.with("adopt_existing", "true").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(uid(kind, name), before, "taken over, not made anew");
        let found = case.kubectl_json(&["get", &definition(kind), name]);
        let class = found["spec"]["storage"].pointer("/volumeClaimTemplate/spec/storageClassName");
        assert!(class.is_none(), "cannot be added to volumes that are there: {found:#}");
        case.destroy();
    }
}

for_each_cli! {
    fn what_others_made_is_taken_over_as_it_is(cli: Cli) {
        let case = Case::new(cli, "others");
        others(&case);
        imported_and_changed(&case);
        case.destroy();
        case.wait_until("all are gone", Duration::from_secs(60), || {
            case.kubectl(&["get", &definition("redis"), "-o", "name"]).is_empty().then_some(())
        });
        std::fs::remove_file(case.path("generated.tf")).unwrap();
        case.kubectl(&["delete", &definition(SENTINELS), "--all"]);
        case.kubectl(&["delete", "configmap", "set-ext-config"]);
        others(&case);
        revisions(&case);
        adopted(&case);
        case.kubectl(&["delete", &definition(REPLICATIONS), "lone"]);
        case.kubectl(&["delete", &definition(SENTINELS), "watch"]);
        case.leaves_things();
    }

    fn sentinels_that_were_deleted_are_made_anew(cli: Cli) {
        let case = applied(cli, "drift-watch", &with_sentinels());
        case.kubectl(&["delete", &definition(SENTINELS), "cache"]);
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "the data is still there: {plan}");
        assert_eq!(differing(&plan), ["repairs.RedisSentinel cache"], "{plan}");
        case.apply();
        assert_eq!(custom_resource_of(&case, SENTINELS)["spec"]["clusterSize"], 3);
        case.plan_is_empty();
        end(&case);
    }

    /// The data is gone, and the sentinels that are left are ours: they do not stand in the way.
    fn a_set_that_was_deleted_is_made_anew(cli: Cli) {
        let case = applied(cli, "drift-data", &with_sentinels());
        case.kubectl(&["delete", &definition(REPLICATIONS), "cache"]);
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        case.apply();
        case.plan_is_empty();
        end(&case);
    }

    fn an_import_finds_the_shape_and_its_arguments(cli: Cli) {
        let sentinels = "{ replicas = 5, quorum = 2, down_after_milliseconds = 6000, master_name = \"lead\", \
                         password_protected = true, pod_disruption_budget = { max_unavailable = 1 }, \
                         resources = { limits = { memory = \"64Mi\" }, requests = { memory = \"32Mi\" } } }";
        let spread = "[{ max_skew = 1, topology_key = \"zone\", when_unsatisfiable = \"ScheduleAnyway\" }]";
        let kinds = [
            ("rep", "RedisReplication", at_rest(replication())
                .with("replica", "{ count = 2 }")
                .with("topology_spread_constraints", spread)
                .with("service", "{ type = \"NodePort\", annotations = { a = \"b\" } }")
                .with("pod_disruption_budget", "{ enabled = false }")),
            ("sen", "RedisReplication", with_sentinels()
                .with("sentinel", sentinels)
                .with("image", "{ sentinel_repository = \"quay.io/other/redis-sentinel\" }")
                .with("anti_affinity", "\"required\"")
                .with("readiness_probe", "{ period_seconds = 7 }")
                .with("custom_spec", "{ sentinel = jsonencode({ kubernetesConfig = { minReadySeconds = 1 } }) }")
                .with("pod_disruption_budget", "{ max_unavailable = 1 }")),
            ("clu", "RedisCluster", at_rest(cluster())
                .with("cluster", "{ num_shards = 4, replicas_per_shard = 2, version_mode = \"v6\" }")
                .with("replica", "{ resources = { limits = { memory = \"256Mi\" } } }")
                .with("termination_grace_period_seconds", "20")
                .with("service", "{ type = \"NodePort\" }")
                .with("additional_config", "{ timeout = \"100\" }")),
        ];
        for (name, kind, configuration) in kinds {
            let case = forgotten(cli, &format!("import-{name}"), &configuration);
            case.import(ADDRESS, &format!("{}/cache", case.namespace));
            settled(&case);
            case.run(&["state", "rm", ADDRESS]);
            let identity = format!("identity = {{ namespace = \"{{namespace}}\", name = \"cache\", kind = \"{kind}\" }}");
            let block = format!("import {{\n  to = {ADDRESS}\n  {identity}\n}}\n");
            case.write("main.tf", &configuration.clone().and(&block).text());
            let output = case.try_plan();
            // Only where the CLI has identities in import blocks: Terraform 1.12, OpenTofu 1.12.
            if output.to_string().contains("The argument \"id\" is required") {
                assert_eq!(cli, crate::cli::Cli::Terraform, "{output}");
                case.write("main.tf", &configuration.text());
                case.import(ADDRESS, &format!("{}/cache", case.namespace));
            } else {
                case.apply();
                case.write("main.tf", &configuration.text());
                case.plan_is_empty();
            }
            crate::import::end(&case);
        }
    }
}
