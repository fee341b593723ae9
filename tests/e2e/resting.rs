//! An instance at rest: no node takes its pod and nobody waits for it, so it costs nothing and a change of it takes
//! a second. For scenarios about what is written, which never ask whether Redis serves.
use serde_json::Value;

use crate::case::Case;
use crate::cli::Cli;
use crate::diagnostics::Diagnostic;
use crate::instance::Configuration;
use crate::process::Output;

pub fn resting() -> Configuration {
    Configuration::small()
        .with("node_selector", "{ no-such = \"node\" }")
        .with("wait", "{ enabled = false }")
        .with("persistence", "{ size = \"128Mi\" }")
}

pub fn applied(cli: Cli, name: &str, configuration: &Configuration) -> Case {
    let case = Case::new(cli, name);
    case.write("main.tf", &configuration.text());
    case.apply();
    case
}

/// The custom resource as it is.
pub fn custom_resource(case: &Case) -> Value {
    case.kubectl_json(&["get", "redis.redis.redis.opstreelabs.in", "cache"])
}

/// `kubectl patch` of the custom resource, as somebody else would do it.
pub fn patch(case: &Case, kind: &str, patch: &Value) {
    let kind = format!("--type={kind}");
    case.kubectl(&["patch", "redis.redis.redis.opstreelabs.in", "cache", &kind, "-p", &patch.to_string()]);
}

pub fn errors(case: &Case, output: &Output) -> Vec<Diagnostic> {
    case.diagnostics(output).into_iter().filter(Diagnostic::is_error).collect()
}

/// The summaries of all errors, in alphabetical order.
pub fn summaries(case: &Case, output: &Output) -> Vec<String> {
    let mut all: Vec<_> = errors(case, output).into_iter().map(|error| error.summary).collect();
    all.sort();
    all
}

/// The end of a case: nothing stays.
pub fn end(case: &Case) {
    case.destroy();
    case.assert_nothing_left();
}
