//! What a run asks the nodes of a cluster, and the commands that it sends to them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::gather::{ask_nodes, vantage};
use super::{Failure, Run};
use crate::kubernetes;
use crate::redis::answers::shards::Shards;
use crate::redis::names::REDIS_PORT;
use crate::redis::running::{Running, address};
use crate::redis::step::Mending;
use crate::redis::talk::Command;
use crate::resources::ask::nodes;

/// How long the same slots must stay in a move before the move counts as abandoned. redis-cli moves one slot
/// after the other, each in milliseconds unless its keys are huge.
const STALLED: Duration = Duration::from_secs(20);

/// Pause before nodes are asked again after a command: they pass it on to each other.
const PASSING_ON: Duration = Duration::from_millis(250);

/// The slots that are being moved, and since when they are the same.
pub(super) type Moving = (Vec<String>, Instant);

impl Run<'_> {
    /// Asks every pod that is Ready. If the pods cannot be asked, the report of the operator must do; a
    /// single warning follows at the end.
    pub(super) async fn ask_nodes(&mut self) -> Result<(), Failure> {
        let Some(running) = self.picture.running.clone() else { return Ok(()) };
        let data = self.picture.custom_resource(self.addresses.topology.data());
        let data = data.unwrap_or_else(|| self.desired.data());
        let asked = tokio::select! {
            asked = ask_nodes(self.cluster, &self.addresses, data, &running, self.deadline) => asked,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        let shards = asked.map(|shards| self.judged(shards));
        self.picture.answers.shards = Some(shards.map_err(|error| error.to_string()));
        Ok(())
    }

    /// With what only this run knows, because it has asked before.
    fn judged(&mut self, mut shards: Shards) -> Shards {
        let moving: Vec<String> = shards.moving().into_iter().map(str::to_owned).collect();
        let since = match self.moving.take() {
            Some((before, since)) if before == moving => since,
            _ => Instant::now(),
        };
        shards.is_stalled = !moving.is_empty() && since.elapsed() >= STALLED;
        shards.is_quiet = self.is_quiet();
        self.moving = Some((moving, since));
        shards
    }

    /// Sends nodes the commands that repair their cluster. A refused command shows when the nodes are asked
    /// again.
    pub(super) async fn mend_nodes(&mut self, mending: &Mending) -> Result<(), Failure> {
        let Some(running) = self.picture.running.clone() else { return Ok(()) };
        tracing::info!(instance = %self.addresses, ?mending, "repairing the cluster");
        let hosts: Vec<&str> = running.pods.iter().filter_map(address).collect();
        let (commands, hosts) = match mending {
            // All within a minute; otherwise nodes that have forgotten it hear of it again.
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
            // As the operator does it before it adds nodes.
            Mending::CloseSlots { at } => return self.manage(&running, &["fix", &redis(at)]).await,
            Mending::Drain { id, at } => {
                let without = format!("{id}=0");
                return self.manage(&running, &["rebalance", &redis(at), "--cluster-weight", &without]).await;
            }
        };
        let Some(from) = vantage(&self.addresses, &running) else { return Ok(()) };
        let told = nodes::tell(self.cluster, &from, &commands, &hosts, self.deadline).await;
        self.told(told).await
    }

    /// A pod that goes before it has answered is no failure: the other pods are asked again.
    async fn told(&mut self, answer: Result<String, kubernetes::Error>) -> Result<(), Failure> {
        match answer {
            Ok(answer) => tracing::debug!(answer, "told"),
            Err(error) if nodes::is_nobody_there(&error) => tracing::info!(%error, "not told"),
            Err(error) => return Err(error.into()),
        }
        // The operator counts nodes, so there is something new to count.
        self.memory.silences += 1;
        self.picture.answers.shards = None;
        sleep(PASSING_ON).await;
        Ok(())
    }

    async fn manage(&mut self, running: &Running, arguments: &[&str]) -> Result<(), Failure> {
        let Some(from) = vantage(&self.addresses, running) else { return Ok(()) };
        let output = tokio::select! {
            output = nodes::manage(self.cluster, &from, arguments, self.deadline) => output,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        self.moving = None;
        self.told(output).await
    }
}

fn redis(host: &str) -> String {
    format!("{host}:{REDIS_PORT}")
}
