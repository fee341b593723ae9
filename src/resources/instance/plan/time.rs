//! Time that a large Redis needs to load its data at start and to save it at the end, beside the time that Kubernetes
//! gives it. A container that is killed while it loads begins anew, again and again.

use super::super::model::Instance;
use crate::redis::saving::seconds_for;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

/// Seconds until a pod that ends is killed, unless the configuration says otherwise.
const GRACE: i64 = 30;
/// The probe that Kubernetes makes of a probe without timings: seconds between two tries, and tries.
const PERIOD: i64 = 10;
const TRIES: i64 = 3;

/// Arguments that this depends on.
const ABOUT: [&str; 5] =
    ["master", "maxmemory_percent", "persistence", "liveness_probe", "termination_grace_period_seconds"];

/// Whether any change is about the amount of data or the time for it.
pub(super) fn is_about(changes: &[Changed]) -> bool {
    let is_one = |changed: &Changed| {
        let path = changed.path.to_string();
        ABOUT.contains(&path.split('.').next().unwrap_or_default())
    };
    changes.iter().any(is_one)
}

/// What to set, if a Redis that is full would be killed while it loads or saves.
pub(super) fn too_short(planned: &Instance<Planned>) -> Option<Diagnostic> {
    if !*planned.persistence.known()?.enabled.known()? {
        return None;
    }
    let limit = planned.master.known()?.resources.known()?.limits.known()?.memory.known()?;
    let percent = match *planned.maxmemory_percent.known()? {
        0 => 100,
        percent => i128::from(percent),
    };
    let needed = seconds_for(limit.units() * percent / 100);
    let grace = planned.termination_grace_period_seconds.known()?.unwrap_or(GRACE);
    let (delay, period, tries) = match planned.liveness_probe.known()? {
        None => (0, PERIOD, TRIES),
        Some(probe) => (
            probe.initial_delay_seconds.known()?.unwrap_or(0),
            probe.period_seconds.known()?.unwrap_or(PERIOD),
            probe.failure_threshold.known()?.unwrap_or(TRIES),
        ),
    };
    let alive = delay.saturating_add(period.saturating_mul(tries));
    let mut missing = Vec::new();
    if alive < needed {
        let more = needed.saturating_sub(delay) / period.max(1) + 1;
        missing.push(format!("liveness_probe = {{ failure_threshold = {more} }}"));
    }
    if grace < needed {
        missing.push(format!("termination_grace_period_seconds = {needed}"));
    }
    (!missing.is_empty()).then(|| {
        Diagnostic::warning(
            "Redis may be killed while it loads or saves its data",
            format!(
                "With a memory limit of {limit}, loading or saving all data may take {needed} seconds (at 64 MiB a \
                 second). The liveness probe restarts a container that has not answered for {alive} seconds, also \
                 while it loads, and then it begins anew; a pod that ends is killed after {grace} seconds. If the \
                 data can grow so large, set {}.",
                missing.join(" and ")
            ),
        )
        .at(Path::of("liveness_probe"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::addresses::Addresses;
    use super::super::super::import::with_defaults;
    use super::*;
    use crate::redis::quantity::Quantity;
    use crate::redis::topology::Topology;
    use crate::resources::blocks::Probe;
    use crate::terraform::attribute::as_planned;

    #[test]
    fn a_large_redis_needs_time() {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut instance = with_defaults(&Addresses::new(namespace, name, Topology::Standalone)).unwrap();
        let said = |instance: &Instance| too_short(&as_planned::<Instance>(instance).unwrap());
        assert_eq!(said(&instance), None, "the default limit");
        instance.master.resources.limits.memory = Quantity::parse("16Gi").unwrap();
        let words = said(&instance).unwrap().detail;
        assert!(words.contains("failure_threshold = 20"), "{words}");
        assert!(words.contains("termination_grace_period_seconds = 192"), "{words}");
        instance.termination_grace_period_seconds = Some(192);
        instance.liveness_probe = Some(Probe {
            initial_delay_seconds: None,
            period_seconds: None,
            timeout_seconds: None,
            failure_threshold: Some(20),
        });
        assert_eq!(said(&instance), None);
        instance.termination_grace_period_seconds = None;
        assert!(said(&instance).is_some());
        instance.persistence.enabled = false;
        assert_eq!(said(&instance), None, "nothing is loaded");
    }
}
