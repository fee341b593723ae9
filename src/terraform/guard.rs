//! The guard against panics: a panic ends the call it happened in and no other, as a diagnostic with its text
//! and its place.
//!
//! The guard is used in two places. The wire puts it around each call as a whole, from decoding to encoding.
//! A resource's work on an object has a second guard around it, because its answer is made from the
//! [`Record`](super::record::Record), however the work ends.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;

use super::diagnostic::Diagnostic;

tokio::task_local! {
    /// The place of the last panic, for the innermost guard.
    static NOTE: Note;
}

/// What a guard learns of a panic while it happens: afterwards the place is no longer known.
#[derive(Clone, Default)]
struct Note(Arc<Mutex<Option<Panicked>>>);

impl Note {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Panicked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What panicked, and where.
#[derive(Clone, Debug)]
pub struct Panicked {
    /// The message of the panic.
    pub message: String,
    /// File, line and column; empty if unknown.
    pub location: String,
}

impl Panicked {
    /// What is known of a panic that no hook has recorded.
    fn from_payload(payload: &(dyn Any + Send)) -> Panicked {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Panicked { message: message(text), location: String::new() }
    }
}

impl From<&PanicHookInfo<'_>> for Panicked {
    fn from(info: &PanicHookInfo<'_>) -> Panicked {
        Panicked {
            message: message(info.payload_as_str()),
            location: info.location().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

fn message(text: Option<&str>) -> String {
    text.unwrap_or("(no message)").to_owned()
}

impl fmt::Display for Panicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location.as_str() {
            "" => write!(formatter, "{}", self.message),
            location => write!(formatter, "{} ({location})", self.message),
        }
    }
}

/// Runs `body`. `Err` says that it panicked.
pub async fn guarded<T>(rpc: &str, body: impl Future<Output = T>) -> Result<T, Diagnostic> {
    let note = Note::default();
    // Data that the panic leaves half-changed is dropped with the body. Data that others see is behind locks.
    let ended = NOTE.scope(note.clone(), AssertUnwindSafe(body).catch_unwind()).await;
    ended.map_err(|payload| {
        let noted = note.slot().take();
        failed(rpc, &noted.unwrap_or_else(|| Panicked::from_payload(payload.as_ref())))
    })
}

/// Passes what the panic hook knows to the guard around the panicking code. The hook belongs to the process,
/// so whoever sets the hook calls this.
pub fn take_down(panicked: &Panicked) {
    // Without a guard, the panic happened in a task that a call started, or in code that is not ours.
    let _ = NOTE.try_with(|note| *note.slot() = Some(panicked.clone()));
}

/// The message for the user about a call that did not finish.
pub fn failed(rpc: &str, why: &dyn fmt::Display) -> Diagnostic {
    Diagnostic::error(
        format!("The provider failed in {rpc}"),
        format!(
            "This is a bug in the provider, not in the configuration. Please report it with this text: \
             {why}. The log with TF_LOG_PROVIDER=debug contains more details.\n\nThe objects in the cluster \
             are as the last completed step left them. The next plan shows them, and the next apply \
             continues from there."
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    /// A panic of which the process's hook learns nothing: other tests may have set one.
    async fn panics_with(payload: impl Any + Send) -> Diagnostic {
        guarded::<()>("ReadResource", async { resume_unwind(Box::new(payload)) }).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_body_that_does_not_panic_is_left_alone() {
        assert_eq!(guarded("ReadResource", async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panic_is_told_with_its_text() {
        let problem = panics_with("out of cheese").await;
        assert_eq!(problem.summary, "The provider failed in ReadResource");
        assert!(problem.detail.contains("this text: out of cheese."), "{}", problem.detail);
        let problem = panics_with("out of ham".to_owned()).await;
        assert!(problem.detail.contains("this text: out of ham."), "{}", problem.detail);
        let problem = panics_with(1).await;
        assert!(problem.detail.contains("this text: (no message)."), "{}", problem.detail);
    }

    #[tokio::test]
    async fn a_panic_is_told_with_its_place_to_the_guard_next_to_it() {
        let panicking = async {
            take_down(&Panicked { message: "out of cheese".into(), location: "src/mouse.rs:1:2".into() });
            resume_unwind(Box::new("out of cheese"))
        };
        let outer = guarded::<()>("ApplyResourceChange", async {
            let inner = guarded::<()>("ApplyResourceChange", panicking).await.unwrap_err();
            assert!(inner.detail.contains("out of cheese (src/mouse.rs:1:2)"), "{}", inner.detail);
            resume_unwind(Box::new("out of ham"))
        });
        let outer = outer.await.unwrap_err();
        assert!(outer.detail.contains("this text: out of ham."), "{}", outer.detail);
    }

    #[test]
    fn without_a_guard_there_is_nobody_to_tell() {
        take_down(&Panicked { message: "out of cheese".into(), location: String::new() });
    }
}
