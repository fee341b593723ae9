//! How a run ends without success: the operator is unpaused, new objects are deleted again, and the user is
//! told why.

use std::time::Duration;

use serde_json::Value as Json;

use super::super::failure::{explain, refused};
use super::super::objects::taken;
use super::super::remains::volumes_exist;
use super::{Failure, Run};
use crate::kubernetes::Propagation;
use crate::redis::desired::Desired;
use crate::redis::names::annotation;
use crate::redis::next;
use crate::redis::object::annotation as mark;
use crate::redis::picture::Picture;
use crate::redis::step::Step;
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::redaction::Redaction;
use crate::terraform::Diagnostic;
use tokio::time::Instant;

/// How long the last writes of a run that has failed may last: the operation's own time may be over.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Waiting longer would not help.
    GivenUp,
    /// The timeout of the operation is over.
    TimedOut(Duration),
    /// Core said stop, or is gone.
    Stopped,
}

/// The result of a run.
pub struct Outcome {
    /// What exists now.
    pub picture: Picture,
    /// What was wanted.
    pub desired: Desired,
    /// Whether the run has written a custom resource.
    pub wrote: bool,
    /// Whether a Redis container has been Ready.
    pub served: bool,
    /// Why the run did not succeed; `None` if it did.
    pub problem: Option<Problem>,
}

/// Why a run did not succeed.
pub struct Problem {
    /// For the user.
    pub diagnostic: Diagnostic,
    /// In a few words, for the state.
    pub why: String,
    /// Whether the run waited for something that did not come.
    pub is_a_wait: bool,
}

/// A step that was carried out and would be carried out again at once.
pub(super) fn undone(step: &Step) -> String {
    match step {
        Step::ApplyCustomResource { differences, .. } => {
            let paths: Vec<&str> = differences.iter().map(|difference| difference.path.as_str()).collect();
            format!("something changes {} back as soon as it is written", paths.join(", "))
        }
        step => match step.object() {
            Some(key) => format!("the attempt to write the {key} has no effect"),
            None => format!("the attempt to {} has no effect", step.name()),
        },
    }
}

impl Run<'_> {
    /// The deadline has passed, and this was waited for.
    pub(super) fn late(&mut self) -> Option<Failure> {
        let ended = Ended::TimedOut(self.settings.length);
        self.waited_for.take().map(|waited_for| Failure::Wait(waited_for, ended))
    }

    /// The failure if nothing that this run could do will help.
    pub(super) fn stuck(&self, waiting: Waiting) -> Failure {
        let problem = match waiting.cause {
            Cause::Taken => next::taken(&self.desired, &self.picture).map(taken),
            Cause::Kept => {
                let kept = self.picture.answers.kept_claims.as_ref();
                kept.map(|kept| volumes_exist(&self.addresses, kept))
            }
            _ => None,
        };
        problem.map_or(Failure::Wait(waiting, Ended::GivenUp), Failure::Problem)
    }

    pub(super) async fn fail(mut self, failure: Failure) -> Outcome {
        let is_ambiguous = matches!(&failure, Failure::Wait(Waiting { cause: Cause::Ambiguous, .. }, _));
        let mut holdings = String::new();
        if is_ambiguous {
            // The operator would choose one of the two masters, and overwrite the other.
            (self.talks.master, self.talks.may_be_moved) = (None, true);
            holdings = self.holdings().await;
        }
        self.let_go().await;
        let is_a_wait = matches!(&failure, Failure::Wait(..));
        let (mut diagnostic, why) = match &failure {
            Failure::Refused(error) => (refused(error), format!("the attempt to {}", error.attempt)),
            Failure::Problem(problem) => (problem.clone(), problem.summary.clone()),
            Failure::Wait(waiting, ended) => {
                let running = self.picture.running.as_ref();
                let redaction = self.redaction();
                let (cluster, addresses) = (self.cluster, &self.addresses);
                let explained = explain(cluster, addresses, waiting, running, *ended, &redaction).await;
                (redaction.diagnostic(explained), redaction.without_known(&waiting.why))
            }
        };
        if !holdings.is_empty() {
            diagnostic.detail = format!("{}\n\nWhat the pods hold:\n{holdings}", diagnostic.detail);
        }
        // Who has stopped may be gone, and then nobody saves a state.
        let is_stopped = matches!(&failure, Failure::Wait(_, Ended::Stopped));
        if self.wrote {
            if !is_stopped {
                self.mark_as_known().await;
            }
        } else {
            self.take_back().await;
        }
        let Run { picture, desired, wrote, served, .. } = self;
        Outcome { picture, desired, wrote, served, problem: Some(Problem { diagnostic, why, is_a_wait }) }
    }

    /// Hides all passwords that this run knows.
    fn redaction(&self) -> Redaction {
        Redaction::of(self.talks.passwords().chain(self.once.iter().map(|once| &once.secret)))
    }

    /// Core is about to save what a failed create has made. Until now, any create could go on with it.
    async fn mark_as_known(&mut self) {
        let kind = self.desired.topology.data();
        let creating = |data: &Json| mark(data, annotation::UNFINISHED) == Some("creating");
        if !self.picture.custom_resource(kind).is_some_and(creating) {
            return;
        }
        self.deadline = Instant::now() + LAST_WRITES;
        if let Err(error) = self.annotate(kind, &[(annotation::UNFINISHED, Some("created"))]).await {
            tracing::warn!(%error, "another create of this name would go on with the instance");
        }
    }

    /// Deletes objects that were created for a custom resource that could not be written.
    async fn take_back(&mut self) {
        let deadline = Instant::now() + LAST_WRITES;
        for address in std::mem::take(&mut self.made) {
            if let Err(error) = self.cluster.delete(&address, None, Propagation::Background, deadline).await {
                self.observer.warn(Diagnostic::warning(
                    format!("{address} is left behind"),
                    format!(
                        "Cause: {error}.\n\nThe object could not be deleted after the failed apply. Delete \
                         it by hand, or apply again."
                    ),
                ));
            }
        }
    }
}
