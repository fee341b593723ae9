//! Reads that many share: a refresh of 200 resources asks for each kind once, not 200 times.
//!
//! One LIST per kind, namespace and [`Content`], begun by the first who needs it. It is fresh for ten seconds from
//! its start, and any write of ours drops all of them: a read never uses a list begun before our own last write.
//! A new [`Cluster`] begins with none. If the one who lists is cancelled, a waiter takes over; a failure is told to
//! that caller alone and not kept. Where listing is forbidden, and where a list lacks the object, a GET decides:
//! absence in a list never means absence.
//!
//! Only for refresh. Whoever is about to write, or waits, uses `get` or `watch`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::ListParams;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::error::{Attempt, Cause, Error, Verb};
use super::object::{Metadata as _, ObjectRef, Resource};
use super::read::{Content, Lookup};
use super::transport::TransportError;

/// How long a list serves new readers, counted from its start.
const FRESH: Duration = Duration::from_secs(10);

type Key = (&'static Resource, Option<String>, Content);

/// What a list gave.
enum Listed {
    Objects(HashMap<String, Value>),
    /// Listing is forbidden, or the kind is not served: ask for each object.
    Nothing,
}

/// One list, under way or done. The mutex around the map is never held across an await.
struct Slot {
    began: Instant,
    list: Arc<OnceCell<Listed>>,
}

#[derive(Default)]
pub(super) struct Shared {
    lists: Mutex<HashMap<Key, Slot>>,
}

/// Held during a write; dropping it, by end or by cancel, drops every list begun before.
pub(super) struct Writing<'a>(&'a Shared);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.lists().clear();
    }
}

impl Shared {
    pub(super) fn writing(&self) -> Writing<'_> {
        Writing(self)
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // A panic cannot leave the map half changed, so a poisoned lock is as good as any.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list to use now: one that is fresh, or a new one that nobody has begun.
    fn slot(&self, key: Key, now: Instant) -> Arc<OnceCell<Listed>> {
        let mut lists = self.lists();
        match lists.get(&key) {
            Some(slot) if now.duration_since(slot.began) < FRESH => Arc::clone(&slot.list),
            _ => {
                let list = Arc::new(OnceCell::new());
                lists.insert(key, Slot { began: now, list: Arc::clone(&list) });
                list
            }
        }
    }
}

impl Cluster {
    /// Reads one object out of a list that all readers of its kind and namespace share.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn get_shared(
        &self,
        object: &ObjectRef,
        content: Content,
        deadline: Instant,
    ) -> Result<Lookup, Error> {
        let key = (object.resource, object.namespace.clone(), content);
        let list = self.inner.shared.slot(key, Instant::now());
        let listing = list.get_or_try_init(|| self.list_to_share(object, content, deadline));
        let listed = timeout_at(deadline, listing).await.unwrap_or_else(|_| {
            Err(Error::new(&Attempt::on(Verb::Get, object), None, TransportError::Deadline.into()))
        })?;
        let found = match listed {
            Listed::Objects(objects) => objects.get(&object.name),
            Listed::Nothing => None,
        };
        match found {
            Some(found) => Ok(Lookup::Found(found.clone())),
            None => self.get_content(object, content, deadline).await,
        }
    }

    async fn list_to_share(
        &self,
        object: &ObjectRef,
        content: Content,
        deadline: Instant,
    ) -> Result<Listed, Error> {
        let namespace = object.namespace.as_deref();
        match self.list_content(object.resource, namespace, ListParams::default(), content, deadline).await {
            Ok(objects) => Ok(Listed::Objects(
                objects.into_iter().map(|object| (object.name().to_owned(), object)).collect(),
            )),
            Err(Error { cause: Cause::Forbidden { .. } | Cause::KindNotServed { .. }, .. }) => {
                Ok(Listed::Nothing)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::test_server::{Reply, SECRET, Seen, TestServer};
    use serde_json::json;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn secret(name: &str) -> ObjectRef {
        ObjectRef::namespaced(&SECRET, "redis", name)
    }

    fn is_list(seen: &Seen) -> bool {
        seen.method == "GET" && seen.path().ends_with("/secrets")
    }

    fn lists(server: &TestServer) -> usize {
        server.seen().iter().filter(|seen| is_list(seen)).count()
    }

    /// Lists `a` and `b`; knows also `late`, which no list has.
    async fn server() -> TestServer {
        TestServer::start(|request| async move {
            if is_list(&request) {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let items = json!([{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]);
                return Reply::json(200, &json!({"metadata": {}, "items": items}));
            }
            let name = request.path().rsplit('/').next().unwrap_or_default().to_owned();
            match name.as_str() {
                "late" => Reply::json(200, &json!({"metadata": {"name": "late"}})),
                _ => Reply::status(404, "NotFound", "x", &json!({"name": name, "kind": "secrets"})),
            }
        })
        .await
    }

    #[tokio::test]
    async fn many_readers_one_list() {
        let server = server().await;
        let cluster = server.cluster();
        let (a, b) = (secret("a"), secret("b"));
        let reads =
            (0..100).map(|n| cluster.get_shared(if n % 2 == 0 { &a } else { &b }, Content::Metadata, soon()));
        let found = futures::future::join_all(reads).await;
        assert!(found.iter().all(|one| matches!(one, Ok(Lookup::Found(_)))));
        assert_eq!(server.seen().len(), 1);
        assert!(server.seen()[0].header("accept").unwrap().contains("PartialObjectMetadataList"));
    }

    #[tokio::test]
    async fn absence_is_confirmed_one_by_one() {
        let server = server().await;
        let cluster = server.cluster();
        let late = cluster.get_shared(&secret("late"), Content::Metadata, soon()).await.unwrap();
        assert!(matches!(late, Lookup::Found(_)), "a list that lacks an object is no proof");
        assert_eq!(
            cluster.get_shared(&secret("gone"), Content::Metadata, soon()).await.unwrap(),
            Lookup::Absent
        );
        assert_eq!((lists(&server), server.seen().len()), (1, 3));
    }

    #[tokio::test]
    async fn our_own_write_drops_the_lists_even_when_it_is_cancelled() {
        let server = server().await;
        let cluster = server.cluster();
        let read = async || cluster.get_shared(&secret("a"), Content::Whole, soon()).await.unwrap();
        read().await;
        read().await;
        assert_eq!(lists(&server), 1);
        let _ = cluster.merge_patch(&secret("a"), &json!({}), None, soon()).await;
        read().await;
        assert_eq!(lists(&server), 2);
        let _ = tokio::time::timeout(Duration::ZERO, cluster.create(&secret("c"), &json!({}), soon())).await;
        read().await;
        assert_eq!(lists(&server), 3);
        server.cluster().get_shared(&secret("a"), Content::Whole, soon()).await.unwrap();
        assert_eq!(lists(&server), 4, "a new cluster begins with nothing");
    }

    #[tokio::test]
    async fn a_waiter_takes_over_from_a_reader_who_is_cancelled() {
        let server = TestServer::start(|request| async move {
            if request.count == 0 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Reply::json(200, &json!({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}))
        })
        .await;
        let cluster = server.patient_cluster();
        let (first, second) = (cluster.clone(), cluster.clone());
        let first = tokio::spawn(async move { first.get_shared(&secret("a"), Content::Whole, soon()).await });
        while lists(&server) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let second =
            tokio::spawn(async move { second.get_shared(&secret("b"), Content::Whole, soon()).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(lists(&server), 1, "the second reader waits");
        first.abort();
        assert!(matches!(second.await.unwrap(), Ok(Lookup::Found(_))));
        assert_eq!(lists(&server), 2);
    }

    #[tokio::test]
    async fn where_listing_is_forbidden_each_is_asked_for() {
        let message = r#"secrets is forbidden: User "u" cannot list resource "secrets" in API group "" in the namespace "redis""#;
        let server = TestServer::start(move |request| async move {
            match is_list(&request) {
                true => Reply::status(403, "Forbidden", message, &json!({})),
                false => Reply::json(200, &json!({"metadata": {"name": "a"}})),
            }
        })
        .await;
        let cluster = server.cluster();
        for _ in 0..3 {
            assert!(matches!(
                cluster.get_shared(&secret("a"), Content::Metadata, soon()).await,
                Ok(Lookup::Found(_))
            ));
        }
        assert_eq!((lists(&server), server.seen().len()), (1, 4));
    }

    #[tokio::test]
    async fn errors_are_not_kept() {
        let server = TestServer::start(|request| async move {
            match request.count {
                0 => Reply::status(500, "InternalError", "broken", &json!({})),
                _ => Reply::json(200, &json!({"metadata": {}, "items": [{"metadata": {"name": "a"}}]})),
            }
        })
        .await;
        let cluster = server.cluster();
        let error = cluster.get_shared(&secret("a"), Content::Whole, soon()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unavailable { status: 500, .. }), "{error}");
        assert!(matches!(
            cluster.get_shared(&secret("a"), Content::Whole, soon()).await,
            Ok(Lookup::Found(_))
        ));
    }

    #[tokio::test]
    async fn a_list_serves_ten_seconds_from_its_start() {
        let shared = Shared::default();
        let key = || (&SECRET, Some("redis".to_owned()), Content::Whole);
        let now = Instant::now();
        let first = shared.slot(key(), now);
        assert!(Arc::ptr_eq(&first, &shared.slot(key(), now + Duration::from_millis(9_999))));
        assert!(!Arc::ptr_eq(&first, &shared.slot(key(), now + FRESH)));
    }
}
