//! Why a request failed, and what helps. Both stand here, so that whoever adds a cause sees the remedies.

use std::fmt;
use std::sync::Arc;

use super::fields::{FieldConflict, FieldProblem};
use crate::kubernetes::authorize::CredentialError;
use crate::kubernetes::config::ConfigError;
use crate::kubernetes::transport::TransportError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// No cluster could be chosen.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// No credential could be had.
    #[error(transparent)]
    Credential(#[from] Arc<CredentialError>),
    /// The server does not know who we are.
    #[error("the server does not accept the credential, which comes from {origin}")]
    Unauthorized {
        /// Where the credential comes from.
        origin: String,
    },
    /// The server knows who we are, and we have no right to it.
    #[error("{} may not {verb} {resource} {}", user.as_deref().unwrap_or("this user"), scope(namespace))]
    Forbidden {
        /// Who asked, as the server calls them.
        user: Option<String>,
        /// The missing right, as RBAC calls it.
        verb: String,
        /// On what, such as `statefulsets.apps` or `pods/log`.
        resource: String,
        /// Where; `None`: in the whole cluster.
        namespace: Option<String>,
    },
    /// An admission webhook or policy said no.
    #[error("{} refused it: {message}", by.as_deref().unwrap_or("an admission check of the cluster"))]
    AdmissionDenied {
        /// Who said no, such as ``admission webhook "a.example.org"``.
        by: Option<String>,
        /// Its words.
        message: String,
    },
    /// An admission webhook that must be asked does not answer.
    #[error("an admission webhook of the cluster does not answer: {message}")]
    WebhookFailed {
        /// The server's words.
        message: String,
    },
    /// A ResourceQuota is used up.
    #[error("a quota of the namespace is used up: {message}")]
    QuotaExceeded {
        /// The server's words.
        message: String,
    },
    /// There is no such namespace.
    #[error("namespace {namespace:?} does not exist")]
    NamespaceMissing {
        /// Its name.
        namespace: String,
    },
    /// The namespace is being deleted, and takes nothing new.
    #[error("namespace {namespace:?} is being deleted")]
    NamespaceTerminating {
        /// Its name.
        namespace: String,
    },
    /// There is no such object.
    #[error("it does not exist")]
    NotFound,
    /// The server does not serve this kind: its CustomResourceDefinition is missing.
    #[error("the cluster has no kind {kind} in {api_version}")]
    KindNotServed {
        /// The kind.
        kind: &'static str,
        /// Its group and version.
        api_version: String,
        /// Name of the CustomResourceDefinition that would define it.
        definition: String,
    },
    /// The name is taken.
    #[error("an object of this name exists already")]
    AlreadyExists,
    /// The object we meant is gone; another, or none, has its name.
    #[error("it is not the object it was: it has been deleted, and perhaps made anew, by somebody else")]
    Replaced,
    /// Other managers own fields that we want to set.
    #[error("other managers own fields of it: {}", list(fields))]
    Conflict {
        /// Which manager owns which field.
        fields: Vec<FieldConflict>,
    },
    /// The object changed between reading and writing.
    #[error("it was changed by somebody else at the same moment")]
    Outdated,
    /// The server does not accept the object.
    #[error("the server does not accept it: {}", list(problems))]
    Invalid {
        /// What is wrong with which field.
        problems: Vec<FieldProblem>,
    },
    /// Any other refusal.
    #[error("the server refused it with status {status} {reason}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// Kubernetes' one-word reason.
        reason: String,
        /// The server's words.
        message: String,
    },
    /// The pod is there, but nothing could be reached on that port of it.
    #[error("nothing answers on port {port} in the pod: {message}")]
    PortClosed {
        /// The port.
        port: u16,
        /// The words of the container runtime.
        message: String,
    },
    /// The server is overloaded, starting or broken.
    #[error("the server cannot serve the request now (status {status}): {message}")]
    Unavailable {
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// What answers is not a Kubernetes API server.
    #[error("what answers there does not seem to be a Kubernetes API server (status {status}): {found}")]
    NotKubernetes {
        /// HTTP status.
        status: u16,
        /// What it sent instead, in general words.
        found: String,
    },
    /// No connection, or it broke.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] TransportError),
    /// No TLS connection.
    #[error("no safe connection to the server: {0}")]
    Tls(#[source] TransportError),
    /// No answer in time.
    #[error("no answer in time: {0}")]
    Timeout(#[source] TransportError),
    /// The request could not be written: a name that no object can have, or a body that is not an object.
    #[error("the request cannot be made: {0}")]
    BadRequest(String),
}

impl Cause {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<String> {
        let text = match self {
            Cause::Unauthorized { .. } => {
                "Check that the credential belongs to this cluster and has not expired.".to_owned()
            }
            Cause::Forbidden { user: Some(user), .. } if user == "system:anonymous" => {
                "The request carried no credential that the server knows: check the provider's credentials."
                    .to_owned()
            }
            Cause::Forbidden { verb, resource, namespace, .. } => {
                let role = if namespace.is_some() { "Role" } else { "ClusterRole" };
                format!("Grant it `{verb}` on `{resource}` by a {role}, or use another identity.")
            }
            Cause::NamespaceMissing { namespace } => {
                format!("Create namespace {namespace:?} first.")
            }
            Cause::NamespaceTerminating { .. } => {
                "Wait until it is gone, or use another namespace.".to_owned()
            }
            Cause::KindNotServed { definition, api_version, .. } => format!(
                "Install the CustomResourceDefinition {definition:?}; if it is there, see that it serves {api_version}."
            ),
            Cause::Conflict { .. } => {
                "Let the other manager give these fields up, or take them by force.".to_owned()
            }
            Cause::QuotaExceeded { .. } => "Raise the quota, or ask for less.".to_owned(),
            Cause::Unreachable(_) => "Check the URL, the network and any proxy on the way.".to_owned(),
            Cause::Tls(_) => {
                "Check `cluster_ca_certificate`, `tls_server_name` and the client certificate.".to_owned()
            }
            Cause::NotKubernetes { .. } => {
                "Check the URL, and whether a proxy answers in its place.".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }

    /// Whether the same request may succeed later without anybody's help.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Cause::Unreachable(_)
                | Cause::Timeout(_)
                | Cause::Unavailable { .. }
                | Cause::WebhookFailed { .. }
                | Cause::PortClosed { .. }
                | Cause::Outdated
        )
    }
}

impl From<TransportError> for Cause {
    fn from(error: TransportError) -> Cause {
        match error {
            TransportError::Credential(error) => Cause::Credential(error),
            error @ TransportError::Tls(_) => Cause::Tls(error),
            error @ (TransportError::Slow { .. } | TransportError::Deadline) => Cause::Timeout(error),
            error @ (TransportError::Refused(_) | TransportError::Broken(_) | TransportError::Client(_)) => {
                Cause::Unreachable(error)
            }
        }
    }
}

fn scope(namespace: &Option<String>) -> String {
    match namespace {
        Some(namespace) => format!("in namespace {namespace:?}"),
        None => "in the whole cluster".to_owned(),
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    let shown: Vec<String> = items.iter().map(ToString::to_string).collect();
    shown.join("; ")
}
