//! Asks the endpoints of an instance, from one of its own pods, whether they are what they should be.

use futures::future::join_all;
use tokio::time::Instant;

use super::cluster::Addresses;
use super::probe::{Answer, Question, Vantage, probe_through_service};
use super::session::TalkError;
use crate::kubernetes::Cluster;
use crate::redis::object::name;
use crate::redis::reach::{Endpoint, Expected, endpoints};
use crate::redis::ready::{Running, is_ready};

/// A key of nobody's.
const KEY: &str = "terraform-provider-redis:probe";

/// What came of asking.
pub enum Reached {
    /// All are what they should be.
    Yes,
    /// One is not yet, in words.
    NotYet(String),
    /// Nobody could be asked.
    Unknown(TalkError),
}

/// Asks all of them.
pub async fn reach(
    cluster: &Cluster,
    addresses: &Addresses,
    group: &str,
    external: Option<&str>,
    running: &Running,
    deadline: Instant,
) -> Reached {
    let app = addresses.topology.parts().first().map(|part| part.name(&addresses.name)).unwrap_or_default();
    let Some(pod) = running.pods_of(&app).find(|pod| is_ready(pod)) else {
        return Reached::NotYet("no pod is Ready to ask from".to_owned());
    };
    // The operator calls the container as the StatefulSet.
    let pod = addresses.pod(name(pod));
    let from = Vantage { pod: &pod, container: &app };
    let all = endpoints(addresses.topology, &addresses.name, &addresses.namespace, group, external, running);
    let answers = join_all(all.iter().map(|one| ask(cluster, from, one, deadline))).await;
    for answer in answers {
        match answer {
            Ok(None) => {}
            Ok(Some(wrong)) => return Reached::NotYet(wrong),
            Err(error @ TalkError::Cluster(_)) => return Reached::Unknown(error),
            Err(error) => return Reached::NotYet(error.to_string()),
        }
    }
    Reached::Yes
}

/// What is wrong with an endpoint.
async fn ask(
    cluster: &Cluster,
    from: Vantage<'_>,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<Option<String>, TalkError> {
    let Endpoint { host, port, role } = endpoint;
    let question = match role {
        Expected::Writable => Question::Writable { key: KEY },
        Expected::ReplicaOf(_) => Question::Replication,
        Expected::SentinelOf { group, .. } => Question::MasterOf { group },
        Expected::ClusterOf(_) => Question::ClusterState,
    };
    let port_number = u16::try_from(*port).unwrap_or_default();
    let answer = probe_through_service(cluster, from, host, port_number, question, deadline).await?;
    Ok(wrong(role, &answer).map(|why| format!("{host}:{port} {why}")))
}

fn wrong(expected: &Expected, answer: &Answer) -> Option<String> {
    match (expected, answer) {
        (Expected::Writable, Answer::Writable(written)) if written.is_writable() => None,
        (Expected::Writable, Answer::Writable(written)) => {
            let why = written.refused.as_ref().map(|refusal| format!(" ({refusal})")).unwrap_or_default();
            Some(format!("leads to a {} that takes no writes{why}", written.role))
        }
        (Expected::ReplicaOf(master), Answer::Replication(replication)) => match &replication.master {
            Some(link) if link.address.host != *master => {
                Some(format!("follows {}, and the master is {master}", link.address.host))
            }
            Some(link) if !link.is_up || link.is_syncing => {
                Some("is still copying from the master".to_owned())
            }
            Some(_) => None,
            None => Some("is a master of its own".to_owned()),
        },
        (Expected::SentinelOf { master, .. }, Answer::MasterOf(named)) => match named {
            Some(named) if named.host == *master => None,
            Some(named) => Some(format!("names {} as the master, which is {master}", named.host)),
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
