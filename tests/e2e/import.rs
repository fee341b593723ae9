//! Import into an empty state, then an empty plan; and a generated configuration that plans empty.
use crate::case::Case;
use crate::cli::Cli;
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{resting, summaries};

/// Instances that differ in what an import must find out.
fn kinds() -> [(&'static str, Configuration); 4] {
    let bare = resting();
    let full = resting()
        .with("version", "\"6.2\"")
        .with("labels", "{ team = \"a\" }")
        .with("annotations", "{ note = \"n\" }")
        .with("env", "{ A = \"1\" }")
        .with("additional_config", "{ maxmemory-policy = \"allkeys-lru\" }")
        .with("maxmemory_percent", "50")
        .with("tolerations", "[{ key = \"k\", operator = \"Exists\", effect = \"NoSchedule\" }]")
        .with("security_context", "{ run_as_user = 1000, fs_group = 1000 }")
        .with("service_account", "\"default\"")
        .with("persistence", "{ size = \"128Mi\", aof = { enabled = true, fsync_policy = \"always\" }, rdb = { save_interval = \"60 1\" } }");
    let without =
        resting().with("persistence", "{ enabled = false }").with("authentication", "{ enabled = false }");
    let existing =
        resting().with("authentication", "{ existing_secret = { name = \"mine\", key = \"word\" } }");
    [("bare", bare), ("full", full), ("none", without), ("mine", existing)]
}

/// An instance that exists, and a state that knows nothing of it.
pub fn forgotten(cli: Cli, name: &str, configuration: &Configuration) -> Case {
    let case = Case::new(cli, name);
    case.kubectl(&["create", "secret", "generic", "mine", "--from-literal=word=hush"]);
    case.write("main.tf", &configuration.text());
    case.apply();
    case.run(&["state", "rm", ADDRESS]);
    assert!(case.resource(ADDRESS).is_null());
    case
}

/// Arguments of the provider alone are in no cluster: an import takes their defaults, the next apply writes nothing.
pub fn settled(case: &Case) {
    let plan = case.plan();
    let changes = plan.changed_attributes(ADDRESS);
    let only_ours = |path: &String| {
        ["timeouts", "wait", "authentication.password_wo_version"].iter().any(|one| path.starts_with(one))
    };
    let others: Vec<_> =
        changes.configured.iter().chain(&changes.computed).filter(|path| !only_ours(path)).collect();
    assert!(others.is_empty(), "{plan}");
    case.proxy.forget();
    case.apply();
    assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());
    case.plan_is_empty();
}

/// The user's own Secret is all that stays.
pub fn end(case: &Case) {
    case.destroy();
    case.kubectl(&["delete", "secret", "mine"]);
    case.assert_nothing_left();
}

pub const HEAD: &str =
    "terraform {\n  required_providers {\n    redis = { source = \"redis-k8s/redis\" }\n  }\n}\n";

for_each_cli! {
    fn by_id_on_the_command_line(cli: Cli) {
        for (kind, configuration) in kinds() {
            let case = forgotten(cli, &format!("import-{kind}"), &configuration);
            case.import(ADDRESS, &format!("{}/cache", case.namespace));
            settled(&case);
            end(&case);
        }
    }

    fn by_an_import_block(cli: Cli) {
        let (_, configuration) = kinds()[1].clone();
        let case = forgotten(cli, "import-block", &configuration);
        let block = "import {\n  to = redis_k8s_instance.this\n  id = \"{namespace}/cache\"\n}\n";
        case.write("main.tf", &configuration.clone().and(block).text());
        let plan = case.plan();
        assert_eq!(plan.json["resource_changes"][0]["change"]["importing"]["id"], format!("{}/cache", case.namespace));
        case.apply();
        case.plan_is_empty();
        end(&case);
    }

    /// Only where the CLI has identities in import blocks: Terraform 1.12, OpenTofu 1.12.
    fn by_identity(cli: Cli) {
        let (_, configuration) = kinds()[1].clone();
        let case = forgotten(cli, "identity", &configuration);
        let block = "import {\n  to = redis_k8s_instance.this\n  identity = { namespace = \"{namespace}\", name = \"cache\" }\n}\n";
        case.write("main.tf", &configuration.clone().and(block).text());
        let output = case.try_plan();
        if output.to_string().contains("The argument \"id\" is required") {
            assert_eq!(cli, Cli::Terraform, "{output}");
        } else {
            case.apply();
            assert_eq!(case.resource(ADDRESS)["id"], format!("{}/cache", case.namespace));
            case.plan_is_empty();
        }
        case.write("main.tf", &configuration.text());
        if case.resource(ADDRESS).is_null() {
            case.import(ADDRESS, &format!("{}/cache", case.namespace));
        }
        end(&case);
    }

    /// What is written out for the user is right, and has nothing to do.
    fn a_generated_configuration_plans_empty(cli: Cli) {
        for (kind, configuration) in kinds() {
            let case = forgotten(cli, &format!("generate-{kind}"), &configuration);
            let block = "\nimport {\n  to = redis_k8s_instance.this\n  id = \"{namespace}/cache\"\n}\n";
            case.write("main.tf", &format!("{HEAD}{block}"));
            let output = case.run(&["plan", "-json", "-generate-config-out=generated.tf"]);
            assert!(output.succeeded(), "{output}");
            let plan = case.plan();
            assert_eq!(plan.actions(ADDRESS), ["no-op"], "{}\n{plan}", case.read("generated.tf"));
            case.apply();
            case.write("main.tf", HEAD);
            case.plan_is_empty();
            end(&case);
        }
    }

    fn what_is_not_there_is_not_imported(cli: Cli) {
        let case = Case::new(cli, "import-none");
        case.write("main.tf", &resting().text());
        let mut all = Vec::new();
        for id in ["cache", "a/b/c/d", "{namespace}/cache/RedisSentinel", "/cache", "{namespace}/", "{namespace}/cache", "no-such-namespace/cache"] {
            let block = format!("import {{\n  to = {ADDRESS}\n  id = \"{id}\"\n}}\n");
            case.write("main.tf", &resting().and(&block).text());
            all.extend(summaries(&case, &case.plan_fails()));
        }
        let wrong = "The import id is not namespace/name".to_owned();
        let absent = |namespace: &str| format!("There is no Redis {namespace}/cache to import");
        let kind = "A RedisSentinel cannot be imported".to_owned();
        assert_eq!(all, [wrong.clone(), wrong.clone(), kind, wrong.clone(), wrong, absent("<namespace>"), absent("no-such-namespace")]);
    }
}
