//! Shards are rolled, added and removed while an application writes to all of them: nothing that was acknowledged is lost,
//! writes go on, and every node agrees the moment that apply is back. Here, because on a machine that is busy with a hundred
//! instances the operator's own moving of slots fails halfway, and it does not take that up again.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::Case;
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::redis_client::RedisClient;
use crate::topology::{cluster, output, through};

/// Tags of keys, all of a tag in one slot: `hash(a)` and so on lie in all shards.
const TAGS: [&str; 4] = ["a", "b", "c", "d"];

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
    start_writing(case);
    let rolled = before.clone().with("maxmemory_percent", "60");
    let with = |cluster: &str| rolled.clone().with("cluster", &format!("{{ {cluster} }}"));
    let steps = [
        ("rolled", rolled.clone(), 3, 1),
        ("a shard more", with("num_shards = 4"), 4, 1),
        ("a shard less", with("num_shards = 3"), 3, 1),
        ("a follower more", with("replicas_per_shard = 2"), 3, 2),
        ("a follower less", with("replicas_per_shard = 1"), 3, 1),
    ];
    for (step, configuration, shards, followers) in steps {
        case.write("main.tf", &configuration.text());
        assert_eq!(case.plan().actions(ADDRESS), ["update"], "{step}");
        case.apply();
        all_nodes_agree(case, step, shards, followers);
        case.plan_is_empty();
    }
    nothing_is_lost(case);
    case.kubectl(&["delete", "pod", "writer", "--wait=true"]);
}

fn start_writing(case: &Case) {
    let values = case.resource(ADDRESS);
    let secret = &values["auth_secret"];
    let password = json!({ "secretKeyRef": { "name": secret["name"], "key": secret["key"] } });
    let mut command = vec!["sh".to_owned(), "-c".to_owned(), WRITES.to_owned(), "writer".to_owned()];
    command.push(output(case, "host"));
    command.extend(TAGS.map(str::to_owned));
    let container = json!({
        "name": "writer",
        "image": values["status"]["image"],
        "command": command,
        "env": [{ "name": "REDISCLI_AUTH", "valueFrom": password }],
        "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "writer" },
        "spec": { "containers": [container], "terminationGracePeriodSeconds": 0 },
    });
    case.kubectl_apply(&pod.to_string());
    case.wait_until("all tags are written", Duration::from_secs(60), || {
        let acknowledged = acknowledged(case);
        TAGS.iter().all(|tag| acknowledged.get(*tag).is_some_and(|one| one.len() > 5)).then_some(())
    });
}

fn acknowledged(case: &Case) -> Acknowledged {
    let log = case.try_kubectl(&["logs", "writer"]).stdout;
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

/// Each node is asked, not one of them: what one knows, another may not have heard of.
fn all_nodes_agree(case: &Case, step: &str, shards: usize, followers: usize) {
    let pods = case.objects(PODS);
    let of_redis: Vec<&Value> = pods
        .iter()
        .filter(|pod| pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("cache-")))
        .collect();
    assert_eq!(of_redis.len(), shards * (1 + followers), "{step}");
    for pod in of_redis {
        let address = pod["status"]["podIP"].as_str().expect("an address");
        let redis = RedisClient::of(case, ADDRESS).at(address, 6379);
        let nodes = redis.command(&["CLUSTER", "NODES"]);
        let rows: Vec<Vec<&str>> = nodes.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(rows.len(), shards * (1 + followers), "{step}: {nodes}");
        let well = |row: &&Vec<&str>| {
            row[7] == "connected" && !["fail", "handshake", "noaddr"].iter().any(|flag| row[2].contains(flag))
        };
        assert!(rows.iter().all(|row| well(&row)), "{step}: {nodes}");
        let masters: Vec<&Vec<&str>> = rows.iter().filter(|row| row[2].contains("master")).collect();
        assert_eq!(masters.len(), shards, "{step}: {nodes}");
        for master in &masters {
            let following = rows.iter().filter(|row| row[3] == master[0]).count();
            assert_eq!(following, followers, "{step}: {nodes}");
        }
        let slots: u32 = masters.iter().flat_map(|master| &master[8..]).map(|range| slot_count(range)).sum();
        assert_eq!(slots, 16384, "{step}: {nodes}");
        let replication = redis.command(&["INFO", "replication"]);
        assert!(!replication.contains("master_link_status:down"), "{step}: {replication}");
    }
}

fn slot_count(range: &str) -> u32 {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    last.parse::<u32>().expect("a slot") - first.parse::<u32>().expect("a slot") + 1
}

fn nothing_is_lost(case: &Case) {
    let redis = through(case, "host");
    for (tag, keys) in acknowledged(case) {
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
