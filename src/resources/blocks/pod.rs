//! How pods are placed and what they may do.

use crate::object;

object! {
    /// What the pods run as.
    pub struct SecurityContext {
        /// Refuse to run as root.
        run_as_non_root: Option<bool> = optional().rolls(),
        /// User ID of the containers; the image's own where it is not set.
        run_as_user: Option<i64> = optional().rolls().check(is_id),
        /// Group that owns the volumes.
        fs_group: i64 = default(1000).rolls().check(|id| is_id(&Some(*id))),
    }
}

object! {
    /// A taint that the pods tolerate.
    pub struct Toleration {
        /// Key of the taint; all keys where it is not set.
        key: Option<String> = optional(),
        /// `Equal` or `Exists`.
        operator: Option<String> = optional().check(|operator| one_of(operator, &["Equal", "Exists"])),
        /// Value of the taint.
        value: Option<String> = optional(),
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; all effects where it is not set.
        effect: Option<String> = optional().check(|effect| one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"])),
        /// Seconds for which a `NoExecute` taint is tolerated; for ever where it is not set.
        toleration_seconds: Option<i64> = optional(),
    }
}

fn is_id(id: &Option<i64>) -> Result<(), String> {
    match id {
        Some(id) if *id < 0 => Err(format!("expected an ID of 0 or more, got {id}")),
        _ => Ok(()),
    }
}

fn one_of(word: &Option<String>, accepted: &[&str]) -> Result<(), String> {
    match word {
        Some(word) if !accepted.contains(&word.as_str()) => {
            Err(format!("expected one of {}, got {word:?}", accepted.join(", ")))
        }
        _ => Ok(()),
    }
}
