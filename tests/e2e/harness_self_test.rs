//! The harness held against the real CLIs and the real cluster, with nothing of the provider in it.
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::cluster;
use crate::leftovers::leftovers;
use crate::process::{Running, survivors};

const TERRAFORM_DATA: &str = r#"
resource "terraform_data" "this" {
  input = "one"
}
"#;

const REFUSED: &str = r#"
resource "terraform_data" "this" {
  lifecycle {
    precondition {
      condition     = terraform.workspace == "another"
      error_message = "In {namespace} nothing runs redis@sha256:0123456789abcdef."
    }
  }
}
"#;

/// Waits for the file `go`, so that a test decides when the command ends.
const WAITS: &str = r#"
resource "terraform_data" "this" {
  provisioner "local-exec" {
    command = "touch started; while [ ! -e go ]; do sleep 0.1; done"
  }
}
"#;

fn wait_for_provisioner(case: &Case) {
    let started = || case.path("started").exists().then_some(());
    case.wait_until("the provisioner runs", Duration::from_secs(30), started);
}

for_each_cli! {
    fn commands_run_without_init(cli: Cli) {
        let case = Case::new(cli, "commands");
        case.write("main.tf", TERRAFORM_DATA);
        let plan = case.plan();
        assert_eq!(plan.actions("terraform_data.this"), ["create"]);
        assert_eq!(plan.changed_attributes("terraform_data.this").configured, ["input"]);
        case.apply();
        case.plan_is_empty();
        // Of a value whose type is open, the state file keeps the type, too.
        assert_eq!(case.resource("terraform_data.this")["input"]["value"], "one");
        case.write("main.tf", &TERRAFORM_DATA.replace("one", "two"));
        let changes = case.plan().changed_attributes("terraform_data.this");
        assert_eq!(changes.configured, ["input"]);
        assert_eq!(changes.unknown, ["output"]);
        case.destroy();
        case.assert_nothing_left();
    }

    #[should_panic(expected = "the plan must be empty")]
    fn a_plan_that_is_not_empty_fails(cli: Cli) {
        let case = Case::new(cli, "not-empty");
        case.write("main.tf", TERRAFORM_DATA);
        case.plan_is_empty();
    }

    fn diagnostics_are_the_same_for_each_cli(cli: Cli) {
        let case = Case::new(cli, "diagnostics");
        case.write("main.tf", REFUSED);
        let output = case.plan_fails();
        case.assert_diagnostics("harness-refused", &output);
    }

    fn an_interrupted_apply_ends(cli: Cli) {
        let case = Case::new(cli, "interrupt");
        case.write("main.tf", WAITS);
        let running = case.start_apply();
        wait_for_provisioner(&case);
        running.interrupt();
        let output = running.wait();
        assert_ne!(output.code, Some(0), "{output}");
    }

    fn a_killed_cli_leaves_no_process(cli: Cli) {
        let case = Case::new(cli, "kill");
        case.write("main.tf", WAITS);
        let running = case.start_apply();
        wait_for_provisioner(&case);
        running.kill_cli();
        // The provisioner's shell is no provider: it ends when it is told to.
        case.write("go", "");
        assert_eq!(running.wait().code, None);
    }
}

#[test]
fn the_deadline_kills_all_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    // One child in the group, one in a session of its own, one that ignores what can be ignored.
    command.args(["-c", "sleep 61 & setsid sleep 62 & trap '' TERM INT; echo started; sleep 63"]);
    let running = Running::start(command, "sleepers", &folder.path().join("log"), Duration::from_millis(500));
    let leader = running.leader();
    let started = Instant::now();
    let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.wait())).unwrap_err();
    let message = failure.downcast_ref::<String>().unwrap();
    assert!(message.contains("did not end within 500ms") && message.contains("started"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(survivors(leader, Duration::ZERO), Vec::<String>::new());
}

with_cluster! {
    fn leftovers_see_each_kind() {
        let case = Case::new(crate::cli::Cli::Terraform, "leftovers");
        assert_eq!(leftovers(&case.namespace), Vec::<String>::new());
        case.kubectl_apply(ONE_OF_EACH);
        let wanted = [
            "configmaps/left", "endpointslices/left", "persistentvolumeclaims/left", "poddisruptionbudgets/left",
            "pods/left", "redis/left", "redisclusters/left", "redisreplications/left", "redissentinels/left",
            "secrets/left", "services/left", "statefulsets/left",
        ];
        let found = leftovers(&case.namespace);
        for name in wanted {
            assert!(found.iter().any(|one| one == name), "{name} is not in {found:?}");
        }
        case.leaves_things();
        let namespace = case.namespace.clone();
        drop(case);
        let path = "/api/v1/namespaces?fieldSelector=metadata.name=".to_owned() + &namespace;
        let end = Instant::now() + Duration::from_secs(90);
        while !cluster::get(&path).items().is_empty() {
            assert!(Instant::now() < end, "namespace {namespace} does not go");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn a_case_that_leaves_something_fails() {
        let case = Case::new(crate::cli::Cli::Terraform, "untidy");
        case.kubectl(&["create", "configmap", "left"]);
        let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(case))).unwrap_err();
        let message = failure.downcast_ref::<String>().unwrap();
        assert!(message.contains("configmaps/left"), "{message}");
    }

    fn an_object_is_waited_for_by_a_watch() {
        let case = Case::new(crate::cli::Cli::Terraform, "watch");
        let namespace = case.namespace.clone();
        let writer = std::thread::spawn(move || {
            // After the watch has begun, most likely; either way it must be seen.
            std::thread::sleep(Duration::from_millis(300));
            let body = serde_json::json!({"metadata": {"name": "awaited"}});
            let path = format!("/api/v1/namespaces/{namespace}/configmaps");
            cluster::request(hyper::Method::POST, &path, Some(&body))
        });
        let path = "/api/v1/namespaces/{namespace}/configmaps";
        let named = |object: &serde_json::Value| object["metadata"]["name"] == "awaited";
        case.wait_for_object("the ConfigMap", path, Duration::from_secs(10), named);
        assert_eq!(writer.join().unwrap().status, 201);
        let path = path.replace("{namespace}", &case.namespace);
        assert!(cluster::watch_until(&path, Duration::from_millis(200), |_| false).is_none());
        case.leaves_things();
    }
}

/// Objects that never come to anything: no pod of theirs can be scheduled, no operator rule is broken.
const ONE_OF_EACH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: left}
---
apiVersion: v1
kind: Secret
metadata: {name: left}
---
apiVersion: v1
kind: Service
metadata: {name: left}
spec: {clusterIP: None, selector: {app: nothing}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: left}
addressType: IPv4
endpoints: []
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: left}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Mi}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: left}
spec: {minAvailable: 1, selector: {matchLabels: {app: nothing}}}
---
apiVersion: v1
kind: Pod
metadata: {name: left}
spec:
  nodeSelector: {no: such-node}
  containers: [{name: nothing, image: nothing}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: left}
spec:
  replicas: 0
  serviceName: left
  selector: {matchLabels: {app: nothing}}
  template:
    metadata: {labels: {app: nothing}}
    spec: {containers: [{name: nothing, image: nothing}]}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata:
  name: left
  annotations: {redis.opstreelabs.in/skip-reconcile: "true"}
spec:
  kubernetesConfig: {image: nothing}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisReplication
metadata:
  name: left
  annotations: {redisreplication.opstreelabs.in/skip-reconcile: "true"}
spec:
  clusterSize: 3
  kubernetesConfig: {image: nothing}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisSentinel
metadata:
  name: left
  annotations: {redissentinel.opstreelabs.in/skip-reconcile: "true"}
spec:
  clusterSize: 3
  kubernetesConfig: {image: nothing}
  redisSentinelConfig: {redisReplicationName: left}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisCluster
metadata:
  name: left
  annotations: {rediscluster.opstreelabs.in/skip-reconcile: "true"}
spec:
  clusterSize: 3
  kubernetesConfig: {image: nothing}
"#;
