//! Endpoints of an instance, asked from one of its own pods: whether each is as it should be.

use tokio::time::Instant;

use super::TalkError;
use super::command::Vantage;
use super::probe::{Answer, Probe, Question, probe_each};
use crate::kubernetes::Cluster;
use crate::redis::reach::{Endpoint, Expected};

/// A key that nobody uses.
const KEY: &str = "terraform-provider-redis:probe";

/// The result of asking.
pub enum Reached {
    /// All are what they should be. The master may refuse writes for reasons of its own, in words.
    Yes {
        /// Why it does.
        refuses_writes: Option<String>,
    },
    /// One endpoint is not as it should be yet, in words.
    NotYet(String),
    /// No endpoint could be asked.
    Unknown(TalkError),
}

/// Asks all endpoints from one pod.
pub async fn reach(cluster: &Cluster, from: &Vantage, all: &[Endpoint], deadline: Instant) -> Reached {
    let probes: Vec<Probe<'_>> = all.iter().map(probe).collect();
    let answers = match probe_each(cluster, from, &probes, deadline).await {
        Ok(answers) => answers,
        Err(error @ TalkError::Cluster(_)) => return Reached::Unknown(error),
        Err(error) => return Reached::NotYet(error.to_string()),
    };
    let mut refuses_writes = None;
    for (endpoint, answer) in all.iter().zip(answers) {
        match answer.map(|answer| judge(endpoint, &answer)) {
            Ok(Found::Right) => {}
            Ok(Found::Refusing(why)) => refuses_writes = Some(why),
            Ok(Found::Wrong(wrong)) => return Reached::NotYet(wrong),
            Err(error) => return Reached::NotYet(error.to_string()),
        }
    }
    Reached::Yes { refuses_writes }
}

/// What was found at an endpoint.
enum Found {
    Right,
    Refusing(String),
    Wrong(String),
}

fn probe(endpoint: &Endpoint) -> Probe<'_> {
    let question = match &endpoint.role {
        Expected::Writable => Question::Writable { key: KEY },
        Expected::ReplicaOf(_) => Question::Replication,
        Expected::SentinelOf { group, .. } => Question::MasterOf { group },
        Expected::ClusterOf(_) => Question::ClusterState,
    };
    Probe { host: &endpoint.host, port: endpoint.port, question }
}

fn judge(Endpoint { host, port, role }: &Endpoint, answer: &Answer) -> Found {
    if let (Expected::Writable, Answer::Writable(written)) = (role, answer)
        && let Some(refusal) = written.refused_by_master()
    {
        return Found::Refusing(format!("{host}:{port} answers: {refusal}"));
    }
    wrong(role, answer).map_or(Found::Right, |why| Found::Wrong(format!("{host}:{port} {why}")))
}

fn wrong(expected: &Expected, answer: &Answer) -> Option<String> {
    match (expected, answer) {
        (Expected::Writable, Answer::Writable(written)) if written.is_writable() => None,
        (Expected::Writable, Answer::Writable(written)) => {
            let why = written.refused.as_ref().map(|refusal| format!(" ({refusal})")).unwrap_or_default();
            Some(format!("reaches a {} that takes no writes{why}", written.role))
        }
        (Expected::ReplicaOf(master), Answer::Replication(replication)) => match &replication.master {
            Some(link) if link.address.host != *master => {
                Some(format!("follows {}, but the master is {master}", link.address.host))
            }
            Some(link) if !link.is_up || link.is_syncing => {
                Some("is still copying from the master".to_owned())
            }
            Some(_) => None,
            None => Some("is a master, but should be a replica".to_owned()),
        },
        (Expected::SentinelOf { master, .. }, Answer::MasterOf(named)) => match named {
            Some(named) if named.host == *master => None,
            Some(named) => Some(format!("names {} as the master, but the master is {master}", named.host)),
            None => Some("does not watch the master yet".to_owned()),
        },
        (Expected::ClusterOf(nodes), Answer::ClusterState(info)) => {
            if !info.is_ok || info.slots_assigned != 16384 {
                return Some(format!("serves {} of 16384 slots", info.slots_assigned));
            }
            (i64::from(info.known_nodes) < *nodes)
                .then(|| format!("knows {} of {nodes} nodes", info.known_nodes))
        }
        _ => Some("gave the answer to another question".to_owned()),
    }
}
