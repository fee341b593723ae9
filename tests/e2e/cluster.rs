//! The real cluster: where it is and how the harness itself asks it, past the cases' proxies so that its
//! requests are not counted.
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::cli::existing_file;

/// One runtime for all cases: proxies and requests wait on it while the tests' own threads stay synchronous.
pub static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

type Sender =
    BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, hyper_util::client::legacy::Error>;

/// The API server, as one user sees it.
#[derive(Clone)]
pub struct Upstream {
    address: String,
    sender: Sender,
}

/// What the API server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> Answer {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
        Answer {
            status: head.status.as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            headers: head.headers,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn items(&self) -> Vec<Value> {
        self.json()["items"].as_array().cloned().unwrap_or_default()
    }
}

impl Upstream {
    fn new(config: &kube::Config) -> Upstream {
        let connector = config.rustls_https_connector().unwrap();
        let sender = BoxCloneSyncService::new(Client::builder(TokioExecutor::new()).build(connector));
        Upstream { address: config.cluster_url.to_string().trim_end_matches('/').to_owned(), sender }
    }

    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{}{path}", self.address).parse().unwrap();
        request.headers_mut().remove("host");
        self.sender.clone().oneshot(request).await
    }
}

/// The administrator of the kubeconfig.
pub static ADMINISTRATOR: LazyLock<Upstream> = LazyLock::new(|| Upstream::new(&config(Kubeconfig::clone)));

/// Nobody: for requests that bring their own `Authorization` header.
pub static NOBODY: LazyLock<Upstream> = LazyLock::new(|| {
    Upstream::new(&config(|kubeconfig| {
        let mut kubeconfig = kubeconfig.clone();
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(AuthInfo::default());
        }
        kubeconfig
    }))
});

pub fn kubeconfig_path() -> PathBuf {
    existing_file("REDIS_DEV_KUBECONFIG").expect("REDIS_DEV_KUBECONFIG")
}

pub fn kubectl_path() -> PathBuf {
    existing_file("REDIS_DEV_KUBECTL").expect("REDIS_DEV_KUBECTL")
}

fn config(change: impl FnOnce(&Kubeconfig) -> Kubeconfig) -> kube::Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig_path()).expect("the cluster's kubeconfig");
    let options = KubeConfigOptions::default();
    RUNTIME
        .block_on(kube::Config::from_custom_kubeconfig(change(&kubeconfig), &options))
        .expect("the cluster's kubeconfig")
}

/// One request as administrator, straight to the API server.
pub fn request(method: Method, path: &str, body: Option<&Value>) -> Answer {
    let content_type =
        if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = Request::builder()
        .method(&method)
        .uri(path)
        .header("content-type", content_type)
        .body(Full::from(bytes))
        .unwrap();
    let upstream = ADMINISTRATOR.clone();
    RUNTIME.block_on(async move {
        let response =
            upstream.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        Answer::read(response).await
    })
}

pub fn get(path: &str) -> Answer {
    request(Method::GET, path, None)
}

/// Waits until an object of a collection is as wanted: lists, then watches from there, so that no event between
/// the two is lost; lists again when the watch ends. Returns the object, or `None` at the deadline.
pub fn watch_until(collection: &str, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let listed = |items: Vec<Value>| items.into_iter().find(|object| wanted(object));
    let told = |event: &Value| event["type"] != "DELETED" && wanted(&event["object"]);
    watch(collection, patience, listed, told)
}

/// Waits until a collection is empty; what is left of it at the deadline.
pub fn watch_until_empty(collection: &str, patience: Duration) -> Vec<Value> {
    let listed = |items: Vec<Value>| items.is_empty().then_some(Value::Null);
    // One that goes may be the last: the next list tells.
    let end = Instant::now() + patience;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match watch(collection, left, listed, |event| event["type"] == "DELETED") {
            Some(Value::Null) => return Vec::new(),
            Some(_) => {}
            None => break,
        }
    }
    get(collection).items()
}

fn watch(
    collection: &str,
    patience: Duration,
    listed: impl Fn(Vec<Value>) -> Option<Value>,
    told: impl Fn(&Value) -> bool,
) -> Option<Value> {
    let end = Instant::now() + patience;
    loop {
        let list = get(collection);
        if let Some(found) = listed(list.items()) {
            return Some(found);
        }
        let left = end.checked_duration_since(Instant::now())?;
        let version = list.json()["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let separator = if collection.contains('?') { '&' } else { '?' };
        let path = format!("{collection}{separator}watch=true&resourceVersion={version}");
        let watch = RUNTIME.block_on(async { tokio::time::timeout(left, watch_once(&path, &told)).await });
        if let Some(found) = watch.ok()? {
            return Some(found);
        }
    }
}

async fn watch_once(path: &str, told: impl Fn(&Value) -> bool) -> Option<Value> {
    let request = Request::get(path).body(Full::default()).unwrap();
    let mut body = ADMINISTRATOR.send(request).await.ok()?.into_body();
    let mut pending = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        pending.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).ok()?;
            if told(&event) {
                return Some(event["object"].clone());
            }
        }
    }
    None
}
