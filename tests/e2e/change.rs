//! Keys survive each change in place; each change is one configured attribute of the plan, and the plan is empty
//! afterwards.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cli::Cli;
use crate::cluster;
use crate::instance::{ADDRESS, CLAIMS, Configuration, POD, PODS, SECRETS, STATEFUL_SETS, master};
use crate::plan::Plan;
use crate::redis_client::RedisClient;
use crate::topology::every_endpoint_serves;

/// An instance with a key in it.
fn with_key(cli: Cli, name: &str, configuration: &Configuration) -> Case {
    let case = Case::new(cli, name);
    case.write("main.tf", &configuration.text());
    case.apply();
    RedisClient::of(&case, ADDRESS).set("kept", "yes");
    case
}

/// Changes the configuration: the plan shows this one attribute, apply does it, and the key is still there.
pub fn change(case: &Case, configuration: &Configuration, attribute: &str) -> Plan {
    case.write("main.tf", &configuration.text());
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    assert_eq!(plan.changed_attributes(ADDRESS).configured, [attribute], "{plan}");
    case.apply();
    let restarts = || case.diagnostics(&plan.output).iter().any(|one| one.summary == "Redis will restart");
    if ["replica.count", "sentinel.replicas", "service.type"].contains(&attribute) || restarts() {
        every_endpoint_serves(case);
    }
    case.plan_is_empty();
    let values = case.resource(ADDRESS);
    assert_eq!(values["status"]["ready"], true, "{values:#}");
    assert_eq!(values["repairs"], json!({}));
    assert_eq!(RedisClient::of(case, ADDRESS).get("kept"), "yes");
    plan
}

fn end(case: &Case) {
    case.destroy();
    case.assert_nothing_left();
}

fn container(case: &Case) -> Value {
    let pod = case.object(&format!("{PODS}/{POD}")).expect("the pod");
    pod["spec"]["containers"][0].clone()
}

fn pod_uid(case: &Case) -> Value {
    case.object(&format!("{PODS}/{POD}")).expect("the pod")["metadata"]["uid"].clone()
}

for_alternate_clis! {
    fn resources(cli: Cli) {
        let case = with_key(cli, "resources", &Configuration::small());
        let larger = Configuration::small().with("master", &master("20m"));
        change(&case, &larger, "master.resources.requests.cpu");
        assert_eq!(container(&case)["resources"]["requests"]["cpu"], "20m");
        // The same quantity in another spelling is no change.
        case.write("main.tf", &Configuration::small().with("master", &master("0.02")).text());
        case.plan_is_empty();
        end(&case);
    }

    fn config(cli: Cli) {
        let before = Configuration::small().with("additional_config", "{ timeout = \"100\" }");
        let case = with_key(cli, "config", &before);
        assert_eq!(RedisClient::of(&case, ADDRESS).config("timeout"), "100");
        change(&case, &before.with("additional_config", "{ timeout = \"200\" }"), "additional_config.timeout");
        assert_eq!(RedisClient::of(&case, ADDRESS).config("timeout"), "200");
        end(&case);
    }

    /// Set, change, unset: it converges on the default again.
    fn config_that_is_unset(cli: Cli) {
        let case = with_key(cli, "unset", &Configuration::small());
        let configured = Configuration::small().with("maxmemory_percent", "50");
        change(&case, &configured, "maxmemory_percent");
        assert_eq!(RedisClient::of(&case, ADDRESS).config("maxmemory"), (128 * 1024 * 1024 / 2).to_string());
        case.write("main.tf", &Configuration::small().text());
        let plan = case.plan();
        let changes = plan.changed_attributes(ADDRESS);
        // The name of the ConfigMap follows.
        let arguments: Vec<&str> =
            changes.computed.iter().map(String::as_str).filter(|path| !path.starts_with("objects")).collect();
        assert_eq!((arguments, changes.configured.len()), (vec!["maxmemory_percent"], 0), "{plan}");
        case.apply();
        case.plan_is_empty();
        assert_eq!(RedisClient::of(&case, ADDRESS).config("maxmemory"), (128 * 1024 * 1024 / 4 * 3).to_string());
        end(&case);
    }

    /// The cluster's storage resizes nothing, so the test does what a resizer would.
    fn storage_size(cli: Cli) {
        let case = with_key(cli, "storage", &Configuration::small());
        let pod = pod_uid(&case);
        let grown = Configuration::small().with("persistence", "{ size = \"96Mi\" }");
        let resizing = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| resize_claims(&case, &resizing));
            change(&case, &grown, "persistence.size");
            let claims = case.objects(CLAIMS);
            assert_eq!(claims[0]["status"]["capacity"]["storage"], "96Mi", "apply was back before the volume had grown");
            resizing.store(false, Ordering::Relaxed);
        });
        assert_eq!(pod_uid(&case), pod, "growing storage restarts nothing");
        end(&case);
    }

    fn labels(cli: Cli) {
        let before = Configuration::small().with("labels", "{ team = \"one\", old = \"yes\" }");
        let case = with_key(cli, "labels", &before);
        case.write("main.tf", &before.with("labels", "{ team = \"two\" }").text());
        assert_eq!(case.plan().actions(ADDRESS), ["update"]);
        case.apply();
        case.plan_is_empty();
        assert_eq!(RedisClient::of(&case, ADDRESS).get("kept"), "yes");
        // The operator's and ours; the Secret is immutable, and its labels are not.
        for path in [format!("{STATEFUL_SETS}/cache"), format!("{SECRETS}/cache-auth")] {
            let object = case.object(&path).expect("an object of the instance");
            assert_eq!(object["metadata"]["labels"]["team"], "two", "{path}: {}", object["metadata"]);
            assert!(object["metadata"]["labels"]["old"].is_null(), "{path}: {}", object["metadata"]);
        }
        end(&case);
    }

    fn image(cli: Cli) {
        let before = Configuration::small().with("image", "{ tag = \"v7.0.12\" }");
        let case = with_key(cli, "image", &before);
        change(&case, &before.with("image", "{ tag = \"v7.0.15\" }"), "image.tag");
        assert_eq!(container(&case)["image"], "quay.io/opstree/redis:v7.0.15");
        assert_eq!(case.resource(ADDRESS)["status"]["image"], "quay.io/opstree/redis:v7.0.15");
        end(&case);
    }

    /// What only concerns the provider is written nowhere and waits for nothing.
    fn provider_only(cli: Cli) {
        let case = with_key(cli, "provider-only", &Configuration::small());
        case.proxy.forget();
        let protected = Configuration::small().with("deletion_protection", "true");
        let plan = change(&case, &protected, "deletion_protection");
        assert_eq!(plan.changed_attributes(ADDRESS).unknown, Vec::<String>::new(), "{plan}");
        assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());
        let refused = case.run(&["plan", "-destroy", "-json", "-input=false"]);
        assert_eq!(refused.code, Some(1), "{refused}");
        case.assert_diagnostics("destroy-of-a-protected-instance", &refused);
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        end(&case);
    }
}

/// Plays the resizer of a storage driver: gives each claim what it asks for.
pub fn resize_claims(case: &Case, resizing: &AtomicBool) {
    let started = Instant::now();
    while resizing.load(Ordering::Relaxed) && started.elapsed() < Duration::from_secs(120) {
        // A resizer takes its time: an apply that does not wait for it would be back before.
        std::thread::sleep(Duration::from_millis(500));
        for claim in case.objects(CLAIMS) {
            let asked = &claim["spec"]["resources"]["requests"]["storage"];
            if asked == &claim["status"]["capacity"]["storage"] {
                continue;
            }
            let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default();
            let capacity = json!({"capacity": {"storage": asked}});
            let volume = format!("/api/v1/persistentvolumes/{volume}");
            cluster::request(Method::PATCH, &volume, Some(&json!({"spec": capacity})));
            let name = claim["metadata"]["name"].as_str().unwrap_or_default();
            let status = format!("{CLAIMS}/{name}/status").replace("{namespace}", &case.namespace);
            cluster::request(Method::PATCH, &status, Some(&json!({"status": capacity})));
        }
    }
}
