//! Fields of a custom resource that somebody else wrote and that no argument expresses become `custom_spec`.
//! So the configuration that is generated for the user changes nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::super::build::{self, build};
use super::super::checks;
use super::super::model::Instance;
use super::super::state::strings;
use crate::redis::names::annotation;
use crate::redis::object::{at, text};
use crate::redis::opstree::{self, Kind};
use crate::resources::types::JsonObject;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// Puts into `custom_spec` every field in which the custom resources differ from what the arguments build.
/// Fields that only arguments may set are left out: a refresh shows them as repairs.
pub(super) fn take_rest(instance: &mut Instance, custom_resources: &[Json]) {
    let written = build(instance, false, true);
    for found in custom_resources {
        let Some(kind) = Kind::of(found) else { continue };
        let custom = rest(written.custom_resource(kind), found);
        *match kind {
            Kind::Redis => &mut instance.custom_spec.redis,
            Kind::RedisReplication => &mut instance.custom_spec.replication,
            Kind::RedisSentinel => &mut instance.custom_spec.sentinel,
            Kind::RedisCluster => &mut instance.custom_spec.cluster,
        } = custom;
    }
}

/// The fields that still differ, because neither an argument nor `custom_spec` can say what is there.
pub(super) fn as_found(instance: &Instance, custom_resources: &[Json]) -> BTreeMap<String, String> {
    let written = build(instance, false, true);
    let mut fields = BTreeMap::new();
    for found in custom_resources {
        let Some(kind) = Kind::of(found) else { continue };
        let differences = opstree::differences(written.custom_resource(kind), found);
        let is_left = |names: &[String]| {
            names[0] == "spec" && names.last().is_none_or(|last| last != "ignoreAnnotations")
        };
        fields.extend(
            differences.iter().filter(|one| is_left(&one.names)).map(|one| build::as_found(kind, one)),
        );
    }
    fields
}

fn rest(wanted: &Json, found: &Json) -> Option<JsonObject> {
    let mut patch = Json::Object(Map::new());
    for difference in opstree::differences(wanted, found) {
        let [first, path @ ..] = difference.names.as_slice() else { continue };
        if first != "spec" {
            continue;
        }
        let spec = at(found, &["spec"]);
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        // If a whole group is missing, the group is named.
        let missing = (1..=names.len()).find(|length| at(spec, &names[..*length]).is_null());
        let (names, value) = match missing {
            Some(length) => (&names[..length], Json::Null),
            None => (names.as_slice(), difference.found.clone()),
        };
        let alone = nested(names, value.clone());
        if checks::leaves_ours_alone(&parsed(&alone)).is_ok() {
            insert(&mut patch, names, value);
        }
    }
    let is_empty = patch.as_object().is_some_and(Map::is_empty);
    if is_empty { None } else { parsed(&patch) }
}

fn parsed(object: &Json) -> Option<JsonObject> {
    JsonObject::parse(&Value::from(object.to_string())).ok()
}

fn nested(names: &[&str], value: Json) -> Json {
    names.iter().rev().fold(value, |inner, name| Json::Object(Map::from_iter([((*name).to_owned(), inner)])))
}

fn insert(object: &mut Json, names: &[&str], value: Json) {
    let Some((last, above)) = names.split_last() else { return };
    let mut inner = object;
    for name in above {
        inner = &mut inner[*name];
        if inner.is_null() {
            *inner = Json::Object(Map::new());
        }
    }
    inner[*last] = value;
}

/// What all custom resources of the instance have in common: an argument is written to each of them. What only one of
/// them has stays there.
pub(super) fn common(
    custom_resources: &[Json],
    of: impl Fn(&Json) -> BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = custom_resources.iter().map(of);
    let mut common = all.next().unwrap_or_default();
    for other in all {
        common.retain(|name, value| other.get(name) == Some(value));
    }
    common
}

/// The labels that a configuration would have given. Labels of tools, which other objects have as well, and
/// labels of the operator stay on the object and belong to no argument.
pub(super) fn labels(found: &Json) -> BTreeMap<String, String> {
    let mut labels = strings(at(found, &["metadata", "labels"]));
    let by_helm = text(found, &["metadata", "labels", "app.kubernetes.io/managed-by"]) == Some("Helm");
    labels.retain(|name, value| {
        let of_chart = by_helm && name.starts_with("app.kubernetes.io/");
        !of_chart && !of_tools(name) && checks::are_labels(&[(name.clone(), value.clone())].into()).is_ok()
    });
    labels
}

/// The annotations, likewise.
pub(super) fn annotations(found: &Json) -> BTreeMap<String, String> {
    let mut annotations = strings(at(found, &["metadata", "annotations"]));
    annotations.retain(|name, value| {
        !annotation::IGNORED.contains(&name.as_str())
            && !of_tools(name)
            && checks::are_annotations(&[(name.clone(), value.clone())].into()).is_ok()
    });
    annotations
}

fn of_tools(name: &str) -> bool {
    const TOOLS: [&str; 6] = [
        "kubectl.kubernetes.io/",
        "helm.sh/",
        "meta.helm.sh/",
        "argocd.argoproj.io/",
        "kustomize.toolkit.fluxcd.io/",
        "helm.toolkit.fluxcd.io/",
    ];
    TOOLS.iter().any(|tool| name.starts_with(tool))
}
