//! Reading Kubernetes objects as JSON: the few paths that matter, and whether one object holds all that
//! another asks for.

use serde_json::Value as Json;

use super::quantity::Quantity;

/// A path that differs: the wanted value, and the value that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `spec.kubernetesConfig.image`
    pub path: String,
    /// The same, name by name: a name may have dots.
    pub names: Vec<String>,
    /// What we asked for.
    pub wanted: Json,
    /// The value that is there; null for nothing.
    pub found: Json,
}

/// A value below a chain of names; null if there is none.
pub fn at<'object>(object: &'object Json, path: &[&str]) -> &'object Json {
    path.iter().fold(object, |value, name| value.get(*name).unwrap_or(&Json::Null))
}

/// A string below a chain of names.
pub fn text<'object>(object: &'object Json, path: &[&str]) -> Option<&'object str> {
    at(object, path).as_str()
}

/// A number below a chain of names; absent is 0, as Kubernetes leaves zeros out.
pub fn count(object: &Json, path: &[&str]) -> i64 {
    at(object, path).as_i64().unwrap_or(0)
}

/// The elements of a list below a chain of names.
pub fn list<'object>(object: &'object Json, path: &[&str]) -> &'object [Json] {
    at(object, path).as_array().map_or(&[], Vec::as_slice)
}

/// An annotation.
pub fn annotation<'object>(object: &'object Json, name: &str) -> Option<&'object str> {
    text(object, &["metadata", "annotations", name])
}

/// A label.
pub fn label<'object>(object: &'object Json, name: &str) -> Option<&'object str> {
    text(object, &["metadata", "labels", name])
}

/// The object's name.
pub fn name(object: &Json) -> &str {
    text(object, &["metadata", "name"]).unwrap_or_default()
}

/// The object's uid.
pub fn uid(object: &Json) -> Option<&str> {
    text(object, &["metadata", "uid"])
}

/// A value, formatted for people.
pub fn shown(value: &Json) -> String {
    if value.is_null() { "not set".to_owned() } else { value.to_string() }
}

/// Whether it is being deleted.
pub fn is_terminating(object: &Json) -> bool {
    !at(object, &["metadata", "deletionTimestamp"]).is_null()
}

/// Every path of `wanted` that `found` lacks or has with another value. Quantities are compared by value. A
/// null in `wanted` means that nothing may be there; fields that `wanted` does not mention do not count. A
/// list counts as a whole, because its order has a meaning.
pub fn differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(wanted, found, &mut Vec::new(), &mut all);
    all
}

/// Every path below a field of `found` that `wanted` does not mention, or with another value in a list that
/// [`differences`] takes for the same.
pub fn additions(wanted: &Json, found: &Json, field: &str) -> Vec<Difference> {
    let mut all = Vec::new();
    let below = |object: &Json| object.get(field).cloned().unwrap_or_default();
    add(&without_nulls(&below(wanted)), &below(found), &mut vec![field.to_owned()], &mut all);
    all
}

fn add(wanted: &Json, found: &Json, names: &mut Vec<String>, all: &mut Vec<Difference>) {
    match (wanted, found) {
        (Json::Object(wanted), Json::Object(found)) => {
            for (name, value) in found {
                names.push(name.clone());
                match wanted.get(name) {
                    Some(wanted) => add(wanted, value, names, all),
                    None => all.push(difference(&Json::Null, value, names)),
                }
                names.pop();
            }
        }
        (Json::Array(_), Json::Array(_)) if wanted != found && means_the_same(wanted, found) => {
            all.push(difference(wanted, found, names));
        }
        _ => {}
    }
}

fn difference(wanted: &Json, found: &Json, names: &[String]) -> Difference {
    Difference { path: names.join("."), names: names.to_vec(), wanted: wanted.clone(), found: found.clone() }
}

fn compare(wanted: &Json, found: &Json, names: &mut Vec<String>, all: &mut Vec<Difference>) {
    if let (Json::Object(wanted), Json::Object(_) | Json::Null) = (wanted, found)
        && !(wanted.is_empty() && found.is_null())
    {
        for (name, value) in wanted {
            names.push(name.clone());
            compare(value, found.get(name).unwrap_or(&Json::Null), names, all);
            names.pop();
        }
    } else if !means_the_same(wanted, found) {
        all.push(difference(wanted, found, names));
    }
}

/// Whether two values mean the same: quantities are compared by value, and nothing equals empty.
pub fn means_the_same(wanted: &Json, found: &Json) -> bool {
    match (wanted, found) {
        (Json::String(wanted), Json::String(found)) => {
            wanted == found
                || matches!((Quantity::parse(wanted), Quantity::parse(found)),
                    (Some(wanted), Some(found)) if wanted == found)
        }
        // The operator drops empty or false values from the objects that it rewrites.
        (Json::Bool(false), Json::Null) | (Json::Null, Json::Bool(false)) => true,
        (Json::Array(list), Json::Null) | (Json::Null, Json::Array(list)) => list.is_empty(),
        (Json::Object(map), Json::Null) | (Json::Null, Json::Object(map)) => map.is_empty(),
        (Json::Array(wanted), Json::Array(found)) => {
            wanted.len() == found.len()
                && wanted.iter().zip(found).all(|(wanted, found)| differences(wanted, found).is_empty())
        }
        _ => wanted == found,
    }
}

/// The object without its nulls, as it is sent to a server: to the server a null means something else.
pub fn without_nulls(object: &Json) -> Json {
    match object {
        Json::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Removes the value at that path.
pub fn remove(object: &mut Json, names: &[String]) {
    let Some((last, above)) = names.split_last() else { return };
    let parent = above.iter().try_fold(object, |inner, name| inner.get_mut(name));
    if let Some(fields) = parent.and_then(Json::as_object_mut) {
        fields.remove(last);
    }
}

/// A merge patch that removes what must not be there; `None` if nothing must be removed.
pub fn removal(differences: &[Difference]) -> Option<Json> {
    let mut patch = Json::Object(serde_json::Map::new());
    for difference in differences.iter().filter(|difference| difference.wanted.is_null()) {
        let mut inner = &mut patch;
        for name in &difference.names {
            if !inner.is_object() {
                *inner = Json::Object(serde_json::Map::new());
            }
            inner = &mut inner[name.as_str()];
        }
        *inner = Json::Null;
    }
    patch.as_object().is_some_and(|fields| !fields.is_empty()).then_some(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_and_means_something_else_differs() {
        let wanted =
            json!({"spec": {"image": "a", "cpu": "1000m", "keep": false, "list": [{"x": 1}], "gone": 3}});
        let found = json!({"spec": {"image": "b", "cpu": "1", "list": [{"x": 1, "y": 2}], "extra": true}});
        let paths: Vec<String> =
            differences(&wanted, &found).into_iter().map(|difference| difference.path).collect();
        assert_eq!(paths, ["spec.gone", "spec.image"]);
    }

    #[test]
    fn a_null_means_that_nothing_may_be_there() {
        let wanted = json!({"spec": {"env": null, "nodeSelector": {"a": "b", "c": null}, "quiet": null}});
        let found =
            json!({"spec": {"env": [{"name": "X"}], "nodeSelector": {"a": "b", "c": "d"}, "quiet": false}});
        let differences = differences(&wanted, &found);
        assert_eq!(removal(&differences), Some(json!({"spec": {"env": null, "nodeSelector": {"c": null}}})));
        assert_eq!(without_nulls(&wanted), json!({"spec": {"nodeSelector": {"a": "b"}}}));
        assert_eq!(removal(&[]), None);
    }
}
