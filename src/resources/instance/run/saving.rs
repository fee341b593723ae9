//! Every pod with data writes that data in the form that it reads after the restart. What cannot be saved is an
//! error before the first write.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Failure, Run};
use crate::kubernetes::{self, Cluster, ObjectRef};
use crate::redis::config::Disk;
use crate::redis::memory::Denial;
use crate::redis::object::{is_terminating, name};
use crate::redis::password::PasswordAt;
use crate::redis::running::is_ready;
use crate::redis::saving::{Deed, deeds, reads_next, reads_the_same};
use crate::redis::talk::{Command, Persistence};
use crate::resources::ask::{Access, Session, TalkError};
use crate::terraform::Diagnostic;

/// How long one command may take to be answered.
const ANSWER: Duration = Duration::from_secs(5);
/// Pause between two looks at a file that is being written.
const LOOKING: Duration = Duration::from_millis(200);

/// A pod with data, and how to ask it.
struct Place<'a> {
    cluster: &'a Cluster,
    pod: ObjectRef,
    access: Access,
    is_ready: bool,
}

/// Why a pod could not save its data.
enum Unsaved {
    /// The way to the pod is forbidden.
    Denied(kubernetes::Error),
    /// It could not be asked, or it could not write.
    Why(String),
}

impl Run<'_> {
    pub(super) async fn save(&mut self) -> Result<(), Failure> {
        let Some(running) = self.picture.running.clone() else { return Ok(()) };
        self.learn_passwords(&running).await?;
        let next = reads_next(&self.desired);
        let parts = self.addresses.topology.parts().iter().filter(|part| part.has_data());
        let apps: Vec<String> = parts.map(|part| part.name(&self.addresses.name)).collect();
        let pods = apps.iter().flat_map(|app| running.pods_of(app)).filter(|pod| !is_terminating(pod));
        let places: Vec<Place<'_>> = pods
            .map(|pod| Place {
                cluster: self.cluster,
                pod: self.addresses.pod(name(pod)),
                access: Access::redis(
                    PasswordAt::of_pod(pod).and_then(|at| self.talks.password(&at)).cloned(),
                ),
                is_ready: is_ready(pod),
            })
            .collect();
        let deadline = self.deadline;
        let saving = join_all(places.iter().map(|place| saved(place, next.as_ref(), deadline)));
        let saved = tokio::select! {
            saved = saving => saved,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        let id = self.addresses.to_string();
        for (place, saved) in places.iter().zip(saved) {
            match saved {
                Ok(()) => {}
                Err(Unsaved::Denied(error)) if reads_the_same(&self.desired, &self.picture) => {
                    self.observer.warn(not_asked(&id, &error));
                    self.memory.denied.add(Denial::Saving);
                    return Ok(());
                }
                Err(Unsaved::Denied(error)) => return Err(Failure::Problem(denied(&id, &error))),
                Err(Unsaved::Why(why)) => {
                    return Err(Failure::Problem(unsaved(&id, &place.pod.name, &why)));
                }
            }
        }
        self.memory.is_saved = true;
        Ok(())
    }
}

/// A pod that is not Ready and does not answer holds nothing that could be saved.
async fn saved(place: &Place<'_>, next: Option<&Disk>, deadline: Instant) -> Result<(), Unsaved> {
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
    let now = loaded(&mut session, deadline).await?;
    let points = session.directive("save", Instant::now() + ANSWER).await.map_err(|error| why(&error))?;
    for deed in deeds(next, &now, !points.trim().is_empty()) {
        carry_out(&mut session, &deed, deadline).await?;
    }
    Ok(())
}

fn why(error: &TalkError) -> Unsaved {
    Unsaved::Why(error.to_string())
}

/// What is loaded only in part would replace what is on disk.
async fn loaded(session: &mut Session, deadline: Instant) -> Result<Persistence, Unsaved> {
    until(session, deadline, "it is still loading its data", |now| !now.loading).await
}

async fn carry_out(session: &mut Session, deed: &Deed, deadline: Instant) -> Result<(), Unsaved> {
    match deed {
        Deed::SavePoints(points) => tell(session, &Command::config_set("save", points)).await,
        Deed::AppendOnly => {
            tell(session, &Command::config_set("appendonly", "yes")).await?;
            let late = "the append-only file is still being written";
            let now = until(session, deadline, late, |now| now.append_only && !now.rewriting).await?;
            match now.last_rewrite_succeeded && now.last_append_succeeded {
                true => Ok(()),
                false => Err(Unsaved::Why("Redis could not write the append-only file".to_owned())),
            }
        }
        Deed::Snapshot => {
            let late = "a snapshot is still being written";
            // One that was begun earlier lacks what was written since.
            until(session, deadline, late, |now| !now.saving && !now.rewriting).await?;
            tell(session, &Command::new(["BGSAVE", "SCHEDULE"])).await?;
            let now = until(session, deadline, late, |now| !now.saving).await?;
            match now.last_save_succeeded {
                true => Ok(()),
                false => Err(Unsaved::Why("Redis could not write the snapshot".to_owned())),
            }
        }
    }
}

async fn tell(session: &mut Session, command: &Command) -> Result<(), Unsaved> {
    session.send(command, Instant::now() + ANSWER).await.map(drop).map_err(|error| why(&error))
}

/// Looks until it is so.
async fn until(
    session: &mut Session,
    deadline: Instant,
    late: &str,
    is_so: impl Fn(&Persistence) -> bool,
) -> Result<Persistence, Unsaved> {
    loop {
        let now = session.persistence(Instant::now() + ANSWER).await.map_err(|error| why(&error))?;
        if is_so(&now) {
            return Ok(now);
        }
        if Instant::now() >= deadline {
            return Err(Unsaved::Why(late.to_owned()));
        }
        sleep(LOOKING).await;
    }
}

fn unsaved(id: &str, pod: &str, why: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The data of {id} could not be saved before a restart"),
        format!(
            "Cause: pod {pod}: {}.\n\nThe change restarts the pods, and a restarted Redis holds only what is on \
             its disk. Nothing was changed. See the log of the pod. If the volume is full, enlarge \
             persistence.size first, in an apply of its own. Then apply again.",
            why.trim_end_matches('.')
        ),
    )
}

fn denied(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::error(
        format!("The data of {id} cannot be prepared for the restart"),
        format!(
            "Cause: {error}.\n\nThe restarted pods read other files than the running pods write: persistence.rdb \
             or persistence.aof changes. Without the right to create pods/portforward, the provider cannot have \
             Redis write them first, and Redis would start empty. Nothing was changed. Grant that right, or \
             leave persistence as it is."
        ),
    )
}

fn not_asked(id: &str, error: &kubernetes::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The data of {id} was not saved before the restart"),
        format!(
            "Cause: {error}.\n\nRedis itself saves its data when its pod is told to end, within \
             termination_grace_period_seconds. To save the data beforehand, the provider needs the right to \
             create pods/portforward and to get Secrets."
        ),
    )
}
