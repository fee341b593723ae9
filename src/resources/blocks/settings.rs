//! How the provider itself behaves. Nothing of it is written to the cluster.

use crate::resources::types::Duration;
use crate::{choice, object};

choice! {
    /// What becomes of an apply whose wait fails.
    pub enum OnFailure {
        /// It fails.
        Error = "error",
        /// It goes on with a warning; `status.ready` is false.
        Warn = "warn",
    }
}

object! {
    /// Whether and how to wait until Redis serves.
    pub struct Wait {
        /// Wait until Redis serves. `false` returns as soon as everything is written.
        enabled: bool = default(true).provider_only(),
        /// Give up as soon as it is clear that waiting will not help. `false` waits for the whole timeout.
        fail_fast: bool = default(true).provider_only(),
        /// `error` fails the apply, `warn` lets it go on.
        on_failure: OnFailure = default("error").provider_only(),
    }
}

object! {
    /// How long each operation may take: `20m`, `1h30m`.
    pub struct Timeouts {
        /// Limit for creating, such as `20m`.
        create: Duration = default("20m").provider_only(),
        /// Limit for refreshing.
        read: Duration = default("1m").provider_only(),
        /// Limit for updating in place.
        update: Duration = default("30m").provider_only(),
        /// Limit for destroying.
        delete: Duration = default("10m").provider_only(),
    }
}
