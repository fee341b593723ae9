//! What can go wrong between us and a cluster, as sentences: what was attempted, where, why, and what helps.
//!
//! No sentence holds a token, a password or an object's body: what the server says is quoted only where it
//! speaks about fields and rights, and never for a Secret. `status.rs` makes [`Cause`]s from the server's answers.

mod attempt;
mod cause;
mod fields;

use std::fmt;
use std::sync::Arc;

use super::object::ObjectRef;
use super::status::kind_not_served;

pub use attempt::{Attempt, Verb};
pub use cause::Cause;
pub use fields::{FieldConflict, FieldProblem};

/// A request that did not do what it was for.
///
/// Displays as the whole story, ready to be shown: `could not apply StatefulSet redis/cache on https://…: why. What
/// helps`. Whoever composes a message of their own takes the parts: `attempt`, `server`, `cause`, [`Cause::remedy`].
#[derive(Debug)]
pub struct Error {
    /// What was attempted.
    pub attempt: Box<Attempt>,
    /// URL of the API server, and of the proxy on the way to it; `None` where none could be chosen.
    pub server: Option<Arc<str>>,
    /// Why it failed.
    pub cause: Cause,
}

impl Error {
    pub(super) fn new(attempt: &Attempt, server: Option<&Arc<str>>, cause: Cause) -> Error {
        Error { attempt: Box::new(attempt.clone()), server: server.cloned(), cause }
    }

    /// The error that ended a stream of ours (`Forward`), or what else the operating system says.
    ///
    /// # Errors
    /// Gives back what is not ours.
    pub fn from_stream(error: std::io::Error) -> Result<Error, std::io::Error> {
        error.downcast()
    }

    /// An object cannot be read because its kind is not served: for whoever cannot take that for "gone".
    pub fn kind_not_served(object: &ObjectRef) -> Error {
        let attempt = Attempt::on(Verb::Get, object);
        Error::new(&attempt, None, kind_not_served(&attempt))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}", self.attempt)?;
        if let Some(server) = &self.server {
            write!(formatter, " on {server}")?;
        }
        write!(formatter, ": {}", self.cause)?;
        match self.cause.remedy() {
            Some(remedy) => write!(formatter, ". {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.cause)
    }
}
