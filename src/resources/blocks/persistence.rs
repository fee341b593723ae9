//! Where Redis keeps its data.

use crate::redis::config::save_points;
use crate::redis::quantity::Quantity;
use crate::resources::types::ObjectName;
use crate::{choice, object};

choice! {
    /// When the append-only file is forced to disk.
    pub enum Fsync {
        /// After every write.
        Always = "always",
        /// Every second.
        EverySecond = "everysec",
        /// When the operating system likes.
        Never = "no",
    }
}

object! {
    /// Where Redis keeps its data.
    pub struct Persistence {
        /// Whether data survives a restart. `false` makes no volume at all; with replicas or shards it also needs a
        /// `custom_spec` for the kind, since a restart can then lose everything.
        enabled: bool = default(true).refused(),
        /// Storage class of each volume.
        storage_class: ObjectName = default("gp3").refused(),
        /// Size of each volume, at least `64Mi`. Grows in place where the storage class allows it; never shrinks.
        size: Quantity = default("10Gi").check(at_least_64mi),
        /// Size of the volume on which each node of a cluster keeps what it knows of the others (`nodes.conf`). Only in
        /// cluster mode, and only at creation.
        node_conf_size: Quantity = default("1Gi").provider_only(),
        /// Access modes of each volume. Default: `["ReadWriteOnce"]`.
        access_modes: Vec<String> = default(["ReadWriteOnce"]).refused().check(|modes| are_access_modes(modes)),
        /// Snapshots of the whole dataset.
        rdb: Rdb = nested(),
        /// The append-only file: a log of every write.
        aof: Aof = nested(),
        /// Keep the volumes when the instance is destroyed.
        retain_on_delete: bool = default(false),
    }
}

object! {
    /// Snapshots of the whole dataset.
    pub struct Rdb {
        /// Whether snapshots are made.
        enabled: bool = default(true).rolls(),
        /// Pairs of seconds and changes: `900 1` means a snapshot after 900 seconds if at least one key changed.
        save_interval: String = default("900 1 300 10 60 10000").rolls().check(|text| save_points(text).map(drop)),
    }
}

object! {
    /// The append-only file.
    pub struct Aof {
        /// Whether every write is logged.
        enabled: bool = default(false).rolls(),
        /// When the log is forced to disk: `always`, `everysec` or `no`.
        fsync_policy: Fsync = default("everysec").rolls(),
    }
}

fn at_least_64mi(size: &Quantity) -> Result<(), String> {
    if size.units() >= 64 << 20 {
        Ok(())
    } else {
        Err(format!("expected a size of at least 64Mi, got {size}"))
    }
}

const ACCESS_MODES: [&str; 3] = ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"];

fn are_access_modes(modes: &[String]) -> Result<(), String> {
    let expected = || format!("expected one or more of {}", ACCESS_MODES.join(", "));
    match modes.iter().find(|mode| !ACCESS_MODES.contains(&mode.as_str())) {
        Some(other) => Err(format!("{}, got {other:?}", expected())),
        None if modes.is_empty() => Err(expected()),
        None => Ok(()),
    }
}
