//! `ROLE`: the shortest answer to what a server is.

use super::{Address, Reply, Unexpected};

const ROLE: &str = "ROLE";

/// What a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes writes.
    Master {
        /// Its offset in its history.
        offset: i64,
        /// Its replicas, and the offset that each has acknowledged.
        replicas: Vec<(Address, i64)>,
    },
    /// Follows a master.
    Replica {
        /// The address of its master.
        master: Address,
        /// `connect`, `connecting`, `sync` or `connected`.
        state: String,
        /// Its offset; -1 before its first synchronisation.
        offset: i64,
    },
    /// Watches masters.
    Sentinel {
        /// The names of their groups.
        groups: Vec<String>,
    },
}

impl Role {
    /// Whether it takes writes.
    pub fn is_master(&self) -> bool {
        matches!(self, Role::Master { .. })
    }
}

/// Reads `ROLE`.
///
/// # Errors
/// Anything but that.
pub fn role(reply: &Reply) -> Result<Role, Unexpected> {
    let wrong = || Unexpected::new(ROLE, "is of a shape that is not known");
    let items = list(reply).ok_or_else(wrong)?;
    let name = items.first().and_then(Reply::text).ok_or_else(wrong)?;
    let role = match (name.as_str(), items) {
        ("master", [_, offset, replicas]) => list(replicas).and_then(|replicas| {
            let replicas = replicas.iter().map(|replica| match list(replica)? {
                [host, port, offset] => Some((address(host, port)?, number(offset)?)),
                _ => None,
            });
            Some(Role::Master { offset: number(offset)?, replicas: replicas.collect::<Option<_>>()? })
        }),
        ("slave", [_, host, port, state, offset]) => address(host, port)
            .and_then(|master| Some(Role::Replica { master, state: state.text()?, offset: number(offset)? })),
        ("sentinel", [_, groups]) => list(groups).and_then(|groups| {
            Some(Role::Sentinel { groups: groups.iter().map(Reply::text).collect::<Option<_>>()? })
        }),
        _ => None,
    };
    role.ok_or_else(wrong)
}

pub(super) fn list(reply: &Reply) -> Option<&[Reply]> {
    match reply {
        Reply::List(items) => Some(items),
        _ => None,
    }
}

/// A number, as a number or as text.
fn number(reply: &Reply) -> Option<i64> {
    reply.text()?.parse().ok()
}

pub(super) fn address(host: &Reply, port: &Reply) -> Option<Address> {
    Some(Address { host: host.text()?, port: port.text()?.parse().ok()? })
}
