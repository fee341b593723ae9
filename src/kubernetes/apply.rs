//! Writes: server-side apply, create, merge patch, delete.
//!
//! Fields are owned under one name, [`FIELD_MANAGER`], and validation is strict: an unknown field is an error, not
//! silence. An update says the object's uid, so it cannot bring back what somebody deleted. Each write drops the
//! shared reads of this cluster, whatever its outcome, because an answer that was lost may have been "done".
//!
//! Cancelled, or failed with `Unreachable` or `Timeout`: the write may or may not have been carried out. All but
//! [`Cluster::create`] may simply be repeated.

use http::Uri;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Cluster;
use super::error::{Attempt, Cause, Error, Verb};
use super::object::{ObjectRef, name_kind};

/// The name under which we own fields.
pub const FIELD_MANAGER: &str = "terraform-provider-redis";

/// How to apply.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'a> {
    /// Whether to take fields from managers that own them.
    pub force: bool,
    /// The uid the object must have. `None`: it is created if it does not exist.
    pub uid: Option<&'a str>,
    /// When to give up.
    pub deadline: Instant,
}

/// What becomes of the objects that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    Background,
    /// It stays until they have gone.
    Foreground,
    /// They stay.
    Orphan,
}

/// What a delete found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The object has been asked to go; finalizers may still hold it.
    Begun,
    /// There is no such object.
    Absent,
    /// The cluster does not serve its kind.
    KindMissing,
}

impl Cluster {
    /// Server-side apply: sets exactly the fields of `body`, gives up those we set before and no longer do, and
    /// returns the object as it then is. Name, namespace and kind are `object`'s.
    ///
    /// # Errors
    /// `Conflict` where others own fields and `force` is off; `Replaced` where the object is not the one with this
    /// uid; `Invalid`, `AdmissionDenied` and the others of [`Cause`].
    pub async fn apply(&self, object: &ObjectRef, body: &Value, how: Apply<'_>) -> Result<Value, Error> {
        let mut parameters = PatchParams::apply(FIELD_MANAGER).validation_strict();
        parameters.force = how.force;
        let body = addressed(object, body, how.uid);
        let request = collection(object).patch(&object.name, &parameters, &Patch::Apply(body));
        self.write(Verb::Apply, object, request, how.deadline).await
    }

    /// Creates the object, and only that.
    ///
    /// # Errors
    /// `AlreadyExists` where the name is taken. After `Unreachable` or `Timeout` the object may exist.
    pub async fn create(&self, object: &ObjectRef, body: &Value, deadline: Instant) -> Result<Value, Error> {
        let body = addressed(object, body, None).to_string().into_bytes();
        let request = collection(object).create(&PostParams::default(), body).map(|mut request| {
            strict(request.uri_mut());
            request
        });
        self.write(Verb::Create, object, request, deadline).await
    }

    /// Merge patch (RFC 7386): sets the fields of `patch`, removes those that are null in it.
    ///
    /// # Errors
    /// `NotFound` where the object does not exist, `Replaced` where it is not the one with this uid.
    pub async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: &Value,
        uid: Option<&str>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let parameters = PatchParams::apply(FIELD_MANAGER).validation_strict();
        let mut patch = patch.clone();
        if let Some(uid) = uid {
            set_metadata(&mut patch, "uid", uid);
        }
        let request = collection(object).patch(&object.name, &parameters, &Patch::Merge(patch));
        self.write(Verb::Patch, object, request, deadline).await
    }

    /// Sets how many replicas the object should have, through its subresource `scale`.
    ///
    /// # Errors
    /// `NotFound` where the object does not exist, `Replaced` where it is not the one with this uid.
    pub async fn scale(
        &self,
        object: &ObjectRef,
        replicas: i64,
        uid: Option<&str>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let mut patch = json!({ "spec": { "replicas": replicas } });
        if let Some(uid) = uid {
            set_metadata(&mut patch, "uid", uid);
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).validation_strict();
        let patch = Patch::Merge(patch);
        let request = collection(object).patch_subresource("scale", &object.name, &parameters, &patch);
        self.write(Verb::Patch, object, request, deadline).await
    }

    /// Asks the object to go. It may take long to: watch until it is gone.
    ///
    /// # Errors
    /// `Replaced` where the object is not the one with this uid.
    pub async fn delete(
        &self,
        object: &ObjectRef,
        uid: Option<&str>,
        propagation: Propagation,
        deadline: Instant,
    ) -> Result<Deletion, Error> {
        let parameters = DeleteParams {
            propagation_policy: Some(match propagation {
                Propagation::Background => PropagationPolicy::Background,
                Propagation::Foreground => PropagationPolicy::Foreground,
                Propagation::Orphan => PropagationPolicy::Orphan,
            }),
            preconditions: uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        let request = collection(object).delete(&object.name, &parameters);
        let _written = self.inner.shared.writing();
        match self.exchange(&Attempt::on(Verb::Delete, object), request, deadline).await {
            Ok(_) => Ok(Deletion::Begun),
            Err(Error { cause: Cause::NotFound, .. }) => Ok(Deletion::Absent),
            Err(Error { cause: Cause::KindNotServed { .. }, .. }) => Ok(Deletion::KindMissing),
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        verb: Verb,
        object: &ObjectRef,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let _written = self.inner.shared.writing();
        self.exchange_object(&Attempt::on(verb, object), request, deadline).await
    }
}

fn collection(object: &ObjectRef) -> Request {
    Request::new(object.resource.url_path(object.namespace.as_deref()))
}

/// The body with the address it is sent to, so that the two never differ.
fn addressed(object: &ObjectRef, body: &Value, uid: Option<&str>) -> Value {
    let body = if body.is_object() { body.clone() } else { json!({}) };
    let mut body = name_kind(object.resource, body);
    set_metadata(&mut body, "name", &object.name);
    if let Some(namespace) = &object.namespace {
        set_metadata(&mut body, "namespace", namespace);
    }
    if let Some(uid) = uid {
        set_metadata(&mut body, "uid", uid);
    }
    body
}

/// What `PatchParams::validation_strict` does for patches, and `PostParams` cannot say.
fn strict(uri: &mut Uri) {
    let text = format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", uri.path());
    if let Ok(changed) = text.parse() {
        *uri = changed;
    }
}

fn set_metadata(body: &mut Value, field: &str, value: &str) {
    if !body.is_object() {
        *body = json!({});
    }
    if !body["metadata"].is_object() {
        body["metadata"] = json!({});
    }
    body["metadata"][field] = Value::String(value.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::Resource;
    use crate::kubernetes::test_server::{POD, Reply, TestServer};
    use std::time::Duration;

    static NODE: Resource =
        Resource { group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false };

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn a_body_says_the_address_it_is_sent_to() {
        let pod = ObjectRef::namespaced(&POD, "redis", "a");
        for body in [
            json!({}),
            json!(null),
            json!({"kind": "Other", "metadata": {"name": "b", "namespace": "c"}}),
            json!({"metadata": 3}),
        ] {
            let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "redis", "uid": "u"}});
            assert_eq!(addressed(&pod, &body, Some("u")), expected, "{body}");
        }
        let node = addressed(
            &ObjectRef::cluster_wide(&NODE, "a"),
            &json!({"metadata": {"labels": {"x": "y"}}}),
            None,
        );
        assert_eq!(node["metadata"], json!({"name": "a", "labels": {"x": "y"}}));
    }

    #[tokio::test]
    async fn writes_ask_for_what_they_should() {
        let server =
            TestServer::start(|_| async { Reply::json(200, &json!({"metadata": {"name": "a"}})) }).await;
        let (cluster, pod) = (server.cluster(), ObjectRef::namespaced(&POD, "redis", "a"));
        let how = Apply { force: true, uid: Some("u"), deadline: soon() };
        cluster.apply(&pod, &json!({}), how).await.unwrap();
        cluster.create(&pod, &json!({}), soon()).await.unwrap();
        cluster.merge_patch(&pod, &json!({"data": null}), Some("u"), soon()).await.unwrap();
        cluster.delete(&pod, Some("u"), Propagation::Foreground, soon()).await.unwrap();
        let shown: Vec<String> = server
            .seen()
            .iter()
            .map(|seen| {
                let kind = seen.header("content-type").unwrap_or_default();
                format!("{} {} {kind} {}", seen.method, seen.target, seen.body)
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
