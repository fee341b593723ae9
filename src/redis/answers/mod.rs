//! Answers of Redis, the sentinels and the nodes of a cluster, as plain data. `set` and `shards` judge them.

pub mod set;
pub mod shards;

use serde_json::Value as Json;

use self::set::Set;
use self::shards::Shards;
use super::password::PasswordAt;

/// All questions and their answers. Every change discards the answers, because they may be old.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Whether every endpoint is as it should be; `None`: not asked. `Err` says which endpoint is not.
    pub reached: Option<Result<(), String>>,
    /// Answers of the pods of a replicated set, and answers of the pods of a cluster about passwords; `None`:
    /// not asked.
    pub set: Option<Set>,
    /// The wanted password, if its Secret does not exist: without the password no pod can be asked, and no
    /// pod can start.
    pub missing_password: Option<PasswordAt>,
    /// Answers of the nodes of a cluster; `None`: not asked. `Err`: the nodes cannot be asked.
    pub shards: Option<Result<Shards, String>>,
    /// The volume claims of an earlier instance that nobody deletes; `None`: not asked.
    pub kept_claims: Option<Vec<Json>>,
    /// The address of the master that each sentinel names, by pod. A refresh asks sentinels nothing else.
    pub named_masters: Vec<(String, String)>,
}
