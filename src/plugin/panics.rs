//! Panics: a panic becomes a diagnostic of the call in which it happened, or a crash that core can see.
//!
//! Core takes a line of stderr that starts with `panic: ` as a crash of the whole provider, and prints the
//! lines that follow as a stack trace. That is right if the panic ends the process. A panic in one of tokio's
//! tasks ends only that task, and whoever waits for the task turns it into a diagnostic (for a call,
//! [`guard`]). In that case the line must not appear.

use std::backtrace::Backtrace;
use std::io::{self, Write};
use std::panic;

use tokio::task;
use tracing::error;

use crate::terraform::guard::{self, Panicked};

/// Replaces Rust's own report of panics, which core would not recognise.
pub fn report_to_core() {
    panic::set_hook(Box::new(|info| {
        let panicked = Panicked::from(info);
        let backtrace = Backtrace::force_capture();
        guard::take_down(&panicked);
        if task::try_id().is_some() {
            error!(%backtrace, "panicked: {panicked}");
        } else {
            // If stderr is closed, nobody reads it.
            let _ =
                write!(io::stderr(), "panic: {}\n\n{}\n{backtrace}\n", panicked.message, panicked.location);
        }
    }));
}
