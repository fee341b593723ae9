//! How the provider itself behaves. These settings are not written to the cluster.

use crate::resources::types::Duration;
use crate::{choice, object};

choice! {
    /// What happens to the apply if waiting fails.
    pub enum OnFailure {
        /// The apply fails.
        Error = "error",
        /// The apply continues with a warning. `status.ready` is false.
        Warn = "warn",
    }
}

object! {
    /// Whether and how to wait until Redis serves requests.
    pub struct Wait {
        /// Whether to wait until Redis serves requests. `false` returns as soon as all objects are written.
        enabled: bool = default(true).provider_only(),
        /// Whether to give up as soon as it is clear that waiting will not help. `false` waits for the whole timeout.
        fail_fast: bool = default(true).provider_only(),
        /// What happens if waiting fails: `error` fails the apply, `warn` lets it continue with a warning.
        on_failure: OnFailure = default("error").provider_only(),
    }
}

object! {
    /// How long each operation may take, such as `20m` or `1h30m`.
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
