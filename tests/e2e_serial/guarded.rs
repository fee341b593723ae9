//! A replicated set is rolled while applications write: nothing that was acknowledged is lost, and writes go on; also when
//! the provider is killed in the middle of it. Here, because among many instances the operator is slow to notice that it is
//! to keep off, and the set waits for it.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::both::Both;
use crate::case::Case;
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::proxy::{Fault, Matcher, What, When};
use crate::topology::{master_by_sentinels, sentinel, through};

/// Writes one key after the other, each by a connection of its own, and says which were acknowledged and when.
const WRITES: &str = r#"n=0
while :; do
  host=$1
  [ -z "$2" ] || host=$(timeout 1 redis-cli --no-auth-warning -h "$2" -p 26379 SENTINEL get-master-addr-by-name mymaster | head -n 1)
  answer=$(timeout 1 redis-cli --no-auth-warning -h "$host" SET "$3:$n" "$n" 2>&1)
  [ "$answer" != OK ] || echo "$n $(date +%s%N)"
  n=$((n + 1))
done"#;

/// Half of what the operator's own roll takes (19 to 26 s): the figure itself is the benchmark's matter.
const LONGEST: Duration = Duration::from_secs(10);

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

    /// Ends both, and looks for every key that was acknowledged.
    fn have_lost_nothing(self) {
        for name in ["by-service", "by-sentinel"] {
            let acknowledged = self.acknowledged(name);
            let times: Vec<u128> = acknowledged.values().copied().collect();
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            let longest = Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX));
            let redis = through(self.case, "host");
            let keys: String =
                acknowledged.keys().map(|number| format!("EXISTS {name}:{number}\n")).collect();
            let answers = redis.pipe(&[], &keys);
            println!("{name}: {} acknowledged, longest time without {longest:?}", acknowledged.len());
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
            assert!(longest < LONGEST, "{name} could not write for {longest:?}");
        }
        self.case.kubectl(&["delete", "pod", "by-service", "by-sentinel", "--wait=true"]);
    }
}

fn with_timeout(seconds: u32) -> Configuration {
    sentinel("").with("additional_config", &format!("{{ timeout = \"{seconds}\" }}"))
}

/// With a variable that the sentinels have, too: they are rolled as well.
fn with_variable(seconds: u32) -> Configuration {
    with_timeout(seconds).with("env", &format!("{{ ROLLED = \"{seconds}\" }}"))
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
fn is_rolled(case: &Case, before: &BTreeMap<String, String>, timeout: &str) -> BTreeMap<String, String> {
    case.plan_is_empty();
    let after = pod_uids(case);
    for name in ["cache-0", "cache-1"] {
        assert_ne!(before[name], after[name], "{name} was not replaced");
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
    after
}

fn a_change_loses_no_write(case: &Case) {
    case.set_deadline(Duration::from_secs(600));
    case.write("main.tf", &with_timeout(100).text());
    case.apply();
    let writers = Writers::start(case);
    let before = pod_uids(case);
    case.write("main.tf", &with_variable(200).text());
    case.apply();
    let after = is_rolled(case, &before, "200");
    let sentinels = ["cache-sentinel-0", "cache-sentinel-1", "cache-sentinel-2"];
    assert!(sentinels.iter().all(|name| before[*name] != after[*name]), "{before:#?} became {after:#?}");

    // Killed right after each pod was deleted: what is left stands in `repairs`, and the next apply goes on.
    let before = pod_uids(case);
    case.write("main.tf", &with_timeout(300).with("env", "{ ROLLED = \"200\" }").text());
    let on = Matcher::on("DELETE", "/api/v1/namespaces/*/pods/*").nth(1);
    for _ in 0..2 {
        case.proxy.add_fault(Fault { on: on.clone(), when: When::AfterForward, what: What::KillProvider });
        case.apply_fails();
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    }
    case.proxy.clear_faults();
    case.apply();
    is_rolled(case, &before, "300");
    writers.have_lost_nothing();
    case.destroy();
    case.assert_nothing_left();
}

for_both_clis! {
    fn changes_lose_no_write(clis: &[Cli]) {
        Both::new(clis, "guarded").each(a_change_loses_no_write);
    }
}
