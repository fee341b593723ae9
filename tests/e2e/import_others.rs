//! What Helm charts and people have made: imported with a configuration that is written for the user, it differs in nothing and
//! no pod is replaced; and adopted with one of his own. At rest: whether pods are replaced is told by the revision of
//! the StatefulSet, and both CLIs write out configurations alike (`import.rs`).
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::instance::Configuration;
use crate::resting::definition;
use crate::topology::{CLUSTERS, REPLICATIONS, SENTINELS, at_rest};

/// What the Helm charts of the operator render, and a set by hand that sentinels of another name watch. No node takes the pods.
const OTHERS: &str = include_str!("others.yaml");

/// Makes them as Helm does.
fn others(case: &Case) {
    case.write("others.yaml", OTHERS);
    let file = case.path("others.yaml");
    case.kubectl(&["create", "--field-manager=helm", "-f", &file.to_string_lossy()]);
}

/// The revision of each StatefulSet's pods, once the operator has read what is written.
fn revisions(case: &Case) -> Vec<String> {
    const SETS: [&str; 3] = ["one", "set", "shards-leader"];
    let path = |name: &str| format!("/apis/apps/v1/namespaces/{}/statefulsets/{name}", case.namespace);
    let revision = |name: &&str| {
        let set = case.object(&path(name))?;
        set["status"]["updateRevision"].as_str().map(|revision| format!("{name} {revision}"))
    };
    case.wait_until("the StatefulSets", Duration::from_secs(60), || SETS.iter().map(revision).collect())
}

/// The operator copies the hash of what we wrote to its Services, once it has acted on it.
fn is_read(case: &Case, kind: &str, name: &str, service: &str) {
    const HASH: &str = "/metadata/annotations/terraform-provider-redis~1spec-hash";
    let of = |what: &[&str]| case.kubectl_json(&[&["get"], what].concat()).pointer(HASH).cloned();
    case.wait_until("the operator has read it", Duration::from_secs(60), || {
        let (wanted, read) = (of(&[&definition(kind), name]), of(&["service", service]));
        (wanted.is_some() && wanted == read).then_some(())
    });
}

/// What others made, under the name of the resource: the generated configuration has nothing to do, a change of it restarts
/// nothing, and Helm owns nothing any more.
fn imported_and_changed(case: &Case) {
    const NAMES: [&str; 3] = ["one", "set", "shards"];
    let before = revisions(case);
    let block = |name: &str| {
        format!("import {{\n  to = redis_k8s_instance.{name}\n  id = \"{{namespace}}/{name}\"\n}}\n")
    };
    let head = crate::import::HEAD;
    case.write("main.tf", &format!("{head}{}{}", NAMES.map(block).concat(), block("lone")));
    let output = case.run(&["plan", "-json", "-generate-config-out=generated.tf"]);
    assert!(output.succeeded(), "{output}");
    let warnings = case.diagnostics(&output);
    let left_out = |what: &str| warnings.iter().any(|one| one.summary.starts_with(what));
    assert!(left_out("The RedisSentinel watch of <namespace>/lone is not imported"), "{output}");
    assert!(
        left_out("The sentinels within the RedisReplication <namespace>/lone are not imported"),
        "{output}"
    );
    let plan = case.plan();
    for name in NAMES {
        let address = format!("redis_k8s_instance.{name}");
        assert_eq!(plan.actions(&address), ["no-op"], "{}\n{plan}", case.read("generated.tf"));
    }
    case.proxy.forget();
    case.apply();
    assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());

    case.write("main.tf", head);
    let generated = case.read("generated.tf").replace("retain_on_delete = false", "retain_on_delete = true");
    // Nobody waits for pods that no node takes.
    let waits = |part: &str| part.replacen("= true", "= false", 1);
    let mut parts = generated.split("wait = {");
    let first = parts.next().unwrap_or_default().to_owned();
    let changed = parts.fold(first, |text, part| format!("{text}wait = {{{}", waits(part)));
    case.write("generated.tf", &changed);
    let output = case.apply();
    let restarts = case.diagnostics(&output).into_iter().any(|one| one.summary == "Redis will restart");
    assert!(!restarts, "{output}");
    case.plan_is_empty();
    is_read(case, "redis", "one", "one");
    is_read(case, REPLICATIONS, "set", "set");
    is_read(case, CLUSTERS, "shards", "shards-leader");
    assert_eq!(revisions(case), before, "pods would be replaced");
    let set = case.kubectl_json(&["get", &definition(REPLICATIONS), "set", "--show-managed-fields"]);
    let managers = set["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let names: Vec<&Value> = managers.iter().map(|entry| &entry["manager"]).collect();
    assert!(names.iter().all(|name| *name != "helm"), "{names:?}");
    assert_eq!(set["spec"]["redisExporter"]["enabled"], true, "what no argument expresses stays");
}

/// The same objects, taken over with a configuration of one's own.
fn adopted(case: &Case) {
    let base = || {
        at_rest(Configuration::small())
            .with("persistence", "{ size = \"64Mi\" }")
            .with("security_context", "{ run_as_user = 1000 }")
    };
    let shapes = [
        ("one", "redis", base()),
        (
            "set",
            REPLICATIONS,
            base().with("deployment_mode", "\"sentinel\"").with("replica", "{ count = 1 }"),
        ),
        ("shards", CLUSTERS, base().with("deployment_mode", "\"cluster\"")),
    ];
    let uid = |kind: &str, name: &str| {
        case.kubectl_json(&["get", &definition(kind), name])["metadata"]["uid"].clone()
    };
    for (name, kind, configuration) in shapes {
        let before = uid(kind, name);
        let configuration = configuration.with("name", &format!("{name:?}"));
        case.write("main.tf", &configuration.text());
        let output = case.apply_fails();
        assert!(output.to_string().contains("already exists"), "{output}");
        case.write("main.tf", &configuration.with("adopt_existing", "true").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(uid(kind, name), before, "taken over, not made anew");
        let found = case.kubectl_json(&["get", &definition(kind), name]);
        let class = found["spec"]["storage"].pointer("/volumeClaimTemplate/spec/storageClassName");
        assert!(class.is_none(), "cannot be added to volumes that are there: {found:#}");
        case.destroy();
    }
}

for_terraform! {
    fn what_others_made_is_taken_over_as_it_is(cli: Cli) {
        let case = Case::new(cli, "others");
        others(&case);
        imported_and_changed(&case);
        case.destroy();
        case.wait_until("all are gone", Duration::from_secs(60), || {
            case.kubectl(&["get", &definition("redis"), "-o", "name"]).is_empty().then_some(())
        });
        std::fs::remove_file(case.path("generated.tf")).unwrap();
        case.kubectl(&["delete", &definition(SENTINELS), "--all"]);
        case.kubectl(&["delete", "configmap", "set-ext-config"]);
        others(&case);
        revisions(&case);
        adopted(&case);
        case.kubectl(&["delete", &definition(REPLICATIONS), "lone"]);
        case.kubectl(&["delete", &definition(SENTINELS), "watch"]);
        case.leaves_things();
    }
}
