//! A replicated set is rolled while applications write: nothing that was acknowledged is lost, and writes go on; also when
//! provider or CLI are killed in the middle of it, when the operator is, and when a pod does not come up. Here, because among many instances the
//! operator is slow to notice that it is to keep off, and the set waits for it.
//!
//! A set takes minutes, so the two CLIs do not do the same: one rolls three Redis pods, the other two.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::both::Both;
use crate::case::Case;
use crate::cli::Cli;
use crate::disturbance::Operator;
use crate::ending::says;
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::proxy::{Fault, Matcher, What, When};
use crate::topology::{every_endpoint_serves, master_by_sentinels, sentinel, through};

/// Writes one key after the other, each by a connection of its own, and says which were acknowledged and when.
const WRITES: &str = r#"n=0
while :; do
  host=$1
  [ -z "$2" ] || host=$(timeout 1 redis-cli --no-auth-warning -h "$2" -p 26379 SENTINEL get-master-addr-by-name mymaster | head -n 1)
  answer=$(timeout 1 redis-cli --no-auth-warning -h "$host" SET "$3:$n" "$n" 2>&1)
  [ "$answer" != OK ] || echo "$n $(date +%s%N)"
  n=$((n + 1))
done"#;

/// A quarter of what the operator's own roll takes (19 to 26 s): the figure itself is the benchmark's matter.
const LONGEST: Duration = Duration::from_secs(5);

/// Two applications in pods of their own: one knows the Service of the master, one asks the sentinels.
struct Writers<'a> {
    case: &'a Case,
}

impl<'a> Writers<'a> {
    fn start(case: &'a Case) -> Writers<'a> {
        let values = case.resource(ADDRESS);
        let text = |attribute: &str| values[attribute].as_str().unwrap_or_default().to_owned();
        for (name, sentinels) in [("by-service", String::new()), ("by-sentinel", text("sentinel_host"))] {
            let secret = &values["auth_secret"];
            let password = json!({ "secretKeyRef": { "name": secret["name"], "key": secret["key"] } });
            let container = json!({
                "name": "writer",
                "image": values["status"]["image"],
                "command": ["sh", "-c", WRITES, "writer", text("host"), sentinels, name],
                "env": [{ "name": "REDISCLI_AUTH", "valueFrom": password }],
                "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
            });
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
                "spec": { "containers": [container], "terminationGracePeriodSeconds": 0 },
            });
            case.kubectl_apply(&pod.to_string());
        }
        let writers = Writers { case };
        case.wait_until("both write", Duration::from_secs(60), || {
            ["by-service", "by-sentinel"]
                .iter()
                .all(|name| writers.acknowledged(name).len() > 5)
                .then_some(())
        });
        writers
    }

    /// What was acknowledged, and when, in nanoseconds.
    fn acknowledged(&self, name: &str) -> BTreeMap<u64, u128> {
        let log = self.case.try_kubectl(&["logs", name]).stdout;
        let line = |line: &str| {
            let (number, at) = line.split_once(' ')?;
            Some((number.parse().ok()?, at.parse().ok()?))
        };
        log.lines().filter_map(line).collect()
    }

    /// So far, neither could not write for long.
    fn have_not_waited(&self) {
        for name in ["by-service", "by-sentinel"] {
            let times: Vec<u128> = self.acknowledged(name).into_values().collect();
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            let longest = Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX));
            println!("{name}: {} acknowledged, longest time without {longest:?}", times.len());
            assert!(longest < LONGEST, "{name} could not write for {longest:?}");
        }
    }

    /// They know only the password that they began with, which is valid as long as pods are rolled, and no longer.
    fn could_write_until_the_last_pod_was_replaced(&self) {
        let text = self.case.kubectl(&["get", "pods", "-l", "app=cache", "-o", "json"]);
        let pods: Value = serde_json::from_str(&text).expect("JSON");
        let made = |pod: &Value| {
            let at = pod["metadata"]["creationTimestamp"]
                .as_str()
                .and_then(|at| at.parse::<jiff::Timestamp>().ok());
            at.map(|at| u128::try_from(at.as_nanosecond()).unwrap_or(0))
        };
        let last_made = pods["items"].as_array().into_iter().flatten().filter_map(made).max().expect("pods");
        for name in ["by-service", "by-sentinel"] {
            let last = self.acknowledged(name).into_values().max().unwrap_or(0);
            assert!(last > last_made, "{name} wrote until {last}, and the last pod was made at {last_made}");
        }
        let answer = self.case.kubectl(&[
            "exec",
            "by-service",
            "--",
            "sh",
            "-c",
            "redis-cli --no-auth-warning -h cache-master PING",
        ]);
        assert!(answer.contains("WRONGPASS") || answer.contains("NOAUTH"), "the former password: {answer}");
    }

    /// Ends both, and looks for every key that was acknowledged.
    fn have_lost_nothing(self) {
        for name in ["by-service", "by-sentinel"] {
            let acknowledged = self.acknowledged(name);
            let redis = through(self.case, "host");
            let keys: String =
                acknowledged.keys().map(|number| format!("EXISTS {name}:{number}\n")).collect();
            let answers = redis.pipe(&[], &keys);
            assert_eq!(answers.lines().count(), acknowledged.len(), "{name}: an answer for each key");
            let lost: Vec<(&u64, &u128)> = acknowledged
                .iter()
                .zip(answers.lines())
                .filter(|(_, found)| found.trim() != "1")
                .map(|(one, _)| one)
                .collect();
            assert!(
                lost.is_empty(),
                "{name} has lost {}, from {:?} to {:?}",
                lost.len(),
                lost.first(),
                lost.last()
            );
        }
        self.case.kubectl(&["delete", "pod", "by-service", "by-sentinel", "--wait=true"]);
    }
}

/// `ROLLED` is a variable that the sentinels have, too: where it changes, they are rolled as well.
fn configuration(replicas: u32, timeout: u32, rolled: u32) -> Configuration {
    sentinel("")
        .with("replica", &format!("{{ count = {replicas} }}"))
        .with("additional_config", &format!("{{ timeout = \"{timeout}\" }}"))
        .with("env", &format!("{{ ROLLED = \"{rolled}\" }}"))
}

fn pod_uids(case: &Case) -> BTreeMap<String, String> {
    let text = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let of_redis = |pod: &Value| text(pod, "name").starts_with("cache-");
    case.objects(PODS)
        .iter()
        .filter(|pod| of_redis(pod))
        .map(|pod| (text(pod, "name"), text(pod, "uid")))
        .collect()
}

/// Every Redis pod is another one, all have the change, the sentinels name the master, and nobody is kept off.
fn is_rolled(case: &Case, before: &BTreeMap<String, String>, timeout: &str, sentinels: bool) {
    every_endpoint_serves(case);
    case.plan_is_empty();
    let after = pod_uids(case);
    for (name, uid) in before.iter().filter(|(name, _)| sentinels || !name.contains("sentinel")) {
        assert_ne!(uid, &after[name], "{name} was not replaced");
    }
    assert_eq!(through(case, "host").config("timeout"), timeout);
    let master = case.resource(ADDRESS)["status"]["master_node"].as_str().unwrap_or_default().to_owned();
    let pods = case.objects(PODS);
    let pod = pods.iter().find(|pod| pod["metadata"]["name"] == master.as_str()).expect("the master");
    assert_eq!(pod["status"]["podIP"], master_by_sentinels(case, "mymaster").0.as_str());
    for kind in ["redisreplications", "redissentinels"] {
        let text = case.kubectl(&["get", kind, "cache", "-o", "json"]);
        assert!(!text.contains("skip-reconcile\": \"true\"") && !text.contains("OnDelete"), "{text}");
    }
}

/// Applies, and is killed by a fault.
fn is_killed(case: &Case, on: Matcher, when: When, what: What) {
    case.proxy.add_fault(Fault { on, when, what });
    let output = case.try_apply();
    assert!(!output.succeeded(), "it was to be killed:\n{output}");
    case.proxy.clear_faults();
}

fn deleted_pod() -> Matcher {
    Matcher::on("DELETE", "/api/v1/namespaces/*/pods/*").nth(1)
}

/// Waits until an apply has had so many pods replaced.
fn pods_are_replaced(case: &Case, number: usize) {
    case.wait_until("pods are replaced", Duration::from_secs(240), || {
        let deleted = case.proxy.count(|one| one.method == "DELETE" && one.path.contains("/pods/"));
        (deleted >= number).then_some(())
    });
}

/// All pods, sentinels among them; then with another password, and both ends of the provider cut off.
fn three_pods(case: &Case, writers: &Writers) {
    let before = pod_uids(case);
    case.write("main.tf", &configuration(2, 200, 200).text());
    case.proxy.forget();
    let running = case.start_apply();
    pods_are_replaced(case, 1);
    Operator::evicted();
    // As long as pods are rolled, nobody needs it: the sentinels' have been, and then Redis's are.
    pods_are_replaced(case, 4);
    let operator = Operator::stopped();
    pods_are_replaced(case, 6);
    operator.mended();
    let output = running.wait();
    assert!(output.succeeded(), "{output}");
    is_rolled(case, &before, "200", true);
    writers.have_not_waited();

    let before = pod_uids(case);
    let rotated = "{ rotate = { time = \"second\" } }";
    case.write("main.tf", &configuration(2, 300, 200).with("authentication", rotated).text());
    is_killed(case, deleted_pod(), When::AfterForward, What::KillCli);
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    // Two replicas get their labels; the third is the new master's: Redis has handed over, and its Service does not know,
    // so one of the writers waits for the next apply.
    let handed_over = case.provider_log().matches("handed over").count();
    let label = Matcher::on("PATCH", "/api/v1/namespaces/*/pods/*").nth(3);
    is_killed(case, label, When::Before, What::KillProvider);
    assert_eq!(
        case.provider_log().matches("handed over").count(),
        handed_over + 1,
        "killed at another moment"
    );
    case.proxy.forget();
    let running = case.start_apply();
    pods_are_replaced(case, 1);
    Operator::evicted();
    let output = running.wait();
    assert!(output.succeeded(), "{output}");
    is_rolled(case, &before, "300", true);
    writers.could_write_until_the_last_pod_was_replaced();
    let secrets = case.kubectl(&["get", "secrets", "-o", "name"]);
    assert!(!secrets.lines().any(|name| name == "secret/cache-auth"), "{secrets}");
}

/// An image that cannot be pulled, and then one that can; then killed right after each pod was deleted.
fn two_pods(case: &Case, writers: &Writers) {
    let before = pod_uids(case);
    let wrong = configuration(1, 100, 100).with("image", "{ tag = \"v7.9.9\" }");
    case.write("main.tf", &wrong.text());
    let output = case.apply_fails();
    says(case, &output, &["pod cache-sentinel-2 cannot pull the image", "redis-sentinel:v7.9.9"]);
    let after = pod_uids(case);
    assert_eq!(
        before.iter().filter(|(name, uid)| &after[*name] != *uid).count(),
        1,
        "{before:#?} became {after:#?}"
    );
    // The operator leaves the sentinel as it is until the data's pods are of one revision.
    case.write("main.tf", &configuration(1, 200, 200).text());
    case.apply();
    is_rolled(case, &before, "200", true);

    let before = pod_uids(case);
    case.write("main.tf", &configuration(1, 300, 200).text());
    for _ in 0..2 {
        is_killed(case, deleted_pod(), When::AfterForward, What::KillProvider);
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    }
    case.apply();
    is_rolled(case, &before, "300", false);
    writers.have_not_waited();
}

fn a_change_loses_no_write(case: &Case) {
    let (replicas, change): (u32, fn(&Case, &Writers)) = match case.cli {
        Cli::Tofu => (1, two_pods),
        _ => (2, three_pods),
    };
    case.set_deadline(Duration::from_secs(600));
    case.write("main.tf", &configuration(replicas, 100, 100).text());
    case.apply();
    let writers = Writers::start(case);
    change(case, &writers);
    writers.have_lost_nothing();
    case.destroy();
    case.assert_nothing_left();
}

for_both_clis! {
    fn changes_lose_no_write(clis: &[Cli]) {
        Both::new(clis, "guarded").each(a_change_loses_no_write);
    }
}
