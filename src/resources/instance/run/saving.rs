//! Every pod with data writes that data in the form that it reads after the restart. What cannot be saved is an
//! error before the custom resource is written.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::questions::asked_with;
use super::{Ended, Failure, Run};
use crate::kubernetes::{self, Cluster, ObjectRef};
use crate::redis::config::Disk;
use crate::redis::memory::Denial;
use crate::redis::object::{is_terminating, name};
use crate::redis::on_disk::{Act, Told, act};
use crate::redis::password::PasswordAt;
use crate::redis::running::is_ready;
use crate::redis::saving::{reads_next, reads_the_same};
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::ask::{Access, Refusal, Session, TalkError};
use crate::terraform::Diagnostic;

/// How long one command may take to be answered.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a pod is asked again that has not answered.
const AGAIN: u32 = 3;
/// Pause between two looks at a file that is being written.
const LOOKING: Duration = Duration::from_millis(200);

/// A pod with data, and how to ask it.
struct Place<'a> {
    cluster: &'a Cluster,
    pod: ObjectRef,
    access: Access,
    at: Option<PasswordAt>,
    is_ready: bool,
}

/// Why a pod could not save its data.
enum Unsaved {
    /// The way to the pod is forbidden.
    Denied(kubernetes::Error),
    /// It refuses the login.
    Login(String),
    /// It does not answer, or no longer.
    Silent(String),
    /// It could not write.
    Why(String),
}

impl Run<'_> {
    pub(super) async fn save(&mut self) -> Result<(), Failure> {
        let Some(running) = self.picture.running.clone() else { return Ok(()) };
        let id = self.addresses.to_string();
        if let Err(error) = self.learn_passwords(&running).await {
            return match error.cause {
                kubernetes::Cause::Forbidden { .. } => self.go_unsaved(&id, &error),
                _ => Err(error.into()),
            };
        }
        let next = reads_next(&self.desired);
        let parts = self.addresses.topology.parts().iter().filter(|part| part.has_data());
        let apps: Vec<String> = parts.map(|part| part.name(&self.addresses.name)).collect();
        let pods = apps.iter().flat_map(|app| running.pods_of(app)).filter(|pod| !is_terminating(pod));
        let places: Vec<Place<'_>> = pods
            .map(|pod| Place {
                cluster: self.cluster,
                pod: self.addresses.pod(name(pod)),
                at: PasswordAt::of_pod(pod),
                access: Access::redis(
                    PasswordAt::of_pod(pod).and_then(|at| self.talks.password(&at)).cloned(),
                ),
                is_ready: is_ready(pod),
            })
            .collect();
        let deadline = self.deadline;
        let saving = join_all(places.iter().map(|place| saved_in_the_end(place, next.as_ref(), deadline)));
        let saved = tokio::select! {
            saved = saving => saved,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        for (place, saved) in places.iter().zip(saved) {
            match saved {
                Ok(()) => {}
                Err(Unsaved::Denied(error)) => return self.go_unsaved(&id, &error),
                Err(Unsaved::Login(why)) => {
                    let why = asked_with(&why, place.at.as_ref());
                    let why = format!("pod {} refuses the provider ({why})", place.pod.name);
                    return Err(Failure::Wait(Waiting::new(Cause::Login, why), Ended::GivenUp));
                }
                Err(Unsaved::Silent(why) | Unsaved::Why(why)) => {
                    return Err(Failure::Problem(unsaved(&id, &place.pod.name, &why)));
                }
            }
        }
        self.memory.is_saved = true;
        Ok(())
    }

    /// Without the right to find the pods, or to ask them: Redis saves by itself when it is told to end, but only in its present form.
    pub(super) fn go_unsaved(&mut self, id: &str, error: &kubernetes::Error) -> Result<(), Failure> {
        if !reads_the_same(&self.desired, &self.picture) {
            return Err(Failure::Problem(denied(id, error)));
        }
        self.observer.warn(not_asked(id, error));
        self.memory.denied.add(Denial::Saving);
        Ok(())
    }
}

/// A connection may break, and Redis may be busy for a moment. All that is done can be done again.
async fn saved_in_the_end(place: &Place<'_>, next: Option<&Disk>, deadline: Instant) -> Result<(), Unsaved> {
    let mut told = Told::default();
    for _ in 0..AGAIN {
        match saved(place, next, &mut told, deadline).await {
            Err(Unsaved::Silent(why)) if Instant::now() < deadline => {
                tracing::info!(pod = place.pod.name, why, "asking again");
                sleep(LOOKING).await;
            }
            ended => return ended,
        }
    }
    saved(place, next, &mut told, deadline).await
}

/// A pod that is not Ready, and does not answer or is still loading, holds nothing that is not on its disk: the change
/// may be what mends it.
async fn saved(
    place: &Place<'_>,
    next: Option<&Disk>,
    told: &mut Told,
    deadline: Instant,
) -> Result<(), Unsaved> {
    let opened = Session::open(place.cluster, &place.pod, &place.access, Instant::now() + ANSWER).await;
    let mut session = match opened {
        Ok(session) => session,
        Err(TalkError::Cluster(error)) if matches!(error.cause, kubernetes::Cause::Forbidden { .. }) => {
            return Err(Unsaved::Denied(error));
        }
        Err(error) if !place.is_ready && error.refusal().is_none() => {
            tracing::info!(pod = place.pod.name, %error, "has nothing to save");
            return Ok(());
        }
        Err(error) => return Err(why(&error)),
    };
    let points = session.directive("save", Instant::now() + ANSWER).await.map_err(|error| why(&error))?;
    loop {
        let now = session.persistence(Instant::now() + ANSWER).await.map_err(|error| why(&error))?;
        if now.loading && !place.is_ready {
            return Ok(());
        }
        match act(next, &now, &points, told) {
            Act::Done => return Ok(()),
            Act::Failed(what) => return Err(Unsaved::Why(what.to_owned())),
            Act::Look => look_again(deadline).await?,
            Act::Tell(deed) => match session.send(&deed.command(), Instant::now() + ANSWER).await {
                Ok(_) => told.note(deed),
                // Also a child of a module, which no look shows.
                Err(error) if error.refusal().is_some_and(Refusal::is_about_a_child) => {
                    look_again(deadline).await?;
                }
                Err(error) => return Err(why(&error)),
            },
        }
    }
}

/// Waits for the next look, unless there is no more time for one.
async fn look_again(deadline: Instant) -> Result<(), Unsaved> {
    if Instant::now() >= deadline {
        return Err(Unsaved::Why("a file is still being written".to_owned()));
    }
    sleep(LOOKING).await;
    Ok(())
}

fn why(error: &TalkError) -> Unsaved {
    match error.refusal() {
        Some(refusal) if refusal.is_about_rights() => Unsaved::Login(refusal.to_string()),
        _ if error.may_pass() => Unsaved::Silent(error.to_string()),
        _ => Unsaved::Why(error.to_string()),
    }
}

fn unsaved(id: &str, pod: &str, why: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The data of {id} could not be saved before a restart"),
        format!(
            "Cause: pod {pod}: {}.\n\nThe change restarts the pods, and a restarted Redis holds only what is on \
             its disk. No pod was restarted. See the log of the pod. If the volume is full, enlarge \
             persistence.size first, in an apply of its own. If the data may be lost, disable persistence.rdb and \
             persistence.aof in this apply. Then apply again.",
            why.trim_end_matches('.')
        ),
    )
}

fn denied(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::error(
        format!("The data of {id} cannot be prepared for the restart"),
        format!(
            "Cause: {error}.\n\nThe restarted pods read other files than the running pods write: persistence.rdb \
             or persistence.aof changes. Without that right, the provider cannot have Redis write them first, and \
             Redis would start empty. No pod was restarted. Grant that right, or leave persistence as it is."
        ),
    )
}

fn not_asked(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The data of {id} was not saved before the restart"),
        format!(
            "Cause: {error}.\n\nRedis itself saves its data when its pod is told to end, within \
             termination_grace_period_seconds. To save the data beforehand, the provider needs the rights to \
             create pods/portforward, to get Secrets, and to list and watch what runs (StatefulSets, Services, pods \
             and volume claims)."
        ),
    )
}
