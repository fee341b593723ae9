//! End-to-end tests: the real CLIs, the provider's real binary, a real cluster. One binary, because each test
//! executable costs ~250 MB; they wait rather than compute, so run them with `RUST_TEST_THREADS=12`.
//!
//! `eval "$(dev/cluster env)"` names the cluster. Without one every test is skipped by name; with
//! `REDIS_E2E_REQUIRED=1` it fails instead. `case` is where a reader should start.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail loudly too; clippy sees only #[test] functions as tests"
)]
#![allow(dead_code, reason = "the harness offers its whole vocabulary; not every scenario needs every word")]

#[macro_use]
mod cli;

mod case;
mod cluster;
mod commands;
#[path = "../wire/core/mod.rs"]
mod core;
mod diagnostics;
mod ending;
mod instance;
mod kubernetes;
mod leftovers;
mod plan;
mod process;
mod proxy;
mod redis_client;
mod report;
mod resting;
mod topology;
mod unpaused;
mod users;
mod writer;

// First by name, since tests start in this order and these last longest.
mod all_topologies;
mod bad_input;
mod busy;
mod change;
mod cut_off;
mod decided;
mod drift;
mod examples;
mod failures;
mod faults;
mod growing;
mod guards;
mod healing;
mod healing_cluster;
mod import;
mod import_cases;
mod import_fuzz;
mod import_others;
mod in_force;
mod interrupted;
mod lifecycle;
mod names;
mod objects;
mod offline_plan;
mod on_disk;
mod remains;
mod secrets;
mod stall;
mod through_proxy;
mod topology_change;
mod topology_guards;
mod topology_import;
mod waiting;

mod harness_self_test;
mod proxy_self_test;
mod twins;
mod walk;

/// These tests need nothing but a cluster, and disturb nobody.
fn enter() -> Result<(), String> {
    Ok(())
}
