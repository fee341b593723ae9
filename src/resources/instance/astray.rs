//! Whether the sentinels watch a pod that is there. Only they know, so a refresh asks them; it is the one thing that it asks
//! of a server in a pod, and where it cannot be asked, nothing is said.
//!
//! A refresh reads no Secrets. A sentinel with a password is asked by a command in its own container, whose environment has it;
//! one without by a forwarded port, which costs the container nothing.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::cluster::{Addresses, POD};
use super::probe::{Answer, Question, Vantage, probe_through_service};
use super::session::Session;
use super::state::Found;
use crate::kubernetes::{Cluster, ObjectRef};
use crate::redis::names::{SENTINEL_PORT, annotation};
use crate::redis::object::{annotation as mark, at, is_terminating, label, name, text};
use crate::redis::opstree::Kind;
use crate::redis::reach;
use crate::redis::ready::{self, rolled_out};
use crate::redis::topology::Topology;

/// How long it may take: a refresh must not wait for a pod that does not answer.
const ASKING: Duration = Duration::from_secs(1);

/// In words, which sentinels watch an address that no pod of the set has.
pub async fn astray(cluster: &Cluster, addresses: &Addresses, found: &Found) -> Option<String> {
    let (group, is_protected) = group(addresses, found)?;
    let selector = addresses.topology.selector(&addresses.name);
    let deadline = Instant::now() + ASKING;
    let pods = cluster.list(&POD, Some(&addresses.namespace), Some(&selector), deadline).await.ok()?;
    let [data, sentinels] = addresses.topology.parts() else { return None };
    let (data, sentinels) = (data.name(&addresses.name), sentinels.name(&addresses.name));
    let of = |app: &str| {
        let is_of = |pod: &&Json| label(pod, "app") == Some(app) && !is_terminating(pod);
        pods.iter().filter(is_of).collect::<Vec<&Json>>()
    };
    let lives: Vec<&str> = of(&data).into_iter().filter_map(reach::address).collect();
    let asked = of(&sentinels).into_iter().filter(|pod| ready::is_ready(pod)).map(|pod| async {
        let (pod, address) = (name(pod), addresses.pod(name(pod)));
        let host = if is_protected {
            let from = Vantage { pod: &address, container: &sentinels };
            watched_from_within(cluster, from, &group, deadline).await?
        } else {
            watched(cluster, &address, &group, deadline).await?
        };
        Some((pod, host))
    });
    let answers = join_all(asked).await;
    let (pod, host) = answers.into_iter().flatten().find(|(_, host)| !lives.contains(&host.as_str()))?;
    Some(format!("{pod} watches a master at {host}, and no pod has that address"))
}

/// The sentinels' group, and whether they have a password; where they can be asked, and all is at rest.
fn group(addresses: &Addresses, found: &Found) -> Option<(String, bool)> {
    if addresses.topology != Topology::Sentinel {
        return None;
    }
    let custom_resource = |kind| found.custom_resources.iter().find(|one| Kind::of(one) == Some(kind));
    let (data, sentinel) = (custom_resource(Kind::RedisReplication)?, custom_resource(Kind::RedisSentinel)?);
    let is_at_rest = addresses.topology.parts().iter().all(|part| {
        let app = part.name(&addresses.name);
        let live = if part.has_data() { data } else { sentinel };
        let stateful_set = found.stateful_sets.iter().find(|one| name(one) == app);
        stateful_set.is_some_and(|one| rolled_out(one, part.replicas(live)).is_ok())
    });
    let is_encrypted = !at(sentinel, &["spec", "TLS"]).is_null();
    if !is_at_rest || is_encrypted || mark(data, annotation::UNFINISHED).is_some() {
        return None;
    }
    let group = text(sentinel, &["spec", "redisSentinelConfig", "masterGroupName"])?;
    Some((group.to_owned(), !at(sentinel, &["spec", "kubernetesConfig", "redisSecret"]).is_null()))
}

/// Which address a sentinel without a password watches.
async fn watched(cluster: &Cluster, pod: &ObjectRef, group: &str, deadline: Instant) -> Option<String> {
    let port = u16::try_from(SENTINEL_PORT).ok()?;
    let mut session = Session::open(cluster, pod, port, None, deadline).await.ok()?;
    Some(session.sentinel_address(group, deadline).await.ok()??.host)
}

/// The same, asked by itself.
async fn watched_from_within(
    cluster: &Cluster,
    from: Vantage<'_>,
    group: &str,
    deadline: Instant,
) -> Option<String> {
    let port = u16::try_from(SENTINEL_PORT).ok()?;
    let question = Question::MasterOf { group };
    match probe_through_service(cluster, from, "127.0.0.1", port, question, deadline).await.ok()? {
        Answer::MasterOf(address) => Some(address?.host),
        _ => None,
    }
}
