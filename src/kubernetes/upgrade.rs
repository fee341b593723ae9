//! A request that becomes a stream: into a pod's port or a container's command, with our own stack around it.
//!
//! kube frames the stream (`Portforwarder`, `AttachedProcess`); what carries the request is our transport, so
//! credentials, certificates, proxy, retries and errors are those of every other request.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::time::{Instant, timeout_at};

use super::error::{Attempt, Cause, Error, Verb};
use super::object::ObjectRef;
use super::status::Refusal;
use super::transport::TransportError;
use super::{Cluster, Connection, check_names};

/// Longest message of the other side that is quoted, in characters.
const QUOTE: usize = 500;

impl Cluster {
    /// Has `open` ask for a stream at a pod, until it is there or `deadline` passes: the stream, and on which server.
    ///
    /// A command is asked for again only where it has certainly not begun; a port also when the connection broke.
    pub(super) async fn upgraded<T>(
        &self,
        attempt: &Attempt,
        pod: &ObjectRef,
        deadline: Instant,
        open: impl AsyncFnOnce(Api<Pod>) -> Result<T, kube::Error>,
    ) -> Result<(T, Arc<str>), Error> {
        let connection = self.connection(attempt, deadline).await?;
        let fail = |cause| Error::new(attempt, Some(&connection.server), cause);
        check_names(attempt).map_err(|error| fail(Cause::BadRequest(error)))?;
        let method = if attempt.verb == Verb::Exec { Method::POST } else { Method::GET };
        let client = connection.transport.clone().into_client_for_stream(method, deadline);
        let pods = Api::namespaced(client, pod.namespace.as_deref().unwrap_or_default());
        match timeout_at(deadline, open(pods)).await {
            Ok(Ok(stream)) => Ok((stream, Arc::clone(&connection.server))),
            Ok(Err(error)) => Err(fail(cause(attempt, &connection, error))),
            Err(_) => Err(fail(TransportError::Deadline.into())),
        }
    }
}

/// Why there is no stream, from kube's error.
fn cause(attempt: &Attempt, connection: &Connection, error: kube::Error) -> Cause {
    match error {
        kube::Error::Api(status) => connection.cause(attempt, &Refusal::from_kube(&status)),
        kube::Error::Service(error) => match error.downcast::<TransportError>() {
            Ok(error) => (*error).into(),
            Err(error) => TransportError::Broken(error.to_string()).into(),
        },
        kube::Error::BuildRequest(error) => Cause::BadRequest(error.to_string()),
        // A proxy that does not pass upgrades on answers with an ordinary 200, or drops headers.
        kube::Error::UpgradeConnection(error) => {
            let found = format!("no WebSocket ({error})");
            let status = match error {
                kube::client::UpgradeConnectionError::ProtocolSwitch(status) => status.as_u16(),
                _ => 101,
            };
            Cause::NotKubernetes { status, found }
        }
        _ => TransportError::Broken("the stream cannot be set up".to_owned()).into(),
    }
}

/// The other side's words, fit to be shown: on one line, and not too many.
pub(super) fn quoted(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
