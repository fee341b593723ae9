//! The shapes beyond one Redis: their configurations, small enough for a node of two cores, and how a client reaches
//! each of their endpoints.
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::case::Case;
use crate::instance::{ADDRESS, Configuration, PODS, master};
use crate::redis_client::{RedisClient, password};

pub const REPLICATIONS: &str = "redisreplications";
pub const SENTINELS: &str = "redissentinels";
pub const CLUSTERS: &str = "redisclusters";

/// What each pod may use, sentinels included.
const RESOURCES: &str =
    "{ requests = { cpu = \"10m\", memory = \"32Mi\" }, limits = { cpu = \"200m\", memory = \"128Mi\" } }";

/// Every shape of more than one Redis needs minutes: the operator looks every 10 to 60 s how far it is.
fn several() -> Configuration {
    Configuration::small()
        .with("master", &master("10m"))
        .with("security_context", "{ run_as_user = 1000 }")
        .with("timeouts", "{ create = \"8m\", update = \"6m\", delete = \"3m\" }")
}

/// A master and one replica.
pub fn replication() -> Configuration {
    several().with("replica", "{ count = 1 }")
}

/// A master, one replica, and sentinels with these further arguments.
pub fn sentinel(further: &str) -> Configuration {
    several()
        .with("deployment_mode", "\"sentinel\"")
        .with("replica", "{ count = 1 }")
        .with("sentinel", &format!("{{ resources = {RESOURCES}, {further} }}"))
}

/// Three shards of a leader and a follower.
pub fn cluster() -> Configuration {
    several()
        .with("deployment_mode", "\"cluster\"")
        .with("persistence", "{ size = \"64Mi\", node_conf_size = \"64Mi\" }")
}

/// The same at rest: no node takes its pods, and nobody waits for them.
pub fn at_rest(configuration: Configuration) -> Configuration {
    configuration.with("node_selector", "{ no-such = \"node\" }").with("wait", "{ enabled = false }")
}

/// A string of the state.
pub fn output(case: &Case, attribute: &str) -> String {
    let value = case.resource(ADDRESS)[attribute].clone();
    value.as_str().unwrap_or_else(|| panic!("{attribute} is {value}")).to_owned()
}

/// A client that reaches an endpoint by its name, from a pod.
pub fn through<'a>(case: &'a Case, attribute: &str) -> RedisClient<'a> {
    RedisClient::of(case, ADDRESS).at(&output(case, attribute), 6379)
}

/// Asks the sentinels, which have no password, by their name: where is the master?
pub fn master_by_sentinels(case: &Case, group: &str) -> (String, i64) {
    let values = case.resource(ADDRESS);
    let port = values["sentinel_port"].as_i64().expect("a port");
    let redis = RedisClient::of(case, ADDRESS).with_password("").at(&output(case, "sentinel_host"), port);
    let answer = redis.command(&["SENTINEL", "get-master-addr-by-name", group]);
    let (host, port) = answer.split_once('\n').unwrap_or_else(|| panic!("no master: {answer:?}"));
    (host.to_owned(), port.trim().parse().expect("a port"))
}

/// Nobody gets in through that endpoint without the password, or with another one.
pub fn strangers_are_refused(case: &Case, attribute: &str) {
    for stranger in ["", "wrong"] {
        let answer = through(case, attribute).with_password(stranger).try_command(&["GET", "kept"]);
        assert!(answer.stdout.contains("NOAUTH"), "through {attribute} with {stranger:?}: {answer}");
        assert!(!answer.stdout.contains("yes"), "through {attribute} with {stranger:?}: {answer}");
    }
}

/// The password is in nothing that Terraform prints or keeps.
pub fn password_is_kept_secret(case: &Case) {
    let secret: Value = case.resource(ADDRESS)["auth_secret"].clone();
    let text = |name: &str| secret[name].as_str().expect("auth_secret").to_owned();
    let word: SecretString = password(case, &text("name"), &text("key"));
    let kept =
        [case.state_file(), case.outputs().iter().map(ToString::to_string).collect(), case.provider_log()];
    assert!(
        kept.iter().all(|text| !text.contains(word.expose_secret())),
        "the password of {secret} is shown"
    );
}

/// Writes a key, waits until all replicas have it, and reads it 50 times through every endpoint, each time over a new
/// connection to a name that is looked up anew. What is wrong is a line; so is the end.
const READS: &str = r#"read -r password
[ -z "$password" ] || export REDISCLI_AUTH="$password"
value=$1 group=$2 replicas=$3 host=$4; shift 4
case $group in
  cluster) redis-cli -c -h "$host" SET read:many "$value" ;;
  *) printf 'SET read:many %s\nWAIT %s 5000\n' "$value" "$replicas" | redis-cli -h "$host" ;;
esac
for turn in $(seq 50); do
  for endpoint in "$@"; do
    kind=${endpoint%%,*} rest=${endpoint#*,}
    host=${rest%:*} port=${rest##*:} options=
    [ "$kind" != cluster ] || options=-c
    case $kind in *sentinel)
      master=$([ "$kind" != sentinel ] || unset REDISCLI_AUTH; timeout 5 redis-cli -h "$host" -p "$port" SENTINEL get-master-addr-by-name "$group" 2>&1)
      host=$(echo "$master" | head -n 1) port=$(echo "$master" | tail -n 1)
    esac
    found=$(timeout 5 redis-cli $options -h "$host" -p "$port" GET read:many 2>&1)
    [ "$found" = "$value" ] || echo "turn $turn at $(date +%T.%N): $endpoint, $host:$port: $found"
  done
done
echo read"#;

/// What was written can be read through each endpoint, 50 times in a row: right after an apply, whatever it did.
pub fn every_endpoint_serves(case: &Case) {
    let values = case.resource(ADDRESS);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut endpoints = Vec::new();
    let seeds = values["cluster_hosts"].as_array().cloned().unwrap_or_default();
    let is_cluster = !seeds.is_empty();
    endpoints.extend(seeds.iter().map(|seed| format!("cluster,{}", text(seed))));
    if !is_cluster {
        let hosts = ["host", "reader_host"].map(|attribute| text(&values[attribute]));
        endpoints.extend(hosts.iter().map(|host| format!("plain,{host}:{}", values["port"])));
    }
    if let Some(host) = values["sentinel_host"].as_str() {
        let is_protected = values["sentinel"]["password_protected"] == true;
        let kind = if is_protected { "protected-sentinel" } else { "sentinel" };
        endpoints.push(format!("{kind},{host}:{}", values["sentinel_port"]));
    }
    if values["service"]["type"] == "NodePort" && !is_cluster {
        let (address, port) = port_of_the_node(case);
        endpoints.push(format!("plain,{address}:{port}"));
    }
    endpoints.dedup();
    let group = if is_cluster { "cluster".to_owned() } else { text(&values["sentinel"]["master_name"]) };
    let replicas = values["replica"]["count"].as_i64().unwrap_or_default().to_string();
    let value = crate::case::unique();
    let host = output(case, "host");
    let arguments: Vec<&str> =
        [&value, &group, &replicas, &host].into_iter().chain(&endpoints).map(String::as_str).collect();
    let output = RedisClient::of(case, ADDRESS).script(READS, &arguments);
    println!("read 50 times through {}: {:?}", endpoints.join(" "), output.took);
    let lines: Vec<&str> = output.stdout.lines().collect();
    let written = if is_cluster { vec!["OK"] } else { vec!["OK", &replicas] };
    assert_eq!(lines, [written, vec!["read"]].concat(), "right after an apply:\n{output}");
}

/// Where our Service for the outside is reached: an address of the node, and the port.
pub fn port_of_the_node(case: &Case) -> (String, i64) {
    let service = case.object("/api/v1/namespaces/{namespace}/services/cache-external").expect("the Service");
    let port = service["spec"]["ports"][0]["nodePort"].as_i64().expect("a port of the node");
    let nodes = crate::cluster::get("/api/v1/nodes").items();
    let addresses = nodes[0]["status"]["addresses"].as_array().cloned().unwrap_or_default();
    let address = addresses.iter().find(|address| address["type"] == "InternalIP").expect("an address");
    (address["address"].as_str().expect("an address").to_owned(), port)
}

/// Each node is asked, not one of them: what one knows, another may not have heard of.
pub fn every_node_agrees(case: &Case, step: &str, shards: usize, followers: usize) {
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
