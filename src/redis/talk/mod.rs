//! The protocol of Redis and Sentinel, without a connection: commands into bytes, bytes into replies, replies
//! into types.
//!
//! `command → resp → bytes … bytes → resp → Reply → info | role | sentinel | cluster`. Redis 6.2 to 7.2 wrap
//! the same contents differently: `INFO` is a bulk or a verbatim string, a Sentinel's table a flat list or a
//! map. [`Reply`] keeps the wrapping, the parsers look through it.
//!
//! The protocol is implemented here because it is small: the well-known client crate brings thirty crates
//! with it, most of them to read URLs that we do not have, and hides why a connection broke.

mod acl;
mod client;
mod cluster;
mod command;
mod csv;
mod info;
mod resp;
mod role;
mod sentinel;

use std::collections::BTreeMap;
use std::fmt;

pub use acl::accepted_passwords;
pub use client::{applications, has_sentinel};
pub use cluster::{ClusterInfo, Link, Node, SlotRange, cluster_info, cluster_nodes};
pub use command::Command;
pub use csv::csv_line;
pub use info::{
    Attached, Former, Holding, Info, MasterLink, Persistence, Replication, directive, holding, persistence,
    replication,
};
pub use resp::{Malformed, Reply, decode};
pub use role::{Role, role};
pub use sentinel::{
    Flags, Master, Peer, Quorum, Replica, master, master_address, masters, quorum, replicas, sentinels,
};

/// The user of all logins.
pub const USER: &str = "default";

/// Where something listens: an IP address or a host name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// IP address or host name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

/// A reply that the command is not known to give. Quotes no value, because a value may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {command} {problem}")]
pub struct Unexpected {
    /// The command, such as `INFO replication`.
    pub command: &'static str,
    /// What is wrong with its answer.
    pub problem: String,
}

impl Unexpected {
    fn new(command: &'static str, problem: impl Into<String>) -> Unexpected {
        Unexpected { command, problem: problem.into() }
    }
}

/// A table of names and values, with the name of the command for errors.
struct Fields {
    command: &'static str,
    values: BTreeMap<String, String>,
}

impl Fields {
    /// Reads a table that is a map, or a list of alternating names and values.
    fn of(command: &'static str, reply: &Reply) -> Result<Fields, Unexpected> {
        let text = |reply: &Reply| {
            reply.text().ok_or_else(|| Unexpected::new(command, "has a field that is not text"))
        };
        let values: Result<_, Unexpected> = match reply {
            Reply::Map(pairs) => pairs.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect(),
            Reply::List(items) => items
                .chunks(2)
                .map(|pair| match pair {
                    [name, value] => Ok((text(name)?, text(value)?)),
                    _ => Err(Unexpected::new(command, "has a name without a value")),
                })
                .collect(),
            other => Err(Unexpected::new(command, format!("is {}, not a table", other.kind()))),
        };
        Ok(Fields { command, values: values? })
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn text(&self, name: &str) -> Result<&str, Unexpected> {
        self.optional(name).ok_or_else(|| Unexpected::new(self.command, format!("has no field {name}")))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Unexpected> {
        let text = self.text(name)?;
        text.parse().map_err(|_| Unexpected::new(self.command, format!("has no number in its field {name}")))
    }

    /// A number that older versions, or other states, do not report.
    fn optional_number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Unexpected> {
        self.optional(name).map(|_| self.number(name)).transpose()
    }

    fn address(&self, host: &str, port: &str) -> Result<Address, Unexpected> {
        Ok(Address { host: self.text(host)?.to_owned(), port: self.number(port)? })
    }
}

#[cfg(test)]
mod tests;
