//! What the nodes of a cluster say, and what they are told: one command in a pod asks them all, as they reach each other.
//!
//! The password comes out of the container's own environment, as with every probe.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::cluster::Addresses;
use super::{Failure, Rollout};
use crate::kubernetes::{self, Cause as Refusal, Cluster, ExecOptions, ObjectRef};
use crate::redis::names::REDIS_PORT;
use crate::redis::object::{label, name};
use crate::redis::reach::address;
use crate::redis::ready::{Running, is_ready};
use crate::redis::shards::{Mending, Pod, Said, Shards};
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

/// For how long the same slots must be on the move before whoever moves them is taken to have given up: redis-cli moves one
/// after the other, each in milliseconds unless its keys are huge.
const STALLED: Duration = Duration::from_secs(20);

/// `$1`: a node. As the operator does it before it adds nodes.
const CLOSE: &str = r##"[ -z "$REDIS_PASSWORD" ] || export REDISCLI_AUTH="$REDIS_PASSWORD"
redis-cli --cluster fix "$1""##;

/// How slots are on the move, and since when as they are now.
pub(super) type Moving = (Vec<String>, Instant);

impl Rollout<'_> {
    /// Asks every pod that is Ready. Where that cannot be done, the operator's word must do; that endpoints were not asked is
    /// said once, at the end.
    pub(super) async fn ask_nodes(&mut self) -> Result<(), Failure> {
        let Some(running) = self.observed.running.clone() else { return Ok(()) };
        let commands = [Command::new(["CLUSTER", "NODES"]), Command::new(["INFO", "replication"])];
        let hosts: Vec<&str> = running.pods.iter().filter(|pod| is_ready(pod)).filter_map(address).collect();
        let asked = tell(self.cluster, &self.addresses, &running, &commands, &hosts, self.deadline);
        let said = tokio::select! {
            said = asked => said,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        let said = match said {
            Ok(said) => said,
            Err(error) if error.cause.may_pass() => String::new(),
            Err(kubernetes::Error { cause: Refusal::NotFound | Refusal::Unavailable { .. }, .. }) => {
                String::new()
            }
            Err(error) => {
                self.observed.shards = Some(Err(error.to_string()));
                return Ok(());
            }
        };
        let mut shards = self.shards(&running, &answers(&said));
        let moving: Vec<String> = shards.moving().into_iter().map(str::to_owned).collect();
        let since = match self.moving.take() {
            Some((before, since)) if before == moving => since,
            _ => Instant::now(),
        };
        shards.is_stalled = !moving.is_empty() && since.elapsed() >= STALLED;
        self.moving = Some((moving, since));
        self.observed.shards = Some(Ok(shards));
        Ok(())
    }

    fn shards(&self, running: &Running, answers: &BTreeMap<String, Said>) -> Shards {
        // As it is, not as it is to be: shards are asked before some of them go.
        let data = self.observed.custom_resource(self.addresses.topology.data());
        let data = data.unwrap_or_else(|| self.desired.data());
        let sizes = self.addresses.topology.parts().iter().map(|part| part.replicas(data));
        let mut sizes = sizes.map(|size| usize::try_from(size).unwrap_or(0));
        let masters = sizes.next().unwrap_or(0);
        let leaders = self.addresses.topology.parts().first().map(|part| part.name(&self.addresses.name));
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
        Shards { pods, masters, size, is_quiet: self.talks.is_quiet, is_stalled: false }
    }

    /// Tells nodes what mends their cluster. What they refuse shows when they are asked again.
    pub(super) async fn mend_nodes(&mut self, mending: &Mending) -> Result<(), Failure> {
        let Some(running) = self.observed.running.clone() else { return Ok(()) };
        tracing::info!(instance = %self.instance.id, ?mending, "mending the cluster");
        let hosts: Vec<&str> = running.pods.iter().filter_map(address).collect();
        let (commands, hosts) = match mending {
            // All within a minute, or those that have forgotten it hear of it again.
            Mending::Forget { ids } => {
                (ids.iter().map(|id| Command::new(["CLUSTER", "FORGET", id])).collect(), hosts)
            }
            Mending::Follow { address, master } => {
                (vec![Command::new(["CLUSTER", "REPLICATE", master])], vec![address.as_str()])
            }
            Mending::Reset { address } => {
                (vec![Command::new(["CLUSTER", "RESET", "HARD"])], vec![address.as_str()])
            }
            Mending::TakeOver { address } => {
                (vec![Command::new(["CLUSTER", "FAILOVER"])], vec![address.as_str()])
            }
            Mending::Meet { address, at } => {
                let port = REDIS_PORT.to_string();
                (vec![Command::new(["CLUSTER", "MEET", at, &port])], vec![address.as_str()])
            }
            Mending::CloseSlots { at } => return self.close_slots(&running, at).await,
        };
        let told = tell(self.cluster, &self.addresses, &running, &commands, &hosts, self.deadline).await?;
        tracing::debug!(told, "told");
        // The operator counts nodes: it has something new to count.
        self.observed.silences += 1;
        self.observed.shards = None;
        Ok(())
    }

    /// Keys that were moved already go where their slot goes; all that redis-cli needs to know it asks the nodes.
    async fn close_slots(&mut self, running: &Running, at: &str) -> Result<(), Failure> {
        let Some((pod, container)) = vantage(&self.addresses, running) else { return Ok(()) };
        let node = format!("{at}:{REDIS_PORT}");
        let command = ["sh", "-c", CLOSE, "close", &node];
        let options = ExecOptions { container: Some(&container), command: &command, stdin: None };
        let output = tokio::select! {
            output = self.cluster.exec(&pod, options, self.deadline) => output?,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        tracing::debug!(told = output.stdout, "told");
        (self.observed.shards, self.moving) = (None, None);
        self.observed.silences += 1;
        Ok(())
    }
}

/// A pod to ask from, and its container.
fn vantage(addresses: &Addresses, running: &Running) -> Option<(ObjectRef, String)> {
    addresses.topology.parts().iter().find_map(|part| {
        let app = part.name(&addresses.name);
        let pod = running.pods_of(&app).find(|pod| is_ready(pod)).map(|pod| addresses.pod(name(pod)));
        // The operator calls the container as the StatefulSet.
        Some((pod?, app))
    })
}

/// Says the same to several nodes, and returns what they answer.
async fn tell(
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
