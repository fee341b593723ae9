//! What proves that the operator leaves an instance alone, and for how long that counts.
//!
//! The annotation does not stop a reconcile that is under way. A reconcile that continues with data from
//! before a handover would make the new master follow the old one. A delay is no proof. But the operator
//! handles one object at a time: once it logs that it has found the annotation, no older reconcile of the
//! object is under way.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Ended, Failure, Run};
use crate::kubernetes::{self, LogOptions, ObjectRef};
use crate::redis::diagnose::{self, Operator};
use crate::redis::object::{name, text};
use crate::redis::opstree::{Hold, Kind};
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::kinds::{DEPLOYMENT, POD};
use crate::terraform::Diagnostic;

/// How often somebody else may end the pause.
const MOST_LOST: u32 = 3;
/// How many lines of the log are read at once, from its end.
const LINES: i64 = 10_000;

impl Run<'_> {
    /// Earlier answers of the nodes no longer count: the nodes must be asked again while the operator is
    /// paused.
    pub(super) fn take_for_quiet(&mut self) {
        let kinds = self.addresses.topology.kinds().iter();
        let pauses = kinds.filter_map(|kind| Some((*kind, self.picture.pause(*kind)?.to_owned())));
        self.talks.proven = pauses.collect();
        tracing::debug!(instance = %self.addresses, "the operator is paused");
        self.picture.answers.shards = None;
    }

    /// Whether it is proven that the operator leaves the instance alone: the pauses are still those of the proof.
    pub(super) fn is_quiet(&self) -> bool {
        let proven = |kind: &Kind| self.talks.proven.get(kind).map(String::as_str);
        let is_proven =
            |kind: &Kind| proven(kind).is_some_and(|pause| self.picture.pause(*kind) == Some(pause));
        self.addresses.topology.kinds().iter().all(is_proven)
    }

    /// Another apply, or a person, may have ended the pause: answers from before that no longer count.
    ///
    /// # Errors
    /// If somebody does so again and again: each time the operator acts in the middle of the rollout.
    pub(super) async fn forget_the_quiet(&mut self) -> Result<(), Failure> {
        if self.is_quiet() {
            return Ok(());
        }
        if !self.talks.proven.is_empty() {
            for kind in self.addresses.topology.kinds() {
                self.has_lost_pause(*kind).await?;
            }
            if self.is_quiet() {
                return Ok(());
            }
        }
        let answers = &mut self.picture.answers;
        answers.set.take_if(|set| set.is_quiet);
        answers.shards.take_if(|shards| shards.as_ref().is_ok_and(|shards| shards.is_quiet));
        if self.talks.proven.is_empty() {
            return Ok(());
        }
        self.talks.proven.clear();
        self.note_lost_pause()
    }

    /// Whether a pause is gone. The watch may show what was before it, so that the API server is asked.
    pub(super) async fn has_lost_pause(&mut self, kind: Kind) -> Result<bool, kubernetes::Error> {
        if self.picture.hold(kind) != Hold::Nobody {
            return Ok(false);
        }
        let found = self.cluster.get(&self.addresses.custom_resource(kind), self.deadline).await?.found();
        self.picture.set_custom_resource(kind, found);
        Ok(self.picture.hold(kind) == Hold::Nobody)
    }

    /// Somebody else has ended the pause.
    ///
    /// # Errors
    /// If that happens again and again.
    pub(super) fn note_lost_pause(&mut self) -> Result<(), Failure> {
        self.talks.lost_pauses += 1;
        if self.talks.lost_pauses == 1 {
            self.observer.warn(unpaused_by_others(&self.addresses.to_string()));
        }
        if self.talks.lost_pauses > MOST_LOST {
            let why = "somebody else unpauses the operator again and again";
            let waiting = Waiting::new(Cause::ChangedBack, why).about(self.addresses.topology.data());
            return Err(Failure::Wait(waiting, Ended::GivenUp));
        }
        Ok(())
    }

    /// The operator's pods, each with the container to ask.
    pub(super) async fn operator_pods(&mut self) -> Result<Vec<(ObjectRef, String)>, Failure> {
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
    pub(super) async fn skips(
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

fn unpaused_by_others(id: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("Somebody else has unpaused the operator for {id}"),
        "The provider had paused the operator to replace pods one after the other, and pauses it again. What the operator \
         did meanwhile may have cost writes. If two applies run at the same time, let only one of them run: the lock of \
         the state is there for that.",
    )
}

fn is_not_running(error: &kubernetes::Error) -> bool {
    matches!(error.cause, kubernetes::Cause::NotFound | kubernetes::Cause::Invalid { .. })
}
