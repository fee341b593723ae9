//! `INFO`: sections of `name:value` lines.

use super::{Address, Fields, Reply, Unexpected};

const ALL: &str = "INFO";
const REPLICATION: &str = "INFO replication";

/// All lines of an `INFO`; the sections' headings are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info(std::collections::BTreeMap<String, String>);

impl Info {
    /// Reads any `INFO`, and `CLUSTER INFO`, which looks the same.
    ///
    /// # Errors
    /// Anything but text.
    pub fn of(command: &'static str, reply: &Reply) -> Result<Info, Unexpected> {
        let text = match reply {
            Reply::Line(_) | Reply::Bytes(_) => reply.text().unwrap_or_default(),
            other => return Err(Unexpected::new(command, format!("is {}, not text", other.kind()))),
        };
        let pairs =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
        Ok(Info(pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()))
    }

    /// One value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn into_fields(self, command: &'static str) -> Fields {
        Fields { command, values: self.0 }
    }
}

/// `INFO replication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// The link to its master; `None` if it is a master itself.
    pub master: Option<MasterLink>,
    /// The `slaveN` lines: its replicas.
    pub replicas: Vec<Attached>,
    /// `master_replid`: which history its data belongs to. Offsets compare only within one history.
    pub history: String,
    /// `master_replid2`: the previous history, if it knows one.
    pub former: Option<Former>,
    /// Its offset in the history: `master_repl_offset` of a master, `slave_repl_offset` of a replica.
    pub offset: i64,
    /// `master_failover_state`, such as `no-failover` (Redis ≥ 6.2).
    pub failover_state: Option<String>,
}

/// The link of a replica to its master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterLink {
    /// The address of its master, as it knows it.
    pub address: Address,
    /// `master_link_status:up`.
    pub is_up: bool,
    /// Whether the link has been up since the server started, or was a master itself:
    /// `master_link_down_since_seconds` is -1 if not. Such a replica has received nothing since.
    pub was_up: bool,
    /// `master_sync_in_progress:1`: it is loading all of its master's data.
    pub is_syncing: bool,
    /// Seconds since it last heard of its master; `None` while the link is down.
    pub last_io_seconds_ago: Option<u64>,
    /// `slave_priority`: a replica with 0 is never promoted.
    pub priority: Option<i64>,
}

/// One `slaveN` line of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The replica's address.
    pub address: Address,
    /// Such as `online`, `wait_bgsave`, `send_bulk`.
    pub state: String,
    /// The offset that it has acknowledged.
    pub offset: i64,
    /// Seconds since its last acknowledgement.
    pub lag: i64,
}

impl Attached {
    /// Whether it receives all writes.
    pub fn is_online(&self) -> bool {
        self.state == "online"
    }
}

/// The history of a promoted replica before its own, and the offset up to which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// `master_replid2`.
    pub history: String,
    /// `second_repl_offset`.
    pub until: i64,
}

/// How much a server holds, and when it last saved that to disk: the facts that a person needs to choose
/// between two histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Keys of all databases.
    pub keys: u64,
    /// `rdb_last_save_time`, in seconds since 1970.
    pub saved_at: i64,
}

/// Reads `INFO`; the sections keyspace and persistence must be in it.
///
/// # Errors
/// Anything but that.
pub fn holding(reply: &Reply) -> Result<Holding, Unexpected> {
    let info = Info::of(ALL, reply)?;
    let keys = |(name, value): (&String, &String)| {
        let is_database = name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok());
        let counted = value.strip_prefix("keys=")?.split(',').next()?.parse::<u64>().ok()?;
        is_database.then_some(counted)
    };
    let keys = info.0.iter().filter_map(keys).sum();
    Ok(Holding { keys, saved_at: info.into_fields(ALL).number("rdb_last_save_time")? })
}

/// Reads `INFO replication`.
///
/// # Errors
/// Anything but that.
pub fn replication(reply: &Reply) -> Result<Replication, Unexpected> {
    let fields = Info::of(REPLICATION, reply)?.into_fields(REPLICATION);
    let master = match fields.text("role")? {
        "master" => None,
        "slave" => Some(MasterLink {
            address: fields.address("master_host", "master_port")?,
            is_up: fields.text("master_link_status")? == "up",
            was_up: fields.text("master_link_status")? == "up"
                || fields.optional_number("master_link_down_since_seconds")?.is_some_and(is_a_past_link),
            is_syncing: fields.optional("master_sync_in_progress") == Some("1"),
            // -1 while the link is down.
            last_io_seconds_ago: fields
                .optional("master_last_io_seconds_ago")
                .and_then(|seconds| seconds.parse().ok()),
            priority: fields.optional_number("slave_priority")?,
        }),
        other => return Err(Unexpected::new(REPLICATION, format!("has the role {other:?}"))),
    };
    // A replica between two links may report 1 as its own offset, and then knows better where its data ends.
    let own: i64 =
        fields.optional_number("slave_repl_offset")?.filter(|_| master.is_some()).unwrap_or(i64::MIN);
    let offset = own.max(fields.number("master_repl_offset")?);
    let former = fields.optional("master_replid2").filter(|id| id.bytes().any(|byte| byte != b'0'));
    let former = match former {
        Some(id) => Some(Former { history: id.to_owned(), until: fields.number("second_repl_offset")? }),
        None => None,
    };
    let lines = fields.values.iter().filter(|(name, value)| is_replica_line(name, value));
    Ok(Replication {
        replicas: lines.map(|(_, value)| attached(value)).collect::<Result<_, _>>()?,
        history: fields.text("master_replid")?.to_owned(),
        former,
        offset,
        failover_state: fields.optional("master_failover_state").map(str::to_owned),
        master,
    })
}

/// A server that has never had a link counts from -1, or before Redis 6.2 from 1970.
fn is_a_past_link(down_since_seconds: i64) -> bool {
    (0..1_000_000_000).contains(&down_since_seconds)
}

/// `slave0`, but not `slave_priority`.
fn is_replica_line(name: &str, value: &str) -> bool {
    let number = name.strip_prefix("slave").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && value.contains('=')
}

/// `ip=10.244.0.5,port=6379,state=online,offset=14,lag=0`
fn attached(line: &str) -> Result<Attached, Unexpected> {
    let pairs = line.split(',').filter_map(|pair| pair.split_once('='));
    let values = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let fields = Fields { command: REPLICATION, values };
    Ok(Attached {
        address: fields.address("ip", "port")?,
        state: fields.text("state")?.to_owned(),
        offset: fields.number("offset")?,
        lag: fields.number("lag")?,
    })
}

/// `INFO persistence`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persistence {
    /// It is still loading its data from disk, and answers most commands with `LOADING`.
    pub loading: bool,
    /// Seconds until it is done, by its own estimate; only reported while loading.
    pub loading_eta_seconds: Option<i64>,
    /// A snapshot is being written.
    pub saving: bool,
    /// When the last snapshot was complete, in seconds since 1970.
    pub saved_at: i64,
    /// Whether the last snapshot could be written.
    pub last_save_succeeded: bool,
    /// The append-only file is being written anew.
    pub rewriting: bool,
    /// It will be, also because the last try has failed.
    pub rewrite_scheduled: bool,
    /// Whether it could be written the last time.
    pub last_rewrite_succeeded: bool,
    /// Whether there is an append-only file.
    pub append_only: bool,
    /// Whether the last write to it succeeded. If not, Redis refuses writes.
    pub last_append_succeeded: bool,
}

impl Persistence {
    /// Whether the append-only file has everything. Once it is switched on, it is first written in the background, and a
    /// start in between would read a part.
    pub fn has_append_only_file(&self) -> bool {
        self.append_only && !self.rewriting && !self.rewrite_scheduled && self.last_append_succeeded
    }
}

/// Reads `INFO persistence`.
///
/// # Errors
/// Anything but that.
pub fn persistence(reply: &Reply) -> Result<Persistence, Unexpected> {
    const PERSISTENCE: &str = "INFO persistence";
    let fields = Info::of(PERSISTENCE, reply)?.into_fields(PERSISTENCE);
    Ok(Persistence {
        loading: fields.text("loading")? == "1",
        loading_eta_seconds: fields.optional_number("loading_eta_seconds")?,
        saving: fields.text("rdb_bgsave_in_progress")? == "1",
        saved_at: fields.number("rdb_last_save_time")?,
        rewriting: fields.text("aof_rewrite_in_progress")? == "1",
        rewrite_scheduled: fields.text("aof_rewrite_scheduled")? == "1",
        last_rewrite_succeeded: fields.text("aof_last_bgrewrite_status")? == "ok",
        last_save_succeeded: fields.text("rdb_last_bgsave_status")? == "ok",
        append_only: fields.text("aof_enabled")? == "1",
        last_append_succeeded: fields.text("aof_last_write_status")? == "ok",
    })
}

/// Reads `CONFIG GET` of one directive.
///
/// # Errors
/// Anything but one directive and its value.
pub fn directive(reply: &Reply) -> Result<String, Unexpected> {
    const CONFIG: &str = "CONFIG GET";
    let mut values = Fields::of(CONFIG, reply)?.values.into_values();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Unexpected::new(CONFIG, "is not about one directive")),
    }
}
