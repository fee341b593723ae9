//! How Redis, the sentinels and the nodes of a cluster are asked. There are two ways, and whoever asks takes one of them:
//!
//! - a [`Session`] over a port that the API server forwards: fast, kept open, and past Services, DNS and network policies;
//! - a [`command`] in a pod: it sees what applications see, and needs the right to `pods/exec`.
//!
//! [`Access`] says by which port and as whom. `probe` and `endpoints` ask what applications reach, `nodes` the nodes of a
//! cluster, `sentinels` whom the sentinels take for the master.

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

/// The port of a server, and as whom we talk to it.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its port.
    pub port: u16,
    /// The password of the default user; `None` for a server without one. A command in a pod takes the password out of the
    /// environment of its container instead, so that nothing secret crosses the API server.
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
