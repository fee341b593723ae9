//! The waits of the loop: they end with news of the watch, the end of patience, the deadline or a stop,
//! whichever comes first.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::super::failure::volumes_are_late;
use super::super::gather::Gather;
use super::writes::version;
use super::{Ended, Failure, Run};
use crate::kubernetes;
use crate::redis::answers::Answers;
use crate::redis::object;
use crate::redis::quantity::Quantity;
use crate::redis::running::{Running, is_ready};
use crate::redis::saving::seconds_for;
use crate::redis::topology::Topology;
use crate::redis::waiting::{Cause, Waiting};
use crate::redis::{diagnose, ready};
use crate::resources::kinds::EVENT;

/// For how long a pod that runs may not be Ready before nothing is expected of it any more, beside the time that it needs
/// to load its data. A probe fails for some seconds when the disk is slow or Redis forks, and a container that hangs is
/// restarted within a minute.
const UNREADY: Duration = Duration::from_secs(120);

/// How often the log reports what the run waits for.
const TELLING: Duration = Duration::from_secs(10);

/// Pause before the pods of a cluster are asked again which passwords they accept. A pod that the operator
/// has replaced is given the former password as soon as it answers, and no event reports that it answers.
const TALKING_PAUSE: Duration = Duration::from_millis(100);

/// How long a move waits for its own news. No two moves follow each other faster.
const BREATH: Duration = Duration::from_millis(50);

/// For how long pods may lack before their events are looked at.
const LACKING: Duration = Duration::from_secs(4);
/// Pause between two looks at the events.
const LOOKING: Duration = Duration::from_secs(3);

/// Pods that should exist, and do not.
pub(super) struct Lack {
    looking_at: Instant,
    /// When the newest refusal was that an earlier look has found. Events outlive their cause: only a newer one counts.
    seen: Option<String>,
    refusal: Option<Waiting>,
}

impl Run<'_> {
    pub(super) async fn begin_to_watch(&mut self) -> Result<(), kubernetes::Error> {
        let mut watched = self.addresses.watch(self.cluster);
        tokio::select! {
            changed = watched.changed() => changed?,
            () = self.call.cancelled.cancelled() => {}
            () = sleep_until(self.deadline) => {}
        }
        self.watched = Some(watched);
        self.take_news();
        Ok(())
    }

    pub(super) async fn wait(&mut self, waiting: Waiting) -> Result<(), Failure> {
        let waiting = self.refused_pods().await.unwrap_or(waiting);
        let now = Instant::now();
        self.last_step = None;
        self.waited_for = Some(waiting.clone());
        let since = self.since(&waiting, now);
        let goes_on = waiting.cause == Cause::Settling;
        let patience = waiting.cause.patience().filter(|_| self.settings.fail_fast || goes_on);
        let limit = patience.map(|patience| since + patience);
        let is_over = limit.is_some_and(|limit| now >= limit);
        if waiting.cause.is_about_size() && is_over {
            self.observer.warn(volumes_are_late(&self.addresses, &waiting));
            self.memory.volumes_are_late = true;
            return Ok(());
        }
        if goes_on && is_over {
            self.memory.has_let_others_decide = true;
            return Ok(());
        }
        if self.has_crashed_enough(&waiting) || is_over {
            return Err(Failure::Wait(waiting, Ended::GivenUp));
        }
        if now >= self.deadline {
            return Err(Failure::Wait(waiting, Ended::TimedOut(self.settings.length)));
        }
        let end = limit.map_or(self.deadline, |limit| limit.min(self.deadline));
        let pause = self
            .lack
            .as_ref()
            .map(|_| LOOKING)
            .into_iter()
            .chain(waiting.cause.look_again(now - since))
            .min();
        let look_again = pause.map_or(end, |pause| end.min(now + pause));
        let look_again = self.next_given_up().map_or(look_again, |given_up| look_again.min(given_up));
        if self.memory.obstacle.is_some() {
            self.pause(look_again, waiting).await?;
            // At the end of patience the obstacle remains, and the message names it.
            if look_again < end {
                self.memory.obstacle = None;
            }
            return Ok(());
        }
        if self.watched.is_none() {
            // An older object of this name is still being deleted.
            self.begin_to_watch().await?;
            return Ok(());
        }
        let wake = *self.answers_count_until.get_or_insert(look_again);
        let turn = if self.has_two_passwords() { wake.min(now + TALKING_PAUSE) } else { wake };
        let has_news = self.watch_until(turn, since, &waiting).await?;
        if !has_news && turn < wake {
            // Only the question which passwords a pod accepts is asked again.
            self.picture.answers.set = None;
            return Ok(());
        }
        if waiting.cause == Cause::Assembling && !has_news {
            self.memory.silences += 1;
        }
        if waiting.cause == Cause::ObjectNotReady {
            // Objects of ours are not watched.
            let addresses = self.addresses.clone();
            let gather = Gather::fresh(self.cluster, &addresses, self.deadline);
            gather.wanted(&self.desired.objects, &mut self.picture).await?;
        }
        self.take_news();
        Ok(())
    }

    /// When the present cause began.
    fn since(&mut self, waiting: &Waiting, now: Instant) -> Instant {
        match self.waiting_since {
            Some((cause, since)) if cause == waiting.cause => since,
            _ => {
                tracing::info!(instance = %self.addresses, why = waiting.why, "waiting");
                self.waiting_since = Some((waiting.cause, now));
                self.telling_at = None;
                self.answers_count_until = None;
                now
            }
        }
    }

    /// Why no pod is created, if that is the API server's doing. Only an event says so.
    async fn refused_pods(&mut self) -> Option<Waiting> {
        if !self.picture.running.as_ref().is_some_and(Running::lacks_pods) {
            self.lack = None;
            return None;
        }
        let now = Instant::now();
        let lack = self.lack.get_or_insert(Lack { looking_at: now + LACKING, seen: None, refusal: None });
        if now >= lack.looking_at {
            lack.looking_at = now + LOOKING;
            let namespace = Some(self.addresses.namespace.as_str());
            let events = self.cluster.list(&EVENT, namespace, None, self.deadline).await.ok();
            let running = self.picture.running.as_ref()?;
            let found = events.and_then(|events| diagnose::refused_pods(&events, running));
            if let Some((when, refusal)) = found {
                let is_news = lack.seen.as_ref().is_some_and(|seen| *seen < when);
                lack.refusal = lack.refusal.take().or(is_news.then_some(refusal));
                lack.seen = Some(when);
            }
        }
        lack.refusal.clone()
    }

    fn has_crashed_enough(&self, waiting: &Waiting) -> bool {
        let crashes = self.picture.running.as_ref().map_or(0, |running| diagnose::crashes(&running.pods));
        self.settings.fail_fast && waiting.cause == Cause::Crash && crashes >= diagnose::CRASHES
    }

    async fn pause(&mut self, until: Instant, waiting: Waiting) -> Result<(), Failure> {
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.call.cancelled.cancelled() => Err(Failure::Wait(waiting, Ended::Stopped)),
        }
    }

    /// Whether pods of a cluster with different passwords are running.
    fn has_two_passwords(&self) -> bool {
        let is_cluster = self.addresses.topology == Topology::Cluster;
        is_cluster && self.picture.answers.set.as_ref().is_some_and(|set| set.valid.len() > 1)
    }

    /// Whether the watch had news before that moment.
    async fn watch_until(
        &mut self,
        wake: Instant,
        since: Instant,
        waiting: &Waiting,
    ) -> Result<bool, Failure> {
        let Some(watched) = &mut self.watched else {
            return self.pause(wake, waiting.clone()).await.map(|()| false);
        };
        loop {
            let telling = *self.telling_at.get_or_insert_with(|| Instant::now() + TELLING);
            tokio::select! {
                changed = watched.changed() => return changed.map(|()| true).map_err(Failure::Refused),
                () = sleep_until(wake) => return Ok(false),
                () = self.call.cancelled.cancelled() => {
                    return Err(Failure::Wait(waiting.clone(), Ended::Stopped));
                }
                () = sleep_until(telling) => {
                    let seconds = since.elapsed().as_secs();
                    tracing::info!(instance = %self.addresses, why = waiting.why, seconds, "still waiting");
                    self.telling_at = Some(telling + TELLING);
                }
            }
        }
    }

    /// Takes the news of a move, which come at once or not at all.
    pub(super) async fn breathe(&mut self) -> Result<(), kubernetes::Error> {
        if let Some(watched) = &mut self.watched {
            tokio::select! {
                changed = watched.changed() => changed?,
                () = tokio::time::sleep(BREATH) => {}
            }
        }
        self.take_news();
        Ok(())
    }

    /// A pod that we deleted counts as gone before the watch reports it; otherwise it would be deleted again
    /// and again.
    pub(super) fn forget_pod(&mut self, uid: &str) {
        if let Some(running) = &mut self.picture.running {
            running.pods.retain(|pod| object::uid(pod) != Some(uid));
        }
    }

    /// Notes since when pods are not Ready, and which of them that is too long for.
    fn note_unready(&mut self) {
        let Some(running) = &self.picture.running else { return };
        let now = Instant::now();
        let unready = running.pods.iter().filter(|pod| !is_ready(pod)).filter_map(object::uid);
        let since = |uid: &str| self.unready.get(uid).copied().unwrap_or(now);
        self.unready = unready.map(|uid| (uid.to_owned(), since(uid))).collect();
        let unready_for = self.longest_unready();
        let is_over = |since: &Instant| now >= *since + unready_for;
        let given_up = self.unready.iter().filter(|(_, since)| is_over(since)).map(|(uid, _)| uid.clone());
        self.memory.given_up = given_up.collect();
    }

    /// When the next pod has not been Ready for too long.
    fn next_given_up(&self) -> Option<Instant> {
        let pending = self.unready.iter().filter(|(uid, _)| !self.memory.given_up.contains(*uid));
        pending.map(|(_, since)| *since + self.longest_unready()).min()
    }

    fn longest_unready(&self) -> Duration {
        let limit = ["spec", "kubernetesConfig", "resources", "limits", "memory"];
        let memory = object::text(self.desired.data(), &limit).and_then(Quantity::parse);
        let seconds = memory.map_or(0, |memory| seconds_for(memory.units()));
        UNREADY + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// Takes over what the watch shows now.
    pub(super) fn take_news(&mut self) {
        self.picture.answers = Answers::default();
        self.answers_count_until = None;
        let Some(watched) = &self.watched else { return };
        if !watched.is_whole() {
            return;
        }
        let running = self.addresses.running(watched);
        self.served |= ready::has_served(self.addresses.topology, &self.addresses.name, &running);
        self.picture.running = Some(self.caught_up.newest(running));
        for kind in self.addresses.topology.kinds() {
            let shown = watched.get(&self.addresses.custom_resource(*kind));
            let version = shown.and_then(version);
            let written_upon = self.outdated.get(kind);
            if version.is_some_and(|version| written_upon.is_some_and(|all| all.contains(version))) {
                continue;
            }
            self.outdated.remove(kind);
            self.picture.set_custom_resource(*kind, shown.cloned());
        }
        self.note_unready();
    }
}
