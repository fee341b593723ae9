//! The loop: look, decide, act, wait, until nothing is left to do. It drives the create and the update of an
//! instance, and whatever else acts on a running instance; it knows neither a model nor a record.
//!
//! Pure functions decide what to do, from what is wanted, what exists and what this run remembers. A run may
//! be cut off anywhere: the next run looks and continues.

mod applications;
mod catching_up;
mod ending;
mod hand_over;
mod nodes;
mod objects;
mod pause;
mod questions;
mod quiet;
mod refusals;
mod saving;
mod set_moves;
mod talk;
mod wait;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

pub use self::ending::{Ended, Outcome};
use super::addresses::Addresses;
use super::gather::Gather;
use super::model::ManagedObject;
use super::objects::Once;
use crate::kubernetes::{self, Cause as RequestCause, Cluster, ObjectRef, Watched};
use crate::redis::desired::Desired;
use crate::redis::memory::Memory;
use crate::redis::object::is_terminating;
use crate::redis::opstree::Kind;
use crate::redis::picture::Picture;
use crate::redis::step::{Next, Step};
use crate::redis::waiting::{Cause, Waiting};
use crate::terraform::Diagnostic;
use crate::terraform::resource::Call;

/// Decides what to do now.
pub type Decide = fn(&Desired, &Picture, &Memory) -> Next;

/// Whoever follows a run while it continues.
pub trait Observer: Sync {
    /// A warning for the user.
    fn warn(&self, warning: Diagnostic);
    /// A custom resource was written: from here on something exists that the state must know of.
    fn wrote(&self);
}

/// How a run behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether to take over fields that others own.
    pub force: bool,
    /// Whether to give up as soon as it is clear that waiting will not help.
    pub fail_fast: bool,
    /// How long the run may take.
    pub length: Duration,
    /// The DNS domain of the cluster.
    pub domain: String,
    /// The mark that the custom resource with the data carries until the run has ended.
    pub unfinished: Option<&'static str>,
}

/// The goal of a run, and what is known when it begins.
pub struct Task {
    /// Where everything is.
    pub addresses: Addresses,
    /// What is wanted.
    pub desired: Desired,
    /// The custom resources as they were found.
    pub custom_resources: Vec<Json>,
    /// Objects that the state knows.
    pub known: Vec<ManagedObject>,
    /// The first write of each object that is written once.
    pub once: Vec<Once>,
    /// Whether Redis has served before this run.
    pub served: bool,
    /// Decides what to do.
    pub decide: Decide,
    /// How the run behaves.
    pub settings: Settings,
}

/// One run of the loop.
pub struct Run<'a> {
    cluster: &'a Cluster,
    addresses: Addresses,
    call: &'a Call,
    observer: &'a dyn Observer,
    decide: Decide,
    settings: Settings,
    desired: Desired,
    picture: Picture,
    memory: Memory,
    known: Vec<ManagedObject>,
    once: Vec<Once>,
    watched: Option<Watched>,
    /// The versions of the custom resources that we have written upon, our own among them: while the watch shows one of
    /// them, ours is newer.
    outdated: BTreeMap<Kind, BTreeSet<String>>,
    caught_up: catching_up::CaughtUp,
    /// Connections to the pods, while they are rolled.
    talks: talk::Talks,
    /// The slots that were being moved when the nodes of a cluster were last asked.
    moving: Option<nodes::Moving>,
    /// Objects that this run created. They are deleted if the custom resource cannot be created.
    made: Vec<ObjectRef>,
    /// Whether this run has written a custom resource.
    wrote: bool,
    /// Whether Redis has served: an error of a create would taint the instance, and the next apply destroy its data.
    served: bool,
    /// Pods that should exist and do not, and why.
    lack: Option<wait::Lack>,
    /// Whether the user knows that the master refuses writes.
    has_told_of_refused_writes: bool,
    /// When the present cause began.
    waiting_since: Option<(Cause, Instant)>,
    /// When answers of Redis are too old to decide on; `None`: there are none, or they have just arrived.
    answers_count_until: Option<Instant>,
    /// When the log next reports what the run waits for.
    telling_at: Option<Instant>,
    /// Since when pods have not been Ready, by their uids.
    unready: BTreeMap<String, Instant>,
    /// The last wait, if only looks have followed it.
    waited_for: Option<Waiting>,
    last_step: Option<Step>,
    deadline: Instant,
}

/// Why the loop ended before everything was done.
enum Failure {
    /// A request was refused for good.
    Refused(kubernetes::Error),
    /// Something is in the way that no request can clear.
    Problem(Diagnostic),
    /// Waiting ended.
    Wait(Waiting, Ended),
}

impl From<kubernetes::Error> for Failure {
    fn from(error: kubernetes::Error) -> Failure {
        Failure::Refused(error)
    }
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub fn new(cluster: &'a Cluster, task: Task, call: &'a Call, observer: &'a dyn Observer) -> Run<'a> {
        let Task { addresses, desired, custom_resources, known, once, served, decide, settings } = task;
        let picture = Picture { custom_resources, ..Picture::default() };
        // An earlier run may have moved the master, and left the operator paused for that reason.
        let mut talks = talk::Talks::default();
        talks.may_be_moved = picture.is_held_by_us(addresses.topology);
        Run {
            cluster,
            addresses,
            call,
            observer,
            decide,
            deadline: Instant::now() + settings.length,
            settings,
            desired,
            picture,
            memory: Memory::default(),
            known,
            once,
            watched: None,
            outdated: BTreeMap::new(),
            caught_up: catching_up::CaughtUp::default(),
            talks,
            moving: None,
            made: Vec::new(),
            wrote: false,
            served,
            lack: None,
            has_told_of_refused_writes: false,
            waiting_since: None,
            answers_count_until: None,
            telling_at: None,
            unready: BTreeMap::new(),
            waited_for: None,
            last_step: None,
        }
    }

    /// Runs until everything is done, or cannot be done.
    pub async fn until_done(mut self) -> Outcome {
        let outcome = match self.first_look().await {
            Ok(()) => self.go_on().await,
            Err(error) => Err(Failure::Refused(error)),
        };
        match outcome {
            Ok(()) => {
                let Run { picture, desired, wrote, served, .. } = self;
                Outcome { picture, desired, wrote, served, problem: None }
            }
            Err(failure) => Box::pin(self.fail(failure)).await,
        }
    }

    /// Objects are found by their names; if there is or was an instance, also by their labels, of every kind: a
    /// run that failed or was killed may have left an object that no state knows of.
    async fn first_look(&mut self) -> Result<(), kubernetes::Error> {
        let data = self.picture.custom_resource(self.addresses.topology.data());
        let is_recreated = data.is_some_and(is_terminating) || !self.known.is_empty();
        if self.desired.creating && is_recreated {
            // What is left of an older instance must be gone first, too.
            self.begin_to_watch().await?;
        }
        let addresses = self.addresses.clone();
        let gather = Gather::fresh(self.cluster, &addresses, self.deadline);
        let wanted = &self.desired.objects;
        match gather.wanted(wanted, &mut self.picture).await {
            // The first write reports a missing definition in a way that can be waited for.
            Err(error) if matches!(error.cause, RequestCause::NamespaceMissing { .. }) => return Ok(()),
            looked => looked?,
        }
        let Picture { custom_resources, objects, .. } = &self.picture;
        if !(custom_resources.is_empty() && objects.is_empty() && self.known.is_empty()) {
            gather.labelled(&self.known, &mut self.picture).await?;
        }
        Ok(())
    }

    async fn go_on(&mut self) -> Result<(), Failure> {
        loop {
            if self.call.cancelled.is_cancelled() {
                let why = "the operation was stopped before it was done";
                return Err(Failure::Wait(Waiting::new(Cause::Starting, why), Ended::Stopped));
            }
            self.catch_up().await?;
            self.forget_the_quiet().await?;
            let next = (self.decide)(&self.desired, &self.picture, &self.memory);
            if Instant::now() >= self.deadline
                && let Next::Do(step) = &next
            {
                // Looking again is part of the wait.
                if step.is_a_look()
                    && let Some(late) = self.late()
                {
                    return Err(late);
                }
                if matches!(step, Step::Talk | Step::Roll(_) | Step::MendNodes(_)) {
                    let next = Waiting::new(Cause::Rolling, format!("the next step is to {}", step.name()));
                    return Err(Failure::Wait(next, Ended::TimedOut(self.settings.length)));
                }
            }
            match next {
                Next::Done => return Ok(()),
                Next::Stuck(waiting) => return Err(self.stuck(waiting)),
                Next::Do(step) => self.act(step).await?,
                Next::Wait(waiting) => Box::pin(self.wait(waiting)).await?,
            }
        }
    }

    /// One step. A refusal that may heal becomes an obstacle. A refusal that the run can do without is
    /// remembered. Any other refusal ends the run.
    async fn act(&mut self, step: Step) -> Result<(), Failure> {
        if self.last_step.as_ref() == Some(&step) {
            let waiting = Waiting::new(Cause::ChangedBack, ending::undone(&step));
            return Err(Failure::Wait(waiting, Ended::GivenUp));
        }
        let object = step.object().map(ToString::to_string);
        if step.is_a_look() && step != Step::Watch {
            // Many of them.
            tracing::debug!(instance = %self.addresses, step = step.name(), "doing");
        } else {
            tracing::info!(instance = %self.addresses, step = step.name(), object, "doing");
            self.waited_for = None;
        }
        // Boxed: all deeds in one future would not fit onto the stack of a thread.
        match Box::pin(self.carry_out(&step)).await {
            Ok(()) => {
                self.last_step = Some(step);
                Ok(())
            }
            // A look that the deadline has cut off says nothing about what is missing.
            Err(Failure::Refused(error)) if Instant::now() >= self.deadline => {
                Err(self.late().unwrap_or(Failure::Refused(error)))
            }
            Err(Failure::Refused(error)) => self.refused(&step, error).await,
            Err(failure) => Err(failure),
        }
    }
}
