//! From ten lines to a Redis that answers, and back to nothing.
use serde_json::json;

use crate::case::Case;
use crate::cli::{Cli, run};
use crate::ending::serves;
use crate::instance::{ADDRESS, Configuration, POD};
use crate::redis_client::RedisClient;

/// The newest Terraform, which has identities: in import blocks, and in its state.
#[test]
fn the_newest_terraform_makes_imports_and_destroys_one() {
    let cli = Cli::Terraform115;
    run(Some(cli), "lifecycle::the_newest_terraform_makes_imports_and_destroys_one", || {
        let case = Case::new(cli, "newest");
        let configuration = Configuration::small();
        case.write("main.tf", &configuration.text());
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        case.apply();
        serves(&case);
        let identity = json!({ "kind": "Redis", "name": "cache", "namespace": case.namespace });
        assert_eq!(case.identity(ADDRESS), identity);

        case.run(&["state", "rm", ADDRESS]);
        assert!(case.resource(ADDRESS).is_null());
        let block = "import {\n  to = redis_k8s_instance.this\n  identity = { namespace = \"{namespace}\", name = \"cache\" }\n}\n";
        case.write("main.tf", &configuration.clone().and(block).text());
        let plan = case.plan();
        assert_eq!(
            plan.json["resource_changes"][0]["change"]["importing"]["identity"]["name"], "cache",
            "{plan}"
        );
        case.apply();
        case.write("main.tf", &configuration.text());
        serves(&case);
        assert_eq!(case.identity(ADDRESS), identity);
        case.destroy();
        case.assert_nothing_left();
        assert!(case.resource(ADDRESS).is_null());
    });
}

for_each_cli! {
    fn ten_lines_become_a_redis_and_go_without_a_trace(cli: Cli) {
        let case = Case::new(cli, "lifecycle");
        case.write("main.tf", &Configuration::small().text());
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        case.apply();
        case.proxy.assert_no_discovery();

        let values = case.resource(ADDRESS);
        assert_eq!(values["id"], format!("{}/cache", case.namespace));
        assert_eq!(values["host"], format!("cache.{}.svc.cluster.local", case.namespace));
        assert_eq!(values["port"], 6379);
        assert_eq!(values["status"]["ready"], true, "{values:#}");
        assert_eq!(values["repairs"], serde_json::json!({}));

        let redis = RedisClient::of(&case, ADDRESS);
        assert!(redis.ping());
        redis.set("greeting", "hello");
        assert_eq!(redis.get("greeting"), "hello");
        let stranger = RedisClient::new(&case, POD, None).try_command(&["PING"]);
        assert!(stranger.stdout.contains("NOAUTH"), "nobody may in without the password: {stranger}");

        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
        assert!(case.resource(ADDRESS).is_null());
    }

    /// A second apply has nothing to do, so it must not write either.
    fn applying_again_writes_nothing(cli: Cli) {
        let case = Case::new(cli, "again");
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        case.proxy.forget();
        case.apply();
        assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());
        case.proxy.assert_no_discovery();
        case.destroy();
        case.assert_nothing_left();
    }
}
