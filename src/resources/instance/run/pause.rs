//! Pausing the operator while the pods of a set are rolled, and proving that it is paused.
//!
//! The annotation does not stop a reconcile that is under way. A reconcile that continues with data from
//! before a handover would make the new master follow the old one. A delay is no proof. But the operator
//! handles one object at a time: once it logs that it has found the annotation, no older reconcile of the
//! object is under way.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{Ended, Failure, Run};
use crate::kubernetes::{self, LogOptions, ObjectRef};
use crate::redis::diagnose::{self, Operator};
use crate::redis::memory::Denial;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, name, text};
use crate::redis::opstree::{Hold, Kind};
use crate::redis::set::may_let_go;
use crate::redis::topology::Topology;
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::kinds::{DEPLOYMENT, POD};
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
/// How many lines of the log are read at once, from its end.
const LINES: i64 = 10_000;
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
            let before = self.skips(&operators, *kind, BEFORE).await?.unwrap_or_default();
            // The random value makes this write an event even if an earlier run has left the annotation.
            self.annotate(
                *kind,
                &[
                    (kind.skip_reconcile(), Some("true")),
                    (annotation::PAUSED, Some("true")),
                    (annotation::NEWS, Some(&password::random(8))),
                ],
            )
            .await?;
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

    /// Earlier answers of the nodes no longer count: the nodes must be asked again while the operator is
    /// paused.
    pub(super) fn take_for_quiet(&mut self) {
        self.talks.is_quiet = true;
        self.picture.answers.shards = None;
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
        self.annotate(kind, &[(kind.skip_reconcile(), Some("true")), (annotation::PAUSED, Some("true"))])
            .await
    }

    /// Lets the operator handle a custom resource again.
    pub(super) async fn unpause(&mut self, kind: Kind) -> Result<(), kubernetes::Error> {
        self.talks.is_quiet = false;
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

    /// The operator's pods, each with the container to ask.
    async fn operator_pods(&mut self) -> Result<Vec<(ObjectRef, String)>, Failure> {
        let deployments = self.cluster.list(&DEPLOYMENT, None, None, self.deadline).await?;
        let mut pods = Vec::new();
        for Operator { namespace, selector, container } in diagnose::operators(&deployments) {
            let found = self.cluster.list(&POD, Some(&namespace), Some(&selector), self.deadline).await?;
            let place = |pod: &Json| ObjectRef::namespaced(&POD, namespace.as_str(), name(pod));
            pods.extend(found.iter().map(|pod| (place(pod), container.clone())));
        }
        Ok(pods)
    }

    /// Which reconciles of that object have found the annotation lately; `None` if a pod of the operator is gone, or
    /// does not run yet.
    async fn skips(
        &mut self,
        operators: &[(ObjectRef, String)],
        kind: Kind,
        since_seconds: i64,
    ) -> Result<Option<BTreeSet<String>>, kubernetes::Error> {
        let mut found = BTreeSet::new();
        let mut are_all_there = !operators.is_empty();
        for (operator, container) in operators {
            let options = LogOptions {
                container: Some(container),
                since_seconds: Some(since_seconds),
                tail_lines: Some(LINES),
                ..LogOptions::default()
            };
            let log = match self.cluster.logs(operator, options, self.deadline).await {
                Err(error) if is_not_running(&error) => {
                    are_all_there = false;
                    continue;
                }
                log => log?,
            };
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
            found.extend(lines.filter_map(|line| {
                let is = |field: &str, value: &str| text(&line, &[field]) == Some(value);
                let about = is("msg", "found skip reconcile annotation")
                    && is("controllerKind", kind.kind())
                    && is("namespace", &self.addresses.namespace)
                    && is("name", &self.addresses.name);
                text(&line, &["reconcileID"]).filter(|_| about).map(str::to_owned)
            }));
        }
        Ok((are_all_there || !found.is_empty()).then_some(found))
    }
}

fn is_not_running(error: &kubernetes::Error) -> bool {
    matches!(error.cause, kubernetes::Cause::NotFound | kubernetes::Cause::Invalid { .. })
}

fn rolled_by_operator(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("The provider could not roll out the change to {id}"),
        format!("The operator restarts the pods instead, and writes may fail for half a minute: {why}."),
    )
}
