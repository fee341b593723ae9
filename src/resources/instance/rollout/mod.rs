//! The loop of create and update: look, decide, act, wait; and at the end, say what came of it.

mod applications;
mod moves;
mod nodes;
mod quiet;
mod secret;
mod steps;
mod talk;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::InstanceResource;
use super::build::build;
use super::cluster::Addresses;
use super::failure::{Ended, explain, refused};
use super::model::{AuthSecret, Instance};
use super::state::{external_host, external_service_name, not_ready, objects, status_of};
use crate::kubernetes::{self, Cause as Refusal, Cluster, ObjectRef, Watched};
use crate::redis::names::annotation;
use crate::redis::next::{Cause, Desired, Next, Observed, Obstacle, Step, Waiting, next};
use crate::redis::object::{annotation as mark, is_terminating};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::rollout::Move;
use crate::redis::topology::Topology;
use crate::resources::blocks::OnFailure;
use crate::terraform::record::Record;
use crate::terraform::resource::{Call, Problems};
use crate::terraform::{Diagnostic, Severity};

/// What the loop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Only mend what the refresh found: no argument differs, and what is planned is known.
    Mend,
}

/// One run of the loop.
pub struct Rollout<'a> {
    cluster: &'a Cluster,
    record: &'a Record<InstanceResource>,
    call: &'a Call,
    operation: Operation,
    addresses: Addresses,
    /// Whether to take over fields that others own.
    force: bool,
    instance: Instance,
    desired: Desired,
    observed: Observed,
    watched: Option<Watched>,
    /// The custom resources as the watch had them when we wrote them: until the watch shows another, ours is newer.
    outdated: BTreeMap<Kind, String>,
    /// Connections to the pods, while they are rolled.
    talks: talk::Talks,
    /// The slots that were on the move when the nodes of a cluster were last asked.
    moving: Option<nodes::Moving>,
    /// Companions that this run made, to be taken back if the custom resource cannot be made.
    made: Vec<ObjectRef>,
    /// Whether this run has written the custom resource.
    wrote: bool,
    /// Whether a Redis container has been Ready.
    served: bool,
    /// Since when the present cause has lasted.
    waiting_since: Option<(Cause, Instant)>,
    /// What was waited for last, while nothing but looks has followed.
    waited_for: Option<Waiting>,
    last_step: Option<Step>,
    length: Duration,
    deadline: Instant,
}

/// Why the loop ended without being done.
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

impl<'a> Rollout<'a> {
    /// A run that ends within `length`. `existing` are the custom resources as they were found.
    pub fn new(
        cluster: &'a Cluster,
        instance: Instance,
        operation: Operation,
        existing: Vec<Json>,
        record: &'a Record<InstanceResource>,
        call: &'a Call,
        length: Duration,
    ) -> Rollout<'a> {
        let desired = build(&instance, operation == Operation::Create, instance.wait.enabled);
        Rollout {
            cluster,
            record,
            call,
            operation,
            addresses: instance.addresses(),
            force: instance.force_conflicts,
            instance,
            desired,
            observed: Observed { custom_resources: existing, ..Observed::default() },
            watched: None,
            outdated: BTreeMap::new(),
            talks: talk::Talks::default(),
            moving: None,
            made: Vec::new(),
            wrote: false,
            served: false,
            waiting_since: None,
            waited_for: None,
            last_step: None,
            length,
            deadline: Instant::now() + length,
        }
    }

    /// Takes over what others made, with every field that the configuration sets. It counts as having served: an error
    /// would taint it, and the next apply would destroy it with data that was there before us.
    pub fn adopting(mut self, adopting: bool) -> Rollout<'a> {
        self.force |= adopting;
        self.served |= adopting;
        let data = self.observed.custom_resource(self.addresses.topology.data());
        let is_there =
            |data: &Json| !is_terminating(data) && mark(data, annotation::UNFINISHED) != Some("creating");
        // The pods of a cluster that is there have something to lose, as those of one of ours.
        if adopting && self.addresses.topology == Topology::Cluster && data.is_some_and(is_there) {
            self.desired.creating = false;
        }
        self
    }

    /// What is being deleted cannot be changed: once it is gone, it is made anew.
    pub fn making_anew(mut self, anew: bool) -> Rollout<'a> {
        self.desired.creating |= anew;
        self
    }

    /// The password before this run: as long as pods are rolled, it stays valid.
    pub fn coming_from(mut self, secret: Option<AuthSecret>) -> Rollout<'a> {
        self.desired.former_password =
            secret.map(|AuthSecret { name, key }| PasswordAt { secret: name, key });
        self
    }

    /// Runs until all is done, or cannot be.
    pub async fn run(mut self) -> Result<(), Problems> {
        let outcome = match self.first_look().await {
            Ok(()) => self.until_done().await,
            Err(error) => Err(Failure::Refused(error)),
        };
        match outcome {
            Ok(()) => {
                self.instance.status = self.status();
                let service = external_service_name(&self.desired).map(|name| self.addresses.service(&name));
                self.instance.external_host = match service {
                    Some(service) => host_of(self.cluster, &service, self.deadline).await,
                    None => None,
                };
                self.instance.repairs = BTreeMap::new();
                self.save();
                Ok(())
            }
            Err(failure) => self.fail(failure).await,
        }
    }

    async fn first_look(&mut self) -> Result<(), kubernetes::Error> {
        if self.operation != Operation::Create && self.desired.creating {
            // What is left of it must be gone first, too.
            self.begin_to_watch().await?;
        }
        self.look_at_companions().await
    }

    async fn until_done(&mut self) -> Result<(), Failure> {
        loop {
            if self.call.cancelled.is_cancelled() {
                let why = "the operation was stopped before it was done".to_owned();
                return Err(Failure::Wait(Waiting { cause: Cause::Starting, why }, Ended::Stopped));
            }
            let next = next(&self.desired, &self.observed);
            if Instant::now() >= self.deadline
                && let Next::Do(step @ (Step::Talk | Step::Roll(_) | Step::MendNodes(_))) = &next
            {
                let next = || {
                    let why = format!("the next thing to do is to {}", step.name());
                    Waiting { cause: Cause::Rolling, why }
                };
                // To look again is part of the wait.
                let waited_for = self.waited_for.take().filter(|_| *step == Step::Talk);
                let ended = Ended::TimedOut(self.length);
                return Err(Failure::Wait(waited_for.unwrap_or_else(next), ended));
            }
            match next {
                Next::Done => return Ok(()),
                Next::Stuck(waiting) => return Err(Failure::Wait(waiting, Ended::GivenUp)),
                Next::Do(step) => self.act(step).await?,
                Next::Wait(waiting) => self.wait(waiting).await?,
            }
        }
    }

    /// One step. A refusal that may heal becomes an obstacle; any other ends the run.
    async fn act(&mut self, step: Step) -> Result<(), Failure> {
        if self.last_step.as_ref() == Some(&step) {
            let why = undone(&step);
            return Err(Failure::Wait(Waiting { cause: Cause::ChangedBack, why }, Ended::GivenUp));
        }
        match step {
            // Looks, not deeds, and many of them.
            Step::Talk | Step::AskNodes | Step::Reach => {
                tracing::debug!(instance = %self.instance.id, step = step.name(), "doing")
            }
            _ => {
                tracing::info!(instance = %self.instance.id, step = step.name(), "doing");
                self.waited_for = None;
            }
        }
        match self.carry_out(&step).await {
            Ok(()) => {
                self.last_step = Some(step);
                Ok(())
            }
            Err(Failure::Refused(kubernetes::Error { cause: Refusal::NamespaceMissing { .. }, .. })) => {
                self.observed.obstacle = Some(Obstacle::NamespaceMissing);
                Ok(())
            }
            Err(Failure::Refused(kubernetes::Error { cause: Refusal::KindNotServed { .. }, .. })) => {
                let kind = match step {
                    Step::ApplyCustomResource { kind, .. } => kind,
                    _ => self.desired.topology.data(),
                };
                self.observed.obstacle = Some(Obstacle::KindMissing(kind));
                Ok(())
            }
            Err(Failure::Refused(error))
                if matches!(error.cause, Refusal::Forbidden { .. })
                    && matches!(step, Step::Talk | Step::LabelPods(_) | Step::Roll(_)) =>
            {
                self.do_without(&step, &error).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Without the rights for it, the operator rolls the pods, and a cluster is mended without a proof that it is kept off.
    async fn do_without(&mut self, step: &Step, error: &kubernetes::Error) -> Result<(), Failure> {
        match (self.desired.topology, step) {
            (Topology::Cluster, Step::Roll(Move::Pause)) => {
                self.keep_off_cluster().await?;
                self.take_for_quiet();
            }
            (Topology::Cluster, Step::LabelPods(_)) => {
                self.record.warn(not_labelled(&self.instance.id, error));
                self.observed.pods_are_not_labelled = true;
            }
            (Topology::Cluster, _) => {
                self.record.warn(one_password(&self.instance.id, &error.to_string()));
                self.observed.passwords_are_apart = true;
            }
            _ => {
                self.record.warn(not_guarded(&self.instance.id, error));
                self.let_go().await;
                self.desired.guarded.clear();
            }
        }
        Ok(())
    }

    /// What core and the user are told of a run that did not end well.
    async fn fail(mut self, failure: Failure) -> Result<(), Problems> {
        if matches!(&failure, Failure::Wait(Waiting { cause: Cause::Ambiguous, .. }, _)) {
            // The operator would choose one of the two masters, and overwrite the other.
            self.talks.is_ambiguous = true;
        }
        let holdings = match &failure {
            Failure::Wait(Waiting { cause: Cause::Ambiguous, .. }, _) => self.holdings().await,
            _ => String::new(),
        };
        self.let_go().await;
        let (mut problem, why) = match &failure {
            Failure::Refused(error) => (refused(error), format!("the attempt to {}", error.attempt)),
            Failure::Problem(problem) => (problem.clone(), problem.summary.clone()),
            Failure::Wait(waiting, ended) => {
                let running = self.observed.running.as_ref();
                (explain(self.cluster, &self.addresses, waiting, running, *ended).await, waiting.why.clone())
            }
        };
        if !holdings.is_empty() {
            problem.detail = format!("{}\n\nWhat the pods hold:\n{holdings}", problem.detail);
        }
        if self.wrote {
            self.instance.status = not_ready("Failed", &why);
            self.instance.repairs = BTreeMap::from([("rollout".to_owned(), format!("unfinished: {why}"))]);
            self.save();
        } else {
            self.take_back().await;
        }
        if self.is_only_a_warning(&failure) {
            self.record.warn(Diagnostic { severity: Severity::Warning, ..problem });
            return Ok(());
        }
        Err(vec![problem])
    }

    /// An error of a create taints, and a tainted object is destroyed by the next apply: so once Redis has
    /// served, it is a warning. Where the user asked for warnings, too; but not where all that is planned is
    /// that nothing is left to mend.
    fn is_only_a_warning(&self, failure: &Failure) -> bool {
        let wanted = self.instance.wait.on_failure == OnFailure::Warn && matches!(failure, Failure::Wait(..));
        match self.operation {
            Operation::Create => self.wrote && (self.served || wanted),
            Operation::Update => self.wrote && wanted,
            Operation::Mend => false,
        }
    }

    fn status(&self) -> super::model::Status {
        match &self.observed.running {
            Some(running) => status_of(&self.desired, &self.observed.custom_resources, running),
            None => not_ready("Progressing", "it was not waited for (wait.enabled = false)"),
        }
    }

    fn save(&mut self) {
        self.instance.objects = objects(&self.desired);
        self.record.save(&self.instance, &self.instance.identity());
    }
}

fn not_guarded(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("{id} was not rolled by the provider"),
        format!(
            "The operator restarts the pods then, and writes may fail for half a minute: {error}.\n\nA guarded rollout needs \
             the rights to create pods/portforward, to get Secrets, to delete and patch pods, and in the operator's \
             namespace to list Deployments and pods and to get pods/log."
        ),
    )
}

fn not_labelled(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The Services of {id} lead nowhere until its pods are replaced"),
        format!(
            "The operator selects pods by the labels of the instance, and its pods have those that are new only once it has \
             replaced them; clients that know a node go on meanwhile: {error}.\n\nTo label the pods before needs the right to \
             patch pods."
        ),
    )
}

fn one_password(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("Not both passwords of {id} are valid while its pods are replaced"),
        format!(
            "A pod that has restarted refuses the former password, and one that has not refuses the new one, so some keys \
             cannot be reached until all pods have been replaced: {why}.\n\nTo tell each pod of both needs the rights to \
             create pods/portforward and to get Secrets."
        ),
    )
}

/// A load balancer gets its address long after Redis serves; it is not waited for.
async fn host_of(cluster: &Cluster, service: &ObjectRef, deadline: Instant) -> Option<String> {
    external_host(&cluster.get(service, deadline).await.ok()?.found()?)
}

/// A step that was carried out and is to be carried out again at once.
fn undone(step: &Step) -> String {
    match step {
        Step::ApplyCustomResource { differences, .. } => {
            let paths: Vec<&str> = differences.iter().map(|difference| difference.path.as_str()).collect();
            format!("something changes {} as soon as it is written", paths.join(", "))
        }
        step => format!("the attempt to {} has no effect", step.name()),
    }
}
