//! What no waiting heals is said within seconds, with cause and remedy.
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cluster;
use crate::diagnostics::{Diagnostic, assert_snapshot};
use crate::ending::{leaves_nothing, says, serves};
use crate::instance::{ADDRESS, CUSTOM_RESOURCES, Configuration, SECRETS, master};
use crate::process::Output;
use crate::resting::{custom_resource, end, errors, resting};

const AT_ONCE: Duration = Duration::from_secs(15);

fn at_once(output: &Output) {
    assert!(output.operation_took() < AT_ONCE, "not at once: {output}");
}

/// An apply that fails at once and leaves nothing, neither in the state nor in the namespace.
fn refused(case: &Case, configuration: &Configuration) -> Output {
    case.write("main.tf", &configuration.text());
    let output = case.apply_fails();
    at_once(&output);
    assert!(case.resource(ADDRESS).is_null(), "{output}");
    case.assert_nothing_left();
    output
}

fn waited_for() -> Configuration {
    resting().with("wait", "{ enabled = true }").with("timeouts", "{ create = \"40s\", delete = \"40s\" }")
}

/// What an apply, a plan and a destroy take: group, resource, verbs.
const RIGHTS: [(&str, &str, &[&str]); 8] = [
    ("redis.redis.opstreelabs.in", "redis", &["get", "list", "watch", "create", "patch", "delete"]),
    ("", "secrets", &["get", "list", "create", "delete"]),
    ("", "configmaps", &["get", "list", "create", "patch", "delete"]),
    ("", "pods", &["list", "watch"]),
    ("", "services", &["list", "watch"]),
    ("", "persistentvolumeclaims", &["list", "watch", "delete"]),
    ("apps", "statefulsets", &["get", "list", "watch"]),
    ("", "events", &["list"]),
];

/// A user with all of these rights but one.
fn user_without(case: &Case, resource: &str, verb: &str) {
    user_who_may(case, &format!("no-{verb}-{resource}"), |right| right != (resource, verb));
}

/// A user with those of these rights.
fn user_who_may(case: &Case, name: &str, may: impl Fn((&str, &str)) -> bool) {
    let rules = RIGHTS.iter().map(|(group, one, verbs)| {
        let verbs: Vec<_> = verbs.iter().filter(|verb| may((*one, **verb))).collect();
        json!({"apiGroups": [group], "resources": [one], "verbs": verbs})
    });
    let rules: Vec<Value> = rules.filter(|rule| rule["verbs"] != json!([])).collect();
    let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": case.namespace});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
         "roleRef": role, "subjects": [subject]},
    ]});
    case.use_kubeconfig(&case.as_user(name, &objects.to_string()).kubeconfig);
}

fn administrator(case: &Case) {
    case.use_kubeconfig(&case.path("kubeconfig"));
}

/// The one error names the right as RBAC calls it.
fn names_the_right(case: &Case, output: &Output, resource: &str, verb: &str) -> Diagnostic {
    at_once(output);
    let mut errors = errors(case, output);
    assert_eq!(errors.len(), 1, "without {verb} on {resource}: {errors:#?}");
    let group = RIGHTS.iter().find(|right| right.1 == resource).map_or("", |right| right.0);
    let right = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let grant = format!("`{verb}` on `{right}`");
    assert!(errors[0].detail.contains(&grant), "{grant} is not in {errors:#?}");
    errors.remove(0)
}

for_alternate_clis! {
    fn wrong_credentials(cli: Cli) {
        let case = Case::new(cli, "credentials");
        case.write("wrong", &case.proxy.kubeconfig(Some("wrong-token")));
        case.use_kubeconfig(&case.path("wrong"));
        let output = refused(&case, &resting());
        assert!(!output.to_string().contains("wrong-token"));
        case.assert_diagnostics("wrong-credentials", &output);
    }

    fn a_right_is_missing_on_create(cli: Cli) {
        let case = Case::new(cli, "rights-create");
        let mut all = Vec::new();
        for (resource, verb) in [
            ("redis", "get"), ("secrets", "create"), ("configmaps", "create"), ("configmaps", "patch"),
            ("redis", "create"), ("redis", "patch"),
        ] {
            user_without(&case, resource, verb);
            let output = refused(&case, &resting());
            all.push(names_the_right(&case, &output, resource, verb));
        }
        assert_snapshot("rights-on-create", &all);
    }

    /// The custom resource exists by then: it stays in the state, and the next apply goes on.
    fn a_right_to_watch_is_missing(cli: Cli) {
        let case = Case::new(cli, "rights-watch");
        for (resource, verb) in [
            ("redis", "watch"), ("statefulsets", "watch"), ("pods", "watch"), ("services", "list"),
            ("persistentvolumeclaims", "list"),
        ] {
            user_without(&case, resource, verb);
            case.write("main.tf", &waited_for().text());
            let output = case.apply_fails();
            names_the_right(&case, &output, resource, verb);
            assert_eq!(case.resource(ADDRESS)["id"], format!("{}/cache", case.namespace), "{output}");
            administrator(&case);
            end(&case);
        }
    }

    /// Whoever does not wait writes what is wanted, and needs no right to see what becomes of it.
    fn an_apply_that_does_not_wait_needs_no_right_to_watch(cli: Cli) {
        let case = Case::new(cli, "rights-no-watch");
        let seen = ["pods", "services", "persistentvolumeclaims", "events"];
        user_who_may(&case, "writer", |(resource, verb)| verb != "watch" && !seen.contains(&resource));
        case.write("main.tf", &resting().text());
        case.apply();
        case.plan_is_empty();
        case.write("main.tf", &resting().with("additional_config", "{ timeout = \"100\" }").text());
        let output = case.apply();
        let warnings: Vec<_> = case.diagnostics(&output).into_iter().map(|one| one.summary).collect();
        assert!(warnings.iter().any(|one| one.ends_with("was not saved before the restart")), "{warnings:?}");
        case.plan_is_empty();
        // The pod would read other files, and nobody has had them written.
        let other = "{ size = \"128Mi\", aof = { enabled = true } }";
        case.write("main.tf", &resting().with("persistence", other).text());
        says(&case, &case.apply_fails(), &["cannot be prepared for the restart"]);
        administrator(&case);
        end(&case);
    }

    fn a_right_is_missing_on_refresh(cli: Cli) {
        let case = Case::new(cli, "rights-read");
        case.write("main.tf", &resting().text());
        case.apply();
        for (resource, verb) in [("redis", "get"), ("configmaps", "get"), ("secrets", "get"), ("statefulsets", "get")] {
            // With `list` alone it is found; without both it is not.
            user_without(&case, resource, verb);
            case.plan_is_empty();
            user_without(&case, resource, "list");
            case.plan_is_empty();
        }
        case.use_kubeconfig(&case.as_user("nobody", "").kubeconfig);
        let output = case.plan_fails();
        case.assert_diagnostics("no-right-on-refresh", &output);
        let output = case.start_destroy().wait();
        assert_eq!(output.code, Some(1), "{output}");
        user_without(&case, "redis", "delete");
        let output = case.start_destroy().wait();
        names_the_right(&case, &output, "redis", "delete");
        administrator(&case);
        case.plan_is_empty();
        end(&case);
    }

    fn admission_denies(cli: Cli) {
        let case = Case::new(cli, "admission");
        let policy = Policy::new(&case);
        let output = refused(&case, &resting());
        case.assert_diagnostics("admission-denied", &output);
        drop(policy);
        case.wait_until("the policy is gone", Duration::from_secs(30), || (!denied(&case)).then_some(()));
        case.apply();
        end(&case);
    }

    /// The custom resource and the StatefulSet are accepted, and waiting makes no pod.
    fn a_limit_refuses_the_pods(cli: Cli) {
        let case = Case::new(cli, "limit-range");
        case.kubectl_apply(
            "apiVersion: v1\nkind: LimitRange\nmetadata: { name: large-only }\nspec:\n  limits:\n    - type: Container\n      min: { cpu: 50m }\n",
        );
        case.write("main.tf", &Configuration::small().text());
        let output = case.apply_fails();
        assert!(output.operation_took() < Duration::from_secs(60), "{output}");
        says(&case, &output, &["a pod cannot be created", "minimum cpu usage", "LimitRange: change master.resources"]);
        case.write("main.tf", &Configuration::small().with("master", &master("60m")).text());
        case.apply();
        serves(&case);
        leaves_nothing(&case);
    }

    fn a_quota_is_used_up(cli: Cli) {
        let case = Case::new(cli, "quota");
        case.kubectl(&["create", "quota", "none", "--hard=count/secrets=0"]);
        let exceeded = || !case.try_kubectl(&["create", "secret", "generic", "x", "--dry-run=server"]).succeeded();
        case.wait_until("the quota counts", Duration::from_secs(30), || exceeded().then_some(()));
        let output = refused(&case, &resting());
        case.assert_diagnostics("quota-exceeded", &output);
        case.kubectl(&["delete", "quota", "none"]);
        case.apply();
        end(&case);
    }

    fn the_name_is_taken(cli: Cli) {
        let case = Case::new(cli, "taken");
        case.kubectl_apply(TAKEN);
        let seen = |object: &Value| object["metadata"]["finalizers"] == json!(["redisFinalizer"]);
        let before = case.wait_for_object("the operator's finalizer", CUSTOM_RESOURCES, Duration::from_secs(30), seen);
        case.write("main.tf", &resting().text());
        let output = case.apply_fails();
        at_once(&output);
        case.assert_diagnostics("name-taken", &output);
        assert!(case.resource(ADDRESS).is_null());
        assert_eq!(custom_resource(&case)["spec"], before["spec"], "nothing is changed");
        assert_eq!(case.objects(SECRETS).len(), 0);

        // The one that is there has no volume, and no password.
        let adopting = resting().with("adopt_existing", "true");
        case.write("main.tf", &adopting.text());
        let output = case.apply_fails();
        case.assert_diagnostics("adoption-refused", &output);
        assert_eq!(custom_resource(&case)["spec"], before["spec"], "nothing is changed");
        case.write("main.tf", &adopting.with("persistence", "{ enabled = false }").text());
        let output = case.apply();
        let warned = case.diagnostics(&output).into_iter().any(|one| one.summary == "The password of <namespace>/cache changes");
        assert!(warned, "{output}");
        case.plan_is_empty();
        let after = custom_resource(&case);
        assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "taken over, not made anew");
        assert_eq!(after["spec"]["kubernetesConfig"]["image"], "quay.io/opstree/redis:v7.0.15");
        end(&case);
    }

    fn another_manager_owns_a_field(cli: Cli) {
        let case = Case::new(cli, "conflict");
        case.write("main.tf", &resting().text());
        case.apply();
        let theirs = case.path("theirs.yaml");
        case.write("theirs.yaml", THEIRS);
        case.kubectl(&["apply", "--server-side", "--field-manager=helm", "--force-conflicts", "-f", &theirs.to_string_lossy()]);
        let output = case.apply_fails();
        at_once(&output);
        case.assert_diagnostics("field-conflict", &output);
        assert_eq!(custom_resource(&case)["spec"]["kubernetesConfig"]["resources"]["limits"]["cpu"], "150m");
        case.write("main.tf", &resting().with("force_conflicts", "true").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(custom_resource(&case)["spec"]["kubernetesConfig"]["resources"]["limits"]["cpu"], "200m");
        end(&case);
    }

    fn the_namespace_is_being_deleted(cli: Cli) {
        let case = Case::new(cli, "terminating");
        let held = json!({"metadata": {"name": "held", "finalizers": ["redis-e2e/held"]}});
        let path = format!("/api/v1/namespaces/{}/configmaps", case.namespace);
        assert_eq!(cluster::request(Method::POST, &path, Some(&held)).status, 201);
        case.kubectl(&["delete", "namespace", &case.namespace, "--wait=false"]);
        case.write("main.tf", &resting().with("timeouts", "{ create = \"20s\" }").text());
        let output = case.apply_fails();
        case.assert_diagnostics("namespace-terminating", &output);
        assert!(case.resource(ADDRESS).is_null());
        case.kubectl(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
        case.leaves_things();
    }
}

/// Made by somebody else; the operator leaves it alone.
const TAKEN: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata:
  name: cache
  namespace: '{namespace}'
spec:
  kubernetesConfig: {image: 'quay.io/opstree/redis:v7.0.12'}
  nodeSelector: {no-such: node}
";

const THEIRS: &str = "
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: Redis
metadata: {name: cache, namespace: '{namespace}'}
spec:
  kubernetesConfig:
    image: 'quay.io/opstree/redis:v7.0.15'
    resources: {limits: {cpu: 150m}}
";

/// A ValidatingAdmissionPolicy that lets no Redis into the case's namespace.
struct Policy(String);

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1";

impl Policy {
    fn new(case: &Case) -> Policy {
        let policy = Policy(format!("{}-policy", case.namespace));
        let rule = json!({"apiGroups": ["redis.redis.opstreelabs.in"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["redis"]});
        let here = json!({"matchLabels": {"kubernetes.io/metadata.name": case.namespace}});
        let spec = json!({"matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
            "validations": [{"expression": "false", "message": "every Redis needs a cost-center label"}]});
        let binding = json!({"policyName": policy.0, "validationActions": ["Deny"]});
        for (kind, spec) in
            [("validatingadmissionpolicies", spec), ("validatingadmissionpolicybindings", binding)]
        {
            let body = json!({"metadata": {"name": policy.0}, "spec": spec});
            let answer = cluster::request(Method::POST, &format!("{POLICIES}/{kind}"), Some(&body));
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        // The API server takes a moment to compile it.
        case.wait_until("the policy is in force", Duration::from_secs(60), || denied(case).then_some(()));
        policy
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        for kind in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
            cluster::request(Method::DELETE, &format!("{POLICIES}/{kind}/{}", self.0), None);
        }
    }
}

fn denied(case: &Case) -> bool {
    let path = CUSTOM_RESOURCES.replace("{namespace}", &case.namespace);
    let body = json!({"apiVersion": "redis.redis.opstreelabs.in/v1beta2", "kind": "Redis", "metadata": {"name": "probe"},
        "spec": {"kubernetesConfig": {"image": "none"}}});
    cluster::request(Method::POST, &format!("{path}?dryRun=All"), Some(&body)).status == 422
}
