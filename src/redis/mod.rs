//! What a running Redis is and needs: pure functions without Terraform terms, cluster access or `async`.
//!
//! From the ground up, each importing only what stands above it in this list (`tests/layering.rs` holds the order):
//!
//! - `quantity`, `version`, `object`, `config`, `names`, `talk`: sizes, versions, Kubernetes objects as JSON,
//!   redis.conf, names of objects, the protocol of Redis and Sentinel;
//! - `opstree`, `topology`, `password`, `hazards`: the operator's kinds, the topologies that they make, where
//!   passwords are, and specs that the operator cannot handle;
//! - `waiting`, `running`, `answers`, `objects`, `picture`: causes, and what exists;
//! - `memory`, `desired`, `passwords`, `step`: what a run remembers, what is wanted, what can be done;
//! - `diagnose`, `volumes`, `ready`, `reach`, `nudge`: judgements of what exists;
//! - `set` and `shards`: how a replicated set and a cluster are rolled and repaired;
//! - `on_disk`, `saving`: how Redis writes what a restart reads, and when it must;
//! - `repair`: problems that no argument expresses;
//! - `next`: what to do now.

pub mod answers;
#[cfg(test)]
mod chance;
pub mod config;
pub mod desired;
pub mod diagnose;
#[cfg(test)]
mod fixture;
pub mod hazards;
pub mod memory;
pub mod names;
pub mod next;
pub mod nudge;
pub mod object;
pub mod objects;
pub mod on_disk;
pub mod opstree;
pub mod password;
pub mod passwords;
pub mod picture;
pub mod quantity;
pub mod reach;
pub mod ready;
pub mod repair;
pub mod running;
pub mod saving;
pub mod set;
pub mod shards;
pub mod step;
pub mod talk;
pub mod topology;
pub mod version;
pub mod volumes;
pub mod waiting;
