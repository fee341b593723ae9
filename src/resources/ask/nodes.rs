//! The nodes of a cluster: one command in a pod asks all of them, in the way in which they reach each other,
//! or sends them a command.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::command::{self, NODE, Script, Vantage};
use crate::kubernetes::{self, Cause as RequestCause, Cluster};
use crate::redis::answers::shards::Said;
use crate::redis::talk::{Command, Reply, cluster_nodes, replication};

/// The beginning of the answer to `INFO replication`.
const REPLICATION: &str = "# Replication";

/// Longest time for one node: packets to a node that is gone vanish.
const EACH: Duration = Duration::from_secs(2);
/// Longest time for all nodes.
const LONGEST: Duration = Duration::from_secs(30);

/// The answers of these hosts, by address; without hosts that have not answered as nodes do.
///
/// # Errors
/// If no command can be run in the pod. If that may pass, no host has answered.
pub async fn ask(
    cluster: &Cluster,
    from: &Vantage,
    hosts: &[&str],
    deadline: Instant,
) -> Result<BTreeMap<String, Said>, kubernetes::Error> {
    let commands = [Command::new(["CLUSTER", "NODES"]), Command::new(["INFO", "replication"])];
    match tell(cluster, from, &commands, hosts, deadline).await {
        Ok(said) => Ok(answers(&said)),
        Err(error) if is_nobody_there(&error) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Sends the same commands to several nodes, and returns their answers.
///
/// # Errors
/// If no command can be run in the pod.
pub async fn tell(
    cluster: &Cluster,
    from: &Vantage,
    commands: &[Command],
    hosts: &[&str],
    deadline: Instant,
) -> Result<String, kubernetes::Error> {
    let lines: Vec<String> = commands.iter().map(Command::to_string).collect();
    let lines = lines.join("\n");
    let mut arguments = vec![lines.as_str()];
    arguments.extend(hosts);
    let deadline = deadline.min(Instant::now() + LONGEST);
    let output = command::run(cluster, from, Script::TellEach, &arguments, EACH, deadline).await?;
    Ok(output.stdout)
}

/// Makes redis-cli change the cluster. Keys move with their slot, however long that takes; redis-cli asks the
/// nodes for everything that it needs to know.
///
/// # Errors
/// If no command can be run in the pod.
pub async fn manage(
    cluster: &Cluster,
    from: &Vantage,
    arguments: &[&str],
    deadline: Instant,
) -> Result<String, kubernetes::Error> {
    let output = command::run(cluster, from, Script::Manage, arguments, EACH, deadline).await?;
    Ok(output.stdout)
}

/// Whether the pod that should ask is gone, or cannot be reached at the moment.
pub fn is_nobody_there(error: &kubernetes::Error) -> bool {
    error.cause.may_pass() || matches!(error.cause, RequestCause::NotFound | RequestCause::Unavailable { .. })
}

/// The answers of each host, by address; without hosts that have not answered as nodes do.
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
