//! Which master each sentinel names. Only sentinels know, so a refresh asks them; a sentinel that cannot be
//! asked is left out.
//!
//! A refresh reads no Secrets. A sentinel with a password is asked by a command in its own container, whose
//! environment has the password. A sentinel without a password is asked over a forwarded port, which costs
//! the container nothing.

use futures::future::join_all;
use tokio::time::Instant;

use super::command::Vantage;
use super::probe::{Answer, Probe, Question, probe};
use super::{Access, Session};
use crate::kubernetes::{Cluster, ObjectRef};
use crate::redis::names::SENTINEL_PORT;

/// The address that each sentinel names, by pod. `container`: the container with redis-cli, for sentinels
/// with a password.
pub async fn named_masters(
    cluster: &Cluster,
    sentinels: Vec<ObjectRef>,
    group: &str,
    container: Option<&str>,
    deadline: Instant,
) -> Vec<(String, String)> {
    let asked = sentinels.into_iter().map(|pod| async move {
        let name = pod.name.clone();
        let host = match container {
            Some(container) => {
                let from = Vantage { pod, container: container.to_owned() };
                from_within(cluster, &from, group, deadline).await?
            }
            None => over_a_port(cluster, &pod, group, deadline).await?,
        };
        Some((name, host))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn over_a_port(cluster: &Cluster, pod: &ObjectRef, group: &str, deadline: Instant) -> Option<String> {
    let mut session = Session::open(cluster, pod, &Access::sentinel(None), deadline).await.ok()?;
    Some(session.sentinel_address(group, deadline).await.ok()??.host)
}

async fn from_within(cluster: &Cluster, from: &Vantage, group: &str, deadline: Instant) -> Option<String> {
    let one = Probe { host: "127.0.0.1", port: SENTINEL_PORT, question: Question::MasterOf { group } };
    match probe(cluster, from, one, deadline).await.ok()? {
        Answer::MasterOf(address) => Some(address?.host),
        _ => None,
    }
}
