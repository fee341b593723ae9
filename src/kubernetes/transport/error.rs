//! Why there is no answer, told from hyper's and rustls' errors. The kind decides whether a request is sent again.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::kubernetes::authorize::CredentialError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No credential could be had.
    #[error(transparent)]
    Credential(#[from] Arc<CredentialError>),
    /// No connection was made: nothing was sent.
    #[error("no connection: {0}")]
    Refused(String),
    /// The server's certificate is not accepted, or ours is not.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// One answer took too long.
    #[error("no whole answer within {} s", after.as_secs_f32())]
    Slow {
        /// How long was waited.
        after: Duration,
    },
    /// The deadline of the operation passed.
    #[error("the time for the operation is over")]
    Deadline,
    /// The client could not be built from the configuration.
    #[error("the client cannot be set up: {0}")]
    Client(String),
}

/// Tells apart the ways in which a request fails before its answer begins.
pub(super) fn not_sent(error: &(dyn StdError + 'static)) -> TransportError {
    if let Some(error) = find::<tokio_rustls::rustls::Error>(error) {
        return TransportError::Tls(error.to_string());
    }
    let connecting = find::<hyper_util::client::legacy::Error>(error).is_some_and(|error| error.is_connect());
    if connecting { TransportError::Refused(innermost(error)) } else { broken(error) }
}

pub(super) fn broken(error: &(dyn StdError + 'static)) -> TransportError {
    TransportError::Broken(innermost(error))
}

/// The last error of the chain: hyper's own words say only `client error (Connect)`.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(inner) = inner(error) {
        error = inner;
    }
    error.to_string()
}

/// Looks for an error of one type in the chain.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = inner(error);
    }
    None
}

/// What an error was made from. An I/O error's `source` skips the very error that it wraps.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
