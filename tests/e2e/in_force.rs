//! What an apply says is in force: after each change the running server has the values of the configuration, and the state
//! has the image that the pods run.
use std::collections::BTreeMap;

use crate::case::Case;
use crate::instance::{ADDRESS, Configuration};
use crate::redis_client::RedisClient;
use crate::topology::{every_endpoint_serves, replication, sentinel};

/// A change of one argument, and what `CONFIG GET` says afterwards.
type Change = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Of a limit of 128Mi 60 % are 80530636 bytes, and of 96Mi 60397977.
const CHANGES: [Change; 9] = [
    ("maxmemory_percent", "60", &[("maxmemory", "80530636"), ("save", "900 1 300 10 60 10000")]),
    (
        "master",
        "{ resources = { requests = { cpu = \"10m\", memory = \"32Mi\" }, limits = { cpu = \"100m\", memory = \"96Mi\" } } }",
        &[("maxmemory", "60397977")],
    ),
    (
        "persistence",
        "{ size = \"64Mi\", rdb = { save_interval = \"700 7\" } }",
        &[("save", "700 7"), ("appendonly", "no")],
    ),
    (
        "persistence",
        "{ size = \"64Mi\", rdb = { enabled = false }, aof = { enabled = true, fsync_policy = \"always\" } }",
        &[("save", ""), ("appendonly", "yes"), ("appendfsync", "always")],
    ),
    (
        "persistence",
        "{ size = \"64Mi\", aof = { enabled = true, fsync_policy = \"no\" } }",
        &[("save", "900 1 300 10 60 10000"), ("appendonly", "yes"), ("appendfsync", "no")],
    ),
    ("persistence", "{ size = \"64Mi\" }", &[("appendonly", "no")]),
    (
        "additional_config",
        "{ maxmemory-policy = \"allkeys-lru\", timeout = \"77\" }",
        &[("maxmemory-policy", "allkeys-lru"), ("timeout", "77")],
    ),
    (
        "additional_config",
        "{ client-output-buffer-limit = \"normal 0 0 0\\nreplica 512mb 128mb 120\\npubsub 64mb 16mb 90\" }",
        &[
            (
                "client-output-buffer-limit",
                "normal 0 0 0 slave 536870912 134217728 120 pubsub 67108864 16777216 90",
            ),
            ("timeout", "0"),
        ],
    ),
    (
        "additional_config",
        "{ maxmemory = \"33mb\" }",
        &[("maxmemory", "34603008"), ("maxmemory-policy", "noeviction")],
    ),
];

fn in_force(client: &RedisClient<'_>, expected: &[(&str, &str)], after: &str) {
    for (directive, value) in expected {
        assert_eq!(client.config(directive), *value, "{directive} after {after}");
    }
}

for_alternate_clis! {
    fn every_argument_of_redis_conf(cli: Cli) {
        let case = Case::new(cli, "in-force");
        let mut configuration = Configuration::small().with("timeouts", "{ create = \"3m\", update = \"3m\" }");
        case.write("main.tf", &configuration.text());
        case.apply();
        RedisClient::of(&case, ADDRESS).set("kept", "yes");
        for (argument, value, expected) in CHANGES {
            configuration = configuration.with(argument, value);
            case.write("main.tf", &configuration.text());
            case.apply();
            let client = RedisClient::of(&case, ADDRESS);
            in_force(&client, expected, &format!("{argument} = {value}"));
            assert_eq!(client.get("kept"), "yes", "after {argument} = {value}");
        }
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    fn every_argument_of_the_sentinels(cli: Cli) {
        let case = Case::new(cli, "in-force-watch");
        case.set_deadline(std::time::Duration::from_secs(400));
        case.write("main.tf", &sentinel("").text());
        case.apply();
        let more = "quorum = 3, down_after_milliseconds = 7000, failover_timeout = 21000, parallel_syncs = 2, master_name = \"lead\",";
        case.write("main.tf", &sentinel(more).text());
        case.apply();
        case.plan_is_empty();
        every_endpoint_serves(&case);
        for pod in ["cache-sentinel-0", "cache-sentinel-1", "cache-sentinel-2"] {
            let script = "redis-cli -p 26379 SENTINEL MASTER lead";
            let output = case.kubectl(&["exec", pod, "-c", "cache-sentinel", "--", "sh", "-c", script]);
            let lines: Vec<&str> = output.lines().collect();
            let said: BTreeMap<&str, &str> = lines.chunks(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
            for (field, value) in [("quorum", "3"), ("down-after-milliseconds", "7000"), ("failover-timeout", "21000"), ("parallel-syncs", "2"), ("num-other-sentinels", "2")] {
                assert_eq!(said.get(field), Some(&value), "{pod}: {output}");
            }
        }
        case.destroy();
        case.assert_nothing_left();
    }

    /// The template says what pods will run, not what they run.
    fn the_image_of_the_state_is_that_of_the_pods(cli: Cli) {
        let case = Case::new(cli, "image");
        let with = |tag: &str| {
            replication()
                .with("update_strategy", "{ guarded = false, type = \"OnDelete\" }")
                .with("image", &format!("{{ tag = {tag:?} }}"))
        };
        case.write("main.tf", &with("v7.0.12").text());
        case.apply();
        let image = || case.resource(ADDRESS)["status"]["image"].as_str().unwrap_or_default().to_owned();
        let before = image();
        assert!(before.ends_with(":v7.0.12"), "{before}");
        case.write("main.tf", &with("v7.0.15").with("additional_config", "{ timeout = \"5\" }").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(image(), before);
        assert_eq!(RedisClient::of(&case, ADDRESS).config("timeout"), "0", "no pod was replaced");
        case.destroy();
        case.assert_nothing_left();
    }

    /// The operator takes the mark of a restart away when it next writes the StatefulSet.
    fn a_restart_by_kubectl_is_announced_once_more(cli: Cli) {
        let case = Case::new(cli, "restarted");
        case.set_deadline(std::time::Duration::from_secs(400));
        case.write("main.tf", &replication().text());
        case.apply();
        crate::topology::through(&case, "host").set("kept", "yes");
        case.kubectl(&["rollout", "restart", "statefulset/cache"]);
        case.kubectl(&["rollout", "status", "statefulset/cache", "--timeout=120s"]);
        case.write("main.tf", &replication().with("replica", "{ count = 2 }").text());
        let plan = case.plan();
        assert!(plan.to_string().contains("kubectl rollout restart"), "{plan}");
        case.apply();
        case.plan_is_empty();
        assert_eq!(crate::topology::through(&case, "host").get("kept"), "yes");
        case.destroy();
        case.assert_nothing_left();
    }
}
