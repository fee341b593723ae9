//! Shards are rolled, added and removed while an application writes to all of them: nothing that was acknowledged is lost,
//! writes go on, and every node agrees the moment that apply is back. Here, because on a machine that is busy with a hundred
//! instances the operator's own moving of slots fails halfway, and it does not take that up again.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::Case;
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::topology::{cluster, every_node_agrees, output, through};

/// Tags of keys, all of a tag in one slot: `hash(a)` and so on lie in all shards. Those of the application that knows the first
/// password, and those of the one that knows the second.
const TAGS: [[&str; 4]; 2] = [["a", "b", "c", "d"], ["e", "f", "g", "h"]];

/// One key after the other for each tag, each by a client that knows one seed; says which were acknowledged and when. The
/// values are large enough that a replica which restarts must copy everything.
const WRITES: &str = r#"value=$(head -c 1000 /dev/zero | tr '\0' x)
host=$1; shift
for tag in "$@"; do
  n=0
  while :; do
    answer=$(timeout 1 redis-cli --no-auth-warning -c -h "$host" SET "{$tag}:$n" "$value" 2>&1)
    [ "$answer" != OK ] || echo "$tag $n $(date +%s%N)"
    n=$((n + 1))
    sleep 0.05
  done &
done
wait"#;

/// Longer than any pause that was measured (1.4 s); the operator's own way of rolling such shards takes 16 s, and never ends.
const LONGEST: Duration = Duration::from_secs(8);

/// What was acknowledged of each tag, and when, in nanoseconds.
type Acknowledged = BTreeMap<String, BTreeMap<u64, u128>>;

/// What makes a copy slow: the master waits for so long before it begins.
fn slow_to_copy(configuration: Configuration) -> Configuration {
    configuration.with(
        "additional_config",
        "{ \"repl-diskless-sync-delay\" = \"20\", \"repl-backlog-size\" = \"16kb\" }",
    )
}

/// The same instance all along: a roll, a shard more and one less, a follower more for each and one less.
fn change_under_load(case: &Case, before: &Configuration) {
    let former = Writer::start(case, "by-former", &TAGS[0]);
    let rolled = before
        .clone()
        .with("maxmemory_percent", "60")
        .with("authentication", "{ rotate = { time = \"second\" } }");
    apply_step(case, "rolled, with another password", &rolled, 3, 1);
    former.could_write_until_the_last_pod_was_replaced();
    former.has_lost_nothing();
    let writer = Writer::start(case, "by-latter", &TAGS[1]);
    let with = |cluster: &str| rolled.clone().with("cluster", &format!("{{ {cluster} }}"));
    let steps = [
        ("a shard more", with("num_shards = 4"), 4, 1),
        ("a shard less", with("num_shards = 3"), 3, 1),
        ("a follower more", with("replicas_per_shard = 2"), 3, 2),
        ("a follower less", with("replicas_per_shard = 1"), 3, 1),
    ];
    for (step, configuration, shards, followers) in steps {
        apply_step(case, step, &configuration, shards, followers);
    }
    writer.has_lost_nothing();
}

fn apply_step(case: &Case, step: &str, configuration: &Configuration, shards: usize, followers: usize) {
    case.write("main.tf", &configuration.text());
    assert_eq!(case.plan().actions(ADDRESS), ["update"], "{step}");
    case.apply();
    every_node_agrees(case, step, shards, followers);
    case.plan_is_empty();
}

/// An application in a pod of its own.
struct Writer<'a> {
    case: &'a Case,
    pod: &'a str,
}

impl<'a> Writer<'a> {
    fn start(case: &'a Case, pod: &'a str, tags: &[&str]) -> Writer<'a> {
        let values = case.resource(ADDRESS);
        let secret = &values["auth_secret"];
        let password = json!({ "secretKeyRef": { "name": secret["name"], "key": secret["key"] } });
        let mut command = vec!["sh".to_owned(), "-c".to_owned(), WRITES.to_owned(), "writer".to_owned()];
        command.push(output(case, "host"));
        command.extend(tags.iter().map(|tag| (*tag).to_owned()));
        let container = json!({
            "name": "writer",
            "image": values["status"]["image"],
            "command": command,
            "env": [{ "name": "REDISCLI_AUTH", "valueFrom": password }],
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
        });
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod },
            "spec": { "containers": [container], "terminationGracePeriodSeconds": 0 },
        });
        case.kubectl_apply(&object.to_string());
        let writer = Writer { case, pod };
        case.wait_until("all tags are written", Duration::from_secs(60), || {
            let acknowledged = writer.acknowledged();
            tags.iter().all(|tag| acknowledged.get(*tag).is_some_and(|one| one.len() > 5)).then_some(())
        });
        writer
    }

    fn acknowledged(&self) -> Acknowledged {
        let log = self.case.try_kubectl(&["logs", self.pod]).stdout;
        let mut acknowledged = Acknowledged::new();
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [tag, number, at] = words.as_slice()
                && let (Ok(number), Ok(at)) = (number.parse(), at.parse())
            {
                acknowledged.entry((*tag).to_owned()).or_default().insert(number, at);
            }
        }
        acknowledged
    }

    /// It knows only the password that it began with, which is valid as long as pods are replaced, and no longer.
    fn could_write_until_the_last_pod_was_replaced(&self) {
        let pods = self.case.objects(PODS);
        let made = |pod: &Value| {
            let of_redis = pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("cache-"));
            let at = pod["metadata"]["creationTimestamp"].as_str().filter(|_| of_redis)?;
            u128::try_from(at.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
        };
        let last_made = pods.iter().filter_map(made).max().expect("pods");
        for (tag, keys) in self.acknowledged() {
            let last = keys.into_values().max().unwrap_or(0);
            assert!(
                last > last_made,
                "{tag} was written until {last}, and the last pod was made at {last_made}"
            );
        }
        let host = output(self.case, "host");
        let ping = format!("redis-cli --no-auth-warning -h {host} PING");
        let answer = self.case.kubectl(&["exec", self.pod, "--", "sh", "-c", &ping]);
        assert!(answer.contains("WRONGPASS") || answer.contains("NOAUTH"), "the former password: {answer}");
    }

    /// Ends it, and looks for every key that was acknowledged.
    fn has_lost_nothing(self) {
        let redis = through(self.case, "host");
        for (tag, keys) in self.acknowledged() {
            let times: Vec<u128> = keys.values().copied().collect();
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            let longest = Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX));
            let commands: String = keys.keys().map(|number| format!("EXISTS {{{tag}}}:{number}\n")).collect();
            let answers = redis.pipe(&["-c"], &commands);
            let found = answers.lines().filter(|line| line.trim() == "1").count();
            println!("{tag}: {} acknowledged, longest time without {longest:?}", keys.len());
            assert_eq!(found, keys.len(), "{tag} has lost some");
            assert!(longest < LONGEST, "{tag} could not be written for {longest:?}");
        }
        self.case.kubectl(&["delete", "pod", self.pod, "--wait=true"]);
    }
}

for_terraform! {
    fn shards_change_under_load(cli: Cli) {
        let case = Case::new(cli, "shards");
        case.set_deadline(Duration::from_secs(600));
        let before = slow_to_copy(cluster());
        case.write("main.tf", &before.text());
        case.apply();
        change_under_load(&case, &before);
        case.destroy();
        case.assert_nothing_left();
    }
}
