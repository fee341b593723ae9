//! The handover of the master: Redis itself swaps the roles, and every party learns of it at the same time.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep, sleep_until};

use super::applications::{cut_off_applications, lead_away, until_about_to_be_heard};
use super::set_moves::{AGAIN, ANSWER, LATER, redis};
use super::talk::Talks;
use super::{Failure, Run};
use crate::redis::answers::set::Set;
use crate::redis::names::SENTINEL_PORT;
use crate::redis::object::{at, list};
use crate::redis::talk::{Address, Command};
use crate::resources::ask::{Session, TalkError};
use crate::resources::kinds::ENDPOINT_SLICE;
use crate::terraform::Diagnostic;

/// How long the master may hold writes back while the replica catches up.
const HANDING_OVER: u64 = 1000;
/// After how many failed tries the user is told.
const TRIES: u32 = 5;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the Service may take to lead to the new master.
const FOLLOWING: Duration = Duration::from_millis(1500);

impl Run<'_> {
    /// Redis itself hands over: the master holds writes back, waits until the replica has everything, and
    /// swaps the roles. Then every party learns of it at the same time.
    pub(super) async fn hand_over(&mut self, from: &str, to: &str) -> Result<(), Failure> {
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
        // From here on the replica may be the master, whatever the answers say.
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
            // The master holds writes back as long as it tries.
            if let Err(error) = old.send(&Command::failover_abort(), Instant::now() + ANSWER).await {
                tracing::debug!(%error, "nothing to abort");
            }
            self.try_later(from, to).await;
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
        // The label first: it takes longest to have an effect.
        self.label(to, "master").await?;
        for other in set.members.iter().filter(|pod| pod.name != from && pod.name != to) {
            self.tell(&other.name, &[Command::replica_of(&target)]).await;
        }
        // In the other order the Service would have no endpoint until kube-proxy has followed.
        self.until_service_leads_to(&new_host).await;
        self.label(from, "slave").await?;
        if let Err(error) = lead_away(&mut old).await {
            tracing::debug!(%error, "clients were not cut off");
        }
        Ok(())
    }

    /// Each try holds writes back for up to a second, so the tries become rarer.
    async fn try_later(&mut self, from: &str, to: &str) {
        let tries = self.talks.failed_handovers.saturating_add(1);
        self.talks.failed_handovers = tries;
        if tries == TRIES {
            self.observer.warn(hands_not_over(&self.addresses.to_string(), from, to));
        }
        let pause = (LATER * 2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
        tokio::select! {
            () = sleep(pause) => {}
            () = sleep_until(self.deadline) => {}
            () = self.call.cancelled.cancelled() => {}
        }
    }

    /// Without the right to read EndpointSlices there is no wait.
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

fn hands_not_over(id: &str, from: &str, to: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("The master of {id} could not hand over yet"),
        format!(
            "{TRIES} times {from} held writes back for {HANDING_OVER} ms, and {to} did not catch up meanwhile. The \
             provider tries again, at most every {} s. If {to} stays behind, write less, or give the pods more \
             CPU or network.",
            LONGEST_PAUSE.as_secs()
        ),
    )
}

/// Waits until the replica is the master. If the handover fails, the old master continues as before.
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
                why: "the replica did not catch up in time, and writes continue".to_owned(),
            });
        }
        sleep(AGAIN).await;
    }
}

/// Announces the new master to every sentinel as another sentinel would: by a hello with a higher epoch,
/// which every sentinel believes at once.
async fn hello_all(talks: &mut Talks, set: &Set, group: String, master: &Address) {
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
