//! How we talk to a cluster: no Redis words, no Terraform words, nothing of ours imported.
//!
//! [`Settings`] → `resolve` → [`Cluster`] → requests. A [`Cluster`] is made without connecting; the first request
//! reads the kubeconfig, runs a credential plugin and sets up TLS, and what failed is tried anew by the next.
//!
//! - `config`, `resolve`, `kubeconfig`: which cluster, and as whom; pure.
//! - `client`, `authorize`, `exec_plugin`, `transport`: one request on its way; nothing is discovered.
//! - `object`: what a request is about. `error`, `status`: what can go wrong, as sentences.
//! - `apply`: writes. `read`: reads. `shared`: reads that many share. `watch`, `watch_source`: waiting. `logs`: what pods said.
//! - `forward`, `exec`: into a pod, by a request that becomes a stream (`upgrade`).
//!
//! Every operation takes a deadline (`tokio::time::Instant`) and may be cancelled by dropping it: a read then
//! leaves nothing behind, a write may or may not have been carried out, so whoever cancels must look again.

mod apply;
mod authorize;
mod client;
mod config;
mod error;
mod exec;
mod exec_plugin;
mod forward;
mod kubeconfig;
mod logs;
mod object;
mod read;
mod resolve;
mod shared;
mod status;
#[cfg(test)]
mod test_server;
mod transport;
mod upgrade;
mod watch;
mod watch_source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

pub use apply::{Apply, Deletion, FIELD_MANAGER, Propagation};
pub use authorize::CredentialError;
pub use config::{ConfigError, Credential, Exec, Identity, Impersonate, Proxy, Resolved, Settings};
pub use error::{Attempt, Cause, Error, FieldConflict, FieldProblem, Verb};
pub use exec::{ExecOptions, ExecOutput};
pub use exec_plugin::PluginError;
pub use forward::Forward;
pub use logs::LogOptions;
pub use object::{Metadata, ObjectRef, Resource};
pub use read::{Content, Involved, Lookup};
pub use resolve::resolve;
pub use transport::TransportError;
pub use watch::{Selection, Watched, Which};

use authorize::Authorize;
use client::BuildError;
use shared::Shared;
use status::Refusal;
use transport::{Patience, Transport};

/// A cluster that can be talked to. Cheap to clone; clones share connections, credentials and reads.
///
/// On a new `Configure`, make a new one: nothing is carried over.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    patience: Patience,
    connection: Mutex<Option<Arc<Connection>>>,
    shared: Shared,
}

/// A cluster that has been chosen, and the means to reach it.
struct Connection {
    /// Its URL, without user or password.
    server: Arc<str>,
    transport: Arc<Transport>,
    /// The same for kube's watcher.
    client: kube::Client,
    /// Where a plugin gave the client certificate: when to ask it for another.
    certificate: Option<PluginCertificate>,
}

/// A client certificate that a plugin gave. It is part of the TLS set-up, so a new one means a new connection.
#[derive(Default)]
struct PluginCertificate {
    renew: Option<Timestamp>,
    refused: AtomicBool,
}

impl Connection {
    fn is_usable(&self) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| {
            let in_time = certificate.renew.is_none_or(|renew| Timestamp::now() < renew);
            in_time && !certificate.refused.load(Ordering::Relaxed)
        })
    }

    /// Why a request was refused. If nobody knows us, a plugin's certificate is not used again.
    fn cause(&self, attempt: &Attempt, refusal: &Refusal) -> Cause {
        let cause = status::cause(attempt, &self.transport.authorize.origin, refusal);
        if let (Cause::Unauthorized { .. }, Some(certificate)) = (&cause, &self.certificate) {
            certificate.refused.store(true, Ordering::Relaxed);
        }
        cause
    }
}

impl Cluster {
    /// A cluster by these settings. Reads and connects to nothing.
    pub fn new(settings: Settings) -> Cluster {
        Cluster::with_patience(settings, Patience::default())
    }

    fn with_patience(settings: Settings, patience: Patience) -> Cluster {
        let (connection, shared) = (Mutex::new(None), Shared::default());
        Cluster { inner: Arc::new(Inner { settings, patience, connection, shared }) }
    }

    /// The connection, set up by the first who needs it. A failure is not kept; a cancelled set-up is taken over
    /// by the next.
    async fn connection(&self, attempt: &Attempt, deadline: Instant) -> Result<Arc<Connection>, Error> {
        let made = async {
            let mut slot = self.inner.connection.lock().await;
            match &*slot {
                Some(connection) if connection.is_usable() => Ok(Arc::clone(connection)),
                _ => {
                    let connection = Arc::new(self.connect().await?);
                    *slot = Some(Arc::clone(&connection));
                    Ok(connection)
                }
            }
        };
        let outcome = timeout_at(deadline, made).await;
        outcome
            .unwrap_or_else(|_| Err(TransportError::Deadline.into()))
            .map_err(|cause| Error::new(attempt, None, cause))
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        let settings = self.inner.settings.clone();
        let resolved = off_thread(move || {
            resolve(&settings, &|name| std::env::var(name).ok(), &|path| std::fs::read_to_string(path))
        })
        .await?
        .map_err(|error| Cause::Config(Box::new(error)))?;
        tracing::debug!(origin = resolved.origin, server = shown(&resolved.server), "chose the cluster");

        let authorize =
            Arc::new(Authorize::new(resolved.credential.clone(), resolved.credential_origin.clone()));
        let (identity, certificate) = match authorize.identity().await? {
            Some((identity, renew)) => {
                (Some(identity), Some(PluginCertificate { renew, ..Default::default() }))
            }
            None => (resolved.identity.clone(), None),
        };
        let server = way(&resolved).into();
        // Off the runtime's thread: reading the operating system's certificates takes milliseconds.
        let wire = off_thread(move || client::wire(&resolved, identity.as_ref())).await?;
        let wire = wire.map_err(|error| match error {
            BuildError::Config(error) => Cause::Config(Box::new(error)),
            BuildError::Transport(error) => error.into(),
        })?;
        let transport = Arc::new(Transport::new(wire, authorize, self.inner.patience));
        Ok(Connection { server, client: Arc::clone(&transport).into_client(), transport, certificate })
    }

    /// Sends one request; anything but a 2xx answer is an error.
    async fn exchange(
        &self,
        attempt: &Attempt,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Error> {
        let connection = self.connection(attempt, deadline).await?;
        let fail = |cause| Error::new(attempt, Some(&connection.server), cause);
        let request = request.map_err(|error| fail(Cause::BadRequest(error.to_string())))?.map(Bytes::from);
        check_names(attempt).map_err(|error| fail(Cause::BadRequest(error)))?;
        let answer =
            connection.transport.send(&request, deadline).await.map_err(|error| fail(error.into()))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let refusal = Refusal::read(answer.status().as_u16(), answer.headers(), answer.body());
        Err(fail(connection.cause(attempt, &refusal)))
    }

    /// Sends one request whose answer is an object.
    async fn exchange_object(
        &self,
        attempt: &Attempt,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let answer = self.exchange(attempt, request, deadline).await?;
        match serde_json::from_slice::<Value>(answer.body()) {
            Ok(object) if object.is_object() => Ok(object),
            // The body is left out of the message: it may be a Secret.
            _ => {
                let (status, found) =
                    (answer.status().as_u16(), "an answer that is not a JSON object".to_owned());
                let connection = self.connection(attempt, deadline).await?;
                Err(Error::new(attempt, Some(&connection.server), Cause::NotKubernetes { status, found }))
            }
        }
    }
}

/// Names go into the URL as they are: one with a slash would ask for something else.
fn check_names(attempt: &Attempt) -> Result<(), String> {
    let fits = |name: &&str| {
        !name.is_empty()
            && !matches!(*name, "." | "..")
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._:".contains(letter))
    };
    match [&attempt.name, &attempt.namespace]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .find(|name| !fits(name))
    {
        Some(name) => Err(format!("{name:?} is not a name that an object can have")),
        None => Ok(()),
    }
}

/// Runs what may block on its own thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Cause> {
    let lost = |error: tokio::task::JoinError| TransportError::Client(error.to_string()).into();
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

/// The server, and the proxy on the way to it, as they may be shown.
fn way(resolved: &config::Resolved) -> String {
    let server = shown(&resolved.server);
    match client::proxy_of(resolved) {
        Some(proxy) => format!("{server} through the proxy {}", shown(&proxy)),
        None => server,
    }
}

/// A URL as it may be shown: without the user and password that some people write into it.
fn shown(url: &http::Uri) -> String {
    let (scheme, authority) =
        (url.scheme_str().unwrap_or("https"), url.authority().map_or("", |part| part.as_str()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", url.path().trim_end_matches('/'))
}
