//! Replication, sentinels and shards: from a file to endpoints that work as an application uses them, changes in place
//! that restart nothing, and back to nothing. Making one takes the operator a minute or two, so each shape is made
//! once for each CLI, and the changes are Terraform's alone: what a plan and an apply of a change look like to either CLI
//! is in `change.rs`.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::Case;
use crate::change::{change, resize_claims};
use crate::cli::Cli;
use crate::instance::{ADDRESS, CLAIMS, Configuration, PODS};
use crate::redis_client::RedisClient;
use crate::topology::{
    cluster, every_endpoint_serves, master_by_sentinels, output, password_is_kept_secret, port_of_the_node,
    replication, sentinel, strangers_are_refused, through,
};

const SERVICES: &str = "/api/v1/namespaces/{namespace}/services";
const BUDGETS: &str = "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets";

/// A replica has what was written a moment ago: replication is asynchronous, and no object tells.
const REPLICATED: Duration = Duration::from_secs(10);

/// How far the operator may be behind in what no client needs.
const BEHIND: Duration = Duration::from_secs(30);

/// An apply that ends with an instance that serves, and has nothing left to do.
fn made(cli: Cli, name: &str, configuration: &Configuration) -> Case {
    let case = Case::new(cli, name);
    case.set_deadline(Duration::from_secs(600));
    case.write("main.tf", &configuration.text());
    assert_eq!(case.plan().actions(ADDRESS), ["create"]);
    case.apply();
    every_endpoint_serves(&case);
    case.proxy.assert_no_discovery();
    let values = case.resource(ADDRESS);
    assert_eq!(values["status"]["ready"], true, "{values:#}");
    assert_eq!(values["repairs"], json!({}));
    case
}

/// `plan` is empty, the password is nowhere, and destroy leaves nothing.
fn gone(case: &Case) {
    password_is_kept_secret(case);
    case.destroy();
    case.assert_nothing_left();
    assert!(case.resource(ADDRESS).is_null());
}

/// Written through `host`, read through `reader_host`, which is a replica.
fn written_here_and_read_there(case: &Case) {
    let host = through(case, "host");
    assert_eq!(host.command(&["ROLE"]).lines().next(), Some("master"));
    host.set("kept", "yes");
    assert_eq!(host.get("kept"), "yes");
    let reader = through(case, "reader_host");
    assert_eq!(reader.command(&["ROLE"]).lines().next(), Some("slave"));
    case.wait_until("the replica has the key", REPLICATED, || (reader.get("kept") == "yes").then_some(()));
    let refused = reader.try_command(&["SET", "kept", "no"]);
    assert!(refused.stdout.contains("READONLY"), "{refused}");
}

fn pod_uids(case: &Case) -> BTreeMap<String, String> {
    let text = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    case.objects(PODS).iter().map(|pod| (text(pod, "name"), text(pod, "uid"))).collect()
}

/// A change that leaves the pods that are there as they are.
fn without_restart(case: &Case, configuration: &Configuration, attribute: &str) {
    let before = pod_uids(case);
    let plan = change(case, configuration, attribute);
    let restarts = case.diagnostics(&plan.output).into_iter().find(|one| one.summary == "Redis will restart");
    assert!(restarts.is_none(), "{attribute}: {restarts:?}");
    let after = pod_uids(case);
    let same =
        before.iter().filter(|(name, _)| after.contains_key(*name)).all(|(name, uid)| &after[name] == uid);
    assert!(same, "{attribute} restarted pods: {before:#?} became {after:#?}");
}

/// The operator writes a budget last, after the Service by which apply knows that it has read the change.
fn budget_allows_one_to_go(case: &Case, name: &str) {
    let is_it = |budget: &Value| {
        let spec = &budget["spec"];
        budget["metadata"]["name"] == name && spec["maxUnavailable"] == 1 && spec["minAvailable"].is_null()
    };
    case.wait_for_object("one pod may go", BUDGETS, BEHIND, is_it);
}

/// From outside: a port of the node reaches the writable master, and is closed again.
fn a_port_of_the_node_reaches_the_master(case: &Case, configuration: &Configuration) {
    let outside = configuration.clone().with("service", "{ type = \"NodePort\" }");
    without_restart(case, &outside, "service.type");
    let (address, port) = port_of_the_node(case);
    let redis = RedisClient::of(case, ADDRESS).at(&address, port);
    // Once would be by chance: a Service that reaches replicas, too, takes turns.
    for turn in 0..5 {
        redis.set("turn", &turn.to_string());
    }
    // Back to the default: the argument is gone, so nothing that is configured differs.
    let before = pod_uids(case);
    case.write("main.tf", &configuration.text());
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    case.apply();
    case.plan_is_empty();
    assert!(case.object(&format!("{SERVICES}/cache-external")).is_none());
    assert_eq!(pod_uids(case), before);
    assert_eq!(through(case, "host").get("kept"), "yes");
}

/// The cluster's storage resizes nothing, so the test does what a resizer would.
fn storage_grows(case: &Case, grown: &Configuration) {
    let resizing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| resize_claims(case, &resizing));
        without_restart(case, grown, "persistence.size");
        resizing.store(false, Ordering::Relaxed);
    });
    for claim in case.objects(CLAIMS) {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        let size = if name.starts_with("node-conf") { "64Mi" } else { "96Mi" };
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], size, "{name}");
    }
}

for_each_cli! {
    fn replication_from_nothing_to_nothing(cli: Cli) {
        let before = replication();
        let case = made(cli, "replication", &before);
        let values = case.resource(ADDRESS);
        assert_eq!(values["status"]["redis_pods"], json!(["cache-0", "cache-1"]));
        assert!(values["sentinel_host"].is_null() && values["cluster_hosts"].is_null(), "{values:#}");
        written_here_and_read_there(&case);
        strangers_are_refused(&case, "host");
        strangers_are_refused(&case, "reader_host");
        case.plan_is_empty();
        if cli == Cli::Terraform {
            let more = before.clone().with("replica", "{ count = 2 }");
            without_restart(&case, &more, "replica.count");
            written_here_and_read_there(&case);
            let another = RedisClient::of(&case, ADDRESS).at(&format!("cache-2.cache-headless.{}", case.namespace), 6379);
            assert_eq!(another.get("kept"), "yes", "the new replica has the data when apply returns");

            let budgeted = more.clone().with("pod_disruption_budget", "{ max_unavailable = 1 }");
            without_restart(&case, &budgeted, "pod_disruption_budget.max_unavailable");
            budget_allows_one_to_go(&case, "cache-replication");
            let none = more.clone().with("pod_disruption_budget", "{ enabled = false }");
            without_restart(&case, &none, "pod_disruption_budget.enabled");
            case.wait_until("the budget goes", BEHIND, || case.objects(BUDGETS).is_empty().then_some(()));

            a_port_of_the_node_reaches_the_master(&case, &none);
            storage_grows(&case, &none.clone().with("persistence", "{ size = \"96Mi\" }"));
            // The pod that goes is not the master; its claim stays, and must go with the instance.
            let fewer = none.with("persistence", "{ size = \"96Mi\" }").with("replica", "{ count = 1 }");
            without_restart(&case, &fewer, "replica.count");
            assert_eq!(case.resource(ADDRESS)["status"]["redis_pods"], json!(["cache-0", "cache-1"]));
            written_here_and_read_there(&case);
        }
        gone(&case);
    }

    fn sentinels_from_nothing_to_nothing(cli: Cli) {
        // With a quorum of its own, more sentinels restart none: where it follows from their number, all restart.
        let with = |sentinels: &str| sentinel(&format!("quorum = 2, master_name = \"lead\", {sentinels}"));
        let case = made(cli, "sentinel", &with(""));
        let values = case.resource(ADDRESS);
        assert_eq!(values["status"]["sentinel_pods"].as_array().map(Vec::len), Some(3), "{values:#}");
        assert!(values["cluster_hosts"].is_null(), "{values:#}");
        the_sentinels_agree(&case, "lead", 3);
        written_here_and_read_there(&case);
        strangers_are_refused(&case, "host");
        case.plan_is_empty();
        if cli == Cli::Terraform {
            without_restart(&case, &with("replicas = 5"), "sentinel.replicas");
            the_sentinels_agree(&case, "lead", 5);
            let budgeted = with("replicas = 5, pod_disruption_budget = { max_unavailable = 1 }");
            without_restart(&case, &budgeted, "sentinel.pod_disruption_budget.max_unavailable");
            budget_allows_one_to_go(&case, "cache-sentinel");
            a_port_of_the_node_reaches_the_master(&case, &budgeted);
        }
        gone(&case);
    }

    fn shards_from_nothing_to_nothing(cli: Cli) {
        let before = cluster();
        let case = made(cli, "cluster", &before);
        let values = case.resource(ADDRESS);
        assert_eq!(values["status"]["redis_pods"].as_array().map(Vec::len), Some(6), "{values:#}");
        assert!(values["sentinel_host"].is_null() && values["status"]["master_node"].is_null(), "{values:#}");
        every_seed_leads_to_all_shards(&case);
        strangers_are_refused(&case, "host");
        strangers_are_refused(&case, "reader_host");
        case.plan_is_empty();
        if cli == Cli::Terraform {
            let budgeted = before.with("pod_disruption_budget", "{ max_unavailable = 1 }");
            shards_stay(&case, &budgeted, "pod_disruption_budget.max_unavailable");
            for part in ["cache-leader", "cache-follower"] {
                budget_allows_one_to_go(&case, part);
            }
        }
        gone(&case);
    }
}

/// Every sentinel knows the master, which is the one that the state names and takes writes.
fn the_sentinels_agree(case: &Case, group: &str, sentinels: usize) {
    let (host, port) = master_by_sentinels(case, group);
    let node = case.resource(ADDRESS)["status"]["master_node"].as_str().expect("a master").to_owned();
    let pod = case.object(&format!("{PODS}/{node}")).expect("the master's pod");
    assert_eq!(pod["status"]["podIP"], host.as_str(), "the sentinels' master is {node}");
    let master = RedisClient::of(case, ADDRESS).at(&host, port);
    master.set("asked-sentinels", "yes");
    assert_eq!(through(case, "host").get("asked-sentinels"), "yes");
    for ordinal in 0..sentinels {
        let one = RedisClient::of(case, ADDRESS).with_password("");
        let one =
            one.at(&format!("cache-sentinel-{ordinal}.cache-sentinel-headless.{}", case.namespace), 26379);
        // The operator resets the sentinels once more when the custom resource is marked as finished.
        let enough = format!("OK {sentinels} usable Sentinels");
        case.wait_until("the sentinels know each other", BEHIND, || {
            one.try_command(&["SENTINEL", "CKQUORUM", group]).stdout.starts_with(&enough).then_some(())
        });
    }
}

/// A client that knows one seed finds every key, wherever it is.
fn every_seed_leads_to_all_shards(case: &Case) {
    let seeds = case.resource(ADDRESS)["cluster_hosts"].as_array().cloned().unwrap_or_default();
    assert_eq!(seeds.len(), 2, "{seeds:?}");
    let keys: Vec<String> = (0..50).map(|number| format!("key-{number}")).collect();
    for (turn, seed) in seeds.iter().enumerate() {
        let (host, port) = seed.as_str().and_then(|seed| seed.split_once(':')).expect("host:port");
        let redis = RedisClient::of(case, ADDRESS).at(host, port.parse().unwrap());
        let info = redis.command(&["CLUSTER", "INFO"]);
        assert!(
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384"),
            "{seed}: {info}"
        );
        let sets: String = keys.iter().map(|key| format!("SET {key} {turn}-{key}\n")).collect();
        let answers = redis.pipe(&["-c"], &sets);
        assert_eq!(answers.lines().filter(|line| line.trim() == "OK").count(), keys.len(), "{answers}");
        let gets: String = keys.iter().map(|key| format!("GET {key}\n")).collect();
        let answers = redis.pipe(&["-c"], &gets);
        let found: Vec<&str> = answers.lines().filter(|line| line.contains("-key-")).collect();
        assert_eq!(found, keys.iter().map(|key| format!("{turn}-{key}")).collect::<Vec<_>>());
    }
    for leader in 0..3 {
        let host = format!("cache-leader-{leader}.cache-leader-headless.{}", case.namespace);
        let one = RedisClient::of(case, ADDRESS).at(&host, 6379);
        assert_ne!(one.command(&["DBSIZE"]), "0", "leader {leader} has no key");
    }
    for attribute in ["host", "reader_host"] {
        assert!(seeds.iter().any(|seed| seed.as_str() == Some(&format!("{}:6379", output(case, attribute)))));
    }
}

/// As `without_restart`, for an instance whose keys only a cluster client finds.
fn shards_stay(case: &Case, configuration: &Configuration, attribute: &str) {
    let before = pod_uids(case);
    case.write("main.tf", &configuration.text());
    let plan = case.plan();
    assert_eq!(plan.changed_attributes(ADDRESS).configured, [attribute], "{plan}");
    case.apply();
    case.plan_is_empty();
    assert_eq!(pod_uids(case), before, "{attribute} restarted pods");
    let redis = through(case, "host");
    assert!(redis.pipe(&["-c"], "GET key-7\n").contains("1-key-7"));
}
