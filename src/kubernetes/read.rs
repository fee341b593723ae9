//! Reads that nobody shares: one object, or all of a kind. `shared.rs` has those that many resources share.
//!
//! [`Lookup::Absent`] is what makes Terraform drop an object from its state, so it is said only when the server
//! names this very object as not found. Reads ask the store behind the server, never its cache
//! (`resourceVersion=0`): the cache may lag behind our own write.

use http::header::ACCEPT;
use http::{HeaderValue, Request as HttpRequest};
use kube::api::ListParams;
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::Value;
use tokio::time::Instant;

use super::Cluster;
use super::error::{Attempt, Cause, Error, Verb};
use super::object::{ObjectRef, Resource, name_kind};

/// Objects per page of a list.
const PAGE: u32 = 500;
/// How often a list is begun anew because its pages ended too old (410) on the way.
const LISTS: u32 = 3;

static EVENT: Resource =
    Resource { group: "", version: "v1", kind: "Event", plural: "events", namespaced: true };

/// Whether the whole object is asked for, or its `metadata` only: enough for a Secret, whose data we do not want
/// to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// All of it.
    Whole,
    /// `metadata` only, with the object's own `apiVersion` and `kind`.
    Metadata,
}

/// What looking for one object found.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The object.
    Found(Value),
    /// The server says that there is no object of this name.
    Absent,
    /// The server does not serve this kind, or the URL has a wrong path. Before dropping anything for that, look up
    /// its CustomResourceDefinition: only if that is [`Lookup::Absent`] is the kind known to be gone.
    KindMissing,
}

impl Lookup {
    /// The object, if there is one.
    pub fn found(self) -> Option<Value> {
        match self {
            Lookup::Found(object) => Some(object),
            Lookup::Absent | Lookup::KindMissing => None,
        }
    }
}

/// Whose events to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Involved<'a> {
    /// Those of the object with this uid.
    Uid(&'a str),
    /// Those of every object that has had this kind and name.
    Named {
        /// Its kind, such as `Pod`.
        kind: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl Cluster {
    /// Reads one object.
    ///
    /// # Errors
    /// Whatever is not an answer about this very object, a 404 from somewhere else among it.
    pub async fn get(&self, object: &ObjectRef, deadline: Instant) -> Result<Lookup, Error> {
        self.get_content(object, Content::Whole, deadline).await
    }

    /// Reads one object's metadata.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn get_metadata(&self, object: &ObjectRef, deadline: Instant) -> Result<Lookup, Error> {
        self.get_content(object, Content::Metadata, deadline).await
    }

    pub(super) async fn get_content(
        &self,
        object: &ObjectRef,
        content: Content,
        deadline: Instant,
    ) -> Result<Lookup, Error> {
        let collection = Request::new(object.resource.url_path(object.namespace.as_deref()));
        let request = match content {
            Content::Whole => collection.get(&object.name, &GetParams::default()),
            Content::Metadata => collection.get_metadata(&object.name, &GetParams::default()),
        };
        match self.exchange_object(&Attempt::on(Verb::Get, object), request, deadline).await {
            Ok(found) => Ok(Lookup::Found(name_kind(object.resource, found))),
            Err(Error { cause: Cause::NotFound, .. }) => Ok(Lookup::Absent),
            Err(Error { cause: Cause::KindNotServed { .. }, .. }) => Ok(Lookup::KindMissing),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of a kind, in one namespace or (`None`) in all, by pages. They come without
    /// `metadata.managedFields`.
    ///
    /// # Errors
    /// `Forbidden` without the right to list; `KindNotServed` where the cluster lacks the kind.
    pub async fn list(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let label_selector = label_selector.map(str::to_owned);
        let parameters = ListParams { label_selector, ..ListParams::default() };
        self.list_content(resource, namespace, parameters, Content::Whole, deadline).await
    }

    /// Reads the metadata of all objects of a kind, as [`Cluster::list`] does: enough for Secrets.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn list_metadata(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let parameters =
            ListParams { label_selector: label_selector.map(str::to_owned), ..ListParams::default() };
        self.list_content(resource, namespace, parameters, Content::Metadata, deadline).await
    }

    pub(super) async fn list_content(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        parameters: ListParams,
        content: Content,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let mut begun = 1;
        loop {
            match self.list_once(resource, namespace, parameters.clone(), content, deadline).await {
                // The pages were taken from a state that the server no longer has.
                Err(Error { cause: Cause::Rejected { status: 410, .. }, .. }) if begun < LISTS => begun += 1,
                outcome => return outcome,
            }
        }
    }

    async fn list_once(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        parameters: ListParams,
        content: Content,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let attempt = Attempt::on_all(Verb::List, resource, namespace);
        let collection = Request::new(resource.url_path(namespace));
        let mut parameters = parameters.limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let request = match content {
                Content::Whole => collection.list(&parameters),
                Content::Metadata => collection.list_metadata(&parameters),
            };
            let mut page = self.exchange_object(&attempt, request, deadline).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                objects.extend(items.into_iter().map(|item| name_kind(resource, slim(item))));
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => parameters.continue_token = Some(token.to_owned()),
                _ => return Ok(objects),
            }
        }
    }

    /// Reads the events about one object, oldest first.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn events_of(
        &self,
        namespace: &str,
        involved: Involved<'_>,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let fields = match involved {
            Involved::Uid(uid) => format!("involvedObject.uid={uid}"),
            Involved::Named { kind, name } => {
                format!("involvedObject.kind={kind},involvedObject.name={name}")
            }
        };
        let parameters = ListParams::default().fields(&fields);
        let mut events =
            self.list_content(&EVENT, Some(namespace), parameters, Content::Whole, deadline).await?;
        events.sort_by_key(event_time);
        Ok(events)
    }

    /// Reads text: a container's log.
    pub(super) async fn read_text(
        &self,
        attempt: &Attempt,
        request: Result<HttpRequest<Vec<u8>>, kube::core::request::Error>,
        deadline: Instant,
    ) -> Result<String, Error> {
        let request = request.map(|mut request| {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
            request
        });
        let answer = self.exchange(attempt, request, deadline).await?;
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }
}

/// Without `managedFields`: often half of an object, and nobody asks a list for them.
fn slim(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// When an event was last seen: old and new publishers fill different fields. RFC 3339 in UTC sorts as text.
fn event_time(event: &Value) -> String {
    let fields = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let time = fields.iter().find_map(|field| event.pointer(field).and_then(Value::as_str));
    time.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::Metadata as _;
    use crate::kubernetes::test_server::{POD, Reply, TestServer};
    use serde_json::json;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn pod() -> ObjectRef {
        ObjectRef::namespaced(&POD, "redis", "a")
    }

    #[tokio::test]
    async fn lists_are_read_by_pages_and_never_from_the_cache() {
        let server = TestServer::start(|request| async move {
            let (name, token) = match request.target.split("continue=").nth(1) {
                None => ("a", "next"),
                Some("next") => ("b", "last"),
                Some(_) => ("c", ""),
            };
            Reply::json(
                200,
                &json!({"metadata": {"continue": token}, "items": [{"metadata": {"name": name}}]}),
            )
        })
        .await;
        let pods = server.cluster().list(&POD, Some("redis"), Some("app=redis"), soon()).await.unwrap();
        assert_eq!(pods.iter().map(|pod| pod.name()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(pods[0]["kind"], "Pod");
        for seen in server.seen() {
            assert!(
                seen.target.contains("limit=500") && !seen.target.contains("resourceVersion"),
                "{}",
                seen.target
            );
        }
    }

    #[tokio::test]
    async fn a_list_whose_pages_are_too_old_begins_anew() {
        let server = TestServer::start(|request| async move {
            match request.count {
                0 => Reply::json(
                    200,
                    &json!({"metadata": {"continue": "x"}, "items": [{"metadata": {"name": "old"}}]}),
                ),
                1 => Reply::status(410, "Expired", "too old", &json!({})),
                _ => Reply::json(200, &json!({"metadata": {}, "items": [{"metadata": {"name": "new"}}]})),
            }
        })
        .await;
        let pods = server.cluster().list(&POD, None, None, soon()).await.unwrap();
        assert_eq!(pods.iter().map(|pod| pod.name()).collect::<Vec<_>>(), ["new"]);
    }

    #[tokio::test]
    async fn the_kinds_of_404() {
        let table = [
            (
                Reply::status(404, "NotFound", "x", &json!({"name": "a", "kind": "pods"})),
                Some(Lookup::Absent),
            ),
            (Reply::status(404, "NotFound", "x", &json!({"name": "b", "kind": "pods"})), None),
            (Reply::status(404, "NotFound", "x", &json!({})), Some(Lookup::KindMissing)),
            (Reply::Answer { status: 404, headers: vec![], body: "404 page not found".to_owned() }, None),
            (Reply::json(404, &json!("404 page not found")), Some(Lookup::KindMissing)),
            (Reply::Answer { status: 404, headers: vec![], body: "<html>".to_owned() }, None),
            (Reply::Answer { status: 200, headers: vec![], body: "<html>".to_owned() }, None),
        ];
        for (index, (reply, expected)) in table.into_iter().enumerate() {
            let reply = std::sync::Mutex::new(Some(reply));
            let server = TestServer::start(move |_| {
                let reply = reply.lock().unwrap().take().unwrap();
                async { reply }
            })
            .await;
            assert_eq!(server.cluster().get(&pod(), soon()).await.ok(), expected, "row {index}");
        }
    }

    #[tokio::test]
    async fn a_name_cannot_ask_for_something_else() {
        let server = TestServer::start(|_| async { Reply::json(200, &json!({})) }).await;
        for name in ["", ".", "..", "a/log", "a?x", "a%2f", "a b", "ä"] {
            let error =
                server.cluster().get(&ObjectRef::namespaced(&POD, "redis", name), soon()).await.unwrap_err();
            assert!(matches!(error.cause, Cause::BadRequest(_)), "{error}");
        }
        assert!(server.seen().is_empty());
    }
}
