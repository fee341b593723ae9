//! One watch that never ends: begins, listens, fails, pauses, begins again. `watch.rs` puts several together.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _};
use kube::Api;
use kube::core::{ApiResource, DynamicObject, DynamicResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::error::{Attempt, Cause, Error, Verb};
use super::object::name_kind;
use super::read::Content;
use super::status::Refusal;
use super::transport::TransportError;
use super::watch::{Selection, Which};
use super::{Cluster, Connection};

/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause for a kind that is not served: to ask is cheap, and it may appear at any moment.
const LONGEST_PAUSE_FOR_KIND: Duration = Duration::from_secs(1);
/// How long a watch lasts before the server ends it, in seconds; a dead one is noticed 5 s later.
const WATCH_SECONDS: u32 = 240;
/// How long setting up the connection may take before it is tried anew.
const SET_UP: Duration = Duration::from_secs(60);

/// A failure longer ago than this has been overcome: each try ends within half a minute, and a watch that is well
/// again but has no news says nothing.
pub(super) const LULL: Duration = Duration::from_secs(40);
/// What one selection tells.
pub(super) enum Update {
    /// A list begins.
    Began,
    /// An object of the list.
    Listed(Value),
    /// The list is whole.
    Whole,
    /// An object was made or changed.
    Changed(Value),
    /// An object is gone.
    Deleted(Value),
    /// The server does not serve the kind.
    KindMissing,
    /// Something that may heal.
    Trouble(Error),
    /// Something that does not.
    Fatal(Error),
}

type Events = BoxStream<'static, watcher::Result<Event<Value>>>;

/// A watch that never ends, and how it fares.
struct Source {
    cluster: Cluster,
    selection: Selection,
    attempt: Attempt,
    /// The watch under way; `None`: to be begun.
    stream: Option<(Events, Arc<Connection>)>,
    /// Failures in a row, when the last was, and since when all of them were refusals.
    failures: u32,
    failed: Option<Instant>,
    refused_since: Option<Instant>,
    /// Whether it was the watch that was refused: a right to list alone lets the list before it succeed each time.
    listed_in_vain: bool,
    /// How long to wait before the next try.
    pause: Option<Duration>,
}

/// The updates of one selection, for ever.
pub(super) fn updates(cluster: Cluster, selection: Selection) -> impl Stream<Item = Update> + Send {
    let mut attempt = Attempt::on_all(Verb::Watch, selection.resource, selection.namespace.as_deref());
    if let Which::Named(name) = &selection.which {
        attempt.name = Some(name.clone());
    }
    let source = Source {
        cluster,
        selection,
        attempt,
        stream: None,
        failures: 0,
        failed: None,
        refused_since: None,
        listed_in_vain: false,
        pause: None,
    };
    futures::stream::unfold(source, |mut source| async move {
        let update = source.next().await;
        Some((update, source))
    })
}

impl Source {
    async fn next(&mut self) -> Update {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        if self.stream.is_none() {
            match self.begin().await {
                Ok(stream) => self.stream = Some(stream),
                Err(error) => return self.failed(error),
            }
        }
        let Some((stream, connection)) = &mut self.stream else { return Update::Began };
        match stream.next().await {
            Some(Ok(event)) => {
                let resource = self.selection.resource;
                let update = match event {
                    // Only an answer is a success, and `Init` comes before the first one.
                    Event::Init => return Update::Began,
                    Event::InitApply(object) => Update::Listed(name_kind(resource, object)),
                    Event::InitDone => Update::Whole,
                    Event::Apply(object) => Update::Changed(name_kind(resource, object)),
                    Event::Delete(object) => Update::Deleted(name_kind(resource, object)),
                };
                let of_list = matches!(update, Update::Listed(_) | Update::Whole);
                if !(of_list && self.listed_in_vain) {
                    (self.failures, self.refused_since, self.listed_in_vain) = (0, None, false);
                }
                update
            }
            Some(Err(error)) => {
                self.listed_in_vain = matches!(error, watcher::Error::WatchStartFailed(_));
                let cause = cause(&self.attempt, connection, error);
                let error = Error::new(&self.attempt, Some(&connection.server), cause);
                self.failed(error)
            }
            None => {
                self.stream = None;
                Update::Began
            }
        }
    }

    async fn begin(&mut self) -> Result<(Events, Arc<Connection>), Error> {
        let connection = self.cluster.connection(&self.attempt, Instant::now() + SET_UP).await?;
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
        match &self.selection.which {
            Which::All => {}
            Which::Named(name) => config = config.fields(&format!("metadata.name={name}")),
            Which::Labelled(selector) => config = config.labels(selector),
        }
        let client = connection.client.clone();
        let stream = match self.selection.content {
            Content::Whole => {
                watcher(api::<DynamicObject>(client, &self.selection), config).map(plain).boxed()
            }
            Content::Metadata => {
                let api = api::<PartialObjectMeta<DynamicObject>>(client, &self.selection);
                watcher(api, config).map(plain).boxed()
            }
        };
        Ok((stream, connection))
    }

    /// Decides what a failure means, and how the next try begins.
    fn failed(&mut self, error: Error) -> Update {
        if self.failed.is_some_and(|last| last.elapsed() > LULL) {
            (self.failures, self.refused_since) = (0, None);
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(Instant::now());
        let pause = pause(self.failures);
        self.pause = Some(pause);
        match &error.cause {
            Cause::KindNotServed { .. } => {
                // Begin with a list: what was watched is gone with its kind.
                (self.stream, self.refused_since) = (None, None);
                self.pause = Some(pause.min(LONGEST_PAUSE_FOR_KIND));
                Update::KindMissing
            }
            Cause::Unauthorized { .. } | Cause::Forbidden { .. } | Cause::Credential(_) => {
                // Begin with a connection: a certificate that a plugin gave may have ended.
                self.stream = None;
                let since = *self.refused_since.get_or_insert_with(Instant::now);
                let left = self.cluster.inner.patience.refusal.saturating_sub(since.elapsed());
                if left.is_zero() {
                    Update::Fatal(error)
                } else {
                    // The last try is at the end of patience, not a whole pause after it.
                    self.pause = Some(pause.min(left));
                    Update::Trouble(error)
                }
            }
            // Nothing was asked: the settings are at fault, and no waiting changes them.
            Cause::Config(_) | Cause::Tls(_) => Update::Fatal(error),
            _ => {
                self.refused_since = None;
                Update::Trouble(error)
            }
        }
    }
}

fn api<K>(client: kube::Client, selection: &Selection) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let kind = selection.resource.to_api_resource();
    match &selection.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind),
        None => Api::all_with(client, &kind),
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
}

/// kube's event with plain JSON in it.
fn plain<K: Serialize>(event: watcher::Result<Event<K>>) -> watcher::Result<Event<Value>> {
    // What was just parsed from JSON can be written as JSON.
    let json = |object: K| serde_json::to_value(object).unwrap_or_default();
    Ok(match event? {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(json(object)),
        Event::Apply(object) => Event::Apply(json(object)),
        Event::Delete(object) => Event::Delete(json(object)),
    })
}

/// Why a watch failed, from kube's error.
fn cause(attempt: &Attempt, connection: &Connection, error: watcher::Error) -> Cause {
    let error = match error {
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::NoResourceVersion => {
            return Cause::BadRequest("the kind cannot be watched".to_owned());
        }
    };
    match error {
        kube::Error::Api(status) => connection.cause(attempt, &Refusal::from_kube(&status)),
        kube::Error::Service(error) => match error.downcast::<TransportError>() {
            Ok(error) => (*error).into(),
            Err(error) => TransportError::Broken(error.to_string()).into(),
        },
        // kube's words for these quote no body.
        kube::Error::ReadEvents(error) => TransportError::Broken(error.to_string()).into(),
        _ => TransportError::Broken("the stream of changes cannot be read".to_owned()).into(),
    }
}
