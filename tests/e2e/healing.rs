//! A replicated set whose master is not where it should be: on a pod that goes, or nowhere.
use std::time::Duration;

use crate::case::Case;
use crate::instance::ADDRESS;
use crate::redis_client::RedisClient;
use crate::topology::{every_endpoint_serves, sentinel, through};

/// An address that no pod has.
const NOWHERE: &str = "10.244.0.254";

fn master_of(case: &Case) -> String {
    case.kubectl(&["get", "redisreplication", "cache", "-o", "jsonpath={.status.masterNode}"])
}

fn tell_sentinel(case: &Case, pod: &str, command: &[&str]) {
    case.kubectl(&[&["exec", pod, "--", "redis-cli", "-p", "26379", "SENTINEL"][..], command].concat());
}

for_terraform! {
    fn the_master_is_on_a_pod_that_goes_and_then_nowhere(cli: Cli) {
        let case = Case::new(cli, "heal");
        case.set_deadline(Duration::from_secs(400));
        let of = |replicas: u8| sentinel("").with("replica", &format!("{{ count = {replicas} }}"));
        case.write("main.tf", &of(2).text());
        case.apply();
        through(&case, "host").set("kept", "yes");

        // The StatefulSet gives up its highest pod, which is the master by now.
        let last = case.kubectl_json(&["get", "pod", "cache-2", "-o", "json"]);
        let address = last["status"]["podIP"].as_str().expect("an address");
        through(&case, "host").command(&["FAILOVER", "TO", address, "6379", "TIMEOUT", "2000"]);
        case.wait_until("the operator notices", Duration::from_secs(90), || (master_of(&case) == "cache-2").then_some(()));
        case.write("main.tf", &of(1).text());
        case.apply();
        every_endpoint_serves(&case);
        assert_ne!(master_of(&case), "cache-2");
        assert_eq!(through(&case, "host").get("kept"), "yes");
        case.plan_is_empty();

        // As after two pods have restarted at once: all are replicas of an address that is gone, and the sentinels know
        // no other. The operator leaves it so.
        for pod in ["cache-sentinel-0", "cache-sentinel-1", "cache-sentinel-2"] {
            tell_sentinel(&case, pod, &["REMOVE", "mymaster"]);
            tell_sentinel(&case, pod, &["MONITOR", "mymaster", NOWHERE, "6379", "2"]);
        }
        for pod in ["cache-0", "cache-1"] {
            let redis = RedisClient::new(&case, pod, Some(("cache-auth", "password")));
            redis.command(&["REPLICAOF", NOWHERE, "6379"]);
        }
        case.wait_until("the operator finds no master", Duration::from_secs(90), || master_of(&case).is_empty().then_some(()));
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
        let repairs = &plan.json["resource_changes"][0]["change"]["before"]["repairs"];
        assert!(repairs["master"].is_string(), "{repairs}");
        case.apply();
        every_endpoint_serves(&case);
        assert_eq!(through(&case, "host").get("kept"), "yes");
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
