//! The answers of Sentinel: the masters that it watches, their replicas, the other sentinels, and whether
//! there are enough of them.

use std::fmt;

use super::role::{address, list};
use super::{Address, Fields, Reply, Unexpected};

/// How a sentinel judges a server: words such as `master`, `s_down`, `disconnected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<String>);

impl Flags {
    /// Reads words with commas between them.
    pub fn of(text: &str) -> Flags {
        Flags(text.split(',').filter(|flag| !flag.is_empty()).map(str::to_owned).collect())
    }

    /// Whether this flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|set| set == flag)
    }

    /// Whether this flag is set and no other: the server is healthy, and nothing is going on.
    pub fn are_only(&self, flag: &str) -> bool {
        self.0 == [flag]
    }

    /// Whether it, or enough sentinels together, cannot reach the server.
    pub fn is_down(&self) -> bool {
        self.has("s_down") || self.has("o_down")
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

/// One of `SENTINEL MASTERS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// The group's name.
    pub name: String,
    /// The address of the master.
    pub address: Address,
    /// Exactly `master` if the master is healthy.
    pub flags: Flags,
    /// The failover that made it the master; among sentinels the highest wins.
    pub config_epoch: u64,
    /// How many replicas the sentinel knows, including dead ones.
    pub replicas: u32,
    /// How many other sentinels it knows, including dead ones.
    pub other_sentinels: u32,
    /// How many sentinels must agree that the master is down.
    pub quorum: u32,
    /// `down-after-milliseconds`.
    pub down_after_milliseconds: u64,
    /// `failover-timeout`, in milliseconds.
    pub failover_timeout: u64,
    /// `parallel-syncs`.
    pub parallel_syncs: u32,
}

/// One of `SENTINEL REPLICAS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where it is.
    pub address: Address,
    /// Exactly `slave` if the replica is healthy.
    pub flags: Flags,
    /// `master-link-status:ok`.
    pub is_linked: bool,
    /// The address of its master; `None` before the sentinel has asked it.
    pub master: Option<Address>,
    /// `slave-priority`: a replica with 0 is never promoted.
    pub priority: i64,
    /// Its offset.
    pub offset: i64,
}

/// One of `SENTINEL SENTINELS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// Its `myid`; empty until it has announced the id.
    pub run_id: String,
    /// Exactly `sentinel` if the sentinel is healthy.
    pub flags: Flags,
}

/// `SENTINEL CKQUORUM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// A failover could be decided on and carried out.
    Reached {
        /// How many sentinels can take part.
        usable: u32,
    },
    /// A failover is not possible, in Sentinel's words.
    Missed(String),
}

/// Reads `SENTINEL MASTER`.
///
/// # Errors
/// Anything but that.
pub fn master(reply: &Reply) -> Result<Master, Unexpected> {
    let fields = Fields::of("SENTINEL MASTER", reply)?;
    Ok(Master {
        name: fields.text("name")?.to_owned(),
        address: fields.address("ip", "port")?,
        flags: Flags::of(fields.text("flags")?),
        config_epoch: fields.number("config-epoch")?,
        replicas: fields.number("num-slaves")?,
        other_sentinels: fields.number("num-other-sentinels")?,
        quorum: fields.number("quorum")?,
        down_after_milliseconds: fields.number("down-after-milliseconds")?,
        failover_timeout: fields.number("failover-timeout")?,
        parallel_syncs: fields.number("parallel-syncs")?,
    })
}

/// Reads `SENTINEL MASTERS`.
///
/// # Errors
/// Anything but that.
pub fn masters(reply: &Reply) -> Result<Vec<Master>, Unexpected> {
    each("SENTINEL MASTERS", reply, master)
}

/// Reads `SENTINEL REPLICAS`.
///
/// # Errors
/// Anything but that.
pub fn replicas(reply: &Reply) -> Result<Vec<Replica>, Unexpected> {
    const REPLICAS: &str = "SENTINEL REPLICAS";
    each(REPLICAS, reply, |reply| {
        let fields = Fields::of(REPLICAS, reply)?;
        Ok(Replica {
            address: fields.address("ip", "port")?,
            flags: Flags::of(fields.text("flags")?),
            is_linked: fields.text("master-link-status")? == "ok",
            // "?" and 0 before the first answer to INFO.
            master: Some(fields.address("master-host", "master-port")?).filter(|master| master.port != 0),
            priority: fields.number("slave-priority")?,
            offset: fields.number("slave-repl-offset")?,
        })
    })
}

/// Reads `SENTINEL SENTINELS`.
///
/// # Errors
/// Anything but that.
pub fn sentinels(reply: &Reply) -> Result<Vec<Peer>, Unexpected> {
    const SENTINELS: &str = "SENTINEL SENTINELS";
    each(SENTINELS, reply, |reply| {
        let fields = Fields::of(SENTINELS, reply)?;
        Ok(Peer {
            address: fields.address("ip", "port")?,
            run_id: fields.text("runid")?.to_owned(),
            flags: Flags::of(fields.text("flags")?),
        })
    })
}

/// Reads `SENTINEL CKQUORUM`, which reports a missing quorum as an error.
///
/// # Errors
/// Anything but that, including any other error.
pub fn quorum(reply: &Reply) -> Result<Quorum, Unexpected> {
    let usable = |line: &str| line.strip_prefix("OK ")?.split(' ').next()?.parse().ok();
    match reply {
        Reply::Line(line) if usable(line).is_some() => {
            Ok(Quorum::Reached { usable: usable(line).unwrap_or_default() })
        }
        Reply::Error(words) if words.starts_with("NOQUORUM") => {
            Ok(Quorum::Missed(words.trim_start_matches("NOQUORUM").trim().to_owned()))
        }
        other => Err(Unexpected::new("SENTINEL CKQUORUM", format!("is {}, not a verdict", other.kind()))),
    }
}

/// Reads `SENTINEL GET-MASTER-ADDR-BY-NAME`; `None`: the sentinel watches no such group.
///
/// # Errors
/// Anything but that.
pub fn master_address(reply: &Reply) -> Result<Option<Address>, Unexpected> {
    let found = match reply {
        Reply::Null => return Ok(None),
        Reply::List(items) => match items.as_slice() {
            [host, port] => address(host, port),
            _ => None,
        },
        _ => None,
    };
    let wrong = || Unexpected::new("SENTINEL GET-MASTER-ADDR-BY-NAME", "is not an address");
    found.map(Some).ok_or_else(wrong)
}

fn each<T>(
    command: &'static str,
    reply: &Reply,
    read: impl Fn(&Reply) -> Result<T, Unexpected>,
) -> Result<Vec<T>, Unexpected> {
    let items =
        list(reply).ok_or_else(|| Unexpected::new(command, format!("is {}, not a list", reply.kind())))?;
    items.iter().map(read).collect()
}
