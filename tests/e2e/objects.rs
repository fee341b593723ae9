//! Objects of ours beside the custom resources: what somebody edits or deletes is repaired, what is no longer wanted goes,
//! and what somebody else has made is left alone, whatever its name.
use hyper::Method;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cluster;
use crate::instance::{ADDRESS, Configuration, POD, PODS};
use crate::interrupted::killed;
use crate::proxy::{What, When};
use crate::resting::{applied, end, resting, summaries};

const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies";
const BUDGETS: &str = "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets";

fn of_case(case: &Case, collection: &str) -> Vec<Value> {
    cluster::get(&collection.replace("{namespace}", &case.namespace)).items()
}

fn specs(objects: &[Value]) -> Vec<Value> {
    objects.iter().map(|one| one["spec"].clone()).collect()
}

fn restricted() -> Configuration {
    resting().with("network_policy", "{ enabled = true, allowed_namespaces = [\"shop\"] }")
}

/// A policy of the name that ours is to have.
fn by_hand(case: &Case) -> Value {
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": "cache" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
    });
    case.kubectl_apply(&policy.to_string());
    of_case(case, POLICIES).remove(0)
}

fn is_refused(case: &Case, theirs: &Value) {
    let output = case.apply_fails();
    let summary = "The NetworkPolicy <namespace>/cache already exists".to_owned();
    assert_eq!(summaries(case, &output), [summary]);
    assert_eq!(of_case(case, POLICIES), std::slice::from_ref(theirs), "it was changed");
}

fn repairs(case: &Case) -> Value {
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    plan.json["resource_changes"][0]["change"]["before"]["repairs"].clone()
}

for_alternate_clis! {
    fn an_object_of_somebody_else_is_left_alone(cli: Cli) {
        let case = Case::new(cli, "theirs");
        let theirs = by_hand(&case);
        case.write("main.tf", &restricted().text());
        is_refused(&case, &theirs);
        case.kubectl(&["delete", "networkpolicy", "cache"]);
        case.assert_nothing_left();

        // The same once the instance is there.
        case.write("main.tf", &resting().text());
        case.apply();
        let theirs = by_hand(&case);
        case.write("main.tf", &restricted().text());
        is_refused(&case, &theirs);
        case.write("main.tf", &resting().text());
        case.plan_is_empty();
        case.destroy();
        assert_eq!(of_case(&case, POLICIES), [theirs], "it went with the instance");
        case.kubectl(&["delete", "networkpolicy", "cache"]);
        case.assert_nothing_left();
    }

    fn what_is_edited_or_deleted_is_repaired(cli: Cli) {
        let with_both = restricted().with("pod_disruption_budget", "{ enabled = true, max_unavailable = 1 }");
        let case = applied(cli, "objects", &with_both);
        case.plan_is_empty();
        let before = (specs(&of_case(&case, POLICIES)), specs(&of_case(&case, BUDGETS)));
        assert_eq!((before.0.len(), before.1.len()), (1, 1));
        let patch = |kind: &str, spec: Value| {
            case.kubectl(&["patch", kind, "cache", "--type=merge", "-p", &json!({ "spec": spec }).to_string()]);
        };
        patch("networkpolicy", json!({ "ingress": [{}] }));
        patch("poddisruptionbudget", json!({ "maxUnavailable": 0 }));
        let found = repairs(&case);
        let of_policy = found["NetworkPolicy cache"].as_str().unwrap_or_default();
        assert!(of_policy.starts_with("spec.ingress is "), "{found}");
        assert_eq!(found["PodDisruptionBudget cache"], "spec.maxUnavailable is 0, should be 1");
        case.apply();
        case.plan_is_empty();
        assert_eq!(specs(&of_case(&case, POLICIES)), before.0);
        assert_eq!(specs(&of_case(&case, BUDGETS)), before.1);

        case.kubectl(&["delete", "networkpolicy,poddisruptionbudget", "cache"]);
        let missing = json!({ "NetworkPolicy cache": "is missing", "PodDisruptionBudget cache": "is missing" });
        assert_eq!(repairs(&case), missing);
        case.apply();
        case.plan_is_empty();
        assert_eq!(specs(&of_case(&case, POLICIES)), before.0);

        case.write("main.tf", &resting().text());
        case.apply();
        case.plan_is_empty();
        assert_eq!((of_case(&case, POLICIES), of_case(&case, BUDGETS)), (vec![], vec![]));
        end(&case);
    }

    /// No state knows of the policy.
    fn an_object_of_an_apply_that_was_killed_goes_with_the_instance(cli: Cli) {
        let case = applied(cli, "killed", &resting());
        case.write("main.tf", &restricted().text());
        killed(&case, &What::KillProvider, When::AfterForward, 1, || case.try_apply()).unwrap();
        assert_eq!(of_case(&case, POLICIES).len(), 1);
        case.destroy();
        case.assert_nothing_left();
    }

    /// The operator has no budget for a single Redis; ours keeps its pod from an eviction, as the drain of a node does it.
    fn a_budget_keeps_the_only_pod(cli: Cli) {
        let case = Case::new(cli, "budget");
        case.write("main.tf", &Configuration::small().with("pod_disruption_budget", "{ enabled = true }").text());
        case.apply();
        case.plan_is_empty();
        let evict = || {
            let path = format!("{}/{POD}/eviction", PODS.replace("{namespace}", &case.namespace));
            let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": POD } });
            cluster::request(Method::POST, &path, Some(&eviction)).status
        };
        assert_eq!(evict(), 429, "the pod was evicted");
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        assert_eq!(evict(), 201, "nothing keeps it any more");
        case.destroy();
        case.assert_nothing_left();
    }
}
