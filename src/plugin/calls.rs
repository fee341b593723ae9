//! Runs each call of core in a task of its own.
//!
//! If the connection of a call breaks, the call is not dropped halfway through a write: it is asked to stop,
//! and waited for. Each call has the [`guard`] around it: a panic ends that call and no other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug, field};

use crate::terraform::Diagnostic;
use crate::terraform::guard::{self, guarded};

/// The calls in flight.
#[derive(Clone, Debug, Default)]
pub struct Calls(TaskTracker);

impl Calls {
    /// Runs `body` to its end, even if the caller goes away. `Err` says that it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        rpc: &'static str,
        type_name: &str,
        body: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Diagnostic> {
        let body = async move {
            debug!("called");
            let start = Instant::now();
            let answer = guarded(rpc, body).await;
            debug!(tf_req_duration_ms = start.elapsed().as_millis(), "answered");
            answer
        };
        // A guarded task ends before its time only when the runtime shuts down, and then nobody reads this.
        let task = self.0.spawn(body.instrument(span(rpc, type_name)));
        task.await.unwrap_or_else(|ended| Err(guard::failed(rpc, &ended)))
    }

    /// Returns when no call is in flight.
    pub async fn idle(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// Names the call in each line of the log, with the field names of Go's providers. The span has the level of
/// errors, because it must not be filtered out when errors are logged.
fn span(rpc: &'static str, type_name: &str) -> Span {
    /// Distinguishes calls that run at the same time.
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let id = COUNTER.fetch_add(1, Ordering::Relaxed);
    let span = tracing::error_span!("call", tf_req_id = id, tf_rpc = rpc, tf_resource_type = field::Empty);
    if !type_name.is_empty() {
        span.record("tf_resource_type", type_name);
    }
    span
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_call() {
        crate::plugin::panics::report_to_core();
        let calls = Calls::default();
        let error = calls.run("PlanResourceChange", "x", async { panic!("out of {}", "cheese") }).await;
        let error: Diagnostic = Result::<(), _>::unwrap_err(error);
        assert_eq!(error.summary, "The provider failed in PlanResourceChange");
        assert!(error.detail.contains("out of cheese (src/plugin/calls.rs:"), "{}", error.detail);

        assert_eq!(calls.run("ReadResource", "x", async { 1 }).await.unwrap(), 1, "others go on");
    }

    #[tokio::test]
    async fn a_call_outlives_its_caller_and_is_waited_for() {
        let calls = Calls::default();
        let (finish, finished) = oneshot::channel::<()>();
        let caller = calls.run("ApplyResourceChange", "x", finished);
        assert!(caller.now_or_never().is_none(), "the caller went away");

        assert!(
            tokio::time::timeout(Duration::from_millis(20), calls.idle()).await.is_err(),
            "still in flight"
        );
        finish.send(()).unwrap();
        calls.idle().await;
    }
}
