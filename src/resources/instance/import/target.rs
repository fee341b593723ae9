//! What an import is asked for: an ID or an identity, and what is wrong with it.

use serde_json::Value as Json;

use crate::redis::opstree::Kind;
use crate::terraform::resource::Problems;
use crate::terraform::{Diagnostic, Path};

pub(super) fn known_kind(kind: &str) -> Result<Kind, Problems> {
    Kind::WITH_DATA.into_iter().find(|one| one.kind() == kind).ok_or_else(|| {
        let known = Kind::WITH_DATA.map(Kind::kind).join(", ");
        vec![
            Diagnostic::error(
                format!("A {kind} cannot be imported"),
                format!("Use the kind of the custom resource that carries the data: {known}."),
            )
            .at(Path::of("kind")),
        ]
    })
}

pub(super) fn parts_of(id: &str) -> Result<(String, String, Option<String>), Problems> {
    let parts: Vec<&str> = id.split('/').collect();
    let text = |part: &str| part.to_owned();
    match parts.as_slice() {
        _ if parts.iter().any(|part| part.is_empty()) => {}
        [namespace, name] => return Ok((text(namespace), text(name), None)),
        [namespace, name, kind] => return Ok((text(namespace), text(name), Some(text(kind)))),
        _ => {}
    }
    Err(vec![Diagnostic::error(
        "The import id is not namespace/name",
        format!(
            "Use the namespace and the name of the instance, such as redis/cache. If several kinds have that name, \
             add the kind, such as redis/cache/RedisCluster. Got {id:?}."
        ),
    )])
}

pub(super) fn absent(namespace: &str, name: &str) -> Diagnostic {
    let kinds = Kind::WITH_DATA.map(Kind::crd).join(",");
    Diagnostic::error(
        format!("There is no Redis {namespace}/{name} to import"),
        format!(
            "No custom resource in the cluster has this name. To list all instances, run `kubectl get \
             {kinds} -A`."
        ),
    )
}

pub(super) fn ambiguous(namespace: &str, name: &str, found: &[Json]) -> Diagnostic {
    let kinds: Vec<&str> = found.iter().filter_map(Kind::of).map(Kind::kind).collect();
    let ids: Vec<String> = kinds.iter().map(|kind| format!("{namespace}/{name}/{kind}")).collect();
    Diagnostic::error(
        format!("More than one Redis is named {namespace}/{name}"),
        format!(
            "Custom resources of the kinds {} have this name. Add the kind to the import ID: {}. Their generated \
             objects would have the same names, so manage only one of them with this provider.",
            kinds.join(" and "),
            ids.join(" or "),
        ),
    )
}
