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
    custom_resource_of(case, "redis")
}

/// That of another kind, named as in URLs.
pub fn custom_resource_of(case: &Case, plural: &str) -> Value {
    case.kubectl_json(&["get", &definition(plural), "cache"])
}

/// `kubectl patch` of the custom resource, as somebody else would do it.
pub fn patch(case: &Case, kind: &str, patch: &Value) {
    patch_of(case, "redis", kind, patch);
}

/// `kubectl patch` of that of another kind.
pub fn patch_of(case: &Case, plural: &str, kind: &str, patch: &Value) {
    let kind = format!("--type={kind}");
    case.kubectl(&["patch", &definition(plural), "cache", &kind, "-p", &patch.to_string()]);
}

/// What kubectl calls a kind: a short name alone is not unique.
pub fn definition(plural: &str) -> String {
    format!("{plural}.redis.redis.opstreelabs.in")
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
