//! A cluster of which the operator has no place for a node, or too many shards: apply puts it in order.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::instance::{ADDRESS, PODS};
use crate::redis_client::RedisClient;
use crate::topology::{cluster, every_endpoint_serves, every_node_agrees, through};

/// What one pod of a cluster says.
fn node<'a>(case: &'a Case, pod: &str) -> RedisClient<'a> {
    RedisClient::new(case, pod, Some(("cache-auth", "password")))
}

fn id_of(case: &Case, pod: &str) -> String {
    node(case, pod).command(&["CLUSTER", "MYID"]).trim().to_owned()
}

fn address_of(case: &Case, pod: &str) -> String {
    case.kubectl(&["get", "pod", pod, "-o", "jsonpath={.status.podIP}"])
}

/// Its follower takes over, and the operator finds no place for it any more.
fn leader_loses_its_volumes(case: &Case) {
    let before = case.kubectl(&["get", "pod", "cache-leader-1", "-o", "jsonpath={.metadata.uid}"]);
    let claims = ["pvc/cache-leader-cache-leader-1", "pvc/node-conf-cache-leader-1"];
    case.kubectl(&[&["delete", "--wait=false"][..], &claims].concat());
    case.kubectl(&["delete", "pod", "cache-leader-1"]);
    case.wait_until(
        "its follower has taken over, and the operator has seen that",
        Duration::from_secs(120),
        || {
            let nodes = node(case, "cache-leader-0").command(&["CLUSTER", "NODES"]);
            let has_failed = nodes.lines().any(|row| row.contains("master,fail "));
            let is_new = |pod: &&Value| {
                pod["metadata"]["name"] == "cache-leader-1" && pod["metadata"]["uid"] != before.as_str()
            };
            let pods = case.objects(PODS);
            let new = pods.iter().find(is_new);
            let is_ready = new.is_some_and(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
            let state = case.kubectl(&["get", "rediscluster", "cache", "-o", "jsonpath={.status.state}"]);
            (has_failed && is_ready && state != "Ready").then_some(())
        },
    );
}

for_terraform! {
    fn a_leader_without_its_volumes_and_then_a_shard_too_many(cli: Cli) {
        let case = Case::new(cli, "nodes");
        case.set_deadline(Duration::from_secs(400));
        case.write("main.tf", &cluster().text());
        case.apply();
        through(&case, "host").pipe(&["-c"], "SET kept yes\n");

        leader_loses_its_volumes(&case);
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
        let repairs = &plan.json["resource_changes"][0]["change"]["before"]["repairs"];
        assert!(repairs["cluster"].is_string(), "{repairs}");
        // A move that was broken off; and with a slot open the operator begins nothing.
        let [from, to] = ["cache-leader-0", "cache-leader-2"];
        node(&case, to).command(&["CLUSTER", "SETSLOT", "0", "IMPORTING", &id_of(&case, from)]);
        case.apply();
        every_node_agrees(&case, "a leader without its volumes", 3, 1);
        every_endpoint_serves(&case);
        case.plan_is_empty();

        // The operator gives slots to a node that it finds without any, whoever that is.
        let (stray, other) = ("cache-follower-2", "cache-leader-0");
        let id = id_of(&case, stray);
        node(&case, stray).command(&["CLUSTER", "RESET", "HARD"]);
        let others = ["cache-leader-0", "cache-leader-1", "cache-leader-2", "cache-follower-0", "cache-follower-1"];
        for pod in others {
            node(&case, pod).command(&["CLUSTER", "FORGET", &id]);
        }
        node(&case, stray).command(&["CLUSTER", "MEET", &address_of(&case, other), "6379"]);
        case.wait_until("all know it", Duration::from_secs(30), || {
            let knows = |pod: &str| {
                let nodes = node(&case, pod).command(&["CLUSTER", "NODES"]);
                !nodes.contains("handshake") && nodes.lines().filter(|row| row.contains("master")).count() == 4
            };
            others.iter().chain([&stray]).all(|pod| knows(pod)).then_some(())
        });
        case.kubectl(&["annotate", "rediscluster", "cache", "terraform-provider-redis/news=wake-up", "--overwrite"]);
        case.wait_until("the operator has given it slots", Duration::from_secs(120), || {
            let nodes = node(&case, other).command(&["CLUSTER", "NODES"]);
            let rows: Vec<Vec<&str>> = nodes.lines().map(|row| row.split(' ').collect()).collect();
            let serves = |row: &&Vec<&str>| row[2].contains("master") && row.len() > 8;
            (rows.iter().filter(serves).count() == 4).then_some(())
        });
        case.write("main.tf", &cluster().with("maxmemory_percent", "60").text());
        case.apply();
        every_node_agrees(&case, "a shard too many", 3, 1);
        every_endpoint_serves(&case);
        let kept = through(&case, "host").pipe(&["-c"], "GET kept\n");
        assert!(kept.trim().ends_with("yes"), "{kept}");
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
