//! From ten lines to a Redis that answers, and back to nothing (issue 3, §6.1).
use crate::case::Case;
use crate::instance::{ADDRESS, Configuration, POD};
use crate::redis_client::RedisClient;

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
