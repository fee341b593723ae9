//! A message for the user: what is wrong, why, what to do, and at which attribute.

use super::path::Path;

/// Whether the operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The operation fails.
    Error,
    /// The operation continues.
    Warning,
}

/// One message of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One line: what is wrong.
    pub summary: String,
    /// Why, and what to do about it.
    pub detail: String,
    /// The attribute that causes it, if there is one.
    pub attribute: Option<Path>,
}

impl Diagnostic {
    /// An error about the whole resource.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            attribute: None,
        }
    }

    /// A warning about the whole resource.
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(summary, detail) }
    }

    /// The same message, at one attribute.
    pub fn at(self, attribute: Path) -> Diagnostic {
        Diagnostic { attribute: Some(attribute), ..self }
    }

    /// Whether this fails the operation.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of them fails the operation.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}
