//! What a node of a Redis Cluster knows about its cluster: `CLUSTER INFO` and `CLUSTER NODES`.

use super::{Address, Info, Reply, Unexpected};

const NODES: &str = "CLUSTER NODES";

/// `CLUSTER INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `cluster_state:ok`: this node would serve.
    pub is_ok: bool,
    /// How many of 16,384 slots have an owner.
    pub slots_assigned: u32,
    /// How many of these slots have a healthy owner.
    pub slots_ok: u32,
    /// Slots whose owners this node cannot reach.
    pub slots_maybe_failing: u32,
    /// Slots whose owners most masters cannot reach.
    pub slots_failing: u32,
    /// How many nodes it has heard of, including dead ones.
    pub known_nodes: u32,
    /// How many masters have slots.
    pub size: u32,
    /// Highest epoch it has heard of.
    pub current_epoch: u64,
}

/// One line of `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id, 40 letters.
    pub id: String,
    /// Its address; `None` if the address is unknown (`noaddr`), or if the node that was asked does not know
    /// its own.
    pub address: Option<Address>,
    /// Its announced host name (Redis ≥ 7.0).
    pub hostname: Option<String>,
    /// Such as `myself`, `master`, `slave`, `fail`, `fail?`, `handshake`, `noaddr`.
    pub flags: Vec<String>,
    /// The id of its master, if it is a replica.
    pub master: Option<String>,
    /// The configuration epoch that gave it its role.
    pub config_epoch: u64,
    /// The link from the node that was asked.
    pub link: Link,
    /// The slots it owns.
    pub slots: Vec<SlotRange>,
    /// Slots that are being moved to or from it, as `[93-<-id]`; only the node itself reports them.
    pub moving: Vec<String>,
}

/// State of the link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is one.
    Connected,
    /// There is none.
    Disconnected,
}

/// Slots from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Node {
    /// Whether this flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }

    /// Whether it takes writes.
    pub fn is_master(&self) -> bool {
        self.has("master")
    }

    /// Whether the node that was asked, or most masters, cannot reach it.
    pub fn is_down(&self) -> bool {
        self.has("fail") || self.has("fail?")
    }

    /// How many slots it owns.
    pub fn slot_count(&self) -> u32 {
        self.slots.iter().map(|range| u32::from(range.last.saturating_sub(range.first)) + 1).sum()
    }
}

/// Reads `CLUSTER INFO`.
///
/// # Errors
/// Anything but that.
pub fn cluster_info(reply: &Reply) -> Result<ClusterInfo, Unexpected> {
    const INFO: &str = "CLUSTER INFO";
    let fields = Info::of(INFO, reply)?.into_fields(INFO);
    Ok(ClusterInfo {
        is_ok: fields.text("cluster_state")? == "ok",
        slots_assigned: fields.number("cluster_slots_assigned")?,
        slots_ok: fields.number("cluster_slots_ok")?,
        slots_maybe_failing: fields.number("cluster_slots_pfail")?,
        slots_failing: fields.number("cluster_slots_fail")?,
        known_nodes: fields.number("cluster_known_nodes")?,
        size: fields.number("cluster_size")?,
        current_epoch: fields.number("cluster_current_epoch")?,
    })
}

/// Reads `CLUSTER NODES`.
///
/// # Errors
/// Anything but that.
pub fn cluster_nodes(reply: &Reply) -> Result<Vec<Node>, Unexpected> {
    let text = match reply {
        Reply::Line(_) | Reply::Bytes(_) => reply.text().unwrap_or_default(),
        other => return Err(Unexpected::new(NODES, format!("is {}, not text", other.kind()))),
    };
    let wrong = || Unexpected::new(NODES, "has a line of a shape that is not known");
    text.lines().filter(|line| !line.is_empty()).map(|line| node(line).ok_or_else(wrong)).collect()
}

/// `<id> <ip:port@bus-port[,hostname[,name=value]…]> <flags> <master> <ping> <pong> <epoch> <link> [<slot> …]`
fn node(line: &str) -> Option<Node> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let id = words.next()?.to_owned();
    let mut place = words.next()?.split(',');
    let (host, port) = place.next()?.split('@').next()?.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let hostname = place.next().filter(|name| !name.is_empty() && !name.contains('='));
    let flags = words.next()?.split(',').filter(|flag| *flag != "noflags").map(str::to_owned).collect();
    let master = words.next().filter(|master| *master != "-").map(str::to_owned);
    let (_ping, _pong) = (words.next()?, words.next()?);
    let config_epoch = words.next()?.parse().ok()?;
    let link = match words.next()? {
        "connected" => Link::Connected,
        "disconnected" => Link::Disconnected,
        _ => return None,
    };
    let (moving, owned): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('['));
    Some(Node {
        id,
        address: (!host.is_empty() && port != 0).then(|| Address { host: host.to_owned(), port }),
        hostname: hostname.map(str::to_owned),
        flags,
        master,
        config_epoch,
        link,
        slots: owned.into_iter().map(slots).collect::<Option<_>>()?,
        moving: moving.into_iter().map(str::to_owned).collect(),
    })
}

/// `0-5460`, or `5461` alone.
fn slots(word: &str) -> Option<SlotRange> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(SlotRange { first: first.parse().ok()?, last: last.parse().ok()? })
}
