//! What the tests do to the cluster, and how it is undone: each disturbance is a value, and dropping it puts things
//! right again, after a panic too.
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::case::unique;
use crate::cluster;
use crate::process::{Output, Running};

/// The node of `dev/cluster`: by its name these tests know that the cluster is theirs to break.
const NODE: &str = "/api/v1/nodes/redis-dev";

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/redis-operator/deployments";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/redis-operator/deployments/redis-operator";
const OPERATOR_PODS: &str = "/api/v1/namespaces/redis-operator/pods";

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub const DEFINITION: &str = "redis.redis.redis.opstreelabs.in";
/// Every `Redis` of the cluster.
const INSTANCES: &str = "/apis/redis.redis.opstreelabs.in/v1beta2/redis";

/// How long the operator may take to start or to end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long `dev/cluster up` may take to swap the operator, and to build it where nobody has yet.
const SWAPPING: Duration = Duration::from_secs(600);

/// Before each test: the cluster is ours and whole, and no other test of this binary runs until this one has ended.
pub fn enter() -> Result<MutexGuard<'static, ()>, String> {
    static ALONE: Mutex<()> = Mutex::new(());
    // The lock guards no data, so a test that failed with it in hand spoils nothing.
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if cluster::get(NODE).status != 200 {
        return Err("not the cluster of dev/cluster, and no other one is ours to break".to_owned());
    }
    let needed = [DEPLOYMENT.to_owned(), format!("{DEFINITIONS}/{DEFINITION}")];
    if needed.iter().any(|path| cluster::get(path).status != 200) {
        return Err("the cluster has no operator (run dev/cluster up)".to_owned());
    }
    // What a run that was killed could not put back.
    drop(Operator);
    if !is_served() {
        drop(Unserved);
    }
    Ok(alone)
}

/// The operator, disturbed; dropped, it runs and sees every namespace again.
pub struct Operator;

impl Operator {
    /// Stops it.
    pub fn stopped() -> Operator {
        let operator = Operator;
        changed(|deployment| deployment["spec"]["replicas"] = json!(0));
        let left = cluster::watch_until_empty(OPERATOR_PODS, PATIENCE);
        assert!(left.is_empty(), "the operator does not end: {left:#?}");
        operator
    }

    /// Has its pod replaced, as an eviction does, and waits until the new one serves.
    pub fn evicted() {
        let pods = cluster::get(OPERATOR_PODS).items();
        for pod in &pods {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            cluster::request(Method::DELETE, &format!("{OPERATOR_PODS}/{name}"), None);
        }
        let gone = |now: &Value| pods.iter().all(|one| one["metadata"]["uid"] != now["metadata"]["uid"]);
        let is_ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let another = |pod: &Value| gone(pod) && is_ready(pod);
        assert!(cluster::watch_until(OPERATOR_PODS, PATIENCE, another).is_some(), "no other operator");
    }

    /// Starts it anew: for a kind that it has lost it asks more and more rarely, and a new one asks at once.
    pub fn anew() {
        Operator::stopped().mended();
    }

    /// Lets it run, but see one namespace only, in which there is nothing.
    pub fn blind() -> Operator {
        let operator = Operator;
        changed(|deployment| {
            variables(deployment).push(json!({"name": WATCHED, "value": "somewhere-else"}));
        });
        assert!(runs(), "the operator does not run with {WATCHED}");
        operator
    }

    /// Puts it right, and waits until it serves.
    pub fn mended(self) {
        drop(self);
    }
}

const WATCHED: &str = "WATCH_NAMESPACE";

impl Drop for Operator {
    fn drop(&mut self) {
        changed(|deployment| {
            deployment["spec"]["replicas"] = json!(1);
            variables(deployment).retain(|variable| variable["name"] != WATCHED);
        });
        if !runs() {
            complain("the operator does not run again");
        }
    }
}

fn variables(deployment: &mut Value) -> &mut Vec<Value> {
    deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("variables")
}

/// Changes the Deployment; again when its controller has written it in between.
fn changed(change: impl Fn(&mut Value)) {
    for _ in 0..20 {
        let mut deployment = cluster::get(DEPLOYMENT).json();
        let before = deployment.clone();
        change(&mut deployment);
        if deployment == before || cluster::request(Method::PUT, DEPLOYMENT, Some(&deployment)).status == 200
        {
            return;
        }
    }
    complain("the operator's Deployment cannot be changed");
}

/// Waits until the Deployment is rolled out, and its pod is the only one.
fn runs() -> bool {
    let rolled_out = |deployment: &Value| {
        let status = |field: &str| deployment["status"][field].as_i64().unwrap_or(0);
        deployment["metadata"]["name"] == "redis-operator"
            && deployment["metadata"]["generation"] == deployment["status"]["observedGeneration"]
            && ["replicas", "updatedReplicas", "readyReplicas"].map(status) == [1, 1, 1]
    };
    cluster::watch_until(DEPLOYMENTS, PATIENCE, rolled_out).is_some()
}

/// The definition of `Redis`, taken away; dropped, it is there again.
pub struct NoDefinition(Value);

impl NoDefinition {
    /// Takes it away, with all instances of these namespaces. There may be none elsewhere: they would go, too.
    pub fn new(namespaces: &[&str]) -> NoDefinition {
        // Other tests' instances may still be on their way out.
        let others: Vec<String> = namespaces.iter().map(|one| format!("metadata.namespace!={one}")).collect();
        let elsewhere = format!("{INSTANCES}?fieldSelector={}", others.join(","));
        let left = cluster::watch_until_empty(&elsewhere, PATIENCE);
        assert!(left.is_empty(), "instances that are not of this test: {left:#?}");
        let path = format!("{DEFINITIONS}/{DEFINITION}");
        let mut saved = cluster::get(&path).json();
        let metadata = json!({"name": DEFINITION, "annotations": saved["metadata"]["annotations"]});
        saved["metadata"] = metadata;
        saved.as_object_mut().expect("a definition").remove("status");
        let definition = NoDefinition(saved);
        let answer = cluster::request(Method::DELETE, &path, None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let named = format!("{DEFINITIONS}?fieldSelector=metadata.name={DEFINITION}");
        let left = cluster::watch_until_empty(&named, PATIENCE);
        assert!(left.is_empty(), "the definition does not go: {}", left[0]["status"]);
        definition
    }

    /// Puts it back, and waits until the server serves it.
    pub fn mended(self) {
        drop(self);
    }
}

impl Drop for NoDefinition {
    fn drop(&mut self) {
        cluster::request(Method::POST, DEFINITIONS, Some(&self.0));
        if !established() {
            complain("the definition is not served again");
        }
    }
}

/// The definition is there and the server does not serve it; dropped, it does again.
pub struct Unserved;

impl Unserved {
    pub fn new() -> Unserved {
        set_served(false);
        Unserved
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        set_served(true);
    }
}

fn set_served(served: bool) {
    let path = format!("{DEFINITIONS}/{DEFINITION}");
    let mut versions = cluster::get(&path).json()["spec"]["versions"].take();
    for version in versions.as_array_mut().into_iter().flatten().filter(|one| one["name"] == "v1beta2") {
        version["served"] = json!(served);
    }
    cluster::request(Method::PATCH, &path, Some(&json!({"spec": {"versions": versions}})));
    // The server takes it over a moment later, and no object tells when.
    let end = Instant::now() + PATIENCE;
    while is_served() != served {
        if Instant::now() > end {
            return complain("the definition's version cannot be switched");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_served() -> bool {
    cluster::get(INSTANCES).status == 200
}

fn established() -> bool {
    let named = format!("{DEFINITIONS}?fieldSelector=metadata.name={DEFINITION}");
    let is_established = |definition: &Value| {
        let conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
    };
    cluster::watch_until(&named, PATIENCE, is_established).is_some()
}

/// Another cluster than the default one: another operator, or policies that are enforced. Dropped, the default is back.
pub struct Swapped;

impl Swapped {
    /// What `dev/cluster up` with these arguments brings.
    pub fn to(arguments: &[&str]) -> Swapped {
        let swapped = Swapped;
        let output = up(arguments);
        assert!(output.succeeded(), "{output}");
        swapped
    }

    /// Tag of the operator's image, and its feature gates.
    pub fn found(&self) -> (String, String) {
        let deployment = cluster::get(DEPLOYMENT).json();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let tag = container["image"].as_str().and_then(|image| image.rsplit(':').next()).unwrap_or_default();
        let variables = container["env"].as_array().cloned().unwrap_or_default();
        let gates = variables.iter().find(|variable| variable["name"] == "FEATURE_GATES");
        let gates = gates.and_then(|gates| gates["value"].as_str()).unwrap_or_default();
        (tag.to_owned(), gates.to_owned())
    }
}

impl Drop for Swapped {
    fn drop(&mut self) {
        let output = up(&[]);
        if !output.succeeded() {
            complain(&format!("the default operator is not back: {output}"));
        }
    }
}

fn up(arguments: &[&str]) -> Output {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("dev/cluster"));
    command.arg("up").args(arguments);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(unique());
    Running::start(command, &format!("dev/cluster up {}", arguments.join(" ")), &log, SWAPPING).wait()
}

/// A second panic while a first one unwinds would hide it.
fn complain(what: &str) {
    if std::thread::panicking() {
        let _ = writeln!(std::io::stderr(), "{what}; dev/cluster up puts it right");
    } else {
        panic!("{what}; dev/cluster up puts it right");
    }
}
