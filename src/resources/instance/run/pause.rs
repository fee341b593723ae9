//! Pausing the operator while the pods of an instance are rolled, and letting it go again; `quiet` proves that it is
//! paused.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{Ended, Failure, Run};
use crate::kubernetes;
use crate::redis::memory::Denial;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, text};
use crate::redis::opstree::{Hold, Kind};
use crate::redis::set::may_let_go;
use crate::redis::topology::Topology;
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::password;
use crate::terraform::Diagnostic;

/// How long the operator may take to notice the annotation. It takes some seconds, but the operator handles
/// few objects at a time.
const NOTICING: Duration = Duration::from_secs(300);
/// The same for a cluster. Repairing a cluster is safe beside a running operator, only less certain. So the
/// run continues without a proof if there is none, for example if the operator's log is not JSON.
const NOTICING_CLUSTER: Duration = Duration::from_secs(60);
/// Pause between two looks at the operator's log, which cannot be watched without following it.
const LOOKING: Duration = Duration::from_millis(200);
/// How many seconds of the log before the pause are read, too.
const BEFORE: i64 = 20;
/// How long unpausing may take when a run fails: the time of the run itself may be over.
const LETTING_GO: Duration = Duration::from_secs(5);

fn still_paused(id: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("The operator is still paused for {id}"),
        "The operator does not know which pod is the master now. If it continued, it could make the pod with \
         the newest data a replica of another pod, and the latest writes would be lost. Until the next apply \
         nothing repairs this set. Apply again soon: the rollout continues from there.",
    )
}

impl Run<'_> {
    /// Pauses the operator for all custom resources, for the sentinels first: in the other order the operator
    /// could reset the sentinels once more.
    pub(super) async fn keep_off(&mut self) -> Result<(), Failure> {
        let mut operators = self.operator_pods().await?;
        if operators.is_empty() && self.addresses.topology != Topology::Cluster {
            return self
                .leave_to_operator("no pod of the operator was found, so nothing proves that it is paused")
                .await;
        }
        // What an earlier run has begun is brought to its end: nobody else would let the operator go.
        if !self.picture.is_held_by_us(self.addresses.topology) && self.is_watched_by_others().await? {
            return self
                .leave_to_operator(
                    "sentinels that do not belong to the instance watch it, and would promote another pod than the \
                     provider; set update_strategy = { guarded = false }, or manage the sentinels with the instance",
                )
                .await;
        }
        // A pause that is found now is of an earlier run, which may have moved the master.
        self.talks.may_be_moved |= self.picture.is_held_by_us(self.addresses.topology);
        self.mark_unfinished().await?;
        for kind in self.addresses.topology.kinds().iter().rev() {
            let began = Instant::now();
            let mut before = self.skips(&operators, *kind, BEFORE).await?.unwrap_or_default();
            self.ask_for_pause(*kind).await?;
            loop {
                let since = i64::try_from(began.elapsed().as_secs()).unwrap_or(0) + 2;
                let looked = self.skips(&operators, *kind, since).await;
                let is_late = began.elapsed() > NOTICING || Instant::now() > self.deadline;
                match looked {
                    Err(_) if is_late => {}
                    looked => match looked? {
                        Some(now) if now.difference(&before).next().is_some() => break,
                        Some(_) => {}
                        // Whoever takes the place of a pod that is gone reads the annotation, too.
                        None => operators = self.operator_pods().await?,
                    },
                }
                // Another apply that has come to its end takes away the pause, and nobody would find it.
                self.take_news();
                if self.has_lost_pause(*kind).await? {
                    self.note_lost_pause()?;
                    // Who has found the pause that is gone proves nothing of the next one.
                    before.extend(self.skips(&operators, *kind, since + BEFORE).await?.unwrap_or_default());
                    self.ask_for_pause(*kind).await?;
                }
                if *kind == Kind::RedisCluster && began.elapsed() > NOTICING_CLUSTER {
                    break;
                }
                if is_late {
                    let why = format!(
                        "the operator has not noticed the pause annotation of the {} yet",
                        kind.kind()
                    );
                    return Err(Failure::Wait(Waiting::new(Cause::OperatorBehind, why), Ended::GivenUp));
                }
                tokio::select! {
                    () = sleep(LOOKING) => {}
                    () = self.call.cancelled.cancelled() => {
                        let why = "the operator was about to be paused";
                        return Err(Failure::Wait(Waiting::new(Cause::Rolling, why), Ended::Stopped));
                    }
                }
            }
        }
        self.take_for_quiet();
        Ok(())
    }

    async fn ask_for_pause(&mut self, kind: Kind) -> Result<(), kubernetes::Error> {
        let pause = self.mark_of_pause(kind);
        // The random value makes this write an event even if an earlier run has left the annotation.
        let news = password::random(8);
        let marks = [
            (kind.skip_reconcile(), Some("true")),
            (annotation::PAUSED, Some(pause.as_str())),
            (annotation::NEWS, Some(news.as_str())),
        ];
        self.annotate(kind, &marks).await
    }

    /// The mark of the pause. That of another run stays: both mean the same pause.
    fn mark_of_pause(&self, kind: Kind) -> String {
        self.picture.pause(kind).map_or_else(|| password::random(8), str::to_owned)
    }

    /// A change that has begun stands in `repairs` until it is done.
    async fn mark_unfinished(&mut self) -> Result<(), kubernetes::Error> {
        let data = self.addresses.topology.data();
        let found = self.picture.custom_resource(data);
        if found.is_some_and(|found| mark(found, annotation::UNFINISHED).is_none()) {
            self.annotate(data, &[(annotation::UNFINISHED, Some("updating"))]).await?;
        }
        Ok(())
    }

    /// Pauses the operator for a cluster, without a proof: whatever the operator does at that moment, it does
    /// because pods are not Ready.
    pub(super) async fn keep_off_cluster(&mut self) -> Result<(), kubernetes::Error> {
        self.mark_unfinished().await?;
        let kind = self.addresses.topology.data();
        let pause = self.mark_of_pause(kind);
        self.annotate(kind, &[(kind.skip_reconcile(), Some("true")), (annotation::PAUSED, Some(&pause))])
            .await
    }

    /// Lets the operator handle a custom resource again.
    pub(super) async fn unpause(&mut self, kind: Kind) -> Result<(), kubernetes::Error> {
        self.talks.proven.clear();
        self.annotate(kind, &[(kind.skip_reconcile(), None), (annotation::PAUSED, None)]).await
    }

    /// Leaves the rollout to the operator, and says why.
    pub(super) async fn leave_to_operator(&mut self, why: &str) -> Result<(), Failure> {
        self.observer.warn(rolled_by_operator(&self.addresses.to_string(), why));
        self.let_go().await;
        self.memory.denied.add(Denial::GuardedRollout);
        Ok(())
    }

    /// Unpauses the operator however a run ends: nothing repairs a set that is paused. The exception is an
    /// operator that still considers the former master the master: it would make the new master a replica, so
    /// it stays paused until the next apply. A pause during which nobody has moved anything is no exception.
    pub(super) async fn let_go(&mut self) {
        if !self.picture.is_held_by_us(self.addresses.topology) {
            return;
        }
        if self.talks.may_be_moved
            && !may_let_go(&self.picture, self.addresses.topology, self.talks.master.as_deref())
        {
            self.observer.warn(still_paused(&self.addresses.to_string()));
            return;
        }
        let deadline = std::mem::replace(&mut self.deadline, Instant::now() + LETTING_GO);
        for kind in self.addresses.topology.kinds() {
            if let Err(error) = self.unpause(*kind).await {
                tracing::warn!(%error, "the operator is still paused; the next apply unpauses it");
            }
        }
        self.deadline = deadline;
    }

    /// The pause of the sentinels ends a little later. That alone is no reason to pause the data's custom
    /// resource again.
    pub(super) fn is_data_paused(&self) -> bool {
        self.picture.hold(self.addresses.topology.data()) != Hold::Nobody
    }

    /// Sets or removes annotations of a custom resource.
    pub(super) async fn annotate(
        &mut self,
        kind: Kind,
        marks: &[(&str, Option<&str>)],
    ) -> Result<(), kubernetes::Error> {
        let marks: serde_json::Map<String, Json> =
            marks.iter().map(|(mark, value)| ((*mark).to_owned(), Json::from(*value))).collect();
        let patch = serde_json::json!({ "metadata": { "annotations": marks } });
        let uid = self.picture.custom_resource(kind).and_then(|one| text(one, &["metadata", "uid"]));
        let uid = uid.map(str::to_owned);
        self.outdate(kind);
        let address = self.addresses.custom_resource(kind);
        let written = self.cluster.merge_patch(&address, &patch, uid.as_deref(), self.deadline).await?;
        self.picture.set_custom_resource(kind, Some(written));
        Ok(())
    }
}

fn rolled_by_operator(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("The provider could not roll out the change to {id}"),
        format!("The operator restarts the pods instead, and writes may fail for half a minute: {why}."),
    )
}
