//! What the nodes of a cluster say, and what they are told: one command in a pod asks them all, as they reach each other.
//!
//! The password comes out of the container's own environment, as with every probe.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, timeout_at};

use super::cluster::{Addresses, POD};
use super::state::Found;
use crate::kubernetes::{self, Cause as Refusal, Cluster, ExecOptions, ObjectRef};
use crate::redis::names::{REDIS_PORT, annotation};
use crate::redis::object::{annotation as mark, is_terminating, label, name, text};
use crate::redis::opstree::Kind;
use crate::redis::reach::address;
use crate::redis::ready::{Running, is_ready, rolled_out};
use crate::redis::shards::{Pod, Said, Shards};
use crate::redis::talk::{Command, Reply, cluster_nodes, replication};

/// `$1`: port, `$2`: commands, one on each line; then the hosts. Two seconds for each host: one that is gone lets
/// packets vanish.
const SCRIPT: &str = r##"port=$1 commands=$2; shift 2
[ -z "$REDIS_PASSWORD" ] || export REDISCLI_AUTH="$REDIS_PASSWORD"
limit=; ! command -v timeout >/dev/null 2>&1 || limit="timeout 2"
for host in "$@"; do
  echo "# Node $host"
  printf '%s\n' "$commands" | $limit redis-cli -h "$host" -p "$port"
done"##;

/// What begins the answer of each host.
const NODE: &str = "# Node ";
/// What begins the answer to `INFO replication`.
const REPLICATION: &str = "# Replication";

/// Longest time for all nodes.
const LONGEST: Duration = Duration::from_secs(30);

/// Longest time of a refresh: it must not wait for a pod that does not answer.
const REFRESHING: Duration = Duration::from_secs(2);

/// What every pod that is Ready tells. `data`: the custom resource as it is, not as it is to be, since shards are asked before
/// some of them go.
///
/// # Errors
/// Where no pod can be asked.
pub async fn ask(
    cluster: &Cluster,
    addresses: &Addresses,
    data: &Json,
    running: &Running,
    deadline: Instant,
) -> Result<Shards, kubernetes::Error> {
    let commands = [Command::new(["CLUSTER", "NODES"]), Command::new(["INFO", "replication"])];
    let hosts: Vec<&str> = running.pods.iter().filter(|pod| is_ready(pod)).filter_map(address).collect();
    let said = match tell(cluster, addresses, running, &commands, &hosts, deadline).await {
        Ok(said) => said,
        Err(error) if error.cause.may_pass() => String::new(),
        Err(kubernetes::Error { cause: Refusal::NotFound | Refusal::Unavailable { .. }, .. }) => {
            String::new()
        }
        Err(error) => return Err(error),
    };
    Ok(shards(addresses, data, running, &answers(&said)))
}

fn shards(addresses: &Addresses, data: &Json, running: &Running, answers: &BTreeMap<String, Said>) -> Shards {
    let sizes = addresses.topology.parts().iter().map(|part| part.replicas(data));
    let mut sizes = sizes.map(|size| usize::try_from(size).unwrap_or(0));
    let masters = sizes.next().unwrap_or(0);
    let leaders = addresses.topology.parts().first().map(|part| part.name(&addresses.name));
    let mut pods: Vec<Pod> = running
        .pods
        .iter()
        .map(|pod| {
            let address = address(pod).unwrap_or_default().to_owned();
            let said = answers.get(&address).cloned();
            let is_leader = label(pod, "app") == leaders.as_deref();
            Pod { name: name(pod).to_owned(), address, is_leader, said }
        })
        .collect();
    pods.sort_by(|left, right| left.name.cmp(&right.name));
    let size = masters + sizes.sum::<usize>();
    Shards { pods, masters, size, ..Shards::default() }
}

/// Why a cluster is not whole whose pods are all well: a refresh asks where the operator does not say that it is Ready.
/// The operator does not tell of a node that knows nobody; and for a minute after a pod has restarted it is only late.
pub async fn not_whole(cluster: &Cluster, addresses: &Addresses, found: &Found) -> Option<String> {
    let data = found.custom_resources.iter().find(|one| Kind::of(one) == Some(Kind::RedisCluster))?;
    let is_at_rest = addresses.topology.parts().iter().all(|part| {
        let app = part.name(&addresses.name);
        let stateful_set = found.stateful_sets.iter().find(|one| name(one) == app);
        let replicas = part.replicas(data);
        stateful_set.map_or(replicas == 0, |one| rolled_out(one, replicas).is_ok())
    });
    let is_under_way = mark(data, annotation::UNFINISHED).is_some() || is_terminating(data);
    if text(data, &["status", "state"]) == Some("Ready") || !is_at_rest || is_under_way {
        return None;
    }
    let deadline = Instant::now() + REFRESHING;
    let selector = addresses.topology.selector(&addresses.name);
    let pods = cluster.list(&POD, Some(&addresses.namespace), Some(&selector), deadline).await.ok()?;
    let running = Running { pods, ..Running::default() };
    let asked = ask(cluster, addresses, data, &running, deadline);
    let shards = timeout_at(deadline, asked).await.ok()?.ok()?;
    // Not asked at all.
    if shards.pods.iter().all(|pod| pod.said.is_none()) {
        return None;
    }
    shards.whole().err()
}

/// A pod to ask from, and its container.
pub fn vantage(addresses: &Addresses, running: &Running) -> Option<(ObjectRef, String)> {
    addresses.topology.parts().iter().find_map(|part| {
        let app = part.name(&addresses.name);
        let pod = running.pods_of(&app).find(|pod| is_ready(pod)).map(|pod| addresses.pod(name(pod)));
        // The operator calls the container as the StatefulSet.
        Some((pod?, app))
    })
}

/// Says the same to several nodes, and returns what they answer.
///
/// # Errors
/// Where no pod can be asked.
pub async fn tell(
    cluster: &Cluster,
    addresses: &Addresses,
    running: &Running,
    commands: &[Command],
    hosts: &[&str],
    deadline: Instant,
) -> Result<String, kubernetes::Error> {
    let Some((pod, container)) = vantage(addresses, running) else { return Ok(String::new()) };
    let lines: Vec<String> = commands.iter().map(Command::to_string).collect();
    let (port, lines) = (REDIS_PORT.to_string(), lines.join("\n"));
    let mut command = vec!["sh", "-c", SCRIPT, "nodes", &port, &lines];
    command.extend(hosts);
    let options = ExecOptions { container: Some(&container), command: &command, stdin: None };
    let output = cluster.exec(&pod, options, deadline.min(Instant::now() + LONGEST)).await?;
    Ok(output.stdout)
}

/// What each host has said, by its address; without those that have not answered as nodes do.
fn answers(printed: &str) -> BTreeMap<String, Said> {
    let sections = printed.split(NODE).skip(1);
    sections
        .filter_map(|section| {
            let (host, rest) = section.split_once('\n')?;
            let (nodes, follows) = rest.split_at(rest.find(REPLICATION)?);
            let bytes = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
            let nodes = cluster_nodes(&bytes(nodes.trim())).ok()?;
            let replication = replication(&bytes(follows)).ok()?;
            Some((host.trim().to_owned(), Said { nodes, replication }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-cli 7.0 prints it where it has no terminal.
    #[test]
    fn what_redis_cli_prints_is_read() {
        let printed = "# Node 10.244.0.42\n\
            d2c4953f 10.244.0.42:6379@16379,cache-leader-0 myself,slave c5099c1a 0 1795272276000 24 connected\n\
            c5099c1a 10.244.0.45:6379@16379,cache-follower-0 master - 0 1795272276019 24 connected 0-5460\n\n\
            # Replication\r\nrole:slave\r\nmaster_host:10.244.0.45\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
            master_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:1\r\nslave_read_repl_offset:7\r\nslave_repl_offset:7\r\n\
            slave_priority:100\r\nslave_read_only:1\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n\
            master_replid:aa\r\nmaster_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:7\r\n\
            second_repl_offset:-1\r\n\n\
            # Node 10.244.0.43\nNOAUTH Authentication required.\n\nNOAUTH Authentication required.\n\n\
            # Node 10.244.0.44\n";
        let answers = answers(printed);
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["10.244.0.42"], "the others said nothing of use");
        let said = &answers["10.244.0.42"];
        assert_eq!((said.nodes.len(), said.nodes[1].slot_count()), (2, 5461));
        let link = said.replication.master.as_ref().unwrap();
        assert!(link.is_syncing && !link.is_up);
    }
}
