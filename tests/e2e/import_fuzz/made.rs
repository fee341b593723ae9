//! The objects in the cluster: created, and waited for until the operator has acted on each or says that it cannot.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use super::hints::{CONFIG_KEY, CONFIG_MAP, SECRET, SECRET_KEY};
use super::subject::{KINDS, Subject};
use crate::case::Case;
use crate::cluster;

const OPERATOR_GROUP: &str = "/apis/redis.redis.opstreelabs.in/v1beta2";
const PATIENCE: Duration = Duration::from_secs(90);

/// How long one collection is watched before the operator's log is asked about what does not come.
const TURN: Duration = Duration::from_secs(2);

/// What became of a subject before there was anything to import.
#[derive(Clone)]
pub enum Made {
    Ready,
    /// The API server takes no such custom resource.
    Refused(String),
    /// Kubernetes takes no such StatefulSet or Service of the operator's.
    SetAside(String),
}

/// A namespace in which nothing runs.
pub fn prepare(case: &Case) {
    let quota = json!({ "metadata": { "name": "nothing-runs" }, "spec": { "hard": { "pods": "0" } } });
    create(case, "/api/v1", "resourcequotas", &quota);
    let secret = json!({ "metadata": { "name": SECRET }, "stringData": { SECRET_KEY: "hush" } });
    create(case, "/api/v1", "secrets", &secret);
    let settings = json!({ "metadata": { "name": CONFIG_MAP }, "data": { CONFIG_KEY: "timeout 60\n" } });
    create(case, "/api/v1", "configmaps", &settings);
}

fn create(case: &Case, group: &str, plural: &str, object: &Value) {
    let answer = post(case, group, plural, object);
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn post(case: &Case, group: &str, plural: &str, object: &Value) -> cluster::Answer {
    let path = format!("{group}/namespaces/{}/{plural}", case.namespace);
    cluster::request(Method::POST, &path, Some(object))
}

/// Puts them into the API server, and keeps the operator off.
pub fn write_down(case: &Case, subjects: &[(String, Subject)]) -> Vec<Made> {
    const MARKS: [&str; 4] = [
        "redis.opstreelabs.in/skip-reconcile",
        "redisreplication.opstreelabs.in/skip-reconcile",
        "redissentinel.opstreelabs.in/skip-reconcile",
        "rediscluster.opstreelabs.in/skip-reconcile",
    ];
    let kept_off = |subject: &Subject| {
        let mut subject = subject.clone();
        for manifest in &mut subject.manifests {
            for mark in MARKS {
                manifest["metadata"]["annotations"][mark] = json!("true");
            }
        }
        subject
    };
    subjects.iter().map(|(name, subject)| submit(case, name, &kept_off(subject))).collect()
}

pub fn make(case: &Case, subjects: &[(String, Subject)]) -> Vec<Made> {
    let mut log = OperatorLog::begin(case);
    let mut all: Vec<Made> = subjects.iter().map(|(name, subject)| submit(case, name, subject)).collect();
    let mut awaited = BTreeMap::new();
    for ((name, subject), made) in subjects.iter().zip(&all) {
        if matches!(made, Made::Ready) {
            awaited.insert(name.clone(), wanted_of(name, &subject.manifests));
        }
    }
    let end = Instant::now() + PATIENCE;
    while !awaited.is_empty() {
        for collection in ["statefulsets", "services", "redissentinels"] {
            watch(case, collection, &mut awaited);
        }
        awaited.retain(|_, wanted| !wanted.is_empty());
        log.read();
        for (at, (name, _)) in subjects.iter().enumerate() {
            let Some(left) = awaited.get(name) else { continue };
            let reason = log.refusal_of(name);
            if reason.is_some() || Instant::now() > end {
                let reason = reason.unwrap_or_else(|| format!("the operator never made {left:?}"));
                all[at] = Made::SetAside(reason);
                awaited.remove(name);
            }
        }
    }
    all
}

/// Takes all away without the operator, which would be busy for a minute to delete what goes with the namespace anyway.
pub fn clear(case: &Case) {
    for (_, plural) in KINDS {
        let collection = format!("{OPERATOR_GROUP}/namespaces/{}/{plural}", case.namespace);
        cluster::request(Method::DELETE, &collection, None);
        for object in cluster::get(&collection).items() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let bare = json!({ "metadata": { "finalizers": null } });
            cluster::request(Method::PATCH, &format!("{collection}/{name}"), Some(&bare));
        }
    }
}

fn submit(case: &Case, name: &str, subject: &Subject) -> Made {
    let manifests = subject.called(name);
    if manifests.iter().any(crashes_the_operator) {
        return Made::Refused("would crash the operator".to_owned());
    }
    for manifest in manifests {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        let (_, plural) = KINDS.into_iter().find(|(one, _)| *one == kind).expect("a kind");
        let answer = post(case, OPERATOR_GROUP, plural, &manifest);
        if answer.status != 201 {
            let message = answer.json()["message"].as_str().unwrap_or(&answer.text).to_owned();
            return Made::Refused(message.replace(name, "NAME"));
        }
    }
    Made::Ready
}

/// A Secret without a name or a key: the operator would crash, and with it the tests of everybody else. Made small, an object
/// may become such a one.
fn crashes_the_operator(manifest: &Value) -> bool {
    let places = ["/spec/kubernetesConfig/redisSecret", "/spec/sentinel/redisSecret"];
    let is_half = |secret: &Value| secret.get("name").is_none() || secret.get("key").is_none();
    places.iter().filter_map(|place| manifest.pointer(place)).any(is_half)
}

/// What the operator makes of it while no pod starts, as `collection/name`. Sentinels wait for a master, so of them there
/// is only the operator's first write.
fn wanted_of(name: &str, manifests: &[Value]) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for manifest in manifests {
        let made: &[String] = match manifest["kind"].as_str().unwrap_or_default() {
            "RedisCluster" => &[format!("statefulsets/{name}-leader"), format!("services/{name}-leader")],
            "RedisSentinel" => &[format!("redissentinels/{name}")],
            _ => &[format!("statefulsets/{name}"), format!("services/{name}")],
        };
        wanted.extend(made.iter().cloned());
        if manifest.pointer("/spec/sentinel/size").and_then(Value::as_i64).is_some_and(|size| size > 0) {
            wanted.insert(format!("statefulsets/{name}-s"));
        }
    }
    wanted
}

/// Takes away what is there. Returns when nothing of the collection is missing, or when its turn is over.
fn watch(case: &Case, collection: &str, awaited: &mut BTreeMap<String, BTreeSet<String>>) {
    let prefix = format!("{collection}/");
    let missing = awaited.values().flatten().filter(|one| one.starts_with(&prefix)).cloned();
    let missing = RefCell::new(missing.collect::<BTreeSet<String>>());
    if missing.borrow().is_empty() {
        return;
    }
    let group = match collection {
        "statefulsets" => "/apis/apps/v1",
        "services" => "/api/v1",
        _ => OPERATOR_GROUP,
    };
    let path = format!("{group}/namespaces/{}/{collection}", case.namespace);
    cluster::watch_until(&path, TURN, |object| {
        let is_there = match collection {
            "statefulsets" => has_its_ports(object),
            "redissentinels" => object["metadata"]["finalizers"].is_array(),
            _ => true,
        };
        if is_there {
            missing.borrow_mut().remove(&format!("{prefix}{}", object["metadata"]["name"].as_str().unwrap()));
        }
        missing.borrow().is_empty()
    });
    let missing = missing.into_inner();
    for wanted in awaited.values_mut() {
        wanted.retain(|one| !one.starts_with(&prefix) || missing.contains(one));
    }
}

/// A cluster on ports of the node: the operator writes the ports into the StatefulSet once it has the Services.
fn has_its_ports(set: &Value) -> bool {
    let variables = set.pointer("/spec/template/spec/containers/0/env").and_then(Value::as_array);
    let has = |wanted: &dyn Fn(&str) -> bool| {
        variables.into_iter().flatten().any(|one| one["name"].as_str().is_some_and(wanted))
    };
    !has(&|name| name == "NODEPORT") || has(&|name| name.starts_with("announce_port_"))
}

/// What the operator has logged since, of this namespace: it tells its failures nowhere else.
struct OperatorLog {
    namespace: String,
    since: String,
    errors: Vec<Value>,
}

impl OperatorLog {
    fn begin(case: &Case) -> OperatorLog {
        // A second earlier: the log's times are of another clock.
        let since = jiff::Timestamp::now() - Duration::from_secs(1);
        OperatorLog { namespace: case.namespace.clone(), since: since.to_string(), errors: Vec::new() }
    }

    fn read(&mut self) {
        const PODS: &str = "/api/v1/namespaces/redis-operator/pods";
        self.errors.clear();
        for pod in cluster::get(PODS).items() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let text = cluster::get(&format!("{PODS}/{name}/log?sinceTime={}", self.since)).text;
            let lines = text.lines().filter(|line| line.contains(&self.namespace));
            let records = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            self.errors.extend(records.filter(|record| record["level"] == "error"));
        }
    }

    /// Why Kubernetes does not take what the operator makes of it. Other errors pass: it tries again.
    fn refusal_of(&self, name: &str) -> Option<String> {
        let of_it = self.errors.iter().filter(|record| record["name"] == name);
        let mut texts = of_it.filter_map(|record| record["error"].as_str());
        let text = texts.find(|text| text.contains("is invalid") || text.contains("forbidden"))?;
        Some(text.replace(name, "NAME"))
    }
}
