//! What a request is about: a kind the API serves ([`Resource`]) and one object of it ([`ObjectRef`]).
//!
//! Kinds are constants rather than something discovered: discovery costs requests and rights, and fails when
//! one unrelated API service is down. Objects themselves are `serde_json::Value`; [`Metadata`] reads the few
//! fields every kind has.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::{ApiResource, DynamicObject, Resource as _};
use serde_json::Value;

/// One kind, as the API serves it.
///
/// ```
/// use terraform_provider_redis::kubernetes::Resource;
/// static STATEFUL_SET: Resource =
///     Resource { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets", namespaced: true };
/// assert_eq!(STATEFUL_SET.api_version(), "apps/v1");
/// ```
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version within the group, such as `v1`.
    pub version: &'static str,
    /// Name of the kind in singular, such as `StatefulSet`.
    pub kind: &'static str,
    /// Name in URLs, such as `statefulsets`.
    pub plural: &'static str,
    /// Whether objects of this kind live in a namespace.
    pub namespaced: bool,
}

impl Resource {
    /// `apps/v1`, or `v1` for the core group: what an object's `apiVersion` says.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The same, as kube wants it.
    pub fn to_api_resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// Path of the collection, such as `/apis/apps/v1/namespaces/redis/statefulsets`.
    pub(super) fn url_path(&self, namespace: Option<&str>) -> String {
        DynamicObject::url_path(&self.to_api_resource(), namespace.filter(|_| self.namespaced))
    }
}

/// One object, which may or may not exist. Displays as `StatefulSet redis/cache`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its namespace; `None` for kinds without one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// An object in a namespace.
    pub fn namespaced(
        resource: &'static Resource,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> ObjectRef {
        ObjectRef { resource, namespace: Some(namespace.into()), name: name.into() }
    }

    /// An object of a kind that has no namespaces, such as a `Namespace` or a `StorageClass`.
    pub fn cluster_wide(resource: &'static Resource, name: impl Into<String>) -> ObjectRef {
        ObjectRef { resource, namespace: None, name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{} {namespace}/{}", self.resource.kind, self.name),
            None => write!(formatter, "{} {}", self.resource.kind, self.name),
        }
    }
}

/// Reads `metadata`, which every object has. Implemented for `Value`; an absent field reads as `None` or empty.
pub trait Metadata {
    /// Looks up one field of `metadata`.
    fn metadata(&self, field: &str) -> Option<&Value>;

    /// `metadata.name`; empty where there is none.
    fn name(&self) -> &str {
        self.metadata_text("name").unwrap_or_default()
    }

    /// `metadata.namespace`.
    fn namespace(&self) -> Option<&str> {
        self.metadata_text("namespace")
    }

    /// `metadata.uid`: unlike the name, it is never used again.
    fn uid(&self) -> Option<&str> {
        self.metadata_text("uid")
    }

    /// `metadata.resourceVersion`: changes with every write.
    fn resource_version(&self) -> Option<&str> {
        self.metadata_text("resourceVersion")
    }

    /// `metadata.generation`: counts changes of `spec`.
    fn generation(&self) -> Option<i64> {
        self.metadata("generation").and_then(Value::as_i64)
    }

    /// `metadata.deletionTimestamp`: set once the object has been asked to go.
    fn deletion_timestamp(&self) -> Option<&str> {
        self.metadata_text("deletionTimestamp")
    }

    /// `metadata.finalizers`: who must agree before the object goes.
    fn finalizers(&self) -> Vec<&str> {
        let finalizers = self.metadata("finalizers").and_then(Value::as_array);
        finalizers.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// `metadata.labels`.
    fn labels(&self) -> BTreeMap<&str, &str> {
        self.metadata_map("labels")
    }

    /// `metadata.annotations`.
    fn annotations(&self) -> BTreeMap<&str, &str> {
        self.metadata_map("annotations")
    }

    /// One label.
    fn label(&self, key: &str) -> Option<&str> {
        self.metadata("labels")?.get(key)?.as_str()
    }

    /// One annotation.
    fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata("annotations")?.get(key)?.as_str()
    }

    /// A field of `metadata` that is text.
    fn metadata_text(&self, field: &str) -> Option<&str> {
        self.metadata(field)?.as_str()
    }

    /// A field of `metadata` that maps text to text.
    fn metadata_map(&self, field: &str) -> BTreeMap<&str, &str> {
        let map = self.metadata(field).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
    }
}

impl Metadata for Value {
    fn metadata(&self, field: &str) -> Option<&Value> {
        self.get("metadata")?.get(field)
    }
}

/// Gives an object its `apiVersion` and `kind`, which the items of a list lack.
pub(super) fn name_kind(resource: &Resource, mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), Value::String(resource.api_version()));
        fields.insert("kind".to_owned(), Value::String(resource.kind.to_owned()));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static POD: Resource =
        Resource { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
    static CLASS: Resource = Resource {
        group: "storage.k8s.io",
        version: "v1",
        kind: "StorageClass",
        plural: "storageclasses",
        namespaced: false,
    };

    #[test]
    fn paths() {
        assert_eq!(POD.url_path(Some("redis")), "/api/v1/namespaces/redis/pods");
        assert_eq!(POD.url_path(None), "/api/v1/pods");
        assert_eq!(CLASS.url_path(Some("ignored")), "/apis/storage.k8s.io/v1/storageclasses");
        assert_eq!(CLASS.to_api_resource().api_version, "storage.k8s.io/v1");
    }

    #[test]
    fn names_are_shown_as_people_write_them() {
        assert_eq!(ObjectRef::namespaced(&POD, "redis", "cache-0").to_string(), "Pod redis/cache-0");
        assert_eq!(ObjectRef::cluster_wide(&CLASS, "gp3").to_string(), "StorageClass gp3");
    }

    #[test]
    fn metadata_reads_what_is_there_and_nothing_else() {
        let pod = json!({"metadata": {"name": "a", "uid": "u", "generation": 3, "labels": {"x": "y"}, "finalizers": ["f"]}});
        assert_eq!((pod.name(), pod.uid(), pod.generation()), ("a", Some("u"), Some(3)));
        assert_eq!((pod.label("x"), pod.label("z"), pod.annotation("x")), (Some("y"), None, None));
        assert_eq!(pod.finalizers(), ["f"]);
        assert_eq!(Value::Null.name(), "");
        assert!(Value::Null.labels().is_empty());
    }

    #[test]
    fn items_of_a_list_get_their_kind() {
        let pod = name_kind(&POD, json!({"metadata": {"name": "a"}}));
        assert_eq!((&pod["apiVersion"], &pod["kind"]), (&json!("v1"), &json!("Pod")));
    }
}
