//! What a running Redis is and needs: pure functions, no Terraform words, no cluster access, no `async`.
//!
//! `names` and `version` say what things are called, `config` renders redis.conf, `quantity` compares
//! sizes, `object` reads Kubernetes objects, `next` decides what to do now, `ready` and `diagnose` judge
//! what is observed. `talk` is the language of Redis and Sentinel.

pub mod config;
pub mod diagnose;
pub mod names;
pub mod next;
pub mod object;
pub mod opstree;
pub mod quantity;
pub mod ready;
pub mod talk;
pub mod version;
