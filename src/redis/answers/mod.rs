//! Answers of Redis, the sentinels and the nodes of a cluster, as plain data. `set` and `shards` judge them.

pub mod set;
pub mod shards;

use self::set::Set;
use self::shards::Shards;
use super::password::PasswordAt;

/// What was asked, and what came of it. Whatever happens makes the answers old: they are dropped with each change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Whether every endpoint is what it should be; `None`: not asked. `Err` says which is not.
    pub reached: Option<Result<(), String>>,
    /// What the pods of a replicated set say, and those of a cluster about passwords; `None`: not asked.
    pub set: Option<Set>,
    /// The password that is wanted, if it was looked for and is not there: nobody can be asked with it, and no pod started.
    pub missing_password: Option<PasswordAt>,
    /// What the nodes of a cluster say; `None`: not asked. `Err`: they cannot be asked.
    pub shards: Option<Result<Shards, String>>,
    /// The address of the master that each sentinel names, by pod: all that a refresh asks of sentinels.
    pub named_masters: Vec<(String, String)>,
}
