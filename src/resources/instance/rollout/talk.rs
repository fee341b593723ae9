//! What Redis and the sentinels say, for a guarded rollout. Connections stay open from one look to the next, so a look at a
//! whole set takes some milliseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use futures::future::join_all;
use secrecy::SecretString;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::cluster::Addresses;
use super::super::session::{Session, TalkError};
use super::{Failure, Rollout};
use crate::kubernetes::{self, Cluster};
use crate::redis::names::{REDIS_PORT, SENTINEL_PORT};
use crate::redis::object::{at, list, name, text};
use crate::redis::ready::Running;
use crate::redis::rollout::{Pod, Set, View, master_of};
use crate::redis::talk::Replication;
use crate::redis::topology::Part;

/// How long one pod may take to answer: a pod that is starting must not hold up the look at the others.
const ANSWER: Duration = Duration::from_secs(2);

/// Connections to the pods of a set, by the pod's uid, and the passwords that its pods were given.
#[derive(Default)]
pub(super) struct Talks {
    sessions: BTreeMap<String, Session>,
    passwords: BTreeMap<(String, String), SecretString>,
    /// The pod that was the master when the set was last asked, or has become it since.
    pub(super) master: Option<String>,
    /// Whether it cannot be told which pod is to be the master.
    pub(super) is_ambiguous: bool,
    /// Whether this run has proven that the operator leaves the set alone.
    pub(super) is_quiet: bool,
}

impl Talks {
    /// The connection to a pod, if the last look has opened one.
    pub(super) fn session(&mut self, uid: &str) -> Option<&mut Session> {
        self.sessions.get_mut(uid)
    }

    /// Takes connections out, to talk to several pods at once.
    pub(super) fn take(&mut self, uid: &str) -> Option<Session> {
        self.sessions.remove(uid)
    }

    /// A password that a pod was given.
    pub(super) fn password(&self, pod: &Json) -> Option<&SecretString> {
        self.passwords.get(&reference(pod, "REDIS_PASSWORD")?)
    }

    /// The password by which sentinels log in to Redis.
    pub(super) fn password_of_master(&self, pod: &Json) -> Option<&SecretString> {
        self.passwords.get(&reference(pod, "MASTER_PASSWORD")?)
    }
}

/// The Secret and key that a variable of a pod is taken from.
fn reference(pod: &Json, variable: &str) -> Option<(String, String)> {
    let from = list(pod, &["spec", "containers"])
        .iter()
        .flat_map(|container| list(container, &["env"]))
        .find(|one| text(one, &["name"]) == Some(variable))
        .map(|one| at(one, &["valueFrom", "secretKeyRef"]))?;
    Some((text(from, &["name"])?.to_owned(), text(from, &["key"])?.to_owned()))
}

impl Rollout<'_> {
    /// Asks every pod of the set.
    pub(super) async fn talk(&mut self) -> Result<(), Failure> {
        let Some(running) = self.observed.running.clone() else { return Ok(()) };
        if self.is_another_password(&running) {
            // A pod with the new one could not follow a master with the old one: the roll would wait for ever.
            tracing::info!(instance = %self.instance.id, "the password changes, so the operator restarts the pods");
            self.let_go().await;
            self.desired.guarded.clear();
            return Ok(());
        }
        self.learn_passwords(&running).await?;
        let mut set = Set {
            size: 0,
            members: Vec::new(),
            sentinels: 0,
            watchers: Vec::new(),
            is_paused: self.is_data_paused(),
            is_quiet: self.talks.is_quiet,
        };
        let group = self.instance.sentinel.as_ref().map(|sentinel| sentinel.master_name.clone());
        for part in self.addresses.topology.parts() {
            let custom_resource = self.desired.custom_resource(part.kind);
            let size = usize::try_from(part.replicas(custom_resource)).unwrap_or(0);
            if part.has_data() {
                set.size = size;
                set.members = self.ask(*part, &running, &AskRedis).await?;
            } else if let Some(group) = &group {
                set.sentinels = size;
                let question = AskSentinel { group: group.clone() };
                set.watchers = self.ask(*part, &running, &question).await?;
            }
        }
        if let Some(master) = master_of(&set) {
            self.talks.master = Some(master.to_owned());
            self.talks.is_ambiguous = false;
        } else {
            self.talks.is_ambiguous = true;
        }
        self.observed.set = Some(set);
        Ok(())
    }

    /// Asks the pods of one StatefulSet at the same time.
    async fn ask<Q: Question>(
        &mut self,
        part: Part,
        running: &Running,
        question: &Q,
    ) -> Result<Vec<Pod<Q::Said>>, Failure> {
        let app = part.name(&self.addresses.name);
        let revision = running.stateful_set(&app).and_then(|one| text(one, &["status", "updateRevision"]));
        let revision = revision.unwrap_or_default();
        let port = if part.has_data() { REDIS_PORT } else { SENTINEL_PORT };
        let port = u16::try_from(port).unwrap_or_default();
        let mut asked = Vec::new();
        for json in running.pods_of(&app) {
            if let Some(pod) = Pod::<Q::Said>::of(json, revision, None) {
                let password = self.talks.password(json).cloned();
                let session = self.talks.take(&pod.uid);
                asked.push((pod, session, password));
            }
        }
        let (cluster, addresses) = (self.cluster, &self.addresses);
        let answers = join_all(asked.into_iter().map(|(pod, session, password)| async move {
            let answer = one(cluster, addresses, &pod.name, port, session, password.as_ref(), question).await;
            (pod, answer)
        }))
        .await;
        let mut pods = Vec::new();
        for (mut pod, answer) in answers {
            match answer {
                Ok((session, said)) => {
                    self.talks.sessions.insert(pod.uid.clone(), session);
                    pod.said = Some(said);
                }
                Err(TalkError::Cluster(error)) if is_refused(&error) => return Err(Failure::Refused(error)),
                Err(error) => tracing::debug!(pod = pod.name, %error, "does not answer"),
            }
            pods.push(pod);
        }
        pods.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(pods)
    }

    /// Whether some pod was given another password than the one that is wanted.
    fn is_another_password(&self, running: &Running) -> bool {
        let wanted =
            self.instance.auth_secret.as_ref().map(|secret| (secret.name.clone(), secret.key.clone()));
        let name = &self.addresses.name;
        running.pods_of(name).any(|pod| reference(pod, "REDIS_PASSWORD") != wanted)
    }

    /// Reads the Secrets that the pods' passwords are taken from, each once.
    async fn learn_passwords(&mut self, running: &Running) -> Result<(), kubernetes::Error> {
        for pod in &running.pods {
            for reference in
                ["REDIS_PASSWORD", "MASTER_PASSWORD"].iter().filter_map(|name| reference(pod, name))
            {
                if self.talks.passwords.contains_key(&reference) {
                    continue;
                }
                let secret = self.addresses.secret(&reference.0);
                let Some(found) = self.cluster.get(&secret, self.deadline).await?.found() else { continue };
                let held = text(&found, &["data", &reference.1]);
                let decoded =
                    held.and_then(|held| base64::engine::general_purpose::STANDARD.decode(held).ok());
                if let Some(password) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    self.talks.passwords.insert(reference, SecretString::from(password));
                }
            }
        }
        Ok(())
    }

    /// The pod of that name, as the watch has it.
    pub(super) fn pod(&self, wanted: &str) -> Option<&Json> {
        self.observed.running.as_ref()?.pods.iter().find(|pod| name(pod) == wanted)
    }
}

fn is_refused(error: &kubernetes::Error) -> bool {
    matches!(error.cause, kubernetes::Cause::Forbidden { .. })
}

async fn one<Q: Question>(
    cluster: &Cluster,
    addresses: &Addresses,
    pod: &str,
    port: u16,
    session: Option<Session>,
    password: Option<&SecretString>,
    question: &Q,
) -> Result<(Session, Q::Said), TalkError> {
    let deadline = Instant::now() + ANSWER;
    if let Some(mut session) = session
        && let Ok(said) = question.ask(&mut session, deadline).await
    {
        return Ok((session, said));
    }
    let mut session = Session::open(cluster, &addresses.pod(pod), port, password, deadline).await?;
    let said = question.ask(&mut session, deadline).await?;
    Ok((session, said))
}

/// What is asked of each pod of one kind.
trait Question: Sync {
    type Said: Send;
    fn ask(
        &self,
        session: &mut Session,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Said, TalkError>> + Send;
}

struct AskRedis;

impl Question for AskRedis {
    type Said = Replication;
    async fn ask(&self, session: &mut Session, deadline: Instant) -> Result<Replication, TalkError> {
        session.replication(deadline).await
    }
}

struct AskSentinel {
    group: String,
}

impl Question for AskSentinel {
    type Said = View;
    async fn ask(&self, session: &mut Session, deadline: Instant) -> Result<View, TalkError> {
        Ok(View {
            master: session.sentinel_master(&self.group, deadline).await?,
            replicas: session.sentinel_replicas(&self.group, deadline).await?,
            peers: session.sentinel_peers(&self.group, deadline).await?,
            quorum: session.sentinel_quorum(&self.group, deadline).await?,
        })
    }
}
