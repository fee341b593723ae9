//! Waiting: the present objects of several selections, kept up to date by watches.
//!
//! [`Watched::changed`] returns first when every selection has been seen whole, then after every change; in between
//! the caller reads [`Watched::objects`]. A judgement on half the picture is thereby impossible.
//!
//! A broken watch is begun anew after a pause (50 ms, doubled up to 5 s). What heals is no error but
//! [`Watched::trouble`], for the message when time is over. A kind that the server does not serve counts as seen,
//! without objects, and is asked for again: a CustomResourceDefinition that appears during the wait is simply used.
//! What nobody heals is an error: a refusal (401, 403) that has lasted eight seconds.
//!
//! Cancel-safe: dropping the future of `changed` loses nothing. Dropping [`Watched`] ends the watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use serde_json::Value;
use tokio::time::Instant;

use super::Cluster;
use super::error::Error;
use super::object::{Metadata as _, ObjectRef, Resource};
use super::read::Content;
use super::watch_source::{LULL, Update, updates};

/// Which objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// The one of this name.
    Named(String),
    /// Those that match this label selector.
    Labelled(String),
}

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The kind.
    pub resource: &'static Resource,
    /// The namespace; `None`: all, or the kind has none.
    pub namespace: Option<String>,
    /// Which objects.
    pub which: Which,
    /// How much of them. Secrets: `Content::Metadata`.
    pub content: Content,
}

impl Selection {
    /// Watches one object.
    pub fn one(object: &ObjectRef) -> Selection {
        Selection {
            resource: object.resource,
            namespace: object.namespace.clone(),
            which: Which::Named(object.name.clone()),
            content: Content::Whole,
        }
    }

    /// Watches all objects of a namespace that match a label selector.
    pub fn labelled(resource: &'static Resource, namespace: &str, selector: &str) -> Selection {
        let (namespace, which) = (Some(namespace.to_owned()), Which::Labelled(selector.to_owned()));
        Selection { resource, namespace, which, content: Content::Whole }
    }

    /// The same, but `metadata` only.
    pub fn metadata_only(self) -> Selection {
        Selection { content: Content::Metadata, ..self }
    }
}

type Objects = BTreeMap<(Option<String>, String), Arc<Value>>;

/// What is known of one selection.
#[derive(Default)]
struct Seen {
    objects: Objects,
    /// A list that is not whole yet: until it is, the old objects stand.
    listing: Objects,
    whole: bool,
    kind_missing: bool,
    trouble: Option<(Instant, Error)>,
}

/// The present objects of several selections.
pub struct Watched {
    selections: Vec<Selection>,
    seen: Vec<Seen>,
    updates: SelectAll<BoxStream<'static, (usize, Update)>>,
    /// Whether something changed that `changed` has not told yet.
    news: bool,
}

impl Cluster {
    /// Watches these selections. Sends nothing until [`Watched::changed`] is awaited.
    pub fn watch(&self, selections: Vec<Selection>) -> Watched {
        let streams = selections.iter().enumerate().map(|(index, selection)| {
            let updates = updates(self.clone(), selection.clone());
            updates.map(move |update| (index, update)).boxed()
        });
        let updates = futures::stream::select_all(streams);
        let seen = selections.iter().map(|_| Seen::default()).collect();
        Watched { selections, seen, updates, news: false }
    }
}

impl Watched {
    /// Waits until all selections have been seen whole, then until something changes; several changes that are
    /// there at once count as one.
    ///
    /// # Errors
    /// Only what waiting does not heal: settings that choose no cluster, a certificate that is not accepted, and a
    /// refusal or a credential plugin's failure that has lasted eight seconds. Awaited again, the watch goes on.
    pub async fn changed(&mut self) -> Result<(), Error> {
        loop {
            let next = if self.news && self.is_whole() {
                // Take along what is there already; then tell.
                match self.updates.next().now_or_never() {
                    Some(next) => next,
                    None => {
                        self.news = false;
                        return Ok(());
                    }
                }
            } else {
                self.updates.next().await
            };
            match next {
                Some((index, update)) => self.take(index, update)?,
                // Nothing is watched, so nothing will ever change.
                None => futures::future::pending().await,
            }
        }
    }

    /// Whether every selection has been seen whole at least once.
    pub fn is_whole(&self) -> bool {
        self.seen.iter().all(|seen| seen.whole)
    }

    /// The present objects of a kind, over all selections, by namespace and name.
    pub fn objects(&self, resource: &'static Resource) -> impl Iterator<Item = &Value> {
        let of_kind = self.selections.iter().zip(&self.seen).filter(move |(one, _)| one.resource == resource);
        let objects: BTreeMap<_, _> = of_kind.flat_map(|(_, seen)| &seen.objects).collect();
        objects.into_values().map(AsRef::as_ref)
    }

    /// One present object.
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        let of_kind =
            self.selections.iter().zip(&self.seen).filter(|(one, _)| one.resource == object.resource);
        let key = (object.namespace.clone(), object.name.clone());
        of_kind.map(|(_, seen)| seen).find_map(|seen| seen.objects.get(&key)).map(AsRef::as_ref)
    }

    /// Whether the server does not serve this kind at present.
    pub fn kind_missing(&self, resource: &'static Resource) -> bool {
        self.selections
            .iter()
            .zip(&self.seen)
            .any(|(one, seen)| one.resource == resource && seen.kind_missing)
    }

    /// What keeps one of the watches from being up to date, if anything has in the last [`LULL`].
    pub fn trouble(&self) -> Option<&Error> {
        let recent = self.seen.iter().filter_map(|seen| seen.trouble.as_ref());
        recent.filter(|(since, _)| since.elapsed() < LULL).map(|(_, error)| error).next()
    }

    fn take(&mut self, index: usize, update: Update) -> Result<(), Error> {
        let Some(seen) = self.seen.get_mut(index) else { return Ok(()) };
        match update {
            Update::Trouble(error) => {
                tracing::debug!(%error, "a watch is in trouble");
                seen.trouble = Some((Instant::now(), error));
                return Ok(());
            }
            Update::Fatal(error) => return Err(error),
            Update::Began => {
                seen.listing.clear();
                return Ok(());
            }
            Update::Listed(object) => {
                seen.listing.insert(key(&object), Arc::new(object));
                return Ok(());
            }
            Update::Whole => seen.objects = std::mem::take(&mut seen.listing),
            Update::Changed(object) => {
                seen.objects.insert(key(&object), Arc::new(object));
            }
            Update::Deleted(object) => {
                seen.objects.remove(&key(&object));
            }
            Update::KindMissing => {
                self.news |= !seen.kind_missing;
                *seen = Seen { whole: true, kind_missing: true, ..Seen::default() };
                return Ok(());
            }
        }
        (seen.whole, seen.kind_missing, seen.trouble) = (true, false, None);
        self.news = true;
        Ok(())
    }
}

fn key(object: &Value) -> (Option<String>, String) {
    (object.namespace().map(str::to_owned), object.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Cause;
    use crate::kubernetes::test_server::{POD, Reply, SECRET, Seen, TestServer};
    use serde_json::json;
    use std::time::Duration;

    fn pod() -> ObjectRef {
        ObjectRef::namespaced(&POD, "redis", "a")
    }

    fn object(version: u32, label: &str) -> Value {
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "redis", "resourceVersion": version.to_string(), "labels": {"is": label}}})
    }

    fn list(items: &Value) -> Reply {
        Reply::json(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
        )
    }

    fn is_watch(seen: &Seen) -> bool {
        seen.target.contains("watch=true")
    }

    fn event(kind: &str, object: Value) -> Value {
        json!({"type": kind, "object": object})
    }

    fn silence() -> Reply {
        Reply::Stream(vec![])
    }

    async fn changed(watched: &mut Watched) -> Result<(), Error> {
        tokio::time::timeout(Duration::from_secs(20), watched.changed()).await.expect("a change")
    }

    fn label(watched: &Watched) -> Option<&str> {
        watched.get(&pod())?.label("is")
    }

    #[tokio::test]
    async fn judged_only_when_every_selection_is_whole() {
        let server = TestServer::start(|request| async move {
            if is_watch(&request) {
                return silence();
            }
            if request.path().ends_with("secrets") {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return list(&json!([]));
            }
            list(&json!([object(1, "there")]))
        })
        .await;
        let secrets =
            Selection { resource: &SECRET, namespace: None, which: Which::All, content: Content::Whole };
        let mut watched = server.cluster().watch(vec![Selection::one(&pod()), secrets]);
        // Cancelled in between: nothing is lost.
        assert!(tokio::time::timeout(Duration::from_millis(100), watched.changed()).await.is_err());
        assert!(!watched.is_whole());
        changed(&mut watched).await.unwrap();
        assert!(watched.is_whole());
        assert_eq!((label(&watched), watched.objects(&POD).count()), (Some("there"), 1));
        assert!(server.seen().iter().any(|seen| seen.target.contains("fieldSelector=metadata.name%3Da")));
    }

    #[tokio::test]
    async fn changes_arrive_and_a_broken_watch_is_mended() {
        let server = TestServer::start(|request| async move {
            match (is_watch(&request), request.count) {
                (false, 0) => Reply::Close,
                (false, _) => list(&json!([object(1, "old")])),
                (true, 2) => Reply::Stream(vec![
                    (Duration::from_millis(300), event("MODIFIED", object(2, "new"))),
                    (Duration::from_millis(300), event("ERROR", json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}))),
                ]),
                (true, 4) => Reply::Stream(vec![(Duration::from_millis(300), event("DELETED", object(3, "gone")))]),
                _ => silence(),
            }
        })
        .await;
        let mut watched = server.cluster().watch(vec![Selection::one(&pod())]);
        changed(&mut watched).await.unwrap();
        assert_eq!(label(&watched), Some("old"));
        changed(&mut watched).await.unwrap();
        assert_eq!(label(&watched), Some("new"));
        changed(&mut watched).await.unwrap();
        assert_eq!(label(&watched), Some("old"), "after 410 a list begins anew");
        changed(&mut watched).await.unwrap();
        assert_eq!(label(&watched), None);
    }

    #[tokio::test]
    async fn a_kind_that_appears_is_used() {
        let server = TestServer::start(|request| async move {
            match (is_watch(&request), request.count) {
                (false, 0..3) => {
                    Reply::Answer { status: 404, headers: vec![], body: "404 page not found\n".to_owned() }
                }
                (false, _) => list(&json!([object(1, "there")])),
                (true, _) => silence(),
            }
        })
        .await;
        let mut watched = server.cluster().watch(vec![Selection::one(&pod())]);
        changed(&mut watched).await.unwrap();
        assert!(watched.kind_missing(&POD) && watched.is_whole() && watched.objects(&POD).count() == 0);
        changed(&mut watched).await.unwrap();
        assert_eq!((watched.kind_missing(&POD), label(&watched)), (false, Some("there")));
    }

    #[tokio::test]
    async fn a_refusal_that_lasts_is_an_error_and_one_that_passes_is_not() {
        let message = r#"pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "redis""#;
        let passes = TestServer::start(move |request| async move {
            match (is_watch(&request), request.count) {
                (false, 0..3) => Reply::status(403, "Forbidden", message, &json!({})),
                (false, _) => list(&json!([])),
                (true, _) => silence(),
            }
        })
        .await;
        let mut watched = passes.patient_cluster().watch(vec![Selection::one(&pod())]);
        while watched.trouble().is_none() {
            assert!(tokio::time::timeout(Duration::from_millis(20), watched.changed()).await.is_err());
        }
        assert!(matches!(&watched.trouble().unwrap().cause, Cause::Forbidden { .. }));
        changed(&mut watched).await.unwrap();
        assert!(watched.trouble().is_none());

        let lasts =
            TestServer::start(move |_| async move { Reply::status(403, "Forbidden", message, &json!({})) })
                .await;
        let began = Instant::now();
        let error = changed(&mut lasts.cluster().watch(vec![Selection::one(&pod())])).await.unwrap_err();
        assert!(error.to_string().contains("u may not list pods in namespace \"redis\""), "{error}");
        assert!(began.elapsed() > Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_right_to_list_without_one_to_watch_is_an_error_too() {
        let message = r#"pods is forbidden: User "u" cannot watch resource "pods" in API group "" in the namespace "redis""#;
        let server = TestServer::start(move |request| async move {
            if is_watch(&request) {
                return Reply::status(403, "Forbidden", message, &json!({}));
            }
            list(&json!([object(1, "there")]))
        })
        .await;
        let mut watched = server.cluster().watch(vec![Selection::one(&pod())]);
        let error = loop {
            if let Err(error) = changed(&mut watched).await {
                break error;
            }
        };
        assert!(error.to_string().contains("u may not watch pods"), "{error}");
    }

    #[tokio::test]
    async fn settings_that_choose_no_cluster_are_an_error_at_once() {
        let settings = crate::kubernetes::Settings {
            config_path: Some("/no/such/file".to_owned()),
            ..Default::default()
        };
        let mut watched = Cluster::new(settings).watch(vec![Selection::one(&pod())]);
        assert!(matches!(changed(&mut watched).await.unwrap_err().cause, Cause::Config(_)));
    }
}
