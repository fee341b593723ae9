//! What Redis and the sentinels report, for a guarded rollout. Connections stay open from one look to the
//! next, so a look at a whole set takes some milliseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::addresses::Addresses;
use super::super::import::others;
use super::questions::{AskRedis, AskSentinel, Hashed};
use super::refusals::one_password;
use super::{Failure, Run};
use crate::kubernetes::{self};
use crate::redis::answers::set::Set;
use crate::redis::memory::Denial;
use crate::redis::object::{self, count};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::passwords::{former_passwords, given, valid_passwords};
use crate::redis::running::Running;
use crate::redis::set::growth;
use crate::redis::set::guarded::sentinels_are_later;
use crate::redis::set::master_of;
use crate::redis::topology::Topology;
use crate::resources::ask::Session;
use crate::resources::password;

/// How long one pod may take to answer: a pod that is starting must not hold up the look at the others.
const ANSWER: Duration = Duration::from_secs(2);

/// Connections to the pods of a set by the pod's uid, and the passwords of the pods.
#[derive(Default)]
pub(super) struct Talks {
    sessions: BTreeMap<String, Session>,
    passwords: BTreeMap<PasswordAt, SecretString>,
    /// The pod that was the master when the set was last asked, or that has become the master since. `None`:
    /// the set was not asked, or it is unclear which pod should be the master.
    pub(super) master: Option<String>,
    /// The pauses during which the operator was seen to leave the instance alone, by their marks.
    pub(super) proven: BTreeMap<Kind, String>,
    /// How often somebody else has ended such a pause.
    pub(super) lost_pauses: u32,
    /// How often the master has tried to hand over in vain.
    pub(super) failed_handovers: u32,
    /// Whether this run or an earlier one may have moved the master, or a pod, while the operator was paused.
    pub(super) may_be_moved: bool,
}

impl Talks {
    /// The connection to a pod, if the last look has opened one.
    pub(super) fn session(&mut self, uid: &str) -> Option<&mut Session> {
        self.sessions.get_mut(uid)
    }

    /// Keeps the connection to a pod.
    pub(super) fn keep(&mut self, uid: &str, session: Session) {
        self.sessions.insert(uid.to_owned(), session);
    }

    /// Takes connections out, to talk to several pods at once.
    pub(super) fn take(&mut self, uid: &str) -> Option<Session> {
        self.sessions.remove(uid)
    }

    /// A password, if its Secret was read and holds one.
    pub(super) fn password(&self, at: &PasswordAt) -> Option<&SecretString> {
        self.passwords.get(at)
    }

    /// All passwords that were read.
    pub(super) fn passwords(&self) -> impl Iterator<Item = &SecretString> {
        self.passwords.values()
    }

    /// The passwords whose Secret was found. A second Secret with the text of the wanted password is not
    /// another password.
    fn known(&self, all: Vec<PasswordAt>, wanted: Option<&PasswordAt>) -> Vec<PasswordAt> {
        let text =
            |at: &PasswordAt| self.passwords.get(at).map(|password| password.expose_secret().to_owned());
        let wanted_text = wanted.and_then(text);
        let is_another = |at: &PasswordAt| Some(at) == wanted || text(at) != wanted_text;
        all.into_iter().filter(|at| text(at).is_some() && is_another(at)).collect()
    }
}

impl Run<'_> {
    /// Asks every pod of the set.
    pub(super) async fn talk(&mut self) -> Result<(), Failure> {
        let Some(running) = self.picture.running.clone() else { return Ok(()) };
        self.learn_passwords(&running).await?;
        let wanted = PasswordAt::of_custom_resource(self.desired.data());
        let missing = wanted.clone().filter(|at| self.talks.password(at).is_none());
        // If the operator is already replacing the pods, they wait for the Secret by themselves.
        self.picture.answers.missing_password = missing.filter(|_| !self.is_cluster_shown(wanted.as_ref()));
        if self.picture.answers.missing_password.is_some() {
            return Ok(());
        }
        if let Some(why) = self.one_password_only(&running) {
            if self.addresses.topology == Topology::Cluster {
                self.observer.warn(one_password(&self.addresses.to_string(), &why));
                self.memory.denied.add(Denial::BothPasswords);
                return Ok(());
            }
            return self.leave_to_operator(&why).await;
        }
        let former = former_passwords(&self.desired, &self.picture, &running);
        let mut set = Set {
            size: self.size(&running),
            known: 0,
            is_to_grow: growth::is_ours(&self.desired, &self.picture, &self.memory),
            stays: 0,
            members: Vec::new(),
            sentinels: 0,
            watchers: Vec::new(),
            sentinels_are_later: sentinels_are_later(&self.desired, &self.picture, &running),
            is_paused: self.is_data_paused(),
            is_quiet: self.is_quiet(),
            valid: self.talks.known(valid_passwords(&self.desired, &running), wanted.as_ref()),
            former: self.talks.known(former, wanted.as_ref()),
        };
        let passwords = self.hashes(set.valid.iter().chain(&set.former));
        let group = self.group();
        for part in self.addresses.topology.parts() {
            let custom_resource = self.desired.custom_resource(part.kind);
            let size = usize::try_from(part.replicas(custom_resource)).unwrap_or(0);
            if part.has_data() {
                let known = self.picture.custom_resource(part.kind).map(|found| part.replicas(found));
                set.known += known.and_then(|known| usize::try_from(known).ok()).unwrap_or(size);
                set.stays += size;
                set.members.extend(self.ask(*part, &running, &AskRedis, &passwords).await?);
            } else {
                set.sentinels = size;
                let question = AskSentinel { group: group.clone() };
                set.watchers = self.ask(*part, &running, &question, &passwords).await?;
            }
        }
        self.talks.master = master_of(&set).map(str::to_owned);
        self.picture.answers.set = Some(set);
        Ok(())
    }

    /// Whether the custom resource of a cluster already gives its pods that password.
    fn is_cluster_shown(&self, wanted: Option<&PasswordAt>) -> bool {
        let kind = self.addresses.topology.data();
        let found = self.picture.custom_resource(kind).and_then(PasswordAt::of_custom_resource);
        kind == Kind::RedisCluster && found.as_ref() == wanted
    }

    /// Why clients cannot be served with both passwords; `None` if they can, or if all pods have one
    /// password.
    fn one_password_only(&self, running: &Running) -> Option<String> {
        let wanted = PasswordAt::of_custom_resource(self.desired.data());
        let given = || given(&self.desired, running);
        if given().any(|given| given.is_some() != wanted.is_some()) {
            let why = "authentication is being switched on or off, and no pod can serve clients both with \
                       and without a password";
            return Some(why.to_owned());
        }
        let lost = given().flatten().chain(wanted).find(|at| self.talks.password(at).is_none());
        lost.map(|at| format!("there is no {at}, with which the pods could be asked"))
    }

    /// What each Redis pod holds, one line for each pod: for a person who must choose between the pods.
    pub(super) async fn holdings(&mut self) -> String {
        let members = self.picture.answers.set.as_ref().map(|set| set.members.clone()).unwrap_or_default();
        let mut lines = Vec::new();
        for pod in members {
            let deadline = Instant::now() + ANSWER;
            let holding = match self.talks.session(&pod.uid) {
                Some(session) => session.holding(deadline).await.ok(),
                None => None,
            };
            let (Some(holding), Some(said)) = (holding, pod.said) else {
                lines.push(format!("  {} at {}: does not answer", pod.name, pod.address));
                continue;
            };
            let role =
                said.master.map_or_else(|| "a master".to_owned(), |link| format!("follows {}", link.address));
            let saved = jiff::Timestamp::from_second(holding.saved_at).map(|at| at.to_string());
            lines.push(format!(
                "  {} at {}: {} keys, saved at {}, {role}, at offset {} of history {}",
                pod.name,
                pod.address,
                holding.keys,
                saved.unwrap_or_else(|_| "an unknown time".to_owned()),
                said.offset,
                said.history.get(..8).unwrap_or(&said.history),
            ));
        }
        lines.join("\n")
    }

    /// Whether sentinels watch the set that do not belong to the instance. They would take a handover for the loss of the
    /// master, and promote another pod. Those of the operator are told by their custom resource, all others only by their
    /// connections, which a sentinel gives up for a moment whenever it is told anew whom to watch.
    pub(super) async fn is_watched_by_others(&mut self) -> Result<bool, kubernetes::Error> {
        let Addresses { topology, name, namespace, .. } = self.addresses.clone();
        if !topology.is_replicated() {
            return Ok(false);
        }
        let watching = others::watching(self.cluster, &namespace, &name, self.deadline).await?;
        let is_another = |one: &Json| topology == Topology::Replication || object::name(one) != name;
        let others: Vec<Json> = watching.into_iter().filter(is_another).collect();
        let data = self.picture.custom_resource(topology.data());
        if data.is_some_and(|data| others::are_watching(data, &others)) {
            return Ok(true);
        }
        let members = self.picture.answers.set.as_ref().map(|set| set.members.clone()).unwrap_or_default();
        for pod in members.iter().filter(|_| topology == Topology::Replication) {
            if let Some(session) = self.talks.session(&pod.uid)
                && session.is_watched(Instant::now() + ANSWER).await.unwrap_or(false)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many Redis pods the StatefulSet asks for at the moment.
    fn size(&self, running: &Running) -> usize {
        let parts = self.addresses.topology.parts().iter().filter(|part| part.has_data());
        let stateful_sets = parts.filter_map(|part| running.stateful_set(&part.name(&self.addresses.name)));
        let size: i64 = stateful_sets.map(|one| count(one, &["spec", "replicas"])).sum();
        usize::try_from(size).unwrap_or(0)
    }

    /// Reads the Secrets of all passwords that matter, each once.
    pub(super) async fn learn_passwords(&mut self, running: &Running) -> Result<(), kubernetes::Error> {
        let of_pods =
            running.pods.iter().flat_map(|pod| [PasswordAt::of_pod(pod), PasswordAt::of_master(pod)]);
        let mut all: Vec<PasswordAt> = of_pods.flatten().collect();
        all.extend(valid_passwords(&self.desired, running));
        all.extend(former_passwords(&self.desired, &self.picture, running));
        for at in all {
            if self.talks.passwords.contains_key(&at) {
                continue;
            }
            let secret = self.addresses.secret(&at.secret);
            let Some(found) = self.cluster.get(&secret, self.deadline).await?.found() else { continue };
            if let Some(password) = password::held(&found, &at.key) {
                self.talks.passwords.insert(at, password);
            }
        }
        Ok(())
    }

    /// As Redis shows them.
    fn hashes<'p>(&self, all: impl Iterator<Item = &'p PasswordAt>) -> Vec<Hashed> {
        let hashed = |at: &PasswordAt| {
            let hash = password::sha256(self.talks.password(at)?);
            Some(Hashed { at: at.clone(), hash })
        };
        let mut hashes: Vec<Hashed> = all.filter_map(hashed).collect();
        // With one password there is nothing to tell the pods.
        if hashes.len() < 2 {
            hashes.clear();
        }
        hashes
    }

    /// The pod of that name, as the watch has it.
    pub(super) fn pod(&self, wanted: &str) -> Option<&Json> {
        self.picture.running.as_ref()?.pod(wanted)
    }
}
