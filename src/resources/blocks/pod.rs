//! How pods are placed and what they may do.

use crate::object;

object! {
    /// User and group of the pods.
    pub struct SecurityContext {
        /// Whether to refuse to run containers as root.
        run_as_non_root: Option<bool> = optional().rolls(),
        /// User ID of the containers. Default: the user of the image.
        run_as_user: Option<i64> = optional().rolls().check(is_id),
        /// Group that owns the volumes.
        fs_group: i64 = default(1000).rolls().check(|id| is_id(&Some(*id))),
    }
}

object! {
    /// A taint that the pods tolerate.
    pub struct Toleration {
        /// Key of the taint. Default: all keys.
        key: Option<String> = optional(),
        /// `Equal` or `Exists`. Default: `Equal`.
        operator: Option<String> = optional().check(|operator| one_of(operator, &["Equal", "Exists"])),
        /// Value of the taint.
        value: Option<String> = optional(),
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: all effects.
        effect: Option<String> = optional().check(|effect| one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"])),
        /// Seconds for which a `NoExecute` taint is tolerated. Default: forever.
        toleration_seconds: Option<i64> = optional(),
    }
}

object! {
    /// A rule for how pods spread over zones or nodes. It counts the pods of one StatefulSet.
    pub struct Spread {
        /// By how many pods any two domains may differ.
        max_skew: i64 = required(),
        /// Node label whose values are the domains, such as `topology.kubernetes.io/zone`.
        topology_key: String = required(),
        /// `DoNotSchedule` or `ScheduleAnyway`.
        when_unsatisfiable: String = required(),
    }
}

object! {
    /// Timings of a probe. Values that are not set take the defaults of Kubernetes.
    pub struct Probe {
        /// Seconds between the start of the container and the first probe.
        initial_delay_seconds: Option<i64> = optional().rolls().check(is_id),
        /// Seconds between two probes.
        period_seconds: Option<i64> = optional().rolls().check(is_seconds),
        /// Seconds after which an unanswered probe fails.
        timeout_seconds: Option<i64> = optional().rolls().check(is_seconds),
        /// How many probes must fail in a row.
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
