//! An instance of several kinds of objects is found again: after one of them was deleted by hand, and by an import.
use crate::drift::differing;
use crate::import::{forgotten, settled};
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{applied, custom_resource_of, definition, end};
use crate::topology::{REPLICATIONS, SENTINELS, at_rest, cluster, replication, sentinel};

/// An instance of sentinels has two kinds of custom resources.
fn with_sentinels() -> Configuration {
    at_rest(sentinel(""))
}

for_each_cli! {
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
