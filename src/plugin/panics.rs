//! What becomes of a panic: a message of the call it happened in, or a crash that core can see.
//!
//! Core takes a line of stderr that starts with `panic: ` for the crash of the whole provider, and prints
//! what follows as a stack trace. That is right where the process ends by it. A panic in one of tokio's tasks
//! ends that task only, and whoever waits for it makes a diagnostic of it (for a call, [`super::calls`]), so
//! there the line must not appear.

use std::backtrace::Backtrace;
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task;
use tracing::error;

tokio::task_local! {
    static NOTE: Note;
}

/// Takes down a panic inside the task it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Note(Arc<Mutex<Option<Panicked>>>);

/// What panicked, and where.
#[derive(Clone, Debug)]
pub struct Panicked {
    message: String,
    location: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.location)
    }
}

impl Note {
    /// Runs `body`; a panic in it is taken down here.
    pub async fn during<T>(&self, body: impl Future<Output = T>) -> T {
        NOTE.scope(self.clone(), body).await
    }

    /// What was taken down.
    pub fn panicked(&self) -> Option<Panicked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_down(&self, panicked: Panicked) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(panicked);
    }
}

/// Replaces Rust's own report of panics, which core would not recognise.
pub fn report_to_core() {
    panic::set_hook(Box::new(|info| {
        let panicked = describe(info);
        let backtrace = Backtrace::force_capture();
        // Without a note it is a task that the call started, or one of tonic's.
        let _ = NOTE.try_with(|note| note.take_down(panicked.clone()));
        if task::try_id().is_some() {
            error!(%backtrace, "panicked: {panicked}");
        } else {
            // If stderr is closed, nobody reads it.
            let _ =
                write!(io::stderr(), "panic: {}\n\n{}\n{backtrace}\n", panicked.message, panicked.location);
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> Panicked {
    Panicked {
        message: info.payload_as_str().unwrap_or("(no message)").to_owned(),
        location: info.location().map(ToString::to_string).unwrap_or_default(),
    }
}
