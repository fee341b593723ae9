//! The moves of a guarded rollout, each a few commands. What fails because a pod is starting is tried again at the next
//! look; the set is never left without a master by it.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::applications::{cut_off_applications, lead_away, until_about_to_be_heard};
use super::{Failure, Run};
use crate::kubernetes::{self, Cause as RequestCause, Propagation};
use crate::redis::answers::set::Set;
use crate::redis::names::{REDIS_PORT, SENTINEL_PORT};
use crate::redis::object::{at, list, name, text};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::running::ROLE;
use crate::redis::step::Move;
use crate::redis::talk::{Address, Command, USER};
use crate::resources::ask::{Session, TalkError};
use crate::resources::kinds::ENDPOINT_SLICE;

/// How long a command may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long the master holds writes back at most while the replica catches up.
const HANDING_OVER: u64 = 1000;
/// How long the new master's Service may take to lead to it.
const FOLLOWING: Duration = Duration::from_millis(1500);
/// Pause before something is looked at again that cannot be watched.
const AGAIN: Duration = Duration::from_millis(20);
/// Pause before a command that was refused is tried again.
const LATER: Duration = Duration::from_millis(150);

impl Run<'_> {
    pub(super) async fn make(&mut self, todo: &Move) -> Result<(), Failure> {
        match todo {
            Move::Pause => self.keep_off().await,
            Move::Delete { pod, uid } => self.replace_pod(pod, uid).await.map_err(Failure::Refused),
            Move::Follow { pod, master } => {
                let command = Command::replica_of(&redis(master));
                self.tell(pod, &[command]).await;
                Ok(())
            }
            Move::Promote { pod } => {
                self.tell(pod, &[Command::replica_of_no_one()]).await;
                self.label(pod, "master").await.map_err(Failure::Refused)
            }
            Move::Admit { pod } => {
                let commands = self.admission(pod);
                self.tell(pod, &commands).await;
                Ok(())
            }
            Move::Expel { pod } => {
                let commands = self.expulsion(pod);
                self.tell(pod, &commands).await;
                Ok(())
            }
            Move::Label { pod, role } => self.label(pod, role).await.map_err(Failure::Refused),
            Move::Watch { pod, master } => {
                self.have_watched(pod, master).await;
                Ok(())
            }
            Move::HandOver { from, to } => self.hand_over(from, to).await,
        }
    }

    async fn replace_pod(&mut self, pod: &str, uid: &str) -> Result<(), kubernetes::Error> {
        let address = self.addresses.pod(pod);
        match self.cluster.delete(&address, Some(uid), Propagation::Background, self.deadline).await {
            Ok(_) | Err(kubernetes::Error { cause: RequestCause::Replaced, .. }) => {
                self.forget_pod(uid);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn label(&mut self, pod: &str, role: &str) -> Result<(), kubernetes::Error> {
        self.label_with(pod, serde_json::json!({ ROLE: role })).await
    }

    /// The pods of a custom resource get the labels that it is to have.
    pub(super) async fn label_pods(&mut self, kind: Kind) -> Result<(), kubernetes::Error> {
        let labels = at(self.desired.custom_resource(kind), &["metadata", "labels"]).clone();
        let parts = self.desired.topology.parts().iter().filter(|part| part.kind == kind);
        let apps: Vec<String> = parts.map(|part| part.name(&self.desired.name)).collect();
        let running = self.picture.running.iter();
        let pods = running.flat_map(|running| apps.iter().flat_map(|app| running.pods_of(app)));
        let names: Vec<String> = pods.map(|pod| name(pod).to_owned()).collect();
        for pod in names {
            self.label_with(&pod, labels.clone()).await?;
        }
        Ok(())
    }

    async fn label_with(&mut self, pod: &str, labels: Json) -> Result<(), kubernetes::Error> {
        let labelled = serde_json::json!({ "metadata": { "labels": labels } });
        let uid = self.pod(pod).and_then(|pod| text(pod, &["metadata", "uid"])).map(str::to_owned);
        let address = self.addresses.pod(pod);
        match self.cluster.merge_patch(&address, &labelled, uid.as_deref(), self.deadline).await {
            Ok(written) => {
                // The watch says so a little later.
                let running = self.picture.running.iter_mut().flat_map(|running| &mut running.pods);
                running.filter(|one| name(one) == pod).for_each(|one| *one = written.clone());
                Ok(())
            }
            Err(kubernetes::Error { cause: RequestCause::NotFound | RequestCause::Replaced, .. }) => {
                self.forget_pod(uid.as_deref().unwrap_or_default());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Has a pod accept every valid password, and a replica log in with the one that is wanted.
    fn admission(&self, pod: &str) -> Vec<Command> {
        let Some(set) = &self.picture.answers.set else { return Vec::new() };
        let add = |at| Some(Command::add_password(USER, self.talks.password(at)?));
        let mut commands: Vec<Command> = set.valid.iter().filter_map(add).collect();
        let has_data = set.members.iter().any(|member| member.name == pod);
        let wanted = set.valid.first().filter(|_| has_data).and_then(|at| self.talks.password(at));
        commands.extend(wanted.map(|wanted| Command::config_set_secret("masterauth", wanted)));
        commands
    }

    /// Has a pod accept only what is wanted. Connections that are open stay so.
    fn expulsion(&self, pod: &str) -> Vec<Command> {
        let Some(set) = &self.picture.answers.set else { return Vec::new() };
        let members = set.members.iter().map(|one| (&one.name, &one.accepts));
        let watchers = set.watchers.iter().map(|one| (&one.name, &one.accepts));
        let accepted = members.chain(watchers).find(|(name, _)| *name == pod);
        let accepted = accepted.and_then(|(_, accepts)| accepts.as_ref());
        let former = set.former.iter().filter(|at| accepted.is_some_and(|accepted| accepted.contains(at)));
        former.filter_map(|at| Some(Command::remove_password(USER, self.talks.password(at)?))).collect()
    }

    /// Says something to a pod. A refusal is no failure: what it was to do is decided anew at the next look.
    async fn tell(&mut self, pod: &str, commands: &[Command]) {
        let uid =
            self.pod(pod).and_then(|pod| text(pod, &["metadata", "uid"])).unwrap_or_default().to_owned();
        let Some(session) = self.talks.session(&uid) else { return };
        match session.pipeline(commands, Instant::now() + ANSWER).await {
            Ok(answers) => {
                if let Some(refusal) = answers.into_iter().find_map(Result::err) {
                    tracing::debug!(pod, %refusal, "refused");
                    sleep(LATER).await;
                }
            }
            Err(error) => tracing::debug!(pod, %error, "not told"),
        }
    }

    /// Has a sentinel forget what it knows, and watch the master anew with all its settings.
    async fn have_watched(&mut self, pod: &str, master: &str) {
        let group = self.group();
        let config = at(self.desired.custom_resource(Kind::RedisSentinel), &["spec", "redisSentinelConfig"]);
        let quorum = text(config, &["quorum"]).and_then(|quorum| quorum.parse().ok());
        let Some(quorum) = quorum else { return };
        let mut commands =
            vec![Command::sentinel_remove(&group), Command::sentinel_monitor(&group, &redis(master), quorum)];
        let password = self.pod(pod).and_then(PasswordAt::of_master);
        let password = password.and_then(|at| self.talks.password(&at));
        commands.extend(password.map(|password| Command::sentinel_set_password(&group, password)));
        let options = [
            ("down-after-milliseconds", "downAfterMilliseconds"),
            ("failover-timeout", "failoverTimeout"),
            ("parallel-syncs", "parallelSyncs"),
        ];
        for (option, field) in options {
            commands.extend(text(config, &[field]).map(|value| Command::sentinel_set(&group, option, value)));
        }
        self.tell(pod, &commands).await;
    }

    /// Redis itself hands over: the master holds writes back, waits until the replica has everything, and swaps. Then
    /// everybody is told at the same time.
    async fn hand_over(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let Some(set) = self.picture.answers.set.clone() else { return Ok(()) };
        let uid = |name: &str| set.members.iter().find(|pod| pod.name == name).map(|pod| pod.uid.clone());
        let host =
            |name: &str| set.members.iter().find(|pod| pod.name == name).map(|pod| pod.address.clone());
        let (Some(old_uid), Some(new_uid), Some(new_host)) = (uid(from), uid(to), host(to)) else {
            return Ok(());
        };
        let (Some(mut old), Some(mut new)) = (self.talks.take(&old_uid), self.talks.take(&new_uid)) else {
            return Ok(());
        };
        let target = redis(&new_host);
        if let Err(error) = until_about_to_be_heard(&mut old, &new_host).await {
            tracing::debug!(%error, "the master does not answer");
            return Ok(());
        }
        // From here on it may be the master, whatever we learn of it.
        self.talks.master = Some(to.to_owned());
        let began = Instant::now();
        let started = old.send(&Command::failover_to(&target, HANDING_OVER), began + ANSWER).await;
        if let Err(error) = started {
            tracing::info!(%error, "the master does not hand over yet");
            sleep(LATER).await;
            return Ok(());
        }
        if let Err(error) = until_master(&mut new, &mut old, began).await {
            tracing::info!(%error, "the master has not handed over");
            // It holds writes back as long as it tries.
            if let Err(error) = old.send(&Command::failover_abort(), Instant::now() + ANSWER).await {
                tracing::debug!(%error, "nothing to abort");
            }
            return Ok(());
        }
        tracing::info!(from, to, milliseconds = began.elapsed().as_millis(), "handed over");
        let group = self.group();
        let hello = hello_all(&mut self.talks, &set, group, &target);
        let cut = async {
            let cut = cut_off_applications(&mut old).await;
            cut.err().map(|error| tracing::debug!(%error, "clients were not cut off"))
        };
        tokio::join!(hello, cut);
        // Before the rest: it is what takes longest to be heard of.
        self.label(to, "master").await?;
        for other in set.members.iter().filter(|pod| pod.name != from && pod.name != to) {
            self.tell(&other.name, &[Command::replica_of(&target)]).await;
        }
        // The other order would leave the Service without any endpoint for as long as kube-proxy takes.
        self.until_service_leads_to(&new_host).await;
        self.label(from, "slave").await?;
        if let Err(error) = lead_away(&mut old).await {
            tracing::debug!(%error, "clients were not cut off");
        }
        Ok(())
    }

    /// The name by which sentinels know the set; empty without sentinels.
    pub(super) fn group(&self) -> String {
        let sentinels = self.desired.custom_resource(Kind::RedisSentinel);
        text(sentinels, &["spec", "redisSentinelConfig", "masterGroupName"]).unwrap_or_default().to_owned()
    }

    /// Whoever may not read EndpointSlices goes on at once.
    async fn until_service_leads_to(&mut self, host: &str) {
        let service = self.addresses.topology.writable_service(&self.addresses.name);
        let selector = format!("kubernetes.io/service-name={service}");
        let deadline = Instant::now() + FOLLOWING;
        loop {
            let namespace = Some(self.addresses.namespace.as_str());
            let Ok(slices) = self.cluster.list(&ENDPOINT_SLICE, namespace, Some(&selector), deadline).await
            else {
                return;
            };
            let endpoints = slices.iter().flat_map(|slice| list(slice, &["endpoints"]));
            let leads = |endpoint: &Json| {
                list(endpoint, &["addresses"]).iter().any(|address| address == host)
                    && at(endpoint, &["conditions", "ready"]) != false
            };
            if endpoints.into_iter().any(leads) || Instant::now() >= deadline {
                return;
            }
            sleep(AGAIN).await;
        }
    }
}

/// Waits until the replica is the master. If it is not to be, the old one goes on as before.
async fn until_master(new: &mut Session, old: &mut Session, began: Instant) -> Result<(), TalkError> {
    let limit = began + Duration::from_millis(3 * HANDING_OVER);
    loop {
        if new.role(limit).await?.is_master() {
            return Ok(());
        }
        let state = old.replication(limit).await?;
        let is_over = state.failover_state.as_deref() == Some("no-failover") && state.master.is_none();
        if is_over && !new.role(limit).await?.is_master() {
            return Err(TalkError::Broken {
                place: "the master".to_owned(),
                command: "FAILOVER".to_owned(),
                why: "the replica did not catch up in time, and writes go on".to_owned(),
            });
        }
        sleep(AGAIN).await;
    }
}

/// Tells every sentinel of the new master as another sentinel would: by a hello with a higher epoch, which they all
/// believe at once.
async fn hello_all(talks: &mut super::talk::Talks, set: &Set, group: String, master: &Address) {
    let views = || set.watchers.iter().filter_map(|pod| pod.said.as_ref());
    let epoch = views().map(|view| view.master.config_epoch).max().unwrap_or(0) + 10;
    let id_of = |host: &str| {
        views()
            .flat_map(|view| &view.peers)
            .find(|peer| peer.address.host == host)
            .map(|peer| peer.run_id.clone())
    };
    let mut told = Vec::new();
    for (index, pod) in set.watchers.iter().enumerate() {
        let other =
            set.watchers.iter().enumerate().find(|(other, _)| *other != index).map(|(_, other)| other);
        let Some((other, id)) = other.and_then(|other| Some((other, id_of(&other.address)?))) else {
            continue;
        };
        let message = format!(
            "{},{SENTINEL_PORT},{id},{epoch},{group},{},{},{epoch}",
            other.address, master.host, master.port
        );
        let Some(session) = talks.take(&pod.uid) else { continue };
        told.push((pod.uid.clone(), session, Command::publish("__sentinel__:hello", &message)));
    }
    let told = told.into_iter().map(|(uid, mut session, command)| async move {
        if let Err(error) = session.send(&command, Instant::now() + ANSWER).await {
            tracing::debug!(%error, "a sentinel was not told");
        }
        (uid, session)
    });
    join_all(told).await;
}

fn redis(host: &str) -> Address {
    Address { host: host.to_owned(), port: REDIS_PORT }
}
