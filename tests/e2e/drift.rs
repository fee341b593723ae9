//! What somebody edits by hand shows in the next plan, as one attribute or as one repair, and the next apply mends
//! it.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::Case;
use crate::cli::Cli;
use crate::instance::{ADDRESS, Configuration};
use crate::plan::Plan;
use crate::resting::{applied, custom_resource, end, patch, resting};

/// Every argument that ends in the custom resource is set.
fn full() -> Configuration {
    let image = "{ repository = \"quay.io/opstree/redis\", tag = \"v7.0.15\", pull_policy = \"IfNotPresent\", \
                 pull_secrets = [\"pull\"] }";
    resting()
        .with("image", image)
        .with("security_context", "{ run_as_user = 1000, run_as_non_root = true, fs_group = 1000 }")
        .with("tolerations", "[{ key = \"k\", operator = \"Exists\", effect = \"NoSchedule\" }]")
        .with("priority_class_name", "\"system-cluster-critical\"")
        .with("service_account", "\"default\"")
        .with("env", "{ A = \"1\" }")
        .with("labels", "{ team = \"a\" }")
        .with("annotations", "{ note = \"n\" }")
        .with("additional_config", "{ maxmemory-policy = \"allkeys-lru\" }")
        .with("custom_spec", "{ redis = jsonencode({ terminationGracePeriodSeconds = 20 }) }")
        .with("persistence", "{ size = \"128Mi\", storage_class = \"gp3\", retain_on_delete = false }")
}

/// What changes in a plan, computed attributes of no interest here aside.
pub fn differing(plan: &Plan) -> Vec<String> {
    let changes = plan.changed_attributes(ADDRESS);
    let mut all = [changes.configured, changes.computed].concat();
    all.retain(|path| !["status", "objects"].contains(&path.split('.').next().unwrap_or_default()));
    // Outside of cluster mode the replicas' resources are the master's, and follow them.
    let masters = all.clone();
    all.retain(|path| {
        path.strip_prefix("replica.").is_none_or(|rest| !masters.contains(&format!("master.{rest}")))
    });
    all.sort();
    all
}

/// Each edit shows as exactly the one path, and is gone after the next apply; what was there before is back. One by one
/// with one CLI; with the other as many at once as concern different arguments, so that it sees each, too.
fn each_edit_shows(case: &Case, edits: &[(Value, &str)]) {
    let before = meaning(&custom_resource(case)["spec"]);
    for edits in together(case.cli, edits) {
        for (edit, _) in &edits {
            patch(case, if edit.is_array() { "json" } else { "merge" }, edit);
        }
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{edits:?}: {plan}");
        let mut shown: Vec<&str> = edits.iter().map(|(_, shown)| *shown).collect();
        shown.sort_unstable();
        assert_eq!(differing(&plan), shown, "{edits:?}: {plan}");
        case.apply();
        assert_eq!(meaning(&custom_resource(case)["spec"]), before, "{edits:?}");
    }
    case.plan_is_empty();
}

/// What no argument expresses is one repair for each place; `image.tag` and `image.repository` are one argument.
fn argument(shown: &str) -> &str {
    match shown.split_once('.') {
        Some((argument, _)) if argument != "repairs" => argument,
        _ => shown,
    }
}

/// The edits to be made at once.
fn together<'a>(cli: Cli, edits: &'a [(Value, &'a str)]) -> Vec<Vec<&'a (Value, &'a str)>> {
    let mut groups: Vec<Vec<&(Value, &str)>> = Vec::new();
    for edit in edits {
        let apart = |group: &&mut Vec<&(Value, &str)>| {
            cli == Cli::Tofu && group.iter().all(|other| argument(other.1) != argument(edit.1))
        };
        match groups.iter_mut().find(apart) {
            Some(group) => group.push(edit),
            None => groups.push(vec![edit]),
        }
    }
    groups
}

/// Without what is empty or false: the operator adds and drops that as it likes.
pub fn meaning(value: &Value) -> Value {
    let empty = [json!(null), json!(false), json!({}), json!([])];
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, value)| (name.clone(), meaning(value)));
            kept.filter(|(_, value)| !empty.contains(value)).collect()
        }
        Value::Array(items) => items.iter().map(meaning).collect(),
        other => other.clone(),
    }
}

fn spec(fields: Value) -> Value {
    json!({ "spec": fields })
}

fn kubernetes_config(fields: Value) -> Value {
    spec(json!({ "kubernetesConfig": fields }))
}

fn claim(fields: Value) -> Value {
    spec(json!({ "storage": { "volumeClaimTemplate": { "spec": fields } } }))
}

fn added(path: &str, value: Value) -> Value {
    json!([{ "op": "add", "path": path, "value": value }])
}

for_each_cli! {
    fn image_and_resources(cli: Cli) {
        let case = applied(cli, "drift-image", &full());
        let resources = |kind: &str, name: &str, value: &str| kubernetes_config(json!({"resources": {kind: {name: value}}}));
        each_edit_shows(&case, &[
            (kubernetes_config(json!({"image": "quay.io/opstree/redis:v7.0.12"})), "image.tag"),
            (kubernetes_config(json!({"image": "quay.io/other/redis:v7.0.15"})), "image.repository"),
            (kubernetes_config(json!({"imagePullPolicy": "Always"})), "image.pull_policy"),
            (kubernetes_config(json!({"imagePullSecrets": [{"name": "other"}]})), "image.pull_secrets"),
            (kubernetes_config(json!({"imagePullSecrets": null})), "image.pull_secrets"),
            (resources("requests", "cpu", "11m"), "master.resources.requests.cpu"),
            (resources("requests", "memory", "33Mi"), "master.resources.requests.memory"),
            (resources("limits", "cpu", "201m"), "master.resources.limits.cpu"),
            (resources("limits", "memory", "129Mi"), "master.resources.limits.memory"),
        ]);
        end(&case);
    }

    fn pods(cli: Cli) {
        let case = applied(cli, "drift-pods", &full());
        each_edit_shows(&case, &[
            (spec(json!({"podSecurityContext": {"fsGroup": 1001}})), "security_context.fs_group"),
            (spec(json!({"podSecurityContext": {"runAsUser": 1001}})), "security_context.run_as_user"),
            (spec(json!({"podSecurityContext": {"runAsNonRoot": false}})), "security_context.run_as_non_root"),
            (spec(json!({"nodeSelector": {"no-such": "other"}})), "node_selector.no-such"),
            (spec(json!({"nodeSelector": {"extra": "x"}})), "node_selector.extra"),
            (spec(json!({"nodeSelector": null})), "node_selector.no-such"),
            (spec(json!({"tolerations": null})), "tolerations"),
            (added("/spec/tolerations/-", json!({"key": "z", "operator": "Exists"})), "tolerations"),
            (json!([{"op": "replace", "path": "/spec/tolerations/0/effect", "value": "NoExecute"}]), "tolerations"),
            (spec(json!({"priorityClassName": "system-node-critical"})), "priority_class_name"),
            (spec(json!({"priorityClassName": null})), "priority_class_name"),
            (spec(json!({"serviceAccountName": "other"})), "service_account"),
            (spec(json!({"env": [{"name": "A", "value": "2"}]})), "env.A"),
            (added("/spec/env/-", json!({"name": "B", "value": "2"})), "env.B"),
            (spec(json!({"terminationGracePeriodSeconds": 21})), "custom_spec.redis"),
            (spec(json!({"terminationGracePeriodSeconds": null})), "custom_spec.redis"),
        ]);
        end(&case);
    }

    fn storage_and_metadata(cli: Cli) {
        let case = applied(cli, "drift-meta", &full());
        each_edit_shows(&case, &[
            (spec(json!({"storage": {"keepAfterDelete": true}})), "persistence.retain_on_delete"),
            (json!({"metadata": {"labels": {"team": "b"}}}), "labels.team"),
            (json!({"metadata": {"labels": {"team": null}}}), "labels.team"),
            (json!({"metadata": {"annotations": {"note": "b"}}}), "annotations.note"),
            (json!({"metadata": {"annotations": {"note": null}}}), "annotations.note"),
        ]);
        end(&case);
    }

    /// No argument expresses these.
    fn repairs(cli: Cli) {
        let case = applied(cli, "drift-repairs", &full());
        let mark = |name: &str, value: Value| json!({"metadata": {"annotations": {format!("terraform-provider-redis/{name}"): value}}});
        each_edit_shows(&case, &[
            (kubernetes_config(json!({"image": "quay.io/opstree/redis"})), "repairs.spec.kubernetesConfig.image"),
            (kubernetes_config(json!({"resources": {"limits": {"cpu": null}}})), "repairs.spec.kubernetesConfig.resources.limits.cpu"),
            (kubernetes_config(json!({"redisSecret": {"name": "other"}})), "repairs.spec.kubernetesConfig.redisSecret.name"),
            (kubernetes_config(json!({"redisSecret": {"key": "other"}})), "repairs.spec.kubernetesConfig.redisSecret.key"),
            (kubernetes_config(json!({"ignoreAnnotations": null})), "repairs.spec.kubernetesConfig.ignoreAnnotations"),
            (spec(json!({"redisConfig": null})), "repairs.spec.redisConfig.additionalRedisConfig"),
            (spec(json!({"redisConfig": {"additionalRedisConfig": "other"}})), "repairs.spec.redisConfig.additionalRedisConfig"),
            (added("/spec/env/-", json!({"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})), "repairs.spec.env"),
            (claim(json!({"storageClassName": "other"})), "repairs.spec.storage.volumeClaimTemplate.spec.storageClassName"),
            (claim(json!({"accessModes": ["ReadWriteMany"]})), "repairs.spec.storage.volumeClaimTemplate.spec.accessModes"),
            (mark("claim", json!(null)), "repairs.metadata.annotations.terraform-provider-redis/claim"),
            (mark("claim", json!("another")), "repairs.metadata.annotations.terraform-provider-redis/claim"),
            (mark("unfinished", json!("updating")), "repairs.rollout"),
        ]);
        end(&case);
    }

    /// A volume that the operator cannot take away is no reason to refuse every further plan.
    fn storage_that_was_taken_away_is_put_back(cli: Cli) {
        let case = applied(cli, "drift-storage", &full());
        let before = meaning(&custom_resource(&case)["spec"]["storage"]);
        patch(&case, "merge", &spec(json!({"storage": null})));
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
        assert!(differing(&plan).iter().all(|path| path.starts_with("repairs.spec.storage")), "{plan}");
        case.apply();
        assert_eq!(meaning(&custom_resource(&case)["spec"]["storage"]), before);
        case.plan_is_empty();
        end(&case);
    }

    /// What the server or the operator fills in, what other tools leave, and what nobody manages.
    fn what_others_add_does_not_show(cli: Cli) {
        let case = applied(cli, "drift-others", &full());
        case.kubectl(&["label", "redis.redis.redis.opstreelabs.in", "cache", "extra=x"]);
        case.kubectl(&["annotate", "redis.redis.redis.opstreelabs.in", "cache", "extra=x"]);
        patch(&case, "merge", &spec(json!({"securityContext": {"readOnlyRootFilesystem": false}})));
        case.plan_is_empty();
        let config_map = companions(&case, "ConfigMap").remove(0);
        case.kubectl(&["label", "configmap", &config_map, "extra=x"]);
        case.plan_is_empty();
        end(&case);
    }

    fn companions_are_mended(cli: Cli) {
        let case = applied(cli, "drift-objects", &full());
        let config_map = companions(&case, "ConfigMap").remove(0);
        let text = case.kubectl_json(&["get", "configmap", &config_map])["data"].clone();

        case.kubectl(&["patch", "configmap", &config_map, "-p", r#"{"data":{"redis-additional.conf":"maxmemory 1"}}"#]);
        mended(&case, &format!("ConfigMap {config_map}"), "its text was changed");
        assert_eq!(case.kubectl_json(&["get", "configmap", &config_map])["data"], text);

        case.kubectl(&["delete", "configmap", &config_map]);
        mended(&case, &format!("ConfigMap {config_map}"), "is missing");
        assert_eq!(case.kubectl_json(&["get", "configmap", &config_map])["data"], text);

        case.kubectl(&["delete", "secret", "cache-auth"]);
        mended(&case, "Secret cache-auth", "is missing");
        let secret = companions(&case, "Secret").remove(0);
        assert_ne!(secret, "cache-auth", "only another name restarts the pods with the new password");
        assert_eq!(case.resource(ADDRESS)["auth_secret"]["name"], secret);
        assert_eq!(custom_resource(&case)["spec"]["kubernetesConfig"]["redisSecret"]["name"], secret);
        end(&case);
    }

    /// Deleted by hand: planned anew, not forgotten.
    fn a_deleted_instance_is_made_anew(cli: Cli) {
        let case = applied(cli, "drift-gone", &full());
        case.kubectl(&["delete", "redis.redis.redis.opstreelabs.in", "cache"]);
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        case.apply();
        case.plan_is_empty();
        end(&case);
    }
}

/// The names of the objects of a kind that the state says are managed.
fn companions(case: &Case, kind: &str) -> Vec<String> {
    let objects = case.resource(ADDRESS)["objects"].as_array().cloned().unwrap_or_default();
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind.map(|object| object["name"].as_str().unwrap().to_owned()).collect()
}

/// The plan announces this one repair, and apply does it.
fn mended(case: &Case, what: &str, how: &str) {
    let plan = case.plan();
    assert_eq!(differing(&plan), [format!("repairs.{what}")], "{plan}");
    case.apply();
    let repairs: BTreeMap<String, Value> = serde_json::from_value(
        plan.json["prior_state"]["values"]["root_module"]["resources"][0]["values"]["repairs"].clone(),
    )
    .unwrap();
    assert_eq!(repairs.get(what), Some(&json!(how)));
    case.plan_is_empty();
}
