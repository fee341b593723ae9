//! Who is master is decided by those who decide, and nobody is paused in vain: stalls with a failover of the sentinels,
//! replicas that copy, masters elsewhere, passwords that no longer fit.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::ending::says;
use crate::instance::{Configuration, PODS};
use crate::redis_client::RedisClient;
use crate::stall::{Stall, process_of, uid};
use crate::topology::{every_endpoint_serves, replication, sentinel, through};

fn client<'a>(case: &'a Case, pod: &str) -> RedisClient<'a> {
    RedisClient::new(case, pod, Some(("cache-auth", "password")))
}

fn pod(case: &Case, name: &str) -> Option<Value> {
    case.object(&format!("{PODS}/{name}"))
}

fn role(case: &Case, name: &str) -> String {
    let output = client(case, name).try_command(&["ROLE"]);
    output.stdout.lines().next().unwrap_or_default().to_owned()
}

/// The pod that is the master, and the other of two.
fn master_and_other(case: &Case) -> (String, String) {
    let master = case.kubectl(&["get", "redisreplication", "cache", "-o", "jsonpath={.status.masterNode}"]);
    let other = if master == "cache-0" { "cache-1" } else { "cache-0" };
    (master, other.to_owned())
}

fn paused(case: &Case) -> bool {
    let marks = ["get", "redisreplication", "cache", "-o", "jsonpath={.metadata.annotations}"];
    case.kubectl(&marks).contains("skip-reconcile")
}

/// A hundred keys, each acknowledged.
fn write_a_hundred(client: &RedisClient<'_>) {
    let script = "for i=1,100 do redis.call('SET','lost:'..i,'x') end return redis.call('DBSIZE')";
    client.command(&["EVAL", script, "0"]);
}

fn with_cpu_of_sentinels(cpu: &str) -> Configuration {
    sentinel("").with(
        "sentinel",
        &format!(
            "{{ resources = {{ requests = {{ cpu = \"10m\", memory = \"32Mi\" }}, limits = {{ cpu = {cpu:?}, memory = \"64Mi\" }} }} }}"
        ),
    )
}

fn existing_secret() -> Configuration {
    replication().with("authentication", "{ existing_secret = { name = \"pass\", key = \"word\" } }")
}

fn secret(word: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: pass }}\nstringData: {{ word: {word} }}\n")
}

/// One sentinel of another name.
const WATCH: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisSentinel
metadata: {name: watch, namespace: '{namespace}'}
spec:
  clusterSize: 1
  redisSentinelConfig:
    redisReplicationName: cache
    quorum: '1'
    downAfterMilliseconds: '60000'
    redisReplicationPassword: {secretKeyRef: {name: cache-auth, key: password}}
  kubernetesConfig:
    image: quay.io/opstree/redis-sentinel:v7.0.15
    imagePullPolicy: IfNotPresent
    resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 100m, memory: 64Mi}}
";

for_alternate_clis! {
    /// While the provider keeps the operator off, nobody moves the label of a master that stalls. The sentinels promote
    /// the other pod, and applications write to that one.
    fn a_failover_of_the_sentinels_during_a_rollout_stays(cli: Cli) {
        let case = Case::new(cli, "failover");
        case.set_deadline(Duration::from_secs(500));
        case.write("main.tf", &with_cpu_of_sentinels("100m").text());
        case.apply();
        through(&case, "host").set("kept", "yes");
        let (old, new) = master_and_other(&case);
        let process = process_of(&case, &old);
        let before = uid(&case, "cache-sentinel-2");
        // This rolls the sentinels only, with both pods of Redis up.
        case.write("main.tf", &with_cpu_of_sentinels("110m").text());
        let running = case.start_apply();
        case.wait_until("the first sentinel is replaced", Duration::from_secs(120), || {
            uid(&case, "cache-sentinel-2").filter(|now| Some(now) != before.as_ref())
        });
        let stall = Stall::of(process);
        // The probes restart a container after half a minute.
        case.wait_until("the sentinels have promoted the other", Duration::from_secs(25), || {
            role(&case, &new).contains("master").then_some(())
        });
        write_a_hundred(&client(&case, &new));
        drop(stall);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        every_endpoint_serves(&case);
        for pod in [&old, &new] {
            assert_eq!(client(&case, pod).command(&["EXISTS", "lost:1", "lost:100", "kept"]), "3", "{pod}");
        }
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// A replica that was just replaced waits for its copy when the master's pod is deleted, as by a drain. The master
    /// comes back with everything.
    fn a_replica_that_is_copying_is_not_promoted(cli: Cli) {
        let case = Case::new(cli, "copying");
        case.set_deadline(Duration::from_secs(500));
        // The delay stands for a long transfer.
        let of = |percent: &str| {
            replication()
                .with("additional_config", "{ repl-diskless-sync-delay = \"25\" }")
                .with("maxmemory_percent", percent)
        };
        case.write("main.tf", &of("70").text());
        case.apply();
        let (master, other) = master_and_other(&case);
        let before = uid(&case, &other);
        case.write("main.tf", &of("71").text());
        let running = case.start_apply();
        case.wait_until("the replica waits for its copy", Duration::from_secs(120), || {
            let is_new = uid(&case, &other).is_some_and(|now| Some(now) != before);
            let says = client(&case, &master).try_command(&["INFO", "replication"]).stdout;
            (is_new && says.contains("state=wait_bgsave")).then_some(())
        });
        write_a_hundred(&client(&case, &master));
        client(&case, &master).command(&["SAVE"]);
        case.kubectl(&["delete", "pod", &master, "--wait=false"]);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        every_endpoint_serves(&case);
        for pod in [&master, &other] {
            assert_eq!(client(&case, pod).command(&["EXISTS", "lost:1", "lost:100"]), "2", "{pod}");
        }
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// Somebody moves data here: the set follows a Redis that is none of its pods.
    fn a_living_master_elsewhere_is_left_to_it(cli: Cli) {
        let case = Case::new(cli, "elsewhere");
        case.set_deadline(Duration::from_secs(500));
        let old = Configuration::small().with("name", "\"old\"").with("authentication", "{ enabled = false }");
        let old = old.text().replace("\"this\"", "\"old\"");
        let resource = old.split("resource ").nth(1).expect("a resource");
        let new = replication().with("authentication", "{ enabled = false }");
        case.write("old.tf", &format!("resource {resource}"));
        case.write("main.tf", &new.text());
        case.apply();
        let of_old = RedisClient::new(&case, "old-0", None);
        let (master, _) = master_and_other(&case);
        let address = pod(&case, "old-0").expect("the pod")["status"]["podIP"].as_str().expect("an address").to_owned();
        let here = RedisClient::new(&case, &master, None);
        here.command(&["REPLICAOF", &address, "6379"]);
        // Once: a write that is under way again and again makes the operator's own write fail.
        let news = format!("terraform-provider-redis/news={}", crate::case::unique());
        case.kubectl(&["annotate", "--overwrite", "redisreplication", "cache", &news]);
        case.wait_until("the operator finds no master", Duration::from_secs(90), || {
            master_and_other(&case).0.is_empty().then_some(())
        });
        let plan = case.plan().json["resource_changes"].to_string();
        assert!(plan.contains("if they follow a Redis elsewhere"), "{plan}");
        for further in [new.clone().with("labels", "{ team = \"a\" }"), new.clone().with("maxmemory_percent", "71")] {
            case.write("main.tf", &further.with("timeouts", "{ update = \"20s\" }").text());
            let output = case.apply_fails();
            says(&case, &output, &[&format!("follows {address}:6379"), "does not cut that link", "replicaof no one"]);
            assert!(!paused(&case), "{output}");
        }
        of_old.set("late", "yes");
        case.wait_until("what is written there arrives here", Duration::from_secs(20), || {
            (here.get("late") == "yes").then_some(())
        });
        here.command(&["REPLICAOF", "NO", "ONE"]);
        case.write("main.tf", &new.text());
        case.apply();
        every_endpoint_serves(&case);
        assert_eq!(through(&case, "host").get("late"), "yes");
        case.destroy();
        case.assert_nothing_left();
    }

    /// A Secret whose content was changed in place: a running Redis keeps what it was started with.
    fn a_password_that_was_changed_in_place_pauses_nobody(cli: Cli) {
        let case = Case::new(cli, "in-place");
        case.set_deadline(Duration::from_secs(500));
        case.kubectl_apply(&secret("FirstOne11"));
        case.write("main.tf", &existing_secret().text());
        case.apply();
        let with_first = |pod: &str| RedisClient::new(&case, pod, None).with_password("FirstOne11");
        with_first("cache-0").set("kept", "yes");
        let before = (uid(&case, "cache-0"), uid(&case, "cache-1"));
        case.kubectl_apply(&secret("SecondOne22"));
        let changed = existing_secret().with("termination_grace_period_seconds", "20");
        case.write("main.tf", &changed.text());
        let output = case.apply_fails();
        assert!(output.operation_took() < Duration::from_secs(60), "{output}");
        says(&case, &output, &["refuses the provider (WRONGPASS", "key word of Secret pass", "changed that Secret in place", "Nothing was changed"]);
        assert!(!paused(&case), "{output}");
        assert_eq!((uid(&case, "cache-0"), uid(&case, "cache-1")), before);
        // As the message says.
        case.kubectl_apply(&secret("FirstOne11"));
        case.apply();
        every_endpoint_serves(&case);
        let (master, _) = master_and_other(&case);
        assert_eq!(with_first(&master).get("kept"), "yes");
        case.plan_is_empty();
        case.destroy();
        case.kubectl(&["delete", "secret", "pass"]);
        case.assert_nothing_left();
    }

    /// Somebody has sentinels of another name. They would take a handover for the loss of the master.
    fn a_set_that_others_watch_is_left_to_the_operator(cli: Cli) {
        let case = Case::new(cli, "watched");
        case.write("main.tf", &replication().text());
        case.apply();
        through(&case, "host").set("kept", "yes");
        case.write("watch.yaml", WATCH);
        case.kubectl(&["apply", "-f", &case.path("watch.yaml").to_string_lossy()]);
        let (master, other) = master_and_other(&case);
        let watches = || client(&case, &master).try_command(&["CLIENT", "LIST"]).stdout.contains("name=sentinel-");
        case.wait_until("a sentinel watches", Duration::from_secs(120), || watches().then_some(()));
        case.write("main.tf", &replication().with("maxmemory_percent", "61").text());
        let output = case.apply();
        let text = output.to_string();
        assert!(text.contains("sentinels that do not belong to the instance watch it"), "{text}");
        assert!(!paused(&case), "nobody was paused");
        case.plan_is_empty();
        let masters = [&master, &other].into_iter().filter(|pod| role(&case, pod) == "master").count();
        assert_eq!(masters, 1);
        assert_eq!(through(&case, "host").get("kept"), "yes");
        case.kubectl(&["delete", "-f", &case.path("watch.yaml").to_string_lossy()]);
        case.destroy();
        case.assert_all_collected();
    }
}
