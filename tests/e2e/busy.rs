//! A Redis that is busy for a while is neither broken nor dead: it runs a long script, loads its data, or saves it.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::cluster::watch_until;
use crate::ending::leaves_nothing;
use crate::instance::{ADDRESS, Configuration, POD, PODS};
use crate::kubernetes::is_ready;
use crate::proxy::{Fault, Matcher, Recorded, What, When};
use crate::redis_client::RedisClient;
use crate::stall::uid;
use crate::topology::{cluster, through};

/// How many keys there are, and for how long Redis is held up at each of them when it loads or saves, in microseconds.
/// Together that is 36 seconds. A pod gets 30, for either, unless the configuration says otherwise.
const KEYS: usize = 360;
const DELAY: &str = "100000";
const BORNE: f64 = 30.0;

/// Redis looks at its clients after each key and tells them that it is loading. By itself it does so only once in a
/// large part of the data, and a probe that waits for an answer does not fail before it has one (`dev/README.md`, traps).
const LOADS: &str = "{ loading-process-events-interval-bytes = \"1024\", rdbcompression = \"no\"";

/// Limits of a memory that takes 96 seconds to load or to save. A limit takes no room on the node.
const LARGE: &str = "{ resources = { requests = { cpu = \"10m\", memory = \"32Mi\" }, \
                     limits = { cpu = \"200m\", memory = \"8Gi\" } } }";

/// A StatefulSet replaces its last pod first.
const FIRST: &str = "cache-leader-2";
const LEADER: &str = "cache-leader-0";

/// A script that goes on until somebody ends it. Until then Redis answers that it is busy.
const BUSY: &str = r#"
read -r password
export REDISCLI_AUTH="$password"
redis-cli EVAL 'while true do end' 0 < /dev/null > /dev/null 2>&1 &"#;

fn named(pod: &Value, name: &str) -> bool {
    pod["metadata"]["name"] == name
}

fn is_asked_to_go(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

/// How many containers of a pod have started again.
fn restarts(pod: &Value) -> Option<u64> {
    pod["status"]["containerStatuses"][0]["restartCount"].as_u64()
}

/// The configuration with what its plan says is missing for so much memory; as it is, if the plan says nothing.
fn as_advised(case: &Case, configuration: Configuration) -> Configuration {
    case.write("main.tf", &configuration.text());
    let told = case.diagnostics(&case.plan().output);
    let advice = told.iter().find_map(|one| one.detail.split_once("can grow so large, set "));
    let arguments = advice.map(|(_, arguments)| arguments.trim_end_matches('.').split(" and "));
    let arguments = arguments.into_iter().flatten().filter_map(|argument| argument.split_once(" = "));
    arguments.fold(configuration, |all, (argument, value)| all.with(argument, value))
}

/// An instance of much memory, set up as its plan advises, with all keys in it and none on disk.
fn filled(case: &Case, configuration: &str) {
    let large = Configuration::small()
        .with("master", LARGE)
        .with("readiness_probe", "{ period_seconds = 1 }")
        .with("additional_config", configuration);
    case.write("main.tf", &as_advised(case, large).text());
    case.apply();
    let fill = format!("for i=1,{KEYS} do redis.call('SET', i, string.rep('x', 2048)) end");
    RedisClient::of(case, ADDRESS).command(&["EVAL", &fill, "0"]);
}

/// Asks the pod to go, as a drain does, and waits for its successor: until it serves, or its container was restarted.
fn replaced(case: &Case) -> Value {
    let before = uid(case, POD);
    case.kubectl(&["delete", "pod", POD, "--wait=false"]);
    case.wait_for_object("its successor serves", PODS, Duration::from_secs(150), |pod| {
        let is_new = named(pod, POD) && pod["metadata"]["uid"].as_str() != before.as_deref();
        is_new && (is_ready(pod) || restarts(pod).is_some_and(|count| count > 0))
    })
}

fn all_keys_are_there(case: &Case) {
    assert_eq!(RedisClient::of(case, ADDRESS).command(&["DBSIZE"]), KEYS.to_string());
}

/// For how many seconds Redis has loaded, as it says itself.
fn loaded_for(case: &Case) -> f64 {
    let log = case.kubectl(&["logs", POD]);
    let words = log.lines().find_map(|line| line.split_once("DB loaded from disk: "));
    let seconds = words.and_then(|(_, words)| words.split(' ').next()?.parse().ok());
    seconds.unwrap_or_else(|| panic!("it does not say for how long it has loaded:\n{log}"))
}

for_alternate_clis! {
    /// While another shard is being replaced: two of three would be missing. Each is one node, so nobody else has its
    /// keys. The StatefulSet waits until this one is Ready again.
    fn a_leader_that_is_busy_during_a_rollout_is_not_deleted(cli: Cli) {
        let case = Case::new(cli, "busy");
        // That it is busy shows in seconds, and the container is restarted after half a minute as always.
        let of = |percent: &str| cluster()
            .with("cluster", "{ num_shards = 3, replicas_per_shard = 0 }")
            .with("readiness_probe", "{ period_seconds = 1, failure_threshold = 1 }")
            .with("additional_config", "{ busy-reply-threshold = \"100\" }")
            .with("maxmemory_percent", percent);
        case.write("main.tf", &of("60").text());
        case.apply();
        let lines: String = (0..50).map(|number| format!("SET key:{number} kept\n")).collect();
        through(&case, "host").pipe(&["-c"], &lines);
        let node = |pod: &str| RedisClient::new(&case, pod, Some(("cache-auth", "password")));

        // The provider has saved the data, and nobody has heard of the rollout yet.
        let write = Matcher::on("PATCH", "/apis/*/*/namespaces/*/redisclusters/cache").first(1);
        case.proxy.add_fault(Fault { on: write, when: When::Before, what: What::Stall });
        case.write("main.tf", &of("61").text());
        case.proxy.forget();
        let running = case.start_apply();
        case.wait_until("the rollout is asked for", Duration::from_secs(30), || case.proxy.faults_played().pop());
        // Half a second for each of its keys, so that the StatefulSet does not come to the other leaders meanwhile.
        node(FIRST).command(&["CONFIG", "SET", "rdb-key-save-delay", "500000"]);
        case.proxy.clear_faults();
        let going = case.wait_for_object("the first leader goes", PODS, Duration::from_secs(60), |pod| {
            named(pod, FIRST) && is_asked_to_go(pod)
        });
        // An operator that waits for the answer of a busy node might begin no rollout, or not let us see that it has.
        case.wait_until("the operator is paused", Duration::from_secs(30), || {
            let is_write =
                |request: &Recorded| request.method == "PATCH" && request.path.ends_with("/redisclusters/cache");
            (case.proxy.count(|request| is_write(request) && request.status == Some(200)) >= 2).then_some(())
        });
        let leader = node(LEADER);
        assert!(leader.script(BUSY, &[]).succeeded());
        let shown = case.wait_for_object("it shows that the other leader is busy", PODS, Duration::from_secs(10), |pod| {
            named(pod, LEADER) && !is_ready(pod)
        });
        let revision = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].clone();
        assert_eq!(revision(&shown), revision(&going), "both are of the old revision");

        // Its uid would tell nothing: the pod stays until the end of its grace period.
        let pods = PODS.replace("{namespace}", &case.namespace);
        let deleted = watch_until(&pods, Duration::from_secs(6), |pod| named(pod, LEADER) && is_asked_to_go(pod));
        let deleted = deleted.map(|pod| pod["metadata"].clone());
        assert_eq!(deleted, None, "a pod that is not Ready for a moment was deleted");
        assert_eq!(leader.command(&["SCRIPT", "KILL"]), "OK", "it was busy all the time");
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        let deletions = case.proxy.count(|request| request.method == "DELETE" && request.path.contains("/pods/"));
        assert_eq!(deletions, 0, "{}", case.proxy.describe());
        let lines: String = (0..50).map(|number| format!("GET key:{number}\n")).collect();
        let found = through(&case, "host").pipe(&["-c"], &lines);
        assert_eq!(found.matches("kept").count(), 50, "{found}");
        case.plan_is_empty();
        leaves_nothing(&case);
    }

    /// Redis answers no probe while it loads. A container that is restarted for that begins anew, again and again.
    fn a_redis_that_loads_for_long_is_left_to_load(cli: Cli) {
        let case = Case::new(cli, "loads");
        filled(&case, &format!("{LOADS}, key-load-delay = {DELAY:?} }}"));
        let pod = replaced(&case);
        assert_eq!(restarts(&pod), Some(0), "restarted while it loaded: {:#}", pod["status"]);
        let took = loaded_for(&case);
        assert!(took > BORNE, "loaded in {took} seconds: any probe bears that");
        all_keys_are_there(&case);
        case.plan_is_empty();
        leaves_nothing(&case);
    }

    /// A Redis that is killed while it saves has saved nothing.
    fn a_redis_that_saves_for_long_is_left_to_save(cli: Cli) {
        let case = Case::new(cli, "saves");
        filled(&case, "{}");
        let redis = RedisClient::of(&case, ADDRESS);
        redis.command(&["CONFIG", "SET", "rdb-key-save-delay", DELAY]);
        replaced(&case);
        all_keys_are_there(&case);
        case.plan_is_empty();
        leaves_nothing(&case);
    }
}
