//! Objects of ours beside the custom resources: what somebody edits or deletes is repaired, what is no longer wanted goes,
//! and what somebody else has made is left alone, whatever its name.
use hyper::Method;
use serde_json::{Value, json};

use crate::case::Case;
use crate::ending::says;
use crate::instance::{ADDRESS, Configuration, POD, PODS};
use crate::interrupted::killed;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::resting::{applied, end, resting, summaries};
use crate::topology::{at_rest, cluster};

const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies";
const EXTERNAL: &str = "/api/v1/namespaces/{namespace}/services/cache-external";
const SECRET: &str = "/api/v1/namespaces/{namespace}/secrets/cache-auth";
const BUDGETS: &str = "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets";

fn of_case(case: &Case, collection: &str) -> Vec<Value> {
    crate::cluster::get(&collection.replace("{namespace}", &case.namespace)).items()
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

        // A webhook that sets how pods that are not Ready are evicted is none of our business.
        patch("poddisruptionbudget", json!({ "unhealthyPodEvictionPolicy": "AlwaysAllow" }));
        case.plan_is_empty();

        case.kubectl(&["delete", "networkpolicy,poddisruptionbudget", "cache"]);
        let missing = json!({ "NetworkPolicy cache": "is missing", "PodDisruptionBudget cache": "is missing" });
        assert_eq!(repairs(&case), missing);
        case.apply();
        case.plan_is_empty();
        assert_eq!(specs(&of_case(&case, POLICIES)), before.0);

        // A field more may let somebody in, and one limit in place of the other cannot be applied over.
        let end_port = json!([{ "op": "add", "path": "/spec/ingress/1/ports/0/endPort", "value": 65535 }]);
        case.kubectl(&["patch", "networkpolicy", "cache", "--type=json", "-p", &end_port.to_string()]);
        patch("poddisruptionbudget", json!({ "maxUnavailable": null, "minAvailable": 1 }));
        let found = repairs(&case);
        assert!(found["NetworkPolicy cache"].as_str().is_some_and(|line| line.starts_with("spec.ingress is ")), "{found}");
        case.apply();
        case.plan_is_empty();
        assert_eq!(specs(&of_case(&case, POLICIES)), before.0);
        assert_eq!(specs(&of_case(&case, BUDGETS)), before.1);

        case.write("main.tf", &resting().text());
        case.apply();
        case.plan_is_empty();
        assert_eq!((of_case(&case, POLICIES), of_case(&case, BUDGETS)), (vec![], vec![]));
        end(&case);
    }

    /// Otherwise the instance would be tainted, and the next apply would destroy it.
    fn a_budget_of_somebody_else_is_found_before_anything_is_written(cli: Cli) {
        let case = Case::new(cli, "their-budget");
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "cache" },
                             "spec": { "minAvailable": 1 } });
        case.kubectl_apply(&budget.to_string());
        case.write("main.tf", &resting().with("pod_disruption_budget", "{ enabled = true }").text());
        let summary = "The PodDisruptionBudget <namespace>/cache already exists".to_owned();
        let output = case.apply_fails();
        assert_eq!(summaries(&case, &output), [summary]);
        assert!(case.resource(ADDRESS).is_null());
        case.kubectl(&["delete", "poddisruptionbudget", "cache"]);
        case.assert_nothing_left();
    }

    /// The state names only what is wanted, once the custom resource is written.
    fn an_object_that_a_failed_apply_could_not_delete_goes_with_the_next(cli: Cli) {
        let case = applied(cli, "unwanted", &resting().with("service", "{ type = \"NodePort\" }"));
        let forbidden = What::Status(403, Some(status_body(403, "Forbidden", "made up", None)));
        let on = Matcher::on("DELETE", "/api/v1/namespaces/*/services/*");
        case.proxy.add_fault(Fault { on, when: When::Before, what: forbidden });
        case.write("main.tf", &resting().with("maxmemory_percent", "51").text());
        case.apply_fails();
        case.proxy.clear_faults();
        assert!(case.object(EXTERNAL).is_some());
        case.apply();
        case.plan_is_empty();
        assert!(case.object(EXTERNAL).is_none());
        end(&case);
    }

    fn an_instance_whose_state_was_lost_is_imported_with_its_objects(cli: Cli) {
        let configuration = at_rest(cluster()).with("network_policy", "{ enabled = true }");
        let case = applied(cli, "lost-state", &configuration);
        let secret = |case: &Case| case.object(SECRET).expect("the Secret")["metadata"]["uid"].clone();
        let before = secret(&case);
        case.run(&["state", "rm", ADDRESS]);
        // It may as well be of another state, from which it is not taken unseen.
        case.write("main.tf", &configuration.clone().with("adopt_existing", "true").text());
        says(&case, &case.apply_fails(), &["the mark of this provider", "import ID"]);
        case.write("main.tf", &configuration.text());
        case.import(ADDRESS, &format!("{}/cache", case.namespace));
        case.apply();
        case.plan_is_empty();
        assert_eq!(secret(&case), before, "the password is that of the pods");
        end(&case);
    }

    /// No state knows of the policy.
    fn an_object_of_an_apply_that_was_killed_goes_with_the_instance(cli: Cli) {
        let case = applied(cli, "killed", &resting());
        case.write("main.tf", &restricted().text());
        // The first write is that of the ConfigMap, which records the argument.
        killed(&case, &What::KillProvider, When::AfterForward, 2, || case.try_apply()).unwrap();
        assert_eq!(of_case(&case, POLICIES).len(), 1);
        case.destroy();
        case.assert_nothing_left();
    }

    /// Somebody who tidies labels must not make a Secret with a password outlive the instance.
    fn an_object_without_our_labels_goes_with_the_instance(cli: Cli) {
        let case = applied(cli, "unlabelled", &resting());
        let labels = ["instance", "namespace", "role", "claim"].map(|one| format!("terraform-provider-redis/{one}-"));
        let labels = labels.each_ref().map(String::as_str);
        case.kubectl(&[&["label", "secret", "cache-auth"], labels.as_slice()].concat());
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
            crate::cluster::request(Method::POST, &path, Some(&eviction)).status
        };
        assert_eq!(evict(), 429, "the pod was evicted");
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        assert_eq!(evict(), 201, "nothing keeps it any more");
        case.destroy();
        case.assert_nothing_left();
    }
}
