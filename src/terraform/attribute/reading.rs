//! A pass over a value that collects all errors, each with its path.

use crate::terraform::diagnostic::Diagnostic;
use crate::terraform::path::{Path, Step};

/// A pass over a value that collects all errors.
#[derive(Debug, Default)]
pub struct Reading {
    path: Path,
    problems: Vec<Diagnostic>,
}

impl Reading {
    /// A pass that begins at that path.
    pub fn from(path: Path) -> Reading {
        Reading { path, problems: Vec::new() }
    }

    /// Reports an error at the current path.
    pub fn wrong(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        let mut letters = reason.chars();
        let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
        let summary = format!("Invalid value for {}", self.path);
        let detail = format!("{}.", sentence.unwrap_or_default().trim_end_matches('.'));
        self.problems.push(Diagnostic::error(summary, detail).at(self.path.clone()));
    }

    /// Goes one step in, and out again.
    pub fn at<T>(&mut self, step: Step, inside: impl FnOnce(&mut Reading) -> T) -> T {
        self.path.0.push(step);
        let result = inside(self);
        self.path.0.pop();
        result
    }

    /// All errors.
    pub fn problems(self) -> Vec<Diagnostic> {
        self.problems
    }
}
