//! Where Redis keeps its data.

use crate::redis::config::save_points;
use crate::redis::quantity::Quantity;
use crate::resources::types::StorageClass;
use crate::terraform::Value;
use crate::{choice, object};

choice! {
    /// What a create does with volume claims that an earlier instance of the same name has left.
    pub enum ExistingClaims {
        /// Refuse to create the instance.
        Error = "error",
        /// Start with the data of the claims.
        Reuse = "reuse",
    }
}

choice! {
    /// When Redis syncs the append-only file to disk.
    pub enum Fsync {
        /// After every write.
        Always = "always",
        /// Every second.
        EverySecond = "everysec",
        /// When the operating system decides.
        Never = "no",
    }
}

object! {
    /// Where Redis keeps its data.
    pub struct Persistence {
        /// Whether data survives a restart. With `false`, no volume is created. With replicas or shards, `false` also
        /// needs a `custom_spec` for the kind, since a restart can then lose all data.
        enabled: bool = default(true).refused(),
        /// Storage class of each volume. Default: `gp3`; after an import the class of the volumes that exist. `""` is no
        /// class: a claim is then bound only to a volume that somebody has made by hand.
        storage_class: StorageClass = derived(usual_class).kept_while(&["name"]).refused(),
        /// Size of each volume, at least `64Mi`. Volumes grow in place if the storage class allows it, and never
        /// shrink.
        size: Quantity = default("10Gi").check(at_least_64mi),
        /// Size of the volume on which each cluster node keeps `nodes.conf`, its view of the other nodes. Used only
        /// in cluster mode, and only at creation.
        node_conf_size: Quantity = default("1Gi").provider_only(),
        /// Access modes of each volume. Default: `["ReadWriteOnce"]`.
        access_modes: Vec<String> = default(["ReadWriteOnce"]).refused().check(|modes| are_access_modes(modes)),
        /// Snapshots of the whole dataset.
        rdb: Rdb = nested(),
        /// The append-only file: a log of every write.
        aof: Aof = nested(),
        /// Whether to keep the volumes when the instance is destroyed. A later instance of the same name and namespace
        /// finds them again: see `existing_claims`.
        retain_on_delete: bool = default(false),
        /// What a create does if volume claims of an earlier instance of this name exist: `error` refuses to create the
        /// instance; `reuse` starts Redis with the data on them, and from then on they are volumes of this instance,
        /// which a destroy deletes unless `retain_on_delete` is `true`. Used only at creation.
        existing_claims: ExistingClaims = default("error").provider_only(),
    }
}

object! {
    /// Snapshots of the whole dataset.
    pub struct Rdb {
        /// Whether to take snapshots.
        enabled: bool = default(true).rolls(),
        /// Pairs of seconds and changes. `900 1` takes a snapshot after 900 seconds if at least one key changed.
        save_interval: String = default("900 1 300 10 60 10000").rolls().check(|text| save_points(text).map(drop)),
    }
}

object! {
    /// The append-only file.
    pub struct Aof {
        /// Whether to log every write.
        enabled: bool = default(false).rolls(),
        /// When Redis syncs the log to disk: `always`, `everysec` or `no`.
        fsync_policy: Fsync = default("everysec").rolls(),
    }
}

/// Core does not write an empty text into a configuration that it generates, so an import must do without.
fn usual_class(_: &Value) -> Value {
    Value::from("gp3")
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
