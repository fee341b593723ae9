//! The waits of the loop: for news of the watch, the end of patience, the deadline or a stop, whichever is first.

use std::time::Duration;

use tokio::time::{Instant, Interval, interval_at, sleep_until};

use super::super::failure::{Ended, patience, volumes_are_late};
use super::steps::version;
use super::{Failure, Rollout};
use crate::kubernetes::{self, Cause as Refusal};
use crate::redis::next::{Cause, Step, Waiting};
use crate::redis::object::text;
use crate::redis::rollout::{Decision, both_accepted};
use crate::redis::topology::Topology;
use crate::redis::{diagnose, ready};

/// How often what is waited for goes to the log.
const TELLING: Duration = Duration::from_secs(10);

/// Pause before a write is tried again that something missing stood in the way of. There is nothing to watch:
/// these credentials may not see namespaces or CRDs.
const OBSTACLE_PAUSE: Duration = Duration::from_millis(500);

/// Pause before endpoints are asked again: kube-proxy takes up to a second to follow.
const ASKING_PAUSE: Duration = Duration::from_millis(250);

/// Pause before Redis and the sentinels are asked again: a restarted pod must be told whom to follow at once.
const TALKING_PAUSE: Duration = Duration::from_millis(100);

/// Pause before a Secret is looked for again: Secrets are not watched.
const SECRET_PAUSE: Duration = Duration::from_secs(1);

/// Pause before the nodes of a cluster are asked again.
const NODES_PAUSE: Duration = Duration::from_secs(1);

/// How long the operator may be silent about a cluster before it is made to look again: by itself it would after 60 s.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a move waits for its own news: no two moves follow each other faster.
const BREATH: Duration = Duration::from_millis(50);

impl Rollout<'_> {
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
        let now = Instant::now();
        self.last_step = None;
        self.waited_for = Some(waiting.clone());
        let since = self.since(&waiting, now);
        let limit =
            patience(waiting.cause).filter(|_| self.instance.wait.fail_fast).map(|patience| since + patience);
        if is_about_size(&waiting) && limit.is_some_and(|limit| now >= limit) {
            self.record.warn(volumes_are_late(&self.addresses, &waiting));
            self.observed.volumes_are_late = true;
            return Ok(());
        }
        if self.has_crashed_enough(&waiting) || limit.is_some_and(|limit| now >= limit) {
            return Err(Failure::Wait(waiting, Ended::GivenUp));
        }
        if now >= self.deadline {
            return Err(Failure::Wait(waiting, Ended::TimedOut(self.length)));
        }
        let wake = limit.map_or(self.deadline, |limit| limit.min(self.deadline));
        if self.observed.obstacle.is_some() {
            let pause = now + OBSTACLE_PAUSE;
            self.pause(pause.min(wake), waiting).await?;
            // At the end of patience the obstacle stands, and is what the message names.
            if pause < wake {
                self.observed.obstacle = None;
            }
            return Ok(());
        }
        let wake = match waiting.cause {
            Cause::Unreachable => wake.min(now + ASKING_PAUSE),
            Cause::Rolling => wake.min(now + TALKING_PAUSE),
            Cause::Reference if self.observed.missing_password.is_some() => wake.min(now + SECRET_PAUSE),
            Cause::Nodes => wake.min(now + NODES_PAUSE),
            Cause::Assembling => wake.min(now + SILENCE),
            _ => wake,
        };
        if self.watched.is_none() {
            // An older object of this name is still going.
            self.begin_to_watch().await?;
            return Ok(());
        }
        let is_assembling = waiting.cause == Cause::Assembling;
        let mut telling = interval_at(Instant::now() + TELLING, TELLING);
        loop {
            let turn = if self.has_two_passwords() { Instant::now() + TALKING_PAUSE } else { wake };
            let has_news = self.watch_until(turn.min(wake), since, &waiting, &mut telling).await?;
            if has_news || turn >= wake {
                break;
            }
            self.admit().await?;
        }
        if is_assembling && Instant::now() >= wake {
            self.observed.silences += 1;
        }
        self.take_news();
        Ok(())
    }

    /// Since when this cause has lasted.
    fn since(&mut self, waiting: &Waiting, now: Instant) -> Instant {
        match self.waiting_since {
            Some((cause, since)) if cause == waiting.cause => since,
            _ => {
                tracing::info!(instance = %self.instance.id, why = waiting.why, "waiting");
                self.waiting_since = Some((waiting.cause, now));
                now
            }
        }
    }

    fn has_crashed_enough(&self, waiting: &Waiting) -> bool {
        let crashes = self.observed.running.as_ref().map_or(0, |running| diagnose::crashes(&running.pods));
        self.instance.wait.fail_fast && waiting.cause == Cause::Crash && crashes >= diagnose::CRASHES
    }

    async fn pause(&mut self, until: Instant, waiting: Waiting) -> Result<(), Failure> {
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.call.cancelled.cancelled() => Err(Failure::Wait(waiting, Ended::Stopped)),
        }
    }

    /// Whether pods are about that a client with one password can reach, and others that it cannot unless they are told.
    fn has_two_passwords(&self) -> bool {
        let is_cluster = self.addresses.topology == Topology::Cluster;
        is_cluster && self.observed.set.as_ref().is_some_and(|set| set.valid.len() > 1)
    }

    /// A pod that the operator has replaced is told of the former password as soon as it answers, which no event tells.
    async fn admit(&mut self) -> Result<(), Failure> {
        let call = self.call;
        let talked = tokio::select! {
            talked = self.talk() => talked,
            // Whoever waits is told.
            () = call.cancelled.cancelled() => return Ok(()),
        };
        match talked {
            Err(Failure::Refused(error)) if matches!(error.cause, Refusal::Forbidden { .. }) => {
                return self.do_without(&Step::Talk, &error).await;
            }
            talked => talked?,
        }
        if let Some(Decision::Do(todo)) = self.observed.set.as_ref().map(both_accepted) {
            tracing::info!(instance = %self.instance.id, ?todo, "doing");
            self.make(&todo).await?;
        }
        Ok(())
    }

    /// Whether there was news before that moment.
    async fn watch_until(
        &mut self,
        wake: Instant,
        since: Instant,
        waiting: &Waiting,
        telling: &mut Interval,
    ) -> Result<bool, Failure> {
        let Some(watched) = &mut self.watched else {
            return self.pause(wake, waiting.clone()).await.map(|()| false);
        };
        loop {
            tokio::select! {
                changed = watched.changed() => return changed.map(|()| true).map_err(Failure::Refused),
                () = sleep_until(wake) => return Ok(false),
                () = self.call.cancelled.cancelled() => {
                    return Err(Failure::Wait(waiting.clone(), Ended::Stopped));
                }
                _ = telling.tick() => {
                    let seconds = since.elapsed().as_secs();
                    tracing::info!(instance = %self.instance.id, why = waiting.why, seconds, "still waiting");
                }
            }
        }
    }

    /// Takes the news that a move has made, which come at once or not at all.
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

    /// A pod that we deleted counts as gone before the watch says so, lest it is deleted again and again.
    pub(super) fn forget_pod(&mut self, uid: &str) {
        if let Some(running) = &mut self.observed.running {
            running.pods.retain(|pod| text(pod, &["metadata", "uid"]) != Some(uid));
        }
    }

    /// Takes over what the watch shows now.
    pub(super) fn take_news(&mut self) {
        self.observed.reached = None;
        self.observed.set = None;
        self.observed.missing_password = None;
        self.observed.shards = None;
        let Some(watched) = &self.watched else { return };
        if !watched.is_whole() {
            return;
        }
        let running = self.addresses.running(watched);
        self.served |= ready::has_served(self.addresses.topology, &self.addresses.name, &running);
        self.observed.running = Some(running);
        for kind in self.addresses.topology.kinds() {
            let shown = watched.get(&self.addresses.custom_resource(*kind));
            let version = shown.and_then(version);
            let written_upon = self.outdated.get(kind).map(String::as_str);
            if written_upon.is_some() && version == written_upon {
                continue;
            }
            self.outdated.remove(kind);
            self.observed.set_custom_resource(*kind, shown.cloned());
        }
    }
}

/// Redis serves, and only its volumes are not as large as they will be.
fn is_about_size(waiting: &Waiting) -> bool {
    matches!(waiting.cause, Cause::Growing | Cause::NotGrowing)
}
