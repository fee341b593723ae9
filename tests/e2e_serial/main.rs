//! End-to-end tests that take the cluster apart: its operator stops, goes blind or is another one, a definition is
//! gone. One test at a time, with both CLIs and nothing else on the cluster; each puts back what it took.
//!
//! They run on the cluster of `dev/cluster` only, since no other one is theirs to break. `disturbance` is where a
//! reader should start. The harness is that of `tests/e2e`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail loudly too; clippy sees only #[test] functions as tests"
)]
#![allow(
    dead_code,
    unused_macros,
    reason = "the harness offers its whole vocabulary; not every scenario needs every word"
)]

#[macro_use]
#[path = "../e2e/cli.rs"]
mod cli;

#[path = "../e2e/case.rs"]
mod case;
#[path = "../e2e/cluster.rs"]
mod cluster;
#[path = "../e2e/commands.rs"]
mod commands;
#[path = "../e2e/diagnostics.rs"]
mod diagnostics;
#[path = "../e2e/ending.rs"]
mod ending;
#[path = "../e2e/instance.rs"]
mod instance;
#[path = "../e2e/kubernetes.rs"]
mod kubernetes;
#[path = "../e2e/leftovers.rs"]
mod leftovers;
#[path = "../e2e/plan.rs"]
mod plan;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/proxy/mod.rs"]
mod proxy;
#[path = "../e2e/redis_client.rs"]
mod redis_client;
#[path = "../e2e/report.rs"]
mod report;
#[path = "../e2e/resting.rs"]
mod resting;
#[path = "../e2e/stall.rs"]
mod stall;
#[path = "../e2e/topology.rs"]
mod topology;
#[path = "../e2e/writer.rs"]
mod writer;

#[macro_use]
mod both;
mod disturbance;

mod definition;
mod guarded;
mod operator;
mod policies;
mod shards;
mod torture;
mod versions;

use disturbance::enter;
