//! An import is what is there: what people have written and the API server and the operator accept, with values that a
//! new instance may not have. The generated configuration changes nothing. (`import_fuzz` looks for more of them.)
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::instance::{ADDRESS, CLAIMS, PODS, STATEFUL_SETS};
use crate::resting::definition;
use crate::topology::{CLUSTERS, REPLICATIONS, SENTINELS};

const CASES: &str = include_str!("import_cases.yaml");

/// The id of each import, by the name of its resource.
const IDS: [(&str, &str); 13] = [
    ("pair", "pair"),
    ("wide", "wide"),
    ("volatile", "volatile"),
    ("volatile_set", "volatile-set"),
    ("static", "static"),
    ("env", "env"),
    ("plain_env", "plain-env"),
    ("inline", "inline"),
    ("untagged", "untagged"),
    ("calendar", "calendar"),
    ("one_of_both", "both/Redis"),
    ("other_of_both", "both/RedisCluster"),
    ("labelled", "labelled"),
];

/// Two that bear one label; one of them will be imported.
const LABELLED: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata: {name: cache, namespace: '{namespace}', labels: {app: web, team: shop}}
spec:
  kubernetesConfig:
    image: quay.io/opstree/redis:v7.0.15
    imagePullPolicy: IfNotPresent
    resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}
  storage: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata: {name: web, namespace: '{namespace}', labels: {app: web}}
spec:
  nodeSelector: {no-such: node}
  kubernetesConfig: {image: 'quay.io/opstree/redis:v7.0.15', imagePullPolicy: IfNotPresent}
  storage: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}}
";

/// On another port, and with TLS.
const FAR: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisCluster
metadata: {name: ported, namespace: '{namespace}'}
spec:
  clusterSize: 3
  clusterVersion: v7
  port: 6380
  redisLeader: {nodeSelector: {no-such: node}}
  redisFollower: {nodeSelector: {no-such: node}}
  kubernetesConfig: {image: 'quay.io/opstree/redis:v7.0.15', imagePullPolicy: IfNotPresent}
---
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata: {name: encrypted, namespace: '{namespace}'}
spec:
  nodeSelector: {no-such: node}
  TLS: {ca: ca.crt, cert: tls.crt, key: tls.key, secret: {secretName: not-there}}
  kubernetesConfig: {image: 'quay.io/opstree/redis:v7.0.15', imagePullPolicy: IfNotPresent}
";

/// Followers that are no multiple of the shards.
const ODD: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisCluster
metadata: {name: odd, namespace: '{namespace}'}
spec:
  clusterSize: 3
  clusterVersion: v7
  persistenceEnabled: true
  redisLeader: {nodeSelector: {no-such: node}}
  redisFollower: {nodeSelector: {no-such: node}, replicas: 4}
  kubernetesConfig: {image: 'quay.io/opstree/redis:v7.0.15', imagePullPolicy: IfNotPresent}
  storage:
    nodeConfVolume: true
    nodeConfVolumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}
    volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}
";

/// The resource of the first, as somebody would write it.
fn instance() -> String {
    let size = "{ cpu = \"10m\", memory = \"32Mi\" }, limits = { cpu = \"200m\", memory = \"64Mi\" }";
    format!(
        "resource \"redis_k8s_instance\" \"this\" {{
  name           = \"cache\"
  namespace      = \"{{namespace}}\"
  authentication = {{ enabled = false }}
  labels         = {{ team = \"shop\" }}
  master         = {{ resources = {{ requests = {size} }} }}
  persistence    = {{ size = \"64Mi\" }}
  service        = {{ type = \"ClusterIP\" }}
  timeouts       = {{ update = \"90s\" }}
}}
"
    )
}

/// Name, revision and generation of each StatefulSet.
fn revisions(case: &Case) -> Vec<String> {
    let of = |set: &Value| {
        let revision = set["status"]["updateRevision"].as_str()?;
        Some(format!("{} {revision} {}", set["metadata"]["name"], set["metadata"]["generation"]))
    };
    let mut all: Vec<String> = case.objects(STATEFUL_SETS).iter().filter_map(of).collect();
    all.sort();
    all
}

fn specs(case: &Case) -> Vec<Value> {
    let of_kind = |kind: &str| case.kubectl_json(&["get", &definition(kind)])["items"].clone();
    let all = ["redis", REPLICATIONS, SENTINELS, CLUSTERS].map(of_kind);
    all.iter()
        .flat_map(|items| items.as_array().cloned().unwrap_or_default())
        .map(|one| one["spec"].clone())
        .collect()
}

fn without_waiting(generated: &str) -> String {
    let waits = |part: &str| part.replacen("= true", "= false", 1);
    let mut parts = generated.split("wait = {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}wait = {{{}", waits(part)))
}

for_terraform! {
    fn what_people_have_written_is_imported_as_it_is(cli: Cli) {
        let case = Case::new(cli, "as-it-is");
        case.write("cases.yaml", CASES);
        case.kubectl(&["create", "-f", &case.path("cases.yaml").to_string_lossy()]);
        // Sentinels and followers come after the pods that never start.
        let made = |case: &Case| Some(revisions(case)).filter(|all| all.len() == 13);
        let before = case.wait_until("the StatefulSets", Duration::from_secs(60), || made(&case));
        let specs_before = specs(&case);
        let block = |(resource, id): (&str, &str)| {
            format!("import {{\n  to = redis_k8s_instance.{resource}\n  id = \"{{namespace}}/{id}\"\n}}\n")
        };
        let head = crate::import::HEAD;
        case.write("main.tf", &format!("{head}{}", IDS.map(block).concat()));
        let output = case.run(&["plan", "-json", "-input=false", "-generate-config-out=generated.tf"]);
        assert!(output.succeeded(), "{output}");
        let plan = case.plan();
        for (resource, _) in IDS {
            let actions = plan.actions(&format!("redis_k8s_instance.{resource}"));
            assert_eq!(actions, ["no-op"], "{resource}\n{plan}");
        }
        case.proxy.forget();
        case.apply();
        assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());
        case.plan_is_empty();
        assert_eq!((revisions(&case), specs(&case)), (before, specs_before));
        case.write("main.tf", head);
        case.write("generated.tf", &without_waiting(&case.read("generated.tf")));
        case.apply();
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// The operator gives the labels of a custom resource to all that it makes, also in the place of its own.
    fn pods_with_a_label_of_others_are_seen(cli: Cli) {
        let case = Case::new(cli, "labelled");
        case.write("labelled.yaml", LABELLED);
        case.kubectl(&["create", "-f", &case.path("labelled.yaml").to_string_lossy()]);
        case.write("main.tf", crate::import::HEAD);
        case.write("instance.tf", &instance());
        case.import(ADDRESS, &format!("{}/cache", case.namespace));
        case.write("instance.tf", &instance().replace("ClusterIP", "NodePort"));
        case.apply();
        case.plan_is_empty();
        let selector = |case: &Case| case.kubectl_json(&["get", "service", "cache-external"])["spec"]["selector"].clone();
        assert_eq!(selector(&case), serde_json::json!({ "app": "web", "redis_setup_type": "standalone" }));
        let endpoints = case.kubectl_json(&["get", "endpoints", "cache-external"]);
        assert_eq!(endpoints["subsets"][0]["addresses"][0]["targetRef"]["name"], "cache-0", "{endpoints:#}");
        case.destroy();
        assert!(!case.objects(PODS).iter().any(|pod| pod["metadata"]["name"] == "cache-0"));
        let claims: Vec<Value> = case.objects(CLAIMS).iter().map(|one| one["metadata"]["name"].clone()).collect();
        assert_eq!(claims, ["web-web-0"], "that of another with the same label stays");
        case.kubectl(&["delete", &definition("redis"), "web"]);
        case.assert_all_collected();
    }

    /// A field that nothing can express stays until its argument changes, and is an ordinary field from then on.
    fn what_was_left_as_found_is_written_once_its_argument_has_changed(cli: Cli) {
        let case = Case::new(cli, "left");
        case.write("odd.yaml", ODD);
        case.kubectl(&["create", "-f", &case.path("odd.yaml").to_string_lossy()]);
        let head = crate::import::HEAD;
        case.write("main.tf", &format!("{head}import {{\n  to = {ADDRESS}\n  id = \"{{namespace}}/odd\"\n}}\n"));
        let output = case.run(&["plan", "-json", "-input=false", "-generate-config-out=generated.tf"]);
        assert!(output.to_string().contains("Some fields of"), "{output}");
        case.apply();
        let followers = |case: &Case| {
            case.kubectl_json(&["get", &definition(CLUSTERS), "odd"])["spec"]["redisFollower"]["replicas"].clone()
        };
        assert_eq!(followers(&case), 4);
        case.write("main.tf", head);
        let generated = without_waiting(&case.read("generated.tf"));
        assert!(generated.contains("replicas_per_shard = 1"), "{generated}");
        for (each, expected) in [(1, 4), (2, 6), (1, 3)] {
            case.write("generated.tf", &generated.replace("replicas_per_shard = 1", &format!("replicas_per_shard = {each}")));
            case.apply();
            case.plan_is_empty();
            assert_eq!(followers(&case), expected, "replicas_per_shard = {each}");
        }
        case.destroy();
        case.assert_nothing_left();
    }

    /// What could not be reached after an import is refused, or named, by the import.
    fn what_cannot_be_reached_is_said(cli: Cli) {
        let case = Case::new(cli, "unreachable");
        case.write("far.yaml", FAR);
        case.kubectl(&["create", "-f", &case.path("far.yaml").to_string_lossy()]);
        let planned = |name: &str| {
            let head = crate::import::HEAD;
            case.write("main.tf", &format!("{head}import {{\n  to = {ADDRESS}\n  id = \"{{namespace}}/{name}\"\n}}\n"));
            case.run(&["plan", "-json", "-input=false", &format!("-generate-config-out={name}.tf")])
        };
        let refused = planned("ported");
        assert!(!refused.succeeded(), "{refused}");
        assert!(refused.to_string().contains("listens on port 6380"), "{refused}");
        assert!(!case.path("ported.tf").exists());
        let warned = planned("encrypted");
        assert!(warned.succeeded() && warned.to_string().contains("accepts TLS only"), "{warned}");
        for (kind, name) in [(CLUSTERS, "ported"), ("redis", "encrypted")] {
            case.kubectl(&["delete", &definition(kind), name]);
        }
        case.assert_all_collected();
    }

    /// An adoption sees the pods, too.
    fn a_label_of_others_is_seen_by_an_adoption(cli: Cli) {
        let case = Case::new(cli, "adopted");
        let only_first = LABELLED.split("---").next().unwrap_or_default();
        case.write("labelled.yaml", only_first);
        case.kubectl(&["create", "-f", &case.path("labelled.yaml").to_string_lossy()]);
        let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        case.wait_for_object("it runs", PODS, Duration::from_secs(90), ready);
        let adopting = instance().replace("  timeouts ", "  adopt_existing = true\n  security_context = { run_as_user = 1000 }\n  timeouts ");
        case.write("main.tf", crate::import::HEAD);
        case.write("instance.tf", &adopting.replace("update = ", "create = \"120s\", update = "));
        case.apply();
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
