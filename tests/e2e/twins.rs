//! Each answer that the proxy makes up has a twin that the real API server gave; they must have the same shape.
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::case::{Case, unique};
use crate::cli::Cli;
use crate::cluster;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::proxy_self_test::{Fared, ask};

const CONFIGMAPS: &str = "/api/v1/namespaces/{namespace}/configmaps";

/// What a client can tell apart: code, type of content, and names and types of all fields (not their texts).
#[derive(Debug, PartialEq)]
struct Shape {
    status: u16,
    content_type: String,
    retry_after: Option<String>,
    body: Value,
}

fn shape(fared: Fared) -> Shape {
    let Fared::Answered { status, content_type, retry_after, body } = fared else { panic!("{fared:?}") };
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(mut json) => {
            json["message"] = json!("text");
            json
        }
        Err(_) => json!(body),
    };
    Shape { status, content_type, retry_after, body }
}

/// Asks twice: first the real API server, then with the fault in its place.
fn assert_twins(case: &Case, what: What, ask: impl Fn() -> Fared) {
    let real = shape(ask());
    case.proxy.add_fault(Fault { on: Matcher::on("GET", "/**"), when: When::Before, what: what.clone() });
    case.proxy.add_fault(Fault { on: Matcher::on("POST", "/**"), when: When::Before, what });
    let made_up = shape(ask());
    case.proxy.clear_faults();
    assert_eq!(case.proxy.faults_played().len(), 1, "the second answer must be made up");
    assert_eq!(made_up, real);
}

fn new_case(name: &str) -> Case {
    let case = Case::new(Cli::Terraform, name);
    case.leaves_things();
    case
}

with_cluster! {
    fn not_found() {
        let case = new_case("twin-404");
        let details = json!({"name": "none", "kind": "configmaps"});
        let body = status_body(404, "NotFound", "made up", Some(details));
        assert_twins(&case, What::Status(404, Some(body)), || {
            ask(&case, Method::GET, &format!("{CONFIGMAPS}/none"), None, None)
        });
    }

    /// No such CRD: no `Status` at all, so it must not be taken for an object that is gone.
    fn no_such_kind() {
        let case = new_case("twin-404-kind");
        assert_twins(&case, What::Status(404, None), || {
            ask(&case, Method::GET, "/apis/no.such.group/v1/namespaces/{namespace}/things/one", None, None)
        });
    }

    fn not_found_of_a_custom_resource() {
        let case = new_case("twin-404-custom");
        let details = json!({"name": "none", "group": "redis.redis.opstreelabs.in", "kind": "redis"});
        let body = status_body(404, "NotFound", "made up", Some(details));
        assert_twins(&case, What::Status(404, Some(body)), || {
            let path = "/apis/redis.redis.opstreelabs.in/v1beta2/namespaces/{namespace}/redis/none";
            ask(&case, Method::GET, path, None, None)
        });
    }

    fn forbidden() {
        let case = new_case("twin-403");
        let user = case.as_user("nobody", "");
        let body = status_body(403, "Forbidden", "made up", Some(json!({"kind": "configmaps"})));
        assert_twins(&case, What::Status(403, Some(body)), || {
            ask(&case, Method::GET, CONFIGMAPS, Some(&user.token), None)
        });
    }

    fn unauthorized() {
        let case = new_case("twin-401");
        let body = status_body(401, "Unauthorized", "made up", None);
        assert_twins(&case, What::Status(401, Some(body)), || {
            ask(&case, Method::GET, CONFIGMAPS, Some("wrong"), None)
        });
    }

    fn already_exists() {
        let case = new_case("twin-409");
        case.kubectl(&["create", "configmap", "twice"]);
        let body = status_body(409, "AlreadyExists", "made up", Some(json!({"name": "twice", "kind": "configmaps"})));
        assert_twins(&case, What::Status(409, Some(body)), || {
            ask(&case, Method::POST, CONFIGMAPS, None, Some(&json!({"metadata": {"name": "twice"}})))
        });
    }

    fn service_unavailable() {
        let case = new_case("twin-503");
        case.kubectl(&["create", "service", "clusterip", "empty", "--tcp=80"]);
        let body = status_body(503, "ServiceUnavailable", "made up", None);
        assert_twins(&case, What::Status(503, Some(body)), || {
            ask(&case, Method::GET, "/api/v1/namespaces/{namespace}/services/empty:80/proxy/", None, None)
        });
    }

    /// Priority and fairness refuses before any handler is reached: plain text and `Retry-After`.
    fn too_many_requests() {
        let case = new_case("twin-429");
        let user = case.as_user("crowd", "");
        let limit = Limit::new(&case, "crowd");
        let ask = || ask(&case, Method::GET, CONFIGMAPS, Some(&user.token), None);
        // A share of nought still lets one request at a time through; and new rules take a moment.
        let real = case.wait_until("a request is one too many", Duration::from_secs(30), || {
            std::thread::scope(|scope| {
                let crowd: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
                let answers = crowd.into_iter().map(|one| shape(one.join().unwrap()));
                answers.collect::<Vec<_>>().into_iter().find(|answer| answer.status == 429)
            })
        });
        let everything = Matcher::on("GET", "/**");
        case.proxy.add_fault(Fault { on: everything, when: When::Before, what: What::Status(429, None) });
        assert_eq!(shape(ask()), real);
        drop(limit);
    }
}

const FLOW_CONTROL: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

/// A rule that lets a ServiceAccount make no request at all; cluster-wide, so it must go even after a failure.
struct Limit(String);

impl Limit {
    fn new(case: &Case, account: &str) -> Limit {
        let limit = Limit(format!("redis-e2e-{}", unique()));
        let level = json!({"metadata": {"name": limit.0}, "spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}}});
        let subject = json!({"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": case.namespace}});
        let everything = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]});
        let schema = json!({"metadata": {"name": limit.0}, "spec": {"matchingPrecedence": 10,
            "priorityLevelConfiguration": {"name": limit.0},
            "rules": [{"subjects": [subject], "resourceRules": [everything]}]}});
        for (kind, body) in [("prioritylevelconfigurations", level), ("flowschemas", schema)] {
            let answer = cluster::request(Method::POST, &format!("{FLOW_CONTROL}/{kind}"), Some(&body));
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        limit
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        for kind in ["flowschemas", "prioritylevelconfigurations"] {
            cluster::request(Method::DELETE, &format!("{FLOW_CONTROL}/{kind}/{}", self.0), None);
        }
    }
}
