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
        /// `Equal` or `Exists`; `Equal` where it is not set.
        operator: Option<String> = optional().check(|operator| one_of(operator, &["Equal", "Exists"])),
        /// Value of the taint.
        value: Option<String> = optional(),
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; all effects where it is not set.
        effect: Option<String> = optional().check(|effect| one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"])),
        /// Seconds for which a `NoExecute` taint is tolerated; for ever where it is not set.
        toleration_seconds: Option<i64> = optional(),
    }
}

object! {
    /// A rule for how pods spread over zones or nodes. It counts the pods of the same StatefulSet.
    pub struct Spread {
        /// By how many pods any two domains may differ.
        max_skew: i64 = required(),
        /// Label of nodes whose values are the domains, such as `topology.kubernetes.io/zone`.
        topology_key: String = required(),
        /// `DoNotSchedule` or `ScheduleAnyway`.
        when_unsatisfiable: String = required(),
    }
}

object! {
    /// When the node asks a container how it is. What is not set is as Kubernetes has it.
    pub struct Probe {
        /// Seconds after the start of the container before it is asked first.
        initial_delay_seconds: Option<i64> = optional().rolls().check(is_id),
        /// Seconds between two questions.
        period_seconds: Option<i64> = optional().rolls().check(is_seconds),
        /// Seconds within which it must answer.
        timeout_seconds: Option<i64> = optional().rolls().check(is_seconds),
        /// How many failures in a row it takes.
        failure_threshold: Option<i64> = optional().rolls().check(is_seconds),
    }
}

fn is_seconds(number: &Option<i64>) -> Result<(), String> {
    match number {
        Some(number) if *number < 1 => Err(format!("expected 1 or more, got {number}")),
        _ => Ok(()),
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
