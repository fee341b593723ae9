//! What a container said: read for a diagnosis, so only its end, and never more than asked for.

use kube::core::Request;
use kube::core::subresource::LogParams;
use tokio::time::Instant;

use super::Cluster;
use super::error::{Attempt, Error, Verb};
use super::object::ObjectRef;

/// Which part of a pod's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions<'a> {
    /// Which container; `None` only for a pod that has one.
    pub container: Option<&'a str>,
    /// Whether to read what the container said before its last restart.
    pub previous: bool,
    /// How many lines from the end.
    pub tail_lines: Option<i64>,
    /// Only what was said within so many seconds.
    pub since_seconds: Option<i64>,
    /// At most this many bytes, from the beginning of those lines.
    pub limit_bytes: Option<i64>,
}

impl Cluster {
    /// Reads the log of a pod's container. What is not UTF-8 is replaced.
    ///
    /// # Errors
    /// `NotFound` where the pod is gone; `Invalid` where the container has not started yet or has no previous run.
    pub async fn logs(
        &self,
        pod: &ObjectRef,
        options: LogOptions<'_>,
        deadline: Instant,
    ) -> Result<String, Error> {
        let parameters = LogParams {
            container: options.container.map(str::to_owned),
            previous: options.previous,
            tail_lines: options.tail_lines,
            since_seconds: options.since_seconds,
            limit_bytes: options.limit_bytes,
            ..LogParams::default()
        };
        let collection = Request::new(pod.resource.url_path(pod.namespace.as_deref()));
        let attempt = Attempt::on(Verb::ReadLog, pod);
        self.read_text(&attempt, collection.logs(&pod.name, &parameters), deadline).await
    }
}
