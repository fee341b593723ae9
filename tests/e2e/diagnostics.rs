//! What a CLI says with `-json`, reduced to what must not differ between CLIs, machines and runs.
use serde::Serialize;
use serde_json::Value;

use crate::case::Case;
use crate::process::Output;

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: String,
    pub summary: String,
    pub detail: String,
    /// Of the resource it is about.
    pub address: Option<String>,
    /// Where in the configuration it points, as a dotted path; core only keeps the line and the column.
    pub attribute: Option<String>,
}

impl Diagnostic {
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

/// Every diagnostic of a command, errors first, in an order that does not depend on chance.
pub fn read(case: &Case, output: &Output) -> Vec<Diagnostic> {
    let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found: Vec<Diagnostic> = lines
        .filter(|line| line["type"] == "diagnostic")
        .map(|line| one(case, &line["diagnostic"]))
        .filter(|diagnostic| !diagnostic.summary.starts_with("Provider development overrides"))
        .collect();
    found.sort_by(|left, right| key(left).cmp(&key(right)));
    found
}

fn key(diagnostic: &Diagnostic) -> (&str, &Option<String>, &Option<String>, &str, &str) {
    let Diagnostic { severity, summary, detail, address, attribute } = diagnostic;
    (severity, address, attribute, summary, detail)
}

fn one(case: &Case, json: &Value) -> Diagnostic {
    let text = |value: &Value| redacted(case, value.as_str().unwrap_or_default());
    let range = &json["range"];
    let file = range["filename"].as_str().map(|name| case.read(name));
    let byte = range["start"]["byte"].as_u64().and_then(|byte| usize::try_from(byte).ok());
    let attribute = file.zip(byte).and_then(|(file, byte)| attribute_at(&file, byte));
    Diagnostic {
        severity: text(&json["severity"]),
        summary: text(&json["summary"]),
        detail: text(&json["detail"]),
        address: json["address"].as_str().map(str::to_owned),
        attribute,
    }
}

/// Replaces what differs between runs: names that the case chose, addresses, digests, and the CLI's own name.
fn redacted(case: &Case, text: &str) -> String {
    let folder = case.folder().to_string_lossy().into_owned();
    let text = text
        .replace(&case.namespace, "<namespace>")
        .replace(&folder, "<folder>")
        .replace(&case.proxy.address().to_string(), "<api server>")
        .replace("OpenTofu", "Terraform");
    digests_replaced(&text)
}

fn digests_replaced(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        result.push_str("<digest>");
        result.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
    }
    result
}

/// The dotted path of the attribute that contains a byte of a configuration, by following its brackets.
/// `None` for the head of a block.
fn attribute_at(text: &str, byte: usize) -> Option<String> {
    let mut open: Vec<Option<String>> = Vec::new();
    let (mut name, mut current): (String, Option<String>) = (String::new(), None);
    let mut in_string = false;
    let mut in_comment = false;
    for (at, letter) in text.char_indices() {
        let at_end = at >= byte;
        match letter {
            '\n' => {
                in_comment = false;
                if at_end {
                    break;
                }
                (name, current) = (String::new(), None);
            }
            _ if in_comment => {}
            '"' => in_string = !in_string,
            _ if in_string => {}
            '#' => in_comment = true,
            '=' => current = Some(std::mem::take(&mut name)),
            '{' | '[' if !at_end => {
                open.push(current.take());
                name.clear();
            }
            '}' | ']' if !at_end => {
                open.pop();
                name.clear();
            }
            ',' if !at_end => (name, current) = (String::new(), None),
            _ if letter.is_alphanumeric() || letter == '_' => name.push(letter),
            _ if letter.is_whitespace() && current.is_none() => {}
            _ => {}
        }
        if at_end && current.is_some() {
            break;
        }
    }
    let path: Vec<String> = open.into_iter().flatten().chain(current).collect();
    (!path.is_empty()).then(|| path.join("."))
}

/// Compares with `snapshots/<name>.snap`; all CLIs share it. `INSTA_UPDATE=always` writes it anew.
pub fn assert_snapshot(name: &str, diagnostics: &[Diagnostic]) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!(name, diagnostics);
    });
}

/// Tests of the reading itself; they need neither CLI nor cluster.
mod self_test {
    use super::*;

    const TEXT: &str = "resource \"redis_k8s_instance\" \"this\" {\n  name = \"a\" # a = {\n  persistence = {\n    \
                        size = \"1Gi\"\n    aof = { enabled = true }\n  }\n  version = 7\n}\n";

    fn at(part: &str) -> Option<String> {
        attribute_at(TEXT, TEXT.find(part).unwrap())
    }

    #[test]
    fn a_place_is_named_by_its_path() {
        assert_eq!(at("\"a\"").as_deref(), Some("name"));
        assert_eq!(at("\"1Gi\"").as_deref(), Some("persistence.size"));
        assert_eq!(at("size").as_deref(), Some("persistence.size"));
        assert_eq!(at("true").as_deref(), Some("persistence.aof.enabled"));
        assert_eq!(at("7").as_deref(), Some("version"));
        assert_eq!(attribute_at(TEXT, 0), None);
    }

    #[test]
    fn digests_are_replaced() {
        assert_eq!(digests_replaced("redis@sha256:0a1b failed"), "redis@<digest> failed");
    }
}
