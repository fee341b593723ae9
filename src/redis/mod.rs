//! What a running Redis is and needs: pure functions, no Terraform words, no cluster access, no `async`.
//!
//! `topology` says what an instance is made of, `names` and `version` say what things are called, `config` renders redis.conf, `quantity` compares
//! sizes, `object` reads Kubernetes objects, `next` decides what to do now, `ready` and `diagnose` judge
//! what is observed. `talk` is the language of Redis and Sentinel.

pub mod config;
pub mod diagnose;
#[cfg(test)]
mod fixture;
pub mod hazards;
pub mod names;
pub mod next;
pub mod object;
pub mod opstree;
pub mod quantity;
pub mod ready;
pub mod talk;
pub mod topology;
pub mod version;
