//! What may heal while an apply waits: at the timeout it is named with cause and remedy, the state keeps what exists,
//! and once it is mended the next apply succeeds; what comes into being in time is simply used.
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::case::Case;
use crate::cli::Cli;
use crate::cluster;
use crate::ending::{ends_well, leaves_nothing, says, serves};
use crate::instance::{ADDRESS, CLAIMS, Configuration, POD, PODS};
use crate::process::Output;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::redis_client::RedisClient;

fn impatient() -> Configuration {
    Configuration::small().with("timeouts", "{ create = \"20s\", update = \"2m\", delete = \"1m\" }")
}

/// Fails at the timeout; the one error says all of these words. What exists is in the state.
fn fails(cli: Cli, name: &str, configuration: &Configuration, words: &[&str]) -> (Case, Output) {
    let case = Case::new(cli, name);
    case.write("main.tf", &configuration.text());
    let output = case.apply_fails();
    assert!(output.operation_took() < Duration::from_secs(25), "{output}");
    says(&case, &output, words);
    assert_eq!(case.resource(ADDRESS)["id"], format!("{}/cache", case.namespace), "{output}");
    (case, output)
}

/// With the cause mended the next apply succeeds, and the one after has nothing to do.
fn mended(case: &Case) {
    ends_well(case, &Configuration::small());
    leaves_nothing(case);
}

/// The class that the claim names, as soon as somebody makes it; taken back at the end.
struct StorageClass(String);

const STORAGE_CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

impl StorageClass {
    fn new(name: &str) -> StorageClass {
        let body = json!({"metadata": {"name": name}, "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete"});
        let answer = cluster::request(Method::POST, STORAGE_CLASSES, Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.text);
        StorageClass(name.to_owned())
    }
}

impl Drop for StorageClass {
    fn drop(&mut self) {
        cluster::request(Method::DELETE, &format!("{STORAGE_CLASSES}/{}", self.0), None);
    }
}

for_alternate_clis! {
    /// Each kind is watched by its own stream: what the Service says of the StatefulSet is no proof while the stream of
    /// StatefulSets shows an older one, and the stream of pods the one of that.
    fn a_stateful_set_that_is_shown_late_is_waited_for(cli: Cli) {
        let case = Case::new(cli, "shown-late");
        let of = |timeout: u32| Configuration::small().with("additional_config", &format!("{{ timeout = \"{timeout}\" }}"));
        case.write("main.tf", &of(100).text());
        case.apply();
        case.write("main.tf", &of(200).text());
        for late in ["/apis/apps/v1/namespaces/*/statefulsets", "/api/v1/namespaces/*/pods"] {
            let on = Matcher::on("GET", late).watch(true);
            case.proxy.add_fault(Fault { on, when: When::Before, what: What::Stall });
        }
        let waits = || case.provider_log().matches("0 of 1 pods have the new revision").count();
        let waited = waits();
        let running = case.start_apply();
        case.wait_until("the apply waits for a pod of the StatefulSet that it has read", Duration::from_secs(90), || {
            (waits() > waited).then_some(())
        });
        case.proxy.clear_faults();
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        assert_eq!(RedisClient::of(&case, ADDRESS).config("timeout"), "200");
        leaves_nothing(&case);
    }

    fn the_image_does_not_exist(cli: Cli) {
        let wrong = impatient().with("image", "{ tag = \"v7.0.99\" }");
        let words = ["was not ready within 20s", "cannot pull the image quay.io/opstree/redis:v7.0.99", "Check image.repository and image.tag"];
        let (case, _) = fails(cli, "no-image", &wrong, &words);
        mended(&case);
    }

    fn no_node_takes_the_pod(cli: Cli) {
        let wrong = impatient().with("node_selector", "{ no-such = \"node\" }");
        let words = ["no node can run pod cache-0", "didn't match Pod's node affinity/selector", "check node_selector and tolerations"];
        let (case, _) = fails(cli, "no-node", &wrong, &words);
        mended(&case);
    }

    fn redis_refuses_a_directive(cli: Cli) {
        let wrong = impatient().with("additional_config", "{ maxmemory-policy = \"no-such-policy\" }");
        let words = ["crashed", "FATAL CONFIG FILE ERROR", "'maxmemory-policy no-such-policy'", "additional_config"];
        let (case, _) = fails(cli, "directive", &wrong, &words);
        mended(&case);
    }

    fn the_secret_is_missing(cli: Cli) {
        let existing = "{ existing_secret = { name = \"mine\", key = \"word\" } }";
        let wrong = impatient().with("authentication", existing);
        let words = ["secret \"mine\" not found", "Create the missing object in the namespace"];
        let (case, _) = fails(cli, "no-secret", &wrong, &words);
        case.kubectl(&["create", "secret", "generic", "mine", "--from-literal=word=hush"]);
        case.write("main.tf", &Configuration::small().with("authentication", existing).text());
        case.apply();
        case.plan_is_empty();
        assert!(RedisClient::of(&case, ADDRESS).ping());
        case.destroy();
        case.kubectl(&["delete", "secret", "mine"]);
        case.assert_nothing_left();
    }

    fn the_namespace_is_missing(cli: Cli) {
        let case = Case::new(cli, "no-namespace");
        let configuration = |seconds: u32| Configuration::small()
            .with("namespace", "\"{namespace}-later\"")
            .with("timeouts", &format!("{{ create = \"{seconds}s\", delete = \"1m\" }}"));
        case.write("main.tf", &configuration(120).text());
        let running = case.start_apply();
        case.wait_for_request("a write that finds no namespace", Duration::from_secs(30), |request| request.is_write() && request.status == Some(404));
        let name = format!("{}-later", case.namespace);
        let body = json!({"metadata": {"name": name, "labels": {"redis-e2e": "case"}}});
        assert_eq!(cluster::request(Method::POST, "/api/v1/namespaces", Some(&body)).status, 201);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        case.destroy();
        cluster::request(Method::DELETE, &format!("/api/v1/namespaces/{name}"), None);
    }

    fn a_secret_that_comes_in_time_is_used(cli: Cli) {
        let case = Case::new(cli, "secret-later");
        let existing = "{ existing_secret = { name = \"mine\", key = \"word\" } }";
        case.write("main.tf", &Configuration::small().with("authentication", existing).text());
        let running = case.start_apply();
        let waits = |pod: &serde_json::Value| pod.pointer("/status/containerStatuses/0/state/waiting/reason") == Some(&json!("CreateContainerConfigError"));
        case.wait_for_object("the pod misses its Secret", PODS, Duration::from_secs(60), waits);
        case.kubectl(&["create", "secret", "generic", "mine", "--from-literal=word=hush"]);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        assert!(RedisClient::new(&case, POD, Some(("mine", "word"))).ping());
        case.destroy();
        case.kubectl(&["delete", "secret", "mine"]);
        case.assert_nothing_left();
    }

    fn the_storage_class_is_missing(cli: Cli) {
        let wrong = impatient().with("persistence", "{ size = \"64Mi\", storage_class = \"no-such-class\" }");
        let words = ["the volume claim cache-cache-0 (storage class no-such-class) is not bound", "storageclass.storage.k8s.io \"no-such-class\" not found", "Check that persistence.storage_class names an existing storage class"];
        let (case, _) = fails(cli, "no-class", &wrong, &words);
        mended(&case);
    }

    fn a_storage_class_that_comes_in_time_is_used(cli: Cli) {
        let case = Case::new(cli, "class-later");
        let persistence = "{ size = \"64Mi\", storage_class = \"{namespace}\" }";
        case.write("main.tf", &Configuration::small().with("persistence", persistence).text());
        let running = case.start_apply();
        // The scheduler has looked for the class in vain: only its making can wake it.
        let waits = |pod: &serde_json::Value| pod["status"]["conditions"][0]["reason"] == "Unschedulable";
        case.wait_for_object("the pod waits for its volume", PODS, Duration::from_secs(60), waits);
        let claims = case.objects(CLAIMS);
        assert_eq!(claims.len(), 1, "{claims:#?}");
        assert_eq!(claims[0]["status"]["phase"], "Pending", "{claims:#?}");
        let _class = StorageClass::new(&case.namespace);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        serves(&case);
        leaves_nothing(&case);
    }

    /// The operator would try for ever, and every other change would wait behind that.
    fn a_volume_whose_class_cannot_grow_is_left_as_it_is(cli: Cli) {
        let case = Case::new(cli, "fixed");
        let class = StorageClass::new(&case.namespace);
        let sized = |size: &str| {
            let persistence = format!("{{ size = {size:?}, storage_class = \"{{namespace}}\" }}");
            Configuration::small().with("persistence", &persistence)
        };
        let looks = || case.proxy.count(|request| request.path.starts_with(STORAGE_CLASSES));
        case.write("main.tf", &sized("64Mi").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(looks(), 0, "{}", case.proxy.describe());
        case.write("main.tf", &sized("128Mi").text());
        case.proxy.forget();
        let output = case.plan_fails();
        let words = ["cannot grow to 128Mi", "allowVolumeExpansion", "Set persistence.size = \"64Mi\""];
        says(&case, &output, &words);
        assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());

        // Without the right to read the class nobody knows, and there is a way back.
        let words = "storageclasses.storage.k8s.io is forbidden: User \"ci\" cannot get resource \"storageclasses\"";
        let denied = What::Status(403, Some(status_body(403, "Forbidden", words, None)));
        case.proxy.add_fault(Fault { on: Matcher::on("GET", "/apis/storage.k8s.io/v1/storageclasses/*"), when: When::Before, what: denied });
        case.write("main.tf", &sized("128Mi").with("timeouts", "{ update = \"15s\" }").text());
        says(&case, &case.apply_fails(), &["has not"]);
        case.write("main.tf", &sized("64Mi").with("labels", "{ a = \"b\" }").text());
        case.apply();
        case.plan_is_empty();
        serves(&case);
        leaves_nothing(&case);
        drop(class);
    }
}
