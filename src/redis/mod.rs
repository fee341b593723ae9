//! What a running Redis is and needs: pure functions, no Terraform words, no cluster access, no `async`.
//!
//! `topology` says what an instance is made of, `names` and `version` say what things are called, `config` renders
//! redis.conf, `quantity` compares sizes, `object` reads Kubernetes objects, `password` says where passwords are. `next`
//! decides what to do now, `rollout` how a replicated set is rolled or healed, `shards` whether the nodes of a cluster agree;
//! `ready`, `reach` and `diagnose` judge what is observed, `hazards` what is wanted. `talk` is the language of Redis and
//! Sentinel.

pub mod config;
pub mod diagnose;
#[cfg(test)]
mod fixture;
pub mod hazards;
pub mod names;
pub mod next;
pub mod object;
pub mod opstree;
pub mod password;
pub mod quantity;
pub mod reach;
pub mod ready;
pub mod rollout;
pub mod shards;
pub mod talk;
pub mod topology;
pub mod version;
pub mod volumes;
