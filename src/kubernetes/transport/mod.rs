//! One request on its way: authorised, timed, tried again, logged.
//!
//! `send` → `again?` → `authorised` → `once` → the wire. Every answer but a stream is read whole inside the
//! request's timeout, so half an answer counts as none and can be asked for again.
//!
//! What is tried again, as long as the deadline allows: 429 and 503 (after `Retry-After` where given), a refused
//! connection, and a connection that broke before the answer was whole, the last not for POST: it may have
//! created the object. A server that cannot be connected to is given less: [`Patience`].
//!
//! One debug line per request: method, path, status, milliseconds. No bodies, no headers, no query.

mod error;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER, WARNING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Bytes, Incoming};
use kube::client::Body;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};

use super::authorize::Authorize;

pub use error::TransportError;

use error::{broken, not_sent};

/// What carries requests: connections, TLS, proxy, base URL.
pub(super) type Wire = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

/// Pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between tries, unless the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one whole answer; of a stream, for its head.
    pub answer: Duration,
    /// For a server that cannot be connected to and has never answered: its address may be wrong.
    pub first_connection: Duration,
    /// For a server that has answered before: it may be restarting.
    pub connection: Duration,
    /// For a watch that is refused: the right may be granted by somebody else in the same apply.
    pub refusal: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            answer: Duration::from_secs(30),
            first_connection: Duration::from_secs(10),
            connection: Duration::from_secs(60),
            refusal: Duration::from_secs(8),
        }
    }
}

/// Sends requests.
pub(super) struct Transport {
    wire: Wire,
    pub(super) authorize: Arc<Authorize>,
    patience: Patience,
    /// Whether the server has ever answered.
    answered: AtomicBool,
}

impl Transport {
    pub(super) fn new(wire: Wire, authorize: Arc<Authorize>, patience: Patience) -> Transport {
        Transport { wire, authorize, patience, answered: AtomicBool::new(false) }
    }

    /// Sends a request until it is answered, fails for good, or `deadline` passes. Any status is an answer.
    ///
    /// Cancelled: a request under way is abandoned, and whether the server carries it out is unknown.
    pub(super) async fn send(
        &self,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, TransportError> {
        self.persist(request.method(), deadline, || self.authorised(request)).await
    }

    /// Sends a request whose answer is a stream, as often as `send`, counting it as one of `method`: what is
    /// asked for with GET may do something.
    async fn upgrade(
        &self,
        request: &Request<Bytes>,
        method: &Method,
        deadline: Instant,
    ) -> Result<Response<Incoming>, TransportError> {
        self.persist(method, deadline, || self.open(request)).await
    }

    async fn persist<B, F>(
        &self,
        method: &Method,
        deadline: Instant,
        mut once: impl FnMut() -> F,
    ) -> Result<Response<B>, TransportError>
    where
        F: Future<Output = Result<Response<B>, TransportError>>,
    {
        let began = Instant::now();
        let mut last = None;
        for attempt in 0.. {
            let Ok(outcome) = timeout_at(deadline, once()).await else { break };
            let Some(pause) = pause_before_retry(&outcome, method, attempt) else { return outcome };
            let end = match &outcome {
                Err(TransportError::Refused(_)) => deadline.min(began + self.patience_to_connect()),
                _ => deadline,
            };
            if Instant::now() + pause >= end {
                return outcome;
            }
            tracing::debug!(attempt, pause_milliseconds = pause.as_millis(), "trying again");
            last = Some(outcome);
            sleep(pause).await;
        }
        last.unwrap_or(Err(TransportError::Deadline))
    }

    /// Sends a request whose answer is a stream: once, with no limit but on the time to its head.
    pub(super) async fn open(&self, request: &Request<Bytes>) -> Result<Response<Incoming>, TransportError> {
        let ticket = self.authorize.ticket().await?;
        let response = self.head(request, ticket.header.clone()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorize.refused(&ticket).await {
            let ticket = self.authorize.ticket().await?;
            return self.head(request, ticket.header).await;
        }
        Ok(response)
    }

    /// As a kube client, for kube's watcher, which does its own retries.
    pub(super) fn into_client(self: Arc<Self>) -> kube::Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let transport = Arc::clone(&self);
            async move {
                let (parts, body) = request.into_parts();
                let request = Request::from_parts(parts, body.collect().await?.to_bytes());
                let response = match is_stream(&request) {
                    true => transport.open(&request).await?.map(Either::Left),
                    false => transport.authorised(&request).await?.map(|body| Either::Right(Full::new(body))),
                };
                Ok::<_, BoxError>(response)
            }
        });
        kube::Client::new(service, "default")
    }

    /// As a kube client for one stream: it is asked for as patiently as `send` asks, until `deadline`.
    pub(super) fn into_client_for_stream(self: Arc<Self>, method: Method, deadline: Instant) -> kube::Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let (transport, method) = (Arc::clone(&self), method.clone());
            async move {
                let (parts, body) = request.into_parts();
                let request = Request::from_parts(parts, body.collect().await?.to_bytes());
                transport.upgrade(&request, &method, deadline).await.map_err(BoxError::from)
            }
        });
        kube::Client::new(service, "default")
    }

    /// Sends once, and once more if the server answers 401 and a fresh credential can be had.
    async fn authorised(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let ticket = self.authorize.ticket().await?;
        let response = self.once(request, ticket.header.clone()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorize.refused(&ticket).await {
            let ticket = self.authorize.ticket().await?;
            return self.once(request, ticket.header).await;
        }
        Ok(response)
    }

    /// Sends once and reads the whole answer.
    async fn once(
        &self,
        request: &Request<Bytes>,
        authorization: Option<http::HeaderValue>,
    ) -> Result<Response<Bytes>, TransportError> {
        let whole = async {
            let (parts, body) = self.head(request, authorization).await?.into_parts();
            let body = body.collect().await.map_err(|error| broken(&error))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let after = self.patience.answer;
        timeout(after, whole).await.unwrap_or(Err(TransportError::Slow { after }))
    }

    /// Sends once and waits for the head of the answer.
    async fn head(
        &self,
        request: &Request<Bytes>,
        authorization: Option<http::HeaderValue>,
    ) -> Result<Response<Incoming>, TransportError> {
        let mut outgoing = request.clone().map(Body::from);
        if let Some(header) = authorization {
            outgoing.headers_mut().insert(AUTHORIZATION, header);
        }
        let began = Instant::now();
        let after = self.patience.answer;
        let outcome = match timeout(after, self.wire.clone().oneshot(outgoing)).await {
            Ok(answer) => answer.map_err(|error| not_sent(&*error)),
            Err(_) => Err(TransportError::Slow { after }),
        };
        let (method, path) = (request.method().as_str(), request.uri().path());
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(response) => {
                self.answered.store(true, Ordering::Relaxed);
                tracing::debug!(method, path, status = response.status().as_u16(), milliseconds, "request");
                for warning in response.headers().get_all(WARNING) {
                    tracing::debug!(path, warning = warning.to_str().unwrap_or_default(), "the server warns");
                }
            }
            Err(error) => tracing::debug!(method, path, milliseconds, %error, "request failed"),
        }
        outcome
    }

    fn patience_to_connect(&self) -> Duration {
        match self.answered.load(Ordering::Relaxed) {
            true => self.patience.connection,
            false => self.patience.first_connection,
        }
    }
}

/// Whether the answer is a stream without an end: a watch, a followed log, or an upgraded connection.
fn is_stream<T>(request: &Request<T>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let asks = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "follow=true"));
    asks || request.headers().contains_key(http::header::UPGRADE)
}

/// How long to wait before asking again; `None`: the outcome stands.
fn pause_before_retry<B>(
    outcome: &Result<Response<B>, TransportError>,
    method: &Method,
    attempt: u32,
) -> Option<Duration> {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_PAUSE);
    match outcome {
        Ok(response) => match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some(retry_after(response.headers()).unwrap_or(pause))
            }
            _ => None,
        },
        Err(TransportError::Refused(_)) => Some(pause),
        Err(TransportError::Broken(_) | TransportError::Slow { .. }) => {
            (method != Method::POST).then_some(pause)
        }
        Err(
            TransportError::Credential(_)
            | TransportError::Tls(_)
            | TransportError::Deadline
            | TransportError::Client(_),
        ) => None,
    }
}

/// `Retry-After` in seconds; its other form, a date, is not one that API servers send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::test_server::{POD, Reply, TestServer, patience, test_proxy};
    use crate::kubernetes::{Cause, Cluster, Error, Lookup, ObjectRef, Settings};
    use serde_json::json;

    fn pod() -> ObjectRef {
        ObjectRef::namespaced(&POD, "redis", "a")
    }

    fn found() -> Reply {
        Reply::json(200, &json!({"metadata": {"name": "a"}}))
    }

    fn within(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    async fn get(server: &TestServer, milliseconds: u64) -> Result<Lookup, Error> {
        server.cluster().get(&pod(), within(milliseconds)).await
    }

    #[test]
    fn what_is_tried_again() {
        let answer = |status: u16| Ok(Response::builder().status(status).body(()).unwrap());
        let asked = Ok(Response::builder().status(429).header("retry-after", "7").body(()).unwrap());
        let milliseconds = |pause: Option<Duration>| pause.map(|pause| pause.as_millis());
        let broken = || Err(TransportError::Broken(String::new()));
        let refused = || Err(TransportError::Refused(String::new()));
        for (outcome, method, attempt, pause) in [
            (answer(200), Method::GET, 0, None),
            (answer(500), Method::GET, 0, None),
            (answer(504), Method::GET, 0, None),
            (answer(503), Method::POST, 0, Some(100)),
            (answer(429), Method::GET, 3, Some(800)),
            (answer(429), Method::GET, 99, Some(5_000)),
            (asked, Method::PATCH, 0, Some(7_000)),
            (refused(), Method::POST, 1, Some(200)),
            (broken(), Method::POST, 0, None),
            (broken(), Method::PATCH, 0, Some(100)),
            (Err(TransportError::Slow { after: Duration::ZERO }), Method::POST, 0, None),
            (Err(TransportError::Tls(String::new())), Method::GET, 0, None),
        ] {
            assert_eq!(
                milliseconds(pause_before_retry(&outcome, &method, attempt)),
                pause,
                "{method} {outcome:?}"
            );
        }
    }

    #[test]
    fn streams_are_known_by_what_they_ask() {
        for (url, stream) in [
            ("/api/v1/pods?limit=500", false),
            ("/api/v1/pods?limit=500&watch=true", true),
            ("/api/v1/namespaces/a/pods/watch=true/log", false),
            ("/api/v1/namespaces/a/pods/b/log?follow=true", true),
        ] {
            assert_eq!(is_stream(&Request::get(url).body(()).unwrap()), stream, "{url}");
        }
    }

    #[tokio::test]
    async fn overload_and_breaks_are_overcome() {
        let server = TestServer::start(|request| async move {
            match request.count {
                0 => {
                    Reply::status(429, "TooManyRequests", "slow down", &json!({})).header("retry-after", "0")
                }
                1 => Reply::json(503, &json!({})),
                2 => Reply::Close,
                3 => Reply::Half,
                4 => Reply::Stall,
                _ => found(),
            }
        })
        .await;
        assert!(matches!(get(&server, 60_000).await, Ok(Lookup::Found(_))));
        let seen = server.seen();
        assert_eq!(seen.len(), 6);
        let agent = seen[0].header("user-agent").unwrap();
        assert!(agent.starts_with("terraform-provider-redis/"), "{agent}");
    }

    #[tokio::test]
    async fn the_deadline_ends_the_retries_with_the_last_answer() {
        let server =
            TestServer::start(|_| async { Reply::status(503, "ServiceUnavailable", "starting", &json!({})) })
                .await;
        let began = Instant::now();
        let error = get(&server, 1_000).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unavailable { status: 503, .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
        let asks =
            TestServer::start(|_| async { Reply::json(429, &json!({})).header("retry-after", "60") }).await;
        assert!(matches!(
            get(&asks, 30_000).await.unwrap_err().cause,
            Cause::Unavailable { status: 429, .. }
        ));
        assert_eq!(asks.seen().len(), 1, "there is no time for the pause that the server asks for");
    }

    #[tokio::test]
    async fn a_stalled_body_ends_at_the_deadline() {
        let server = TestServer::start(|_| async { Reply::Stall }).await;
        let began = Instant::now();
        let error = get(&server, 500).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Timeout(_)), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_create_whose_answer_is_lost_is_not_sent_twice() {
        let server = TestServer::start(|_| async { Reply::Close }).await;
        let error = server.cluster().create(&pod(), &json!({}), within(3_000)).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_has_never_answered_is_given_little_time() {
        let settings = Settings { host: Some("http://127.0.0.1:1".to_owned()), ..Settings::default() };
        let cluster = Cluster::with_patience(settings, patience());
        let began = Instant::now();
        let error = cluster.get(&pod(), within(60_000)).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
        assert!(error.to_string().starts_with("could not read Pod redis/a on http://127.0.0.1:1: the server cannot be reached: no connection: "), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    /// Keeps what is logged, one line per event.
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            struct Fields(String);
            impl tracing::field::Visit for Fields {
                fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                    self.0 += &format!("{field}={value:?} ");
                }
            }
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }

    #[tokio::test]
    async fn one_line_is_logged_per_request_and_no_secret() {
        use tracing_subscriber::layer::SubscriberExt as _;
        // With a single subscriber in the process, whichever thread meets a line first decides for all whether it is of
        // interest, and the other tests' threads have none. A second one makes tracing ask each.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        let _guard = tracing::subscriber::set_default(subscriber);
        let server = TestServer::start(|_| async {
            Reply::json(200, &json!({"data": "hunter2"})).header("warning", "299 - \"old version\"")
        })
        .await;
        let settings = Settings { token: Some("secret-token".into()), ..server.settings() };
        let cluster = Cluster::with_patience(settings, patience());
        cluster.create(&pod(), &json!({"data": "hunter2"}), within(5_000)).await.unwrap();
        let lines = lines.0.lock().unwrap().clone();
        assert!(!lines.concat().contains("secret-token") && !lines.concat().contains("hunter2"), "{lines:?}");
        let requests: Vec<_> = lines.iter().filter(|line| line.contains("message=request ")).collect();
        assert_eq!(requests.len(), 1, "{lines:?}");
        assert!(
            requests[0].contains(r#"method="POST" path="/api/v1/namespaces/redis/pods" status=200"#),
            "{requests:?}"
        );
        assert!(lines.iter().any(|line| line.contains("old version")), "{lines:?}");
    }

    #[tokio::test]
    async fn requests_go_through_the_proxy() {
        let server = TestServer::start(|_| async { found() }).await;
        for (scheme, userinfo) in [("http", "me:secret%20word@"), ("socks5", "")] {
            let (address, asked) = test_proxy::start(scheme == "socks5").await;
            let proxy_url = Some(format!("{scheme}://{userinfo}{address}"));
            let cluster = Cluster::with_patience(Settings { proxy_url, ..server.settings() }, patience());
            let outcome = cluster.get(&pod(), within(30_000)).await;
            assert!(matches!(outcome, Ok(Lookup::Found(_))), "{scheme}: {outcome:?}");
            let asked = asked.lock().unwrap().clone();
            let host = server.url.trim_start_matches("http://").to_owned();
            match scheme {
                "http" => {
                    assert!(asked.starts_with(&format!("CONNECT {host} ")), "{asked}");
                    // me:secret word
                    assert!(asked.contains("bWU6c2VjcmV0IHdvcmQ="), "{asked}");
                }
                _ => assert_eq!(asked, host),
            }
        }
    }

    #[tokio::test]
    async fn proxies_are_used_and_passed_by() {
        let server = TestServer::start(|_| async { found() }).await;
        let settings = |proxy: &str| Settings { proxy_url: Some(proxy.to_owned()), ..server.settings() };
        for proxy in ["http://u:secret-password@127.0.0.1:1", "socks5://u:secret-password@127.0.0.1:1"] {
            let cluster = Cluster::with_patience(settings(proxy), patience());
            let error = cluster.get(&pod(), within(30_000)).await.unwrap_err();
            assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret-password"));
            let named = format!("through the proxy {}", proxy.replace("u:secret-password@", ""));
            assert!(error.to_string().contains(&named), "{error}");
        }
        assert!(server.seen().is_empty());
        let cluster = Cluster::with_patience(settings("ftp://u:secret-password@p"), patience());
        let error = cluster.get(&pod(), within(30_000)).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Config(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret-password"));
    }
}
