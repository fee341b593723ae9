//! Into pods, for real: forwarded ports, commands, sessions with Redis and Sentinel, and what a Service leads to.
//!
//! One Redis is the operator's, for its image's contract. The others are containers of one pod: they share its
//! loopback address, so a forwarded port reaches each, and no operator interferes.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use terraform_provider_redis::kubernetes::{
    Cause, Cluster, Error, ExecOptions, ObjectRef, Propagation, Resource, Selection, Settings,
};
use terraform_provider_redis::redis::talk::{self, Address, Command, Quorum, Reply, Role, Unexpected};
use terraform_provider_redis::resources::ask::command::Vantage;
use terraform_provider_redis::resources::ask::probe::{self, Answer, Probe, Question};
use terraform_provider_redis::resources::ask::{Access, Session, TalkError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{NAMESPACES, POD, SECRET, eventually, gone, kubeconfig, soon, until};

const NAMESPACE: &str = "kubernetes-pods-test";
const IMAGE: &str = "quay.io/opstree/redis:v7.0.15";
const PASSWORD: &str = "correct-horse-battery-staple";

/// Ports of the pod with several servers.
const MASTER: u16 = 6379;
const REPLICA: u16 = 6380;
const NODE: u16 = 6381;
const SENTINEL: u16 = 26379;
const NOBODY: u16 = 6399;

static REDIS: Resource = Resource {
    group: "redis.redis.opstreelabs.in",
    version: "v1beta2",
    kind: "Redis",
    plural: "redis",
    namespaced: true,
};
static SERVICE: Resource =
    Resource { group: "", version: "v1", kind: "Service", plural: "services", namespaced: true };

fn named(resource: &'static Resource, name: &str) -> ObjectRef {
    ObjectRef::namespaced(resource, NAMESPACE, name)
}

fn loopback(port: u16) -> Address {
    Address { host: "127.0.0.1".to_owned(), port }
}

async fn open(
    cluster: &Cluster,
    pod: &ObjectRef,
    port: u16,
    password: Option<&SecretString>,
) -> Result<Session, TalkError> {
    Session::open(cluster, pod, &Access { port, password: password.cloned() }, soon()).await
}

async fn ping(session: &mut Session) -> Result<(), TalkError> {
    session.send(&Command::new(["PING"]), soon()).await.map(drop)
}

/// Asks what the provider never asks over a session, and reads the answer as it would.
async fn ask<T>(
    session: &mut Session,
    words: &[&str],
    read: impl FnOnce(&Reply) -> Result<T, Unexpected>,
) -> T {
    let reply = session.send(&Command::new(words.iter().copied()), soon()).await.unwrap();
    read(&reply).unwrap()
}

fn within(pod: &ObjectRef, container: &str) -> Vantage {
    Vantage { pod: pod.clone(), container: container.to_owned() }
}

fn password() -> SecretString {
    SecretString::from(PASSWORD)
}

#[tokio::test]
async fn pods_are_reached_and_redis_answers() {
    let Some(path) = kubeconfig() else { return };
    let cluster = Cluster::new(Settings { config_path: Some(path.clone()), ..Settings::default() });
    let namespace = ObjectRef::cluster_wide(&NAMESPACES, NAMESPACE);
    gone(&cluster, &named(&REDIS, "alone")).await;
    gone(&cluster, &namespace).await;
    cluster.create(&namespace, &json!({}), soon()).await.unwrap();
    start(&cluster).await;

    ready(&cluster, "several").await;
    ports(&cluster).await;
    commands(&cluster).await;
    handing_over(&cluster).await;
    sentinel(&cluster).await;
    node(&cluster).await;
    ready(&cluster, "alone-0").await;
    passwords(&cluster).await;
    services(&cluster).await;
    rights(&path).await;
    speed(&cluster).await;
    going(&cluster).await;

    gone(&cluster, &named(&REDIS, "alone")).await;
    gone(&cluster, &namespace).await;
}

async fn start(cluster: &Cluster) {
    let secret = json!({"stringData": {"password": PASSWORD}});
    cluster.create(&named(&SECRET, "alone"), &secret, soon()).await.unwrap();
    let small = json!({"requests": {"cpu": "10m", "memory": "32Mi"}});
    let alone = json!({"spec": {
        "kubernetesConfig": {
            "image": IMAGE, "imagePullPolicy": "IfNotPresent", "resources": small,
            "redisSecret": {"name": "alone", "key": "password"},
        },
        "podSecurityContext": {"runAsUser": 1000, "fsGroup": 1000},
    }});
    cluster.create(&named(&REDIS, "alone"), &alone, soon()).await.unwrap();

    let server = |name: &str, script: String| {
        json!({"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "resources": small,
            "command": ["sh", "-c", script]})
    };
    let listening = |port: u16| format!("exec redis-server --save '' --protected-mode no --port {port}");
    let watching = format!(
        "printf 'sentinel monitor cache 127.0.0.1 {MASTER} 1\\n' >/tmp/sentinel.conf; \
         exec redis-server /tmp/sentinel.conf --sentinel --protected-mode no --port {SENTINEL}"
    );
    let mut probed = server("master", listening(MASTER));
    probed["readinessProbe"] = json!({"tcpSocket": {"port": REPLICA}, "periodSeconds": 1});
    let several = json!({"metadata": {"labels": {"app": "several"}}, "spec": {"containers": [
        probed,
        server("replica", format!("{} --replicaof 127.0.0.1 {MASTER}", listening(REPLICA))),
        server("node", format!("cd /tmp; {} --cluster-enabled yes", listening(NODE))),
        server("sentinel", watching),
    ], "terminationGracePeriodSeconds": 1}});
    cluster.create(&named(&POD, "several"), &several, soon()).await.unwrap();
    let ports = [("master", MASTER), ("replica", REPLICA), ("node", NODE), ("sentinel", SENTINEL)];
    let ports: Vec<Value> =
        ports.iter().map(|(name, port)| json!({"name": name, "port": port, "targetPort": port})).collect();
    let service = json!({"spec": {"selector": {"app": "several"}, "ports": ports}});
    cluster.create(&named(&SERVICE, "several"), &service, soon()).await.unwrap();
}

async fn ready(cluster: &Cluster, pod: &str) {
    let pod = named(&POD, pod);
    let mut watched = cluster.watch(vec![Selection::one(&pod)]);
    until(&mut watched, |watched| {
        let conditions = watched.get(&pod).and_then(|pod| pod["status"]["conditions"].as_array());
        conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
    .await;
}

/// What a forwarded port meets.
async fn ports(cluster: &Cluster) {
    let pod = named(&POD, "several");
    let mut stream = cluster.forward(&pod, MASTER, soon()).await.unwrap();
    stream.write_all(b"PING\r\nQUIT\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "+PONG\r\n+OK\r\n", "and it ends with the connection");

    let mut nobody = cluster.forward(&pod, NOBODY, soon()).await.unwrap();
    let error = Error::from_stream(nobody.read_u8().await.unwrap_err()).unwrap();
    assert!(matches!(error.cause, Cause::PortClosed { port: NOBODY, .. }), "{error:?}");
    println!("{error}");
    let error = open(cluster, &pod, NOBODY, None).await.unwrap_err();
    assert!(matches!(&error, TalkError::Cluster(inside) if inside.cause.may_pass()), "{error:?}");

    let error = cluster.forward(&named(&POD, "absent"), MASTER, soon()).await.err().unwrap();
    assert!(matches!(error.cause, Cause::NotFound), "{error:?}");
    let waiting =
        json!({"spec": {"nodeSelector": {"no": "such"}, "containers": [{"name": "a", "image": IMAGE}]}});
    cluster.create(&named(&POD, "waiting"), &waiting, soon()).await.unwrap();
    let error = cluster.forward(&named(&POD, "waiting"), MASTER, soon()).await.err().unwrap();
    println!("{error}");
    let error = cluster.exec(&named(&POD, "waiting"), run(&["true"]), soon()).await.unwrap_err();
    println!("{error}");
    ended(cluster).await;
}

/// A container that has ended, in a pod whose other one has not.
async fn ended(cluster: &Cluster) {
    let pod = named(&POD, "half");
    let container =
        |name: &str, command: &str| json!({"name": name, "image": IMAGE, "command": ["sh", "-c", command]});
    let half = json!({"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
        "containers": [container("ended", "true"), container("runs", "exec sleep 600")]}});
    cluster.create(&pod, &half, soon()).await.unwrap();
    let mut watched = cluster.watch(vec![Selection::one(&pod)]);
    until(&mut watched, |watched| {
        let statuses = watched.get(&pod).and_then(|pod| pod["status"]["containerStatuses"].as_array());
        let states: Vec<&Value> = statuses.into_iter().flatten().map(|one| &one["state"]).collect();
        states.iter().any(|state| !state["terminated"].is_null())
            && states.iter().any(|state| !state["running"].is_null())
    })
    .await;
    let options = ExecOptions { container: Some("ended"), ..run(&["true"]) };
    let error = cluster.exec(&pod, options, soon()).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error.cause, Cause::Unavailable { .. }), "{error:?}");
    let deleted = cluster.delete(&pod, None, Propagation::Background, soon()).await;
    deleted.unwrap();
}

fn run<'a>(command: &'a [&'a str]) -> ExecOptions<'a> {
    ExecOptions { container: None, command, stdin: None }
}

/// What a command meets.
async fn commands(cluster: &Cluster) {
    let pod = named(&POD, "several");
    let options = |container, command| ExecOptions { container: Some(container), command, stdin: None };
    let script = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    let output = cluster.exec(&pod, options("replica", &script), soon()).await.unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("out\n", "err\n", 3));
    let long = ["sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"];
    let output = cluster.exec(&pod, options("master", &long), soon()).await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.as_str(), output.exit_code), (1 << 20, "end\n", 0));

    let secret = SecretString::from("a secret\n");
    let takes = ["sh", "-c", "read -r line; printf '<%s>' \"$line\""];
    let takes = ExecOptions { stdin: Some(&secret), ..options("master", &takes) };
    assert_eq!(cluster.exec(&pod, takes, soon()).await.unwrap().stdout, "<a secret>");

    let error = cluster.exec(&pod, options("absent", &["true"]), soon()).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error.cause, Cause::Invalid { .. }), "{error:?}");
    let error = cluster.exec(&pod, options("master", &["no-such-program"]), soon()).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error.cause, Cause::Rejected { .. }), "{error:?}");
    let error = cluster.exec(&named(&POD, "absent"), run(&["true"]), soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound), "{error:?}");
    let shortly = Instant::now() + Duration::from_millis(500);
    let error = cluster.exec(&pod, options("master", &["sleep", "5"]), shortly).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Timeout(_)), "{error:?}");
}

/// A master and its replica change places, by the commands of a guarded rollout.
async fn handing_over(cluster: &Cluster) {
    let pod = named(&POD, "several");
    let mut master = open(cluster, &pod, MASTER, None).await.unwrap();
    let mut replica = open(cluster, &pod, REPLICA, None).await.unwrap();
    // The replica calls its link up before its master calls it online, and only the latter may take over.
    eventually(|| async {
        let mut master = open(cluster, &pod, MASTER, None).await.unwrap();
        let replicas = master.replication(soon()).await.unwrap().replicas;
        replicas
            .iter()
            .any(|replica| replica.is_online() && replica.address == loopback(REPLICA))
            .then_some(())
    })
    .await;
    let link = replica.replication(soon()).await.unwrap().master.unwrap();
    assert!(link.is_up && !link.is_syncing && link.address == loopback(MASTER), "{link:?}");
    let history = master.replication(soon()).await.unwrap().history;
    assert!(!ask(&mut master, &["INFO", "persistence"], talk::persistence).await.loading);
    let error = replica.send(&Command::new(["SET", "a", "b"]), soon()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().code(), "READONLY");

    let paused = master.pipeline(&[Command::pause_writes(10_000), Command::unpause()], soon()).await.unwrap();
    assert!(paused.iter().all(Result::is_ok), "{paused:?}");
    let failover = Command::failover_to(&loopback(REPLICA), 1000);
    assert!(master.send(&failover, soon()).await.unwrap().is_ok());
    eventually(|| async {
        let mut replica = open(cluster, &pod, REPLICA, None).await.unwrap();
        replica.role(soon()).await.unwrap().is_master().then_some(())
    })
    .await;
    let found = replica.replication(soon()).await.unwrap();
    assert_eq!(found.former.unwrap().history, history, "its own history goes on from the old one");
    eventually(|| async {
        let mut old = open(cluster, &pod, MASTER, None).await.unwrap();
        let link = old.replication(soon()).await.unwrap().master;
        link.filter(|link| link.is_up && link.address == loopback(REPLICA))
    })
    .await;
    let role = master.role(soon()).await.unwrap();
    assert!(matches!(role, Role::Replica { master, .. } if master == loopback(REPLICA)));

    let back = [Command::replica_of_no_one(), Command::new(["SET", "k", "v"])];
    let answers = master.pipeline(&back, soon()).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(replica.send(&Command::replica_of(&loopback(MASTER)), soon()).await.unwrap().is_ok());
    // An application is cut off, and this session goes on.
    let mut other = open(cluster, &pod, MASTER, None).await.unwrap();
    for id in master.applications(soon()).await.unwrap() {
        let _ = master.send(&Command::cut_off_client(&id), soon()).await;
    }
    assert!(ping(&mut other).await.is_err(), "it was not cut off");
    ping(&mut master).await.unwrap();
}

async fn sentinel(cluster: &Cluster) {
    let pod = named(&POD, "several");
    let mut sentinel = open(cluster, &pod, SENTINEL, None).await.unwrap();
    let anew = [
        Command::sentinel_remove("cache"),
        Command::sentinel_monitor("cache", &loopback(MASTER), 1),
        Command::sentinel_set("cache", "down-after-milliseconds", "5000"),
        Command::sentinel_set_password("cache", &password()),
        Command::sentinel_set("cache", "auth-pass", ""),
    ];
    let answers = sentinel.pipeline(&anew, soon()).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let began = Instant::now();
    let replica = eventually(|| async {
        let mut sentinel = open(cluster, &pod, SENTINEL, None).await.unwrap();
        let replicas = sentinel.sentinel_replicas("cache", soon()).await.unwrap();
        replicas.into_iter().find(|one| one.flags.are_only("slave") && one.is_linked)
    })
    .await;
    println!("the replica was found {} ms after MONITOR", began.elapsed().as_millis());
    assert_eq!(replica.address, loopback(REPLICA));
    let master = sentinel.sentinel_master("cache", soon()).await.unwrap();
    assert_eq!((master.address, master.down_after_milliseconds, master.quorum), (loopback(MASTER), 5000, 1));
    assert!(master.flags.are_only("master"), "{}", master.flags);
    assert_eq!(ask(&mut sentinel, &["SENTINEL", "MASTERS"], talk::masters).await.len(), 1);
    assert!(sentinel.sentinel_peers("cache", soon()).await.unwrap().is_empty());
    assert_eq!(sentinel.sentinel_quorum("cache", soon()).await.unwrap(), Quorum::Reached { usable: 1 });
    assert_eq!(sentinel.sentinel_address("cache", soon()).await.unwrap(), Some(loopback(MASTER)));
    assert_eq!(sentinel.sentinel_address("other", soon()).await.unwrap(), None);
    let hello = Command::publish("__sentinel__:hello", "nonsense");
    sentinel.send(&hello, soon()).await.unwrap();
    assert!(matches!(sentinel.role(soon()).await.unwrap(), Role::Sentinel { .. }));
    let error = sentinel.sentinel_master("other", soon()).await.unwrap_err();
    println!("{error}");
    assert!(error.refusal().is_some(), "{error:?}");
}

async fn node(cluster: &Cluster) {
    let mut node = open(cluster, &named(&POD, "several"), NODE, None).await.unwrap();
    let slots = Command::new(["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    node.send(&slots, soon()).await.unwrap();
    let info = ask(&mut node, &["CLUSTER", "INFO"], talk::cluster_info).await;
    assert_eq!((info.slots_assigned, info.known_nodes, info.size), (16_384, 1, 1));
    let nodes = ask(&mut node, &["CLUSTER", "NODES"], talk::cluster_nodes).await;
    assert!(nodes[0].has("myself") && nodes[0].slot_count() == 16_384, "{nodes:?}");
}

/// The operator's Redis with a password, and a rotation of it that cuts nobody off.
async fn passwords(cluster: &Cluster) {
    let pod = named(&POD, "alone-0");
    let enter = async |password: Option<&SecretString>| open(cluster, &pod, 6379, password).await.map(drop);
    enter(Some(&password())).await.unwrap();
    for wrong in [None, Some(&SecretString::from("wrong-password"))] {
        let error = enter(wrong).await.unwrap_err();
        println!("{error}");
        assert!(error.refusal().unwrap().is_about_rights(), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("wrong-password"));
    }
    let unneeded = open(cluster, &named(&POD, "several"), MASTER, Some(&password())).await;
    let error = unneeded.unwrap_err();
    assert!(error.refusal().unwrap().is_about_rights(), "{error:?}");

    let mut session = open(cluster, &pod, 6379, Some(&password())).await.unwrap();
    let next = SecretString::from("another");
    session.send(&Command::add_password("default", &next), soon()).await.unwrap();
    enter(Some(&password())).await.unwrap();
    enter(Some(&next)).await.unwrap();
    session.send(&Command::remove_password("default", &next), soon()).await.unwrap();
    assert!(enter(Some(&next)).await.unwrap_err().refusal().is_some());

    // What was dropped is closed, all the way into the pod.
    eventually(|| async {
        let mut session = open(cluster, &pod, 6379, Some(&password())).await.unwrap();
        let listed = session.send(&Command::new(["CLIENT", "LIST", "TYPE", "normal"]), soon()).await;
        let others = listed.unwrap().text()?.lines().filter(|line| !line.contains("cmd=client")).count();
        // The one of this function is still open.
        (others == 1).then_some(())
    })
    .await;
}

/// What an application reaches by a Service's name, asked from the operator's pod.
async fn services(cluster: &Cluster) {
    let (pod, several) = (named(&POD, "alone-0"), format!("several.{NAMESPACE}.svc"));
    let container = ExecOptions { container: Some("alone"), command: &["true"], stdin: None };
    cluster.exec(&pod, container, soon()).await.expect("the container is called as the instance");
    let probe = async |host: &str, port: u16, question: Question<'_>| {
        probe::probe(cluster, &within(&pod, "alone"), Probe { host, port, question }, soon()).await
    };
    let key = Question::Writable { key: "terraform-provider-redis:probe" };
    // The name of a new Service is not known at once.
    eventually(|| async { probe("alone", 6379, key).await.ok() }).await;
    let answers = futures::future::join_all((0..4).map(|_| probe("alone", 6379, key))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert!(matches!(&answer, Answer::Writable(written) if written.is_writable()), "{answer:?}");
    }
    let mut session = open(cluster, &pod, 6379, Some(&password())).await.unwrap();
    let left = session.send(&Command::new(["DBSIZE"]), soon()).await;
    assert_eq!(left.unwrap().text().as_deref(), Some("0"), "the probe leaves nothing behind");

    // These have no password, and are asked from a container that does not have one either.
    let from = named(&POD, "several");
    let ask_without = async |host: &str, port: u16, question: Question<'_>| {
        probe::probe(cluster, &within(&from, "replica"), Probe { host, port, question }, soon()).await
    };
    let answer = ask_without(&several, REPLICA, key).await.unwrap();
    let Answer::Writable(written) = answer else { panic!("{answer:?}") };
    assert_eq!((written.role.as_str(), written.is_writable()), ("slave", false));
    assert_eq!(written.refused.unwrap().code(), "READONLY");
    let answer = ask_without("several", SENTINEL, Question::MasterOf { group: "cache" }).await.unwrap();
    assert_eq!(answer, Answer::MasterOf(Some(loopback(MASTER))));
    let answer = ask_without(&several, NODE, Question::ClusterState).await.unwrap();
    assert!(matches!(answer, Answer::ClusterState(info) if info.slots_assigned == 16_384), "{answer:?}");
    let error = ask_without("alone", 6379, key).await.unwrap_err();
    assert!(error.refusal().unwrap().is_about_rights(), "{error:?}");
    for (host, port) in [("no-such-service", 6379), ("several", NOBODY)] {
        let error = ask_without(host, port, key).await.unwrap_err();
        println!("{error}");
        assert!(matches!(error, TalkError::Broken { .. }), "{error:?}");
    }
}

/// What an identity without these rights meets.
async fn rights(path: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let Ok(mut config) = serde_json::from_str::<Value>(&text) else {
        println!("skipped: rights (the kubeconfig is not JSON)");
        return;
    };
    config["users"][0]["user"]["as"] = json!("somebody");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    let config_path = Some(file.display().to_string());
    let poor = Cluster::new(Settings { config_path, ..Settings::default() });
    let pod = named(&POD, "several");
    let forward = poor.forward(&pod, MASTER, soon()).await.err().unwrap();
    let exec = poor.exec(&pod, run(&["true"]), soon()).await.unwrap_err();
    for (error, wanted) in [(forward, "pods/portforward"), (exec, "pods/exec")] {
        println!("{error}");
        let Cause::Forbidden { resource, namespace, .. } = &error.cause else { panic!("{error:?}") };
        assert_eq!((resource.as_str(), namespace.as_deref()), (wanted, Some(NAMESPACE)));
    }
}

/// Not judged, but printed: what each way into a pod costs.
async fn speed(cluster: &Cluster) {
    let pod = named(&POD, "alone-0");
    let password = password();
    let mut times = [const { Vec::new() }; 4];
    let mut session = open(cluster, &pod, 6379, Some(&password)).await.unwrap();
    for _ in 0..20 {
        let began = Instant::now();
        open(cluster, &pod, 6379, Some(&password)).await.unwrap();
        times[0].push(began.elapsed());
        let began = Instant::now();
        ping(&mut session).await.unwrap();
        times[1].push(began.elapsed());
        let began = Instant::now();
        let nothing = ExecOptions { container: Some("alone"), ..run(&["true"]) };
        cluster.exec(&pod, nothing, soon()).await.unwrap();
        times[2].push(began.elapsed());
        let began = Instant::now();
        let question = Question::Writable { key: "terraform-provider-redis:probe" };
        let one = Probe { host: "alone", port: 6379, question };
        probe::probe(cluster, &within(&pod, "alone"), one, soon()).await.unwrap();
        times[3].push(began.elapsed());
    }
    let names = ["forward + AUTH + PING", "PING in a session", "exec of true", "probe through a Service"];
    for (name, mut times) in names.into_iter().zip(times) {
        times.sort();
        let (first, middle, last) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        println!("{name}: {middle:.1?} ({first:.1?} to {last:.1?})");
    }
}

/// A session whose pod goes away ends, at once and with words.
async fn going(cluster: &Cluster) {
    let pod = named(&POD, "several");
    let mut session = open(cluster, &pod, MASTER, None).await.unwrap();
    cluster.delete(&pod, None, Propagation::Background, soon()).await.unwrap();
    let began = Instant::now();
    // Answered until the pod has gone: blocks until Redis, or the connection, ends.
    let blocked = Command::new(["BLPOP", "nothing", "0"]);
    let error = session.send(&blocked, soon()).await.unwrap_err();
    println!("after {} ms: {error}", began.elapsed().as_millis());
    assert!(matches!(error, TalkError::Broken { .. }) && error.may_pass(), "{error:?}");
    assert!(matches!(ping(&mut session).await.unwrap_err(), TalkError::Broken { .. }));
    gone(cluster, &pod).await;
    let error = open(cluster, &pod, MASTER, None).await.unwrap_err();
    assert!(
        matches!(&error, TalkError::Cluster(inside) if matches!(inside.cause, Cause::NotFound)),
        "{error:?}"
    );
}
