//! A network policy, enforced: whoever is allowed connects, all others do not, and the operator and the instance's own
//! pods go on as before.
use std::time::Duration;

use serde_json::json;

use crate::case::Case;
use crate::disturbance::Swapped;
use crate::ending::leaves_nothing;
use crate::instance::{Configuration, PODS};
use crate::topology::{output, sentinel};

/// A pod that only calls.
const CALLER: &str = "caller";

fn make_caller(case: &Case) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": CALLER },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": CALLER,
                "image": "quay.io/opstree/redis:v7.0.15",
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "infinity"],
                "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
            }],
        },
    });
    case.kubectl_apply(&pod.to_string());
    case.wait_for_object("the caller runs", PODS, Duration::from_secs(60), |pod| {
        pod["metadata"]["name"] == CALLER && pod["status"]["phase"] == "Running"
    });
}

/// What a new connection from a case's caller comes to: an answer of Redis, or none.
fn answer(from: &Case, host: &str, port: &str) -> Option<String> {
    let script = format!("timeout 2 redis-cli -h {host} -p {port} PING || echo nothing");
    let said = from.kubectl(&["exec", CALLER, "--", "sh", "-c", &script]);
    (!said.contains("nothing")).then(|| said.trim().to_owned())
}

/// Redis asks for a password; sentinels do not.
fn connects(from: &Case, host: &str, port: &str) -> bool {
    answer(from, host, port).is_some_and(|said| said.contains("NOAUTH") || said.contains("PONG"))
}

fn open_to(allowed: &[&Case]) -> Configuration {
    let namespaces: Vec<String> = allowed.iter().map(|case| format!("{:?}", case.namespace)).collect();
    let policy = format!("{{ enabled = true, allowed_namespaces = [{}] }}", namespaces.join(", "));
    sentinel("replicas = 3").with("network_policy", &policy)
}

for_terraform! {
    /// A set with sentinels needs everything: the operator at Redis and sentinels, pods at each other, DNS.
    fn only_those_that_are_allowed_connect(cli: Cli) {
        let _enforced = Swapped::to(&["--network-policies"]);
        let (case, friend, stranger) =
            (Case::new(cli, "policy"), Case::new(cli, "friend"), Case::new(cli, "stranger"));
        for caller in [&case, &friend, &stranger] {
            make_caller(caller);
        }
        case.write("main.tf", &open_to(&[&friend]).text());
        case.apply();
        case.plan_is_empty();
        let hosts = [(output(&case, "host"), "6379"), (output(&case, "sentinel_host"), "26379")];
        for (host, port) in &hosts {
            // A pod counts as one half a second after it runs.
            case.wait_until("the friend connects", Duration::from_secs(10), || connects(&friend, host, port).then_some(()));
            assert!(!connects(&stranger, host, port), "a stranger reaches {host}");
            assert!(!connects(&case, host, port), "a pod beside the instance reaches {host}");
        }

        // The operator and the pods of the set get through a rollout.
        case.write("main.tf", &open_to(&[&stranger]).with("maxmemory_percent", "50").text());
        case.apply();
        case.plan_is_empty();
        for (host, port) in &hosts {
            assert!(connects(&stranger, host, port), "who is allowed now does not reach {host}");
            assert!(!connects(&friend, host, port), "who is allowed no more reaches {host}");
        }

        case.write("main.tf", &sentinel("replicas = 3").with("maxmemory_percent", "50").text());
        case.apply();
        for (host, port) in &hosts {
            assert!(connects(&friend, host, port), "without a policy {host} is not reached");
        }
        for caller in [&case, &friend, &stranger] {
            caller.kubectl(&["delete", "pod", CALLER]);
        }
        leaves_nothing(&case);
    }
}
