//! Why a conversation with Redis failed: the way to the pod, the connection, no answer, or an error of Redis
//! itself.

use std::time::Duration;

use crate::kubernetes;
use crate::redis::talk::{Command, Malformed, Unexpected};

/// The error of Redis when it refuses a command, such as `READONLY You can't write against a read only
/// replica.`; without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    pub(super) fn new(command: &Command, message: &str) -> Refusal {
        Refusal(command.redact(message))
    }

    /// Its first word, such as `READONLY`, `LOADING`, `NOAUTH` or `ERR`.
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Whether the refusal is about the login: no password, a wrong password, or missing permissions.
    pub fn is_about_rights(&self) -> bool {
        matches!(self.code(), "NOAUTH" | "WRONGPASS" | "NOPERM")
            || self.0.starts_with("ERR AUTH <password> called without any password configured")
    }

    /// Whether a master refuses writes for the state that it is in: too little memory, too few replicas, a disk that
    /// it cannot write to.
    pub fn is_about_state(&self) -> bool {
        matches!(self.code(), "OOM" | "NOREPLICAS" | "MISCONF")
    }

    /// Whether Redis is already writing a file, and will take the same command when it has written that one.
    pub fn is_about_a_child(&self) -> bool {
        self.0.contains("already in progress") || self.0.contains("child process is active")
    }

    /// Whether it is still reading its data from disk.
    pub fn is_loading(&self) -> bool {
        self.code() == "LOADING"
    }
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// The way to the pod failed: rights, the pod, the port ([`kubernetes::Cause::PortClosed`]), the API
    /// server.
    #[error(transparent)]
    Cluster(#[from] kubernetes::Error),
    /// Redis has answered, with an error.
    #[error("{place} refused {command}: {refusal}")]
    Refused {
        /// The server.
        place: String,
        /// The command; without secrets.
        command: String,
        /// The error.
        refusal: Refusal,
    },
    /// Redis has given an answer that the command is not known to give.
    #[error("{place} cannot be understood: {unexpected}")]
    Unexpected {
        /// The server.
        place: String,
        /// What is wrong.
        #[source]
        unexpected: Unexpected,
    },
    /// The peer is not Redis.
    #[error("{place} cannot be understood: {malformed}")]
    Malformed {
        /// The peer.
        place: String,
        /// What is wrong.
        #[source]
        malformed: Malformed,
    },
    /// The connection ended, or was given up earlier.
    #[error("the connection to {place} broke at {command}: {why}")]
    Broken {
        /// The server.
        place: String,
        /// The command; without secrets.
        command: String,
        /// Why.
        why: String,
    },
    /// No answer in time.
    #[error("{place} did not answer {command} within {} s", after.as_secs_f32())]
    Slow {
        /// The server.
        place: String,
        /// The command; without secrets.
        command: String,
        /// How long the wait was.
        after: Duration,
    },
}

impl TalkError {
    /// The error of Redis, if it has answered with an error.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            TalkError::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the same command may succeed later by itself: Redis or its pod is starting, or the network has
    /// problems.
    pub fn may_pass(&self) -> bool {
        match self {
            TalkError::Cluster(error) => error.cause.may_pass(),
            TalkError::Refused { refusal, .. } => {
                matches!(refusal.code(), "LOADING" | "MASTERDOWN" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN")
            }
            TalkError::Broken { .. } | TalkError::Slow { .. } => true,
            TalkError::Unexpected { .. } | TalkError::Malformed { .. } => false,
        }
    }
}
