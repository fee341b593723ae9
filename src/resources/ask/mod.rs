//! Questions to Redis, the sentinels and the nodes of a cluster. There are two ways to ask:
//!
//! - a [`Session`] over a port that the API server forwards: fast, kept open, and independent of Services,
//!   DNS and network policies;
//! - a [`command`] in a pod: it sees what applications see, and needs the right to `pods/exec`.
//!
//! [`Access`] states the port and the login. `probe` and `endpoints` ask what applications reach, `nodes`
//! asks the nodes of a cluster, and `sentinels` asks which master the sentinels name.

pub mod command;
pub mod endpoints;
mod error;
pub mod nodes;
pub mod probe;
pub mod sentinels;
pub mod session;

use secrecy::SecretString;

pub use self::error::{Refusal, TalkError};
pub use self::session::Session;
use crate::redis::names::{REDIS_PORT, SENTINEL_PORT};

/// The port of a server, and our login there.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its port.
    pub port: u16,
    /// The password of the default user; `None` for a server without one. A command in a pod takes the
    /// password from the environment of its container instead, so that no secret passes through the API
    /// server.
    pub password: Option<SecretString>,
}

impl Access {
    /// To Redis.
    pub fn redis(password: Option<SecretString>) -> Access {
        Access { port: REDIS_PORT, password }
    }

    /// To a sentinel.
    pub fn sentinel(password: Option<SecretString>) -> Access {
        Access { port: SENTINEL_PORT, password }
    }
}
