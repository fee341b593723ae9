//! A replicated set whose master is not where it should be: on a pod that goes, nowhere, or nobody can tell where. The
//! sentinels have a password, which a refresh does not read.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::ending::says;
use crate::instance::{ADDRESS, PODS};
use crate::redis_client::RedisClient;
use crate::resting::errors;
use crate::topology::{every_endpoint_serves, sentinel, through};

/// An address that no pod has.
const NOWHERE: &str = "10.244.0.254";

const SENTINELS: [&str; 3] = ["cache-sentinel-0", "cache-sentinel-1", "cache-sentinel-2"];

fn master_of(case: &Case) -> String {
    case.kubectl(&["get", "redisreplication", "cache", "-o", "jsonpath={.status.masterNode}"])
}

/// The operator looks every 30 s, and whenever a custom resource is written; this annotation changes nothing else.
fn operator_finds(case: &Case, what: &str, is_it: impl Fn(&str) -> bool) {
    let news = format!("terraform-provider-redis/news={}", crate::case::unique());
    case.kubectl(&["annotate", "--overwrite", "redisreplication", "cache", &news]);
    case.wait_until(what, Duration::from_secs(90), || is_it(&master_of(case)).then_some(()));
}

fn client<'a>(case: &'a Case, pod: &str) -> RedisClient<'a> {
    RedisClient::new(case, pod, Some(("cache-auth", "password")))
}

/// As after two pods have restarted at once: all are replicas of an address that is gone, and the sentinels know no other. The
/// operator leaves it so. Before that, each pod is a master for a moment and is told these commands.
fn all_follow_nobody(case: &Case, commands: impl Fn(&str) -> String) {
    for pod in SENTINELS {
        let lines = format!("SENTINEL REMOVE mymaster\nSENTINEL MONITOR mymaster {NOWHERE} 6379 2\n");
        client(case, pod).at("127.0.0.1", 26379).pipe(&[], &lines);
    }
    for pod in ["cache-0", "cache-1"] {
        client(case, pod).pipe(&[], &format!("{}REPLICAOF {NOWHERE} 6379\n", commands(pod)));
    }
    operator_finds(case, "the operator finds no master", str::is_empty);
}

fn address_of(case: &Case, pod: &str) -> String {
    let pod = case.object(&format!("{PODS}/{pod}")).expect("the pod");
    pod["status"]["podIP"].as_str().expect("an address").to_owned()
}

fn repairs(case: &Case) -> Value {
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    plan.json["resource_changes"][0]["change"]["before"]["repairs"].clone()
}

/// Does what the message says, with its own words: cache-1 was chosen.
fn as_the_message_says(case: &Case, message: &str) {
    let commands: Vec<&str> =
        message.lines().filter_map(|line| line.trim().strip_prefix("kubectl ")).collect();
    assert_eq!(commands.len(), 2, "{message}");
    for command in commands {
        let (options, script) = command.split_once(" -- sh -c ").expect("a script in the container");
        let options = options.replace("OTHER", "cache-0").replace("CHOSEN", "cache-1");
        let script = script.trim_matches('\'').replace("ADDRESS", &address_of(case, "cache-1"));
        // The namespace comes by itself.
        let options: Vec<&str> = options.split(' ').skip(2).collect();
        case.kubectl(&[&options[..], &["--", "sh", "-c", &script]].concat());
    }
}

for_terraform! {
    fn the_master_is_on_a_pod_that_goes_and_then_nowhere(cli: Cli) {
        let case = Case::new(cli, "heal");
        case.set_deadline(Duration::from_secs(500));
        let of = |replicas: u8| sentinel("password_protected = true").with("replica", &format!("{{ count = {replicas} }}"));
        case.write("main.tf", &of(2).text());
        case.apply();
        through(&case, "host").set("kept", "yes");

        // The StatefulSet gives up its highest pod, which is the master by now.
        let last = address_of(&case, "cache-2");
        through(&case, "host").command(&["FAILOVER", "TO", &last, "6379", "TIMEOUT", "20000"]);
        // The command only begins it, and the operator looks once.
        case.wait_until("cache-2 is the master", Duration::from_secs(60), || {
            client(&case, "cache-2").command(&["ROLE"]).starts_with("master").then_some(())
        });
        operator_finds(&case, "the operator notices", |master| master == "cache-2");
        case.write("main.tf", &of(1).text());
        case.apply();
        every_endpoint_serves(&case);
        assert_ne!(master_of(&case), "cache-2");
        assert_eq!(through(&case, "host").get("kept"), "yes");
        case.plan_is_empty();

        all_follow_nobody(&case, |_| String::new());
        // A refresh does not wait for sentinels that are slow to answer.
        case.wait_until("a refresh finds both", Duration::from_secs(60), || {
            let found = repairs(&case);
            let sentinels = found["sentinels"].as_str().is_some_and(|line| line.contains(NOWHERE));
            (found["master"].is_string() && sentinels).then_some(())
        });
        case.apply();
        every_endpoint_serves(&case);
        assert_eq!(through(&case, "host").get("kept"), "yes");
        case.plan_is_empty();

        // Both were masters for a moment, and each was written to: a person must choose.
        all_follow_nobody(&case, |pod| format!("REPLICAOF NO ONE\nSET only {pod}\n"));
        assert!(repairs(&case)["master"].is_string());
        let output = case.apply_fails();
        says(&case, &output, &["different histories", "cache-0 at ", "cache-1 at ", "follows 10.244.0.254"]);
        for pod in ["cache-0", "cache-1"] {
            assert_eq!(client(&case, pod).get("only"), pod, "nothing is lost");
        }
        as_the_message_says(&case, &errors(&case, &output)[0].detail);
        case.apply();
        every_endpoint_serves(&case);
        assert_eq!(through(&case, "host").get("only"), "cache-1");
        case.plan_is_empty();

        // A password that is still to come is waited for, and until then no pod is touched.
        let before = case.kubectl(&["get", "redisreplication,redissentinel,pod", "-o", "jsonpath={.items[*].metadata.uid}{.items[*].metadata.generation}"]);
        let later = of(1)
            .with("authentication", "{ existing_secret = { name = \"mine\", key = \"word\" } }")
            .with("timeouts", "{ update = \"5s\", delete = \"3m\" }");
        case.write("main.tf", &later.text());
        let output = case.apply_fails();
        says(&case, &output, &["there is no key word of Secret mine", "Create the missing object in the namespace"]);
        let after = case.kubectl(&["get", "redisreplication,redissentinel,pod", "-o", "jsonpath={.items[*].metadata.uid}{.items[*].metadata.generation}"]);
        assert_eq!(after, before);
        case.write("main.tf", &of(1).text());
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
