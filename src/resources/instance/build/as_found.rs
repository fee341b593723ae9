//! Fields that an import found otherwise than the arguments would write them, and that `custom_spec` must not set. They
//! stay as they are: a field is written only once its argument asks for another value than at the import.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::model::Instance;
use super::build;
use crate::redis::object::{self, Difference, at};
use crate::redis::opstree::Kind;

/// The entry for such a field: what it is called, and what the arguments would write.
pub fn entry(kind: Kind, difference: &Difference) -> (String, String) {
    let pointer = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let path: String = difference.names.iter().map(pointer).collect();
    (format!("{} {path}", kind.kind()), difference.wanted.to_string())
}

/// Leaves these fields out of what is written of the custom resource of that kind.
pub(super) fn leave(custom_resource: &mut Json, kind: Kind, as_found: &BTreeMap<String, String>) {
    for (field, wanted) in as_found {
        let Some((of_kind, names)) = place(field) else { continue };
        let path: Vec<&str> = names.iter().map(String::as_str).collect();
        let wanted = serde_json::from_str::<Json>(wanted).ok();
        if of_kind == kind.kind() && wanted.as_ref() == Some(at(custom_resource, &path)) {
            object::remove(custom_resource, &names);
        }
    }
}

/// The entries that still hold: what the arguments would write is what they would have written at the import. An argument
/// that has changed since writes its field from then on, also if it changes back.
pub fn still_held(instance: &Instance) -> BTreeMap<String, String> {
    let plain = Instance { as_found: BTreeMap::new(), ..instance.clone() };
    let written = build(&plain, false, true);
    let mut held = instance.as_found.clone();
    held.retain(|field, wanted| {
        let Some((kind, names)) = place(field) else { return false };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let of_kind = written.custom_resources.iter().find(|one| object::text(one, &["kind"]) == Some(kind));
        let would = of_kind.map(|one| at(one, &names));
        serde_json::from_str::<Json>(wanted).ok().as_ref() == would
    });
    held
}

/// The kind of an entry, and the path of its field.
fn place(field: &str) -> Option<(&str, Vec<String>)> {
    let (kind, path) = field.split_once(' ')?;
    let names = path.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    Some((kind, names.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_stays_as_found_until_its_argument_changes() {
        let names = ["spec", "a/b", "replicas"].map(str::to_owned).to_vec();
        let (wanted, found) = (json!(5), json!(6));
        let difference = Difference { path: names.join("."), names, wanted, found };
        let as_found = BTreeMap::from([entry(Kind::RedisCluster, &difference)]);
        let left = |replicas: i64, kind: Kind| {
            let mut written = json!({ "spec": { "a/b": { "replicas": replicas }, "c": 1 } });
            leave(&mut written, kind, &as_found);
            written["spec"]["a/b"].get("replicas").is_none()
        };
        assert!(left(5, Kind::RedisCluster));
        assert!(!left(4, Kind::RedisCluster), "another number is asked for");
        assert!(!left(5, Kind::Redis));
    }
}
