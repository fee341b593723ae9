//! Reads the server's refusals: from HTTP status and Kubernetes `Status` to [`Cause`], by plain functions.
//!
//! The most careful reading is that of 404, because "gone" makes Terraform drop an object from its state: it
//! means gone only if the `Status` names the very object that was asked for.

use http::HeaderMap;
use kube::core::Status;

use super::error::{Attempt, Cause, FieldConflict, FieldProblem};

/// Longest piece of a server's message that is quoted, in characters.
const QUOTE: usize = 1_000;

/// How the server begins when a server-side apply does not fit the schema.
const TYPED_PATCH: &str = "failed to create typed patch object";

/// A refusal as it came: anything but 2xx.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The body, where it is a Kubernetes `Status`.
    pub body: Option<Status>,
    /// Whether the headers are those an API server sends. Go's own 404 text is no proof: any Go server sends it.
    pub from_api_server: bool,
}

impl Refusal {
    /// Reads an answer.
    pub(super) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
        let parsed = serde_json::from_slice::<Status>(body).ok();
        let from_api_server =
            headers.contains_key("audit-id") || headers.contains_key("x-kubernetes-pf-flowschema-uid");
        Refusal { status, body: parsed.filter(Status::is_failure), from_api_server }
    }

    /// Reads what kube makes of an answer: a `Status` in any case, of its own making if the body was none.
    pub(super) fn from_kube(status: &Status) -> Refusal {
        let genuine = status.reason != "Failed to parse error data";
        // A watch drops nothing from the state, so Go's words are proof enough there.
        let from_api_server = genuine || status.message.trim() == "404 page not found";
        Refusal { status: status.code, body: genuine.then(|| status.clone()), from_api_server }
    }
}

/// Why the server refused.
pub(super) fn cause(attempt: &Attempt, credential_origin: &str, refusal: &Refusal) -> Cause {
    let Some(status) = &refusal.body else {
        return match refusal.status {
            404 if refusal.from_api_server => kind_not_served(attempt),
            401 => Cause::Unauthorized { origin: credential_origin.to_owned() },
            status @ (429 | 500..) => Cause::Unavailable { status, message: "it gives no reason".to_owned() },
            status => Cause::NotKubernetes { status, found: "not a Kubernetes Status".to_owned() },
        };
    };
    let message = quoted(attempt, &status.message);
    match (refusal.status, status.reason.as_str()) {
        (401, _) => Cause::Unauthorized { origin: credential_origin.to_owned() },
        (404, _) => not_found(attempt, status, refusal.from_api_server),
        (409, "AlreadyExists") => Cause::AlreadyExists,
        (409, _) => conflict(status),
        _ if status.message.contains("failed calling webhook") => Cause::WebhookFailed { message },
        // A webhook chooses its own status code, so its words are looked at before the code.
        _ if denied_by(&status.message).is_some() => {
            let (by, message) = denied_by(&status.message).unwrap_or_default();
            Cause::AdmissionDenied { by: Some(by), message: quoted(attempt, &message) }
        }
        (403, _) => forbidden(attempt, status, message),
        // The uid we sent is that of an object that is gone; the server sees an attempt to change it.
        (422, _) if changes_uid(status) => Cause::Replaced,
        (422 | 400, _) => Cause::Invalid { problems: problems(attempt, status) },
        // A patch that does not fit the schema is answered with 500 and no reason.
        (500, _) if status.message.contains(TYPED_PATCH) => {
            Cause::Invalid { problems: problems(attempt, status) }
        }
        (status @ (429 | 500..), _) => Cause::Unavailable { status, message },
        (code, reason) => Cause::Rejected { status: code, reason: reason.to_owned(), message },
    }
}

/// Whether a `Status` says that exactly this object does not exist.
pub(super) fn names_object(attempt: &Attempt, status: &Status) -> bool {
    let Some(details) = &status.details else { return false };
    let ours = attempt.resource;
    status.reason == "NotFound"
        && attempt.name.as_deref() == Some(details.name.as_str())
        && (details.kind == ours.plural || details.kind == ours.kind)
        && details.group == ours.group
}

fn not_found(attempt: &Attempt, status: &Status, from_api_server: bool) -> Cause {
    if names_object(attempt, status) {
        return Cause::NotFound;
    }
    match &status.details {
        Some(details) if details.kind == "namespaces" && !details.name.is_empty() => {
            Cause::NamespaceMissing { namespace: details.name.clone() }
        }
        // "the server could not find the requested resource": the group is served, the kind is not.
        Some(details) if details.name.is_empty() && from_api_server => kind_not_served(attempt),
        None if from_api_server => kind_not_served(attempt),
        _ => Cause::Rejected {
            status: 404,
            reason: status.reason.clone(),
            message: quoted(attempt, &status.message),
        },
    }
}

pub(super) fn kind_not_served(attempt: &Attempt) -> Cause {
    let resource = attempt.resource;
    Cause::KindNotServed {
        kind: resource.kind,
        api_version: resource.api_version(),
        definition: format!("{}.{}", resource.plural, resource.group),
    }
}

fn conflict(status: &Status) -> Cause {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<FieldConflict> = causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            // `conflict with "kubectl-edit" using apps/v1`, with `with subresource "status"` in between at times.
            let manager = between(&cause.message, "conflict with \"", "\"").unwrap_or(&cause.message);
            FieldConflict { manager: manager.to_owned(), field: cause.field.clone() }
        })
        .collect();
    if !fields.is_empty() {
        return Cause::Conflict { fields };
    }
    let message = status.message.to_ascii_lowercase();
    // "uid mismatch: … no existing object was found", "the UID in the precondition (…) does not match",
    // "UID in precondition: …, UID in object meta: …"
    if message.contains("uid mismatch") || (message.contains("uid in") && message.contains("precondition")) {
        return Cause::Replaced;
    }
    Cause::Outdated
}

fn changes_uid(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes).peekable();
    causes.peek().is_some() && causes.all(|cause| cause.field == "metadata.uid")
}

fn forbidden(attempt: &Attempt, status: &Status, message: String) -> Cause {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    if causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating") {
        return Cause::NamespaceTerminating { namespace: attempt.namespace.clone().unwrap_or_default() };
    }
    let text = &status.message;
    if text.contains("exceeded quota:") || text.contains("failed quota:") {
        return Cause::QuotaExceeded { message };
    }
    // `pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "redis"`
    if let (Some(verb), Some(resource)) =
        (between(text, "\" cannot ", " resource"), between(text, " resource \"", "\""))
    {
        let group = between(text, "in API group \"", "\"").unwrap_or_default();
        return Cause::Forbidden {
            user: between(text, "User \"", "\" cannot").map(str::to_owned),
            verb: verb.to_owned(),
            resource: if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") },
            namespace: between(text, "in the namespace \"", "\"").map(str::to_owned),
        };
    }
    match text.split_once("is forbidden: ") {
        Some((_, words)) => Cause::AdmissionDenied { by: None, message: quoted(attempt, words) },
        None => Cause::Rejected { status: 403, reason: status.reason.clone(), message },
    }
}

/// Who denied, and in which words: a webhook or a ValidatingAdmissionPolicy.
fn denied_by(message: &str) -> Option<(String, String)> {
    if let Some(name) = between(message, "admission webhook \"", "\" denied the request") {
        let words = message.split_once("denied the request").map(|(_, words)| words).unwrap_or_default();
        let words = words.trim_start_matches([':', ' ']).trim_start_matches("without explanation");
        let words = if words.is_empty() { "it gives no reason" } else { words };
        return Some((format!("admission webhook {name:?}"), words.to_owned()));
    }
    let name = between(message, "ValidatingAdmissionPolicy '", "'")?;
    let (_, words) = message.split_once("denied request: ")?;
    Some((format!("ValidatingAdmissionPolicy {name:?}"), words.to_owned()))
}

fn problems(attempt: &Attempt, status: &Status) -> Vec<FieldProblem> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let listed: Vec<FieldProblem> = causes
        .map(|cause| {
            let secret = attempt.resource.kind == "Secret";
            // For a Secret the reason, such as `FieldValueInvalid`: the message may quote what is secret.
            let message = if secret { cause.reason.clone() } else { shortened(&cause.message) };
            FieldProblem { field: cause.field.clone(), message }
        })
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    if let Some((_, errors)) = status.message.split_once("strict decoding error: ") {
        let unknown = errors.split(", ").map(|error| match between(error, "unknown field \"", "\"") {
            Some(field) => FieldProblem { field: field.to_owned(), message: "unknown field".to_owned() },
            None => FieldProblem { field: String::new(), message: quoted(attempt, error) },
        });
        return unknown.collect();
    }
    if let Some((_, problem)) = status.message.split_once(TYPED_PATCH) {
        return schema_problems(attempt, problem);
    }
    vec![FieldProblem { field: String::new(), message: quoted(attempt, &status.message) }]
}

/// Reads ` (redis/cache; apps/v1, Kind=StatefulSet): .spec.replica: field not declared in schema`; several follow
/// `errors:`, one per line. What stands after `got` is the value, in Go's notation, and is left out.
fn schema_problems(attempt: &Attempt, text: &str) -> Vec<FieldProblem> {
    let text = text.split_once("): ").map_or(text, |(_, rest)| rest);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "errors:");
    lines
        .map(|line| {
            let line = line.split(", got ").next().unwrap_or(line);
            match line.strip_prefix('.').and_then(|line| line.split_once(": ")) {
                Some((field, message)) => {
                    FieldProblem { field: field.to_owned(), message: quoted(attempt, message) }
                }
                None => FieldProblem { field: String::new(), message: quoted(attempt, line) },
            }
        })
        .collect()
}

/// A server's message, fit to be shown: shortened, and left out for a Secret.
fn quoted(attempt: &Attempt, message: &str) -> String {
    if attempt.resource.kind == "Secret" && message.contains("nvalid value") {
        return "a value is invalid (not shown: it is a Secret)".to_owned();
    }
    shortened(message)
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(QUOTE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::error::{Error, Verb};
    use crate::kubernetes::object::{ObjectRef, Resource};
    use serde_json::{Value, json};

    static SET: Resource = Resource {
        group: "apps",
        version: "v1",
        kind: "StatefulSet",
        plural: "statefulsets",
        namespaced: true,
    };
    static SECRET: Resource =
        Resource { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

    fn read(verb: Verb, resource: &'static Resource, code: u16, body: &Value) -> Cause {
        let mut headers = HeaderMap::new();
        headers.insert("audit-id", http::HeaderValue::from_static("a"));
        let refusal = Refusal::read(code, &headers, body.to_string().as_bytes());
        cause(&Attempt::on(verb, &ObjectRef::namespaced(resource, "redis", "cache")), "the token", &refusal)
    }

    fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details})
    }

    #[test]
    fn only_a_status_that_names_the_object_means_gone() {
        let ours = json!({"name": "cache", "group": "apps", "kind": "statefulsets"});
        let gone =
            |details: &Value| read(Verb::Get, &SET, 404, &status(404, "NotFound", "not found", details));
        assert!(matches!(gone(&ours), Cause::NotFound));
        for other in [
            json!({"name": "other", "group": "apps", "kind": "statefulsets"}),
            json!({"name": "cache", "kind": "statefulsets"}),
            json!({"name": "cache", "group": "apps", "kind": "deployments"}),
        ] {
            assert!(matches!(gone(&other), Cause::Rejected { status: 404, .. }), "{other}");
        }
        let namespace = json!({"name": "redis", "kind": "namespaces"});
        assert!(matches!(gone(&namespace), Cause::NamespaceMissing { namespace } if namespace == "redis"));
        assert!(matches!(gone(&json!({})), Cause::KindNotServed { .. }));
        assert!(matches!(gone(&Value::Null), Cause::KindNotServed { .. }));
    }

    #[test]
    fn a_404_of_any_other_server_is_neither_gone_nor_missing() {
        let attempt = Attempt::on(Verb::Get, &ObjectRef::namespaced(&SET, "redis", "cache"));
        for (from_api_server, body, expected) in [
            (true, "404 page not found\n", true),
            (false, "404 page not found\n", false),
            (false, "<html>", false),
            (false, r#"{"error": "x"}"#, false),
            (false, r#"{"kind": "Status", "status": "Failure", "reason": "NotFound", "details": {}}"#, false),
        ] {
            let mut headers = HeaderMap::new();
            if from_api_server {
                headers.insert("audit-id", http::HeaderValue::from_static("a"));
            }
            let cause = cause(&attempt, "", &Refusal::read(404, &headers, body.as_bytes()));
            assert_eq!(matches!(cause, Cause::KindNotServed { .. }), expected, "{body}: {cause:?}");
            assert!(!matches!(cause, Cause::NotFound));
        }
    }

    #[test]
    fn refusals_read_as_sentences() {
        let field = |reason: &str, message: &str, field: &str| json!({"causes": [{"reason": reason, "message": message, "field": field}]});
        let none = Value::Null;
        let rbac = r#"statefulsets.apps is forbidden: User "system:serviceaccount:a:b" cannot patch resource "statefulsets" in API group "apps" in the namespace "redis""#;
        let rows: Vec<(u16, Value)> = vec![
            (401, status(401, "Unauthorized", "Unauthorized", &none)),
            (403, status(403, "Forbidden", rbac, &none)),
            (
                403,
                status(
                    403,
                    "Forbidden",
                    r#"nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope"#,
                    &none,
                ),
            ),
            (
                403,
                status(
                    403,
                    "Forbidden",
                    "x",
                    &field(
                        "NamespaceTerminating",
                        "namespace redis is being terminated",
                        "metadata.namespace",
                    ),
                ),
            ),
            (
                403,
                status(
                    403,
                    "Forbidden",
                    "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1",
                    &none,
                ),
            ),
            (
                403,
                status(
                    403,
                    "Forbidden",
                    "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot",
                    &none,
                ),
            ),
            (
                400,
                status(
                    400,
                    "",
                    "admission webhook \"v.example.org\" denied the request: no latest tags",
                    &none,
                ),
            ),
            (
                400,
                status(
                    400,
                    "",
                    "admission webhook \"v.example.org\" denied the request without explanation",
                    &none,
                ),
            ),
            (
                422,
                status(
                    422,
                    "Invalid",
                    "sets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too big",
                    &none,
                ),
            ),
            (
                500,
                status(
                    500,
                    "InternalError",
                    "Internal error occurred: failed calling webhook \"v\": connection refused",
                    &none,
                ),
            ),
            (409, status(409, "AlreadyExists", "exists", &none)),
            (
                409,
                status(
                    409,
                    "Conflict",
                    "Apply failed",
                    &field("FieldManagerConflict", "conflict with \"helm\" using apps/v1", ".spec.replicas"),
                ),
            ),
            (
                409,
                status(
                    409,
                    "Conflict",
                    "the UID in the precondition (a) does not match the UID in record (b)",
                    &none,
                ),
            ),
            (
                409,
                status(
                    409,
                    "Conflict",
                    "Precondition failed: UID in precondition: a, UID in object meta: b",
                    &none,
                ),
            ),
            (409, status(409, "Conflict", "the object has been modified; please apply your changes", &none)),
            (
                422,
                status(
                    422,
                    "Invalid",
                    "x",
                    &field("FieldValueInvalid", "Invalid value: \"a\": field is immutable", "metadata.uid"),
                ),
            ),
            (
                422,
                status(422, "Invalid", "x", &field("FieldValueRequired", "Required value", "spec.selector")),
            ),
            (
                400,
                status(
                    400,
                    "BadRequest",
                    "StatefulSet in version \"v1\" cannot be handled: strict decoding error: unknown field \"spec.a\", unknown field \"spec.b\"",
                    &none,
                ),
            ),
            (
                500,
                status(
                    500,
                    "",
                    "failed to create typed patch object (redis/cache; apps/v1, Kind=StatefulSet): .spec.a: expected map, got &{3}",
                    &none,
                ),
            ),
            (
                500,
                status(
                    500,
                    "",
                    "failed to create typed patch object (redis/cache; apps/v1, Kind=StatefulSet): errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
                    &none,
                ),
            ),
            (429, status(429, "TooManyRequests", "too many requests", &none)),
            (503, status(503, "ServiceUnavailable", "etcd leader changed", &none)),
            (503, json!("<html>")),
            (302, json!("<html>")),
            (404, json!("404 page not found")),
            (413, status(413, "RequestEntityTooLarge", "too large", &none)),
        ];
        let shown: Vec<String> = rows
            .iter()
            .map(|(code, body)| {
                let attempt = Attempt::on(Verb::Apply, &ObjectRef::namespaced(&SET, "redis", "cache"));
                Error::new(&attempt, Some(&"https://a".into()), read(Verb::Apply, &SET, *code, body))
                    .to_string()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn what_is_said_about_a_secret_quotes_no_value() {
        let field = json!({"causes": [{"reason": "FieldValueInvalid", "message": "Invalid value: \"hunter2\"", "field": "data[a]"}]});
        for body in [
            status(422, "Invalid", "Secret is invalid: data[a]: Invalid value: \"hunter2\"", &field),
            status(400, "BadRequest", "Invalid value: hunter2", &Value::Null),
            status(
                500,
                "",
                "failed to create typed patch object (a): .data.a: expected string, got hunter2",
                &Value::Null,
            ),
        ] {
            let cause = read(Verb::Apply, &SECRET, 422, &body);
            assert!(!format!("{cause} {cause:?}").contains("hunter2"), "{cause:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(code in 300..600_u16, message in ".*", reason in ".*") {
            let _ = read(Verb::Get, &SET, code, &status(code, &reason, &message, &Value::Null)).to_string();
        }

        #[test]
        fn nothing_but_not_found_means_gone(code in 300..600_u16, name in "[a-z]{1,8}", reason in "[A-Z][a-z]{1,8}") {
            let body = status(code, &reason, "x", &json!({"name": name, "group": "apps", "kind": "statefulsets"}));
            proptest::prop_assert!(!matches!(read(Verb::Get, &SET, code, &body), Cause::NotFound));
        }
    }
}
