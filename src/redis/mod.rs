//! What a running Redis is and needs: pure functions, no Terraform words, no cluster access, no `async`.
//!
//! From the ground up, each importing only what stands above it in this list (`tests/layering.rs` holds the order):
//!
//! - `quantity`, `version`, `object`, `config`, `names`, `talk`: sizes, versions, Kubernetes objects as JSON, redis.conf,
//!   the names of things, the language of Redis and Sentinel;
//! - `opstree`, `topology`, `password`, `hazards`: what the operator's kinds are, which shapes they make, where passwords
//!   are, and which specs the operator cannot bear;
//! - `waiting`, `running`, `answers`, `objects`, `picture`: causes, and what is there;
//! - `memory`, `desired`, `passwords`, `step`: what a run remembers, what is wanted, what can be done;
//! - `diagnose`, `volumes`, `ready`, `reach`, `nudge`: judgements of what is there;
//! - `set` and `shards`: how a replicated set and a cluster are rolled and mended;
//! - `repair`: what is wrong and no argument expresses;
//! - `next`: what to do now.

pub mod answers;
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
pub mod opstree;
pub mod password;
pub mod passwords;
pub mod picture;
pub mod quantity;
pub mod reach;
pub mod ready;
pub mod repair;
pub mod running;
pub mod set;
pub mod shards;
pub mod step;
pub mod talk;
pub mod topology;
pub mod version;
pub mod volumes;
pub mod waiting;
