//! Why a conversation with Redis failed: the way there, the connection, its silence, or its own words.

use std::time::Duration;

use crate::kubernetes;
use crate::redis::talk::{Command, Malformed, Unexpected};

/// What Redis says when it does not do what it was told, such as `READONLY You can't write against a read only
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

    /// Whether it is about who we are: no password, a wrong one, or one that does not give this right.
    pub fn is_about_rights(&self) -> bool {
        matches!(self.code(), "NOAUTH" | "WRONGPASS" | "NOPERM")
            || self.0.starts_with("ERR AUTH <password> called without any password configured")
    }

    /// Whether it is still reading its data from disk.
    pub fn is_loading(&self) -> bool {
        self.code() == "LOADING"
    }
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// The way there: rights, the pod, the port ([`kubernetes::Cause::PortClosed`]), the API server.
    #[error(transparent)]
    Cluster(#[from] kubernetes::Error),
    /// Redis has answered, with an error.
    #[error("{place} refused {command}: {refusal}")]
    Refused {
        /// Who.
        place: String,
        /// What it was told; without secrets.
        command: String,
        /// Its words.
        refusal: Refusal,
    },
    /// Redis has answered something that the command is not known to answer.
    #[error("{place} cannot be understood: {unexpected}")]
    Unexpected {
        /// Who.
        place: String,
        /// What is wrong.
        #[source]
        unexpected: Unexpected,
    },
    /// What answers is not Redis.
    #[error("{place} cannot be understood: {malformed}")]
    Malformed {
        /// Who.
        place: String,
        /// What is wrong.
        #[source]
        malformed: Malformed,
    },
    /// The connection ended, or was given up before.
    #[error("the connection to {place} broke at {command}: {why}")]
    Broken {
        /// With whom.
        place: String,
        /// What was being said; without secrets.
        command: String,
        /// Why.
        why: String,
    },
    /// No answer in time.
    #[error("{place} did not answer {command} within {} s", after.as_secs_f32())]
    Slow {
        /// Who.
        place: String,
        /// What it was told; without secrets.
        command: String,
        /// How long was waited.
        after: Duration,
    },
}

impl TalkError {
    /// What Redis said, if it has answered with an error.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            TalkError::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the same may succeed later without anybody's help: Redis or its pod is starting, or the network ails.
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
