//! `terraform-provider-redis`: Redis on Kubernetes, from Terraform and OpenTofu.
//!
//! One `apply`, followed through every module:
//!
//! 1. Core starts the binary; [`plugin`] shakes hands and serves gRPC. It alone knows prost and tonic.
//! 2. `ApplyResourceChange` arrives: `plugin::service` takes the call, and `plugin::rpc` decodes msgpack into
//!    `terraform::Value`s.
//! 3. [`terraform`] knows what Terraform means by plan, state, unknown and replace; its server has a table of resources,
//!    finds the one that is meant, and calls it.
//! 4. [`resources`] is what users write: the resource turns its model into the objects it wants and
//!    drives one loop, `observe → next → do`.
//! 5. [`redis`] decides, purely: what a running Redis is, what it needs next, when it is ready, what it says.
//! 6. [`kubernetes`] talks to the cluster: server-side apply, shared reads, watches, and the ways into a pod.
//!
//! Dependence: `plugin → terraform ← resources → { redis, kubernetes }`. `provider` sees all. `terraform`,
//! `redis` and `kubernetes` import nothing of ours; `tests/layering.rs` holds that.

pub mod kubernetes;
pub mod plugin;
pub mod provider;
pub mod redis;
pub mod resources;
pub mod terraform;
