//! The moves of a guarded rollout, each a few commands. A command that fails because a pod is starting is
//! repeated at the next look; no failed command leaves the set without a master.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::super::addresses::Addresses;
use super::{Failure, Run};
use crate::kubernetes::{self, Cause as RequestCause, ObjectRef, Propagation};
use crate::redis::names::REDIS_PORT;
use crate::redis::object::{at, name, text};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::running::ROLE;
use crate::redis::step::Move;
use crate::redis::talk::{Address, Command, USER};
use crate::resources::kinds::STATEFUL_SET;

/// How long a command may take.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// Pause between two looks at something that cannot be watched.
pub(super) const AGAIN: Duration = Duration::from_millis(20);
/// Pause before a refused command is tried again.
pub(super) const LATER: Duration = Duration::from_millis(150);

impl Run<'_> {
    pub(super) async fn make(&mut self, todo: &Move) -> Result<(), Failure> {
        self.talks.may_be_moved |= !matches!(todo, Move::Pause | Move::Admit { .. } | Move::Expel { .. });
        match todo {
            Move::Pause => self.keep_off().await,
            Move::Delete { pod, uid } => self.replace_pod(pod, uid).await.map_err(Failure::Refused),
            Move::Enlarge { to } => self.enlarge(*to).await.map_err(Failure::Refused),
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
                let commands = self.admission();
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

    /// The operator has made this StatefulSet, and finds it as it would make it itself.
    async fn enlarge(&mut self, to: i64) -> Result<(), kubernetes::Error> {
        let Addresses { namespace, name: instance, .. } = &self.addresses;
        let made = self.picture.running.as_ref().and_then(|running| running.stateful_set(instance));
        let uid = made.and_then(|made| text(made, &["metadata", "uid"])).map(str::to_owned);
        let stateful_set = ObjectRef::namespaced(&STATEFUL_SET, namespace, instance);
        self.cluster.scale(&stateful_set, to, uid.as_deref(), self.deadline).await?;
        // The watch shows this a little later.
        let made = self.picture.running.iter_mut().flat_map(|running| &mut running.stateful_sets);
        made.filter(|made| name(made) == stateful_set.name)
            .for_each(|made| made["spec"]["replicas"] = to.into());
        Ok(())
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

    pub(super) async fn label(&mut self, pod: &str, role: &str) -> Result<(), kubernetes::Error> {
        self.label_with(pod, serde_json::json!({ ROLE: role })).await
    }

    /// Gives the pods of a custom resource the labels that they should have.
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
                // The watch shows this a little later.
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

    /// Makes a pod accept every valid password. The pod itself logs in with the password that it was started with,
    /// until it is replaced: every other pod accepts that one.
    fn admission(&self) -> Vec<Command> {
        let Some(set) = &self.picture.answers.set else { return Vec::new() };
        let add = |at| Some(Command::add_password(USER, self.talks.password(at)?));
        set.valid.iter().filter_map(add).collect()
    }

    /// Makes a pod accept only the wanted password. Open connections stay open.
    fn expulsion(&self, pod: &str) -> Vec<Command> {
        let Some(set) = &self.picture.answers.set else { return Vec::new() };
        let members = set.members.iter().map(|one| (&one.name, &one.accepts));
        let watchers = set.watchers.iter().map(|one| (&one.name, &one.accepts));
        let accepted = members.chain(watchers).find(|(name, _)| *name == pod);
        let accepted = accepted.and_then(|(_, accepts)| accepts.as_ref());
        let former = set.former.iter().filter(|at| accepted.is_some_and(|accepted| accepted.contains(at)));
        former.filter_map(|at| Some(Command::remove_password(USER, self.talks.password(at)?))).collect()
    }

    /// Sends commands to a pod. A refusal is not a failure: the next look decides again.
    pub(super) async fn tell(&mut self, pod: &str, commands: &[Command]) {
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

    /// Makes a sentinel forget what it knows and watch the master again, with all its settings.
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

    /// The name by which sentinels know the set; empty without sentinels.
    pub(super) fn group(&self) -> String {
        let sentinels = self.desired.custom_resource(Kind::RedisSentinel);
        text(sentinels, &["spec", "redisSentinelConfig", "masterGroupName"]).unwrap_or_default().to_owned()
    }
}

pub(super) fn redis(host: &str) -> Address {
    Address { host: host.to_owned(), port: REDIS_PORT }
}
