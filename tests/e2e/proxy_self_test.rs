//! The proxy held against the real API server: what it counts, each fault as a client sees it, and upgrades.
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cli::Cli;
use crate::cluster::{self, RUNTIME};
use crate::proxy::{Fault, Matcher, Recorded, What, When, status_body};

/// How a client fares: an answer, or where it broke off.
#[derive(Debug)]
pub enum Fared {
    Answered { status: u16, content_type: String, retry_after: Option<String>, body: String },
    NoAnswer(String),
    HalfBody,
}

/// One request through a case's proxy, on a connection of its own, never repeated.
pub fn ask(case: &Case, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Fared {
    let uri = format!("http://{}{}", case.proxy.address(), path.replace("{namespace}", &case.namespace));
    let content_type =
        if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let mut request = Request::builder().method(method).uri(uri).header("content-type", content_type);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = request.body(Full::<Bytes>::from(bytes)).unwrap();
    RUNTIME.block_on(async {
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        let response = match client.request(request).await {
            Ok(response) => response,
            Err(error) => return Fared::NoAnswer(format!("{error:?}")),
        };
        let (head, body) = response.into_parts();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match body.collect().await {
            Ok(body) => Fared::Answered {
                status: head.status.as_u16(),
                content_type: header("content-type").unwrap_or_default(),
                retry_after: header("retry-after"),
                body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            },
            Err(_) => Fared::HalfBody,
        }
    })
}

const CONFIGMAPS: &str = "/api/v1/namespaces/{namespace}/configmaps";

fn code(fared: &Fared) -> u16 {
    if let Fared::Answered { status, .. } = fared { *status } else { panic!("{fared:?}") }
}

fn create(case: &Case, name: &str) -> Fared {
    ask(case, Method::POST, CONFIGMAPS, None, Some(&json!({"metadata": {"name": name}})))
}

fn exists(case: &Case, name: &str) -> bool {
    case.object(&format!("{CONFIGMAPS}/{name}")).is_some()
}

fn case_with(name: &str, on: Matcher, when: When, what: What) -> Case {
    let case = Case::new(Cli::Terraform, name);
    case.leaves_things();
    case.proxy.add_fault(Fault { on, when, what });
    case
}

with_cluster! {
    fn requests_are_recorded() {
        let case = Case::new(Cli::Terraform, "recorded");
        case.leaves_things();
        assert_eq!(code(&create(&case, "one")), 201);
        assert_eq!(code(&ask(&case, Method::GET, CONFIGMAPS, None, None)), 200);
        let requests = case.proxy.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].status, Some(201));
        assert_eq!(requests[1].method, "GET");
        assert!(requests.iter().all(|request| request.bytes > 100 && request.took.is_some()), "{requests:#?}");
        assert_eq!(case.proxy.count(|request| request.is_write()), 1);
        case.proxy.assert_no_discovery();
        case.proxy.forget();
        assert!(case.proxy.requests().is_empty());
    }

    fn discovery_is_noticed() {
        let case = Case::new(Cli::Terraform, "discovery");
        ask(&case, Method::GET, "/apis/apps/v1", None, None);
        let check = std::panic::AssertUnwindSafe(|| case.proxy.assert_no_discovery());
        assert!(std::panic::catch_unwind(check).is_err());
    }

    fn a_watch_streams() {
        let case = Case::new(Cli::Terraform, "stream");
        case.leaves_things();
        // From now on, so that the only event is ours.
        let list = cluster::get(&CONFIGMAPS.replace("{namespace}", &case.namespace)).json();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        let watch = format!("{CONFIGMAPS}?watch=1&timeoutSeconds=3&resourceVersion={version}");
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| ask(&case, Method::GET, &watch, None, None));
            let begun = |request: &Recorded| request.is_watch() && request.status == Some(200);
            assert!(case.proxy.wait_for(Duration::from_secs(5), begun), "{}", case.proxy.describe());
            create(&case, "seen");
            // The event must pass through at once, not when the watch ends.
            let streams = |request: &Recorded| request.is_watch() && request.bytes > 0 && request.took.is_none();
            assert!(case.proxy.wait_for(Duration::from_secs(2), streams), "{}", case.proxy.describe());
            let fared = watch.join().unwrap();
            let seen = matches!(&fared, Fared::Answered { status: 200, body, .. } if body.contains("seen"));
            assert!(seen, "{fared:?}");
        });
    }

    fn kubectl_and_exec_pass_through() {
        let case = Case::new(Cli::Terraform, "exec");
        case.kubectl_apply(SLEEPER);
        let runs = |pod: &Value| pod["status"]["phase"] == "Running";
        case.wait_for_object("the pod runs", "/api/v1/namespaces/{namespace}/pods", Duration::from_secs(60), runs);
        for protocol in ["false", "true"] {
            case.set("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", protocol);
            let output = case.kubectl_through_proxy(&["exec", "sleeper", "--", "echo", "through"]);
            assert_eq!(output.stdout, "through\n", "{output}");
        }
        let upgraded = |request: &Recorded| request.path.ends_with("/exec") && request.status == Some(101);
        assert_eq!(case.proxy.count(upgraded), 2);
        assert_eq!(case.proxy.writes().len(), 0);
        case.leaves_things();
    }

    fn status_before_keeps_the_request_from_the_server() {
        let body = status_body(503, "ServiceUnavailable", "made up", None);
        let on = Matcher::on("POST", "/api/v1/namespaces/*/configmaps").first(1);
        let case = case_with("status", on, When::Before, What::Status(503, Some(body)));
        assert_eq!(code(&create(&case, "one")), 503);
        assert!(!exists(&case, "one"));
        assert_eq!(code(&create(&case, "one")), 201);
        assert_eq!(case.proxy.faults_played().len(), 1);
    }

    fn status_after_lets_the_server_act() {
        let case = case_with("status-after", Matcher::write(), When::AfterForward, What::Status(504, None));
        assert_eq!(code(&create(&case, "one")), 504);
        assert!(exists(&case, "one"));
    }

    fn a_reset_is_seen_as_one() {
        for (when, there) in [(When::Before, false), (When::AfterForward, true)] {
            let case = case_with("reset", Matcher::write(), when, What::Reset);
            let fared = create(&case, "one");
            assert!(matches!(&fared, Fared::NoAnswer(error) if error.contains("ConnectionReset")), "{fared:?}");
            assert_eq!(exists(&case, "one"), there);
        }
    }

    fn half_a_body_is_seen_as_one() {
        let case = case_with("half", Matcher::write(), When::AfterForward, What::HalfBody);
        let fared = create(&case, "one");
        assert!(matches!(fared, Fared::HalfBody), "{fared:?}");
        assert!(exists(&case, "one"));
        let recorded = &case.proxy.requests()[0];
        assert!(recorded.bytes > 0 && recorded.took.is_some());
    }

    fn a_stall_lasts_until_the_client_goes() {
        let on = Matcher::on("GET", "/api/v1/namespaces/*/configmaps");
        let case = case_with("stall", on, When::Before, What::Stall);
        let path = CONFIGMAPS.replace("{namespace}", &case.namespace);
        let output = case.kubectl_through_proxy(&["get", "--raw", &path, "--request-timeout=1s"]);
        assert!(!output.succeeded(), "{output}");
        let ended = |request: &Recorded| request.took.is_some();
        assert!(case.proxy.wait_for(Duration::from_secs(5), ended), "{}", case.proxy.describe());
        assert_eq!(case.proxy.requests()[0].status, None);
    }

    fn a_token_is_passed_on() {
        let case = Case::new(Cli::Terraform, "token");
        let nobody = case.as_user("nobody", "").token;
        let reader = case.as_user("reader", READER).token;
        let body = json!({"metadata": {"name": "one"}});
        let get = |token: &str| code(&ask(&case, Method::GET, CONFIGMAPS, Some(token), None));
        assert_eq!([get("wrong"), get(&nobody), get(&reader)], [401, 403, 200]);
        assert_eq!(code(&ask(&case, Method::POST, CONFIGMAPS, Some(&reader), Some(&body))), 403);
    }
}

for_each_cli! {
    /// The CLI is killed at a request of its own child, which stands for the provider here.
    fn a_kill_hits_the_cli_at_the_chosen_request(cli: Cli) {
        for (when, there) in [(When::Before, false), (When::AfterForward, true)] {
            let case = Case::new(cli, "kill-at");
            case.leaves_things();
            case.proxy.add_fault(Fault { on: Matcher::write().nth(2), when, what: What::KillCli });
            let kubectl = cluster::kubectl_path();
            case.write("main.tf", &CREATES_TWO.replace("KUBECTL", &kubectl.to_string_lossy()));
            let output = case.try_apply();
            assert_eq!(output.code, None, "{output}");
            assert_eq!((exists(&case, "one"), exists(&case, "two")), (true, there));
            assert_eq!(case.proxy.faults_played().len(), 1);
        }
    }
}

/// A pod that only waits.
const SLEEPER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: sleeper
      image: quay.io/opstree/redis:v7.0.15
      imagePullPolicy: IfNotPresent
      command: [sleep, '600']
      resources: {requests: {cpu: 1m, memory: 4Mi}}
";

const CREATES_TWO: &str = r#"
resource "terraform_data" "this" {
  provisioner "local-exec" {
    command = "KUBECTL -n {namespace} create configmap one && KUBECTL -n {namespace} create configmap two"
  }
}
"#;

const READER: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: '{namespace}'}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: '{namespace}'}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: '{namespace}'}]
";
