//! Questions to each pod of a set, asked of all at the same time. Connections stay open from one look to the next.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::{Failure, Run};
use crate::kubernetes::{self, Cluster, ObjectRef};
use crate::redis::answers::set::{Pod, View};
use crate::redis::password::PasswordAt;
use crate::redis::ready::is_hopeless;
use crate::redis::running::Running;
use crate::redis::talk::Replication;
use crate::redis::topology::Part;
use crate::resources::ask::{Access, Session, TalkError};

/// How long one pod may take to answer: a pod that is starting must not hold up the look at the others.
const ANSWER: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// Asks the pods of one StatefulSet at the same time.
    pub(super) async fn ask<Q: Question>(
        &mut self,
        part: Part,
        running: &Running,
        question: &Q,
        passwords: &[Hashed],
    ) -> Result<Vec<Pod<Q::Said>>, Failure> {
        let app = part.name(&self.addresses.name);
        let revision = running.revision(&app).unwrap_or_default();
        let access = if part.has_data() { Access::redis } else { Access::sentinel };
        let mut asked = Vec::new();
        for json in running.pods_of(&app) {
            if let Some(mut pod) = Pod::<Q::Said>::of(json, revision, None) {
                pod.is_hopeless = is_hopeless(json, &running.claims, &self.memory);
                let at = PasswordAt::of_pod(json);
                let password = at.as_ref().and_then(|at| self.talks.password(at)).cloned();
                let session = self.talks.take(&pod.uid);
                asked.push((pod, session, password, at));
            }
        }
        let (cluster, addresses) = (self.cluster, &self.addresses);
        let answers = join_all(asked.into_iter().map(|(pod, session, password, at)| async move {
            let place = Place { cluster, pod: addresses.pod(&pod.name), access: access(password) };
            let answer = one(&place, session, question, passwords).await;
            (pod, at, answer)
        }))
        .await;
        let mut pods = Vec::new();
        for (mut pod, at, answer) in answers {
            match answer {
                Ok((session, said, accepts)) => {
                    self.talks.keep(&pod.uid, session);
                    pod.said = Some(said);
                    pod.accepts = accepts;
                }
                Err(TalkError::Cluster(error)) if is_refused(&error) => return Err(Failure::Refused(error)),
                Err(error) => {
                    tracing::debug!(pod = pod.name, %error, "does not answer");
                    pod.refuses = login_refused(&error).map(|why| asked_with(&why, at.as_ref()));
                }
            }
            pods.push(pod);
        }
        pods.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(pods)
    }
}

fn is_refused(error: &kubernetes::Error) -> bool {
    matches!(error.cause, kubernetes::Cause::Forbidden { .. })
}

/// Why the pod will not answer whoever asks like this; `None` if it may still do so.
fn login_refused(error: &TalkError) -> Option<String> {
    match error {
        TalkError::Refused { refusal, .. } if refusal.is_about_rights() => Some(refusal.to_string()),
        TalkError::Malformed { malformed, .. } => Some(malformed.to_string()),
        _ => None,
    }
}

/// Why a login was refused, and with which password it was tried.
pub(super) fn asked_with(why: &str, at: Option<&PasswordAt>) -> String {
    let why = why.trim_end_matches('.');
    match at {
        Some(at) => format!("{why}; asked with {at}"),
        None => format!("{why}; asked without a password"),
    }
}

/// Where a pod is asked, and with what.
struct Place<'a> {
    cluster: &'a Cluster,
    pod: ObjectRef,
    access: Access,
}

/// The hash of a password, as Redis shows it.
pub(super) struct Hashed {
    pub at: PasswordAt,
    pub hash: String,
}

/// What one pod reports, and which of the passwords it accepts.
type Answer<Said> = (Session, Said, Option<Vec<PasswordAt>>);

async fn one<Q: Question>(
    place: &Place<'_>,
    session: Option<Session>,
    question: &Q,
    passwords: &[Hashed],
) -> Result<Answer<Q::Said>, TalkError> {
    let deadline = Instant::now() + ANSWER;
    if let Some(mut session) = session
        && let Ok(said) = question.ask(&mut session, deadline).await
        && let Ok(accepts) = accepted(place, &mut session, passwords, deadline).await
    {
        return Ok((session, said, accepts));
    }
    let Place { cluster, pod, access } = place;
    let mut session = Session::open(cluster, pod, access, deadline).await?;
    let said = question.ask(&mut session, deadline).await?;
    let accepts = accepted(place, &mut session, passwords, deadline).await?;
    Ok((session, said, accepts))
}

async fn accepted(
    place: &Place<'_>,
    session: &mut Session,
    passwords: &[Hashed],
    deadline: Instant,
) -> Result<Option<Vec<PasswordAt>>, TalkError> {
    if place.access.password.is_none() || passwords.is_empty() {
        return Ok(None);
    }
    let hashes = session.accepted_passwords(deadline).await?;
    let accepted = passwords.iter().filter(|one| hashes.contains(&one.hash));
    Ok(Some(accepted.map(|one| one.at.clone()).collect()))
}

/// The questions to each pod of one kind.
pub(super) trait Question: Sync {
    type Said: Send;
    fn ask(
        &self,
        session: &mut Session,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Said, TalkError>> + Send;
}

pub(super) struct AskRedis;

impl Question for AskRedis {
    type Said = Replication;
    async fn ask(&self, session: &mut Session, deadline: Instant) -> Result<Replication, TalkError> {
        session.replication(deadline).await
    }
}

pub(super) struct AskSentinel {
    pub group: String,
}

impl Question for AskSentinel {
    type Said = View;
    async fn ask(&self, session: &mut Session, deadline: Instant) -> Result<View, TalkError> {
        Ok(View {
            master: session.sentinel_master(&self.group, deadline).await?,
            replicas: session.sentinel_replicas(&self.group, deadline).await?,
            peers: session.sentinel_peers(&self.group, deadline).await?,
            quorum: session.sentinel_quorum(&self.group, deadline).await?,
        })
    }
}
