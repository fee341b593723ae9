//! Whether the sentinels watch a pod that is there. Only they know, so a refresh asks them; it is the one thing that it asks
//! of a server in a pod, and where it cannot be asked, nothing is said.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::cluster::{Addresses, POD};
use super::session::Session;
use super::state::Found;
use crate::kubernetes::Cluster;
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
    let group = group(addresses, found)?;
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
        let pod = name(pod);
        Some((pod, watched(cluster, addresses, pod, &group, deadline).await?))
    });
    let answers = join_all(asked).await;
    let (pod, host) = answers.into_iter().flatten().find(|(_, host)| !lives.contains(&host.as_str()))?;
    Some(format!("{pod} watches a master at {host}, and no pod has that address"))
}

/// The sentinels' group, where they can be asked without a password, and all is at rest.
fn group(addresses: &Addresses, found: &Found) -> Option<String> {
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
    let is_open = at(sentinel, &["spec", "kubernetesConfig", "redisSecret"]).is_null()
        && at(sentinel, &["spec", "TLS"]).is_null();
    if !is_at_rest || !is_open || mark(data, annotation::UNFINISHED).is_some() {
        return None;
    }
    text(sentinel, &["spec", "redisSentinelConfig", "masterGroupName"]).map(str::to_owned)
}

async fn watched(
    cluster: &Cluster,
    addresses: &Addresses,
    pod: &str,
    group: &str,
    deadline: Instant,
) -> Option<String> {
    let port = u16::try_from(SENTINEL_PORT).ok()?;
    let mut session = Session::open(cluster, &addresses.pod(pod), port, None, deadline).await.ok()?;
    let address = session.sentinel_address(group, deadline).await.ok()??;
    Some(address.host)
}
