//! What a plan says about the pods that will restart.

use super::super::model::Instance;
use super::{settings, topology};
use crate::redis::opstree::restarts_pods;
use crate::redis::repair::Subject;
use crate::redis::topology::Topology;
use crate::terraform::attribute::Change as Class;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

/// The restarts that a change of arguments causes.
pub(super) fn for_changes(
    prior: &Instance,
    planned: &Instance<Planned>,
    changes: &[Changed],
) -> Option<Diagnostic> {
    let announces = topology::announces_other_addresses(prior, planned);
    let elsewhere = settings::are_elsewhere(planned);
    let rolling: Vec<String> = changes
        .iter()
        .filter(|changed| {
            changed.change == Class::Rolls || (announces && changed.path == Path::of("service.type"))
        })
        .filter(|changed| !(elsewhere && settings::is_one(&changed.path)))
        .map(|changed| changed.path.to_string())
        // They follow the values of the master.
        .filter(|path| prior.topology() == Topology::Cluster || !path.starts_with("replica.resources"))
        .collect();
    let what = rolling.join(", ");
    let how = match prior.topology() {
        Topology::Standalone => format!(
            "A change of {what} restarts the pod. A standalone Redis is unavailable during the restart, \
             usually for some seconds. {}",
            after_a_restart(planned)
        ),
        Topology::Sentinel if rolling.iter().all(|path| path.starts_with("sentinel.")) => {
            format!(
                "A change of {what} restarts the sentinels, one after the other. Redis itself continues to \
                 serve."
            )
        }
        _ => format!(
            "A change of {what} restarts all pods, one after the other. Each pod closes its connections when \
             it restarts, so clients must reconnect."
        ),
    };
    if rolling.is_empty() {
        return mark_goes(prior, changes);
    }
    Some(Diagnostic::warning("Redis will restart", how))
}

/// Arguments that the operator does not turn into a StatefulSet.
const NOT_OF_STATEFUL_SETS: [&str; 6] =
    ["network_policy", "pod_disruption_budget", "service", "annotations", "deletion_protection", "timeouts"];

/// `kubectl rollout restart` leaves a mark in the template of the pods. The operator does not know the mark, and takes it
/// away whenever it writes the StatefulSet.
fn mark_goes(prior: &Instance, changes: &[Changed]) -> Option<Diagnostic> {
    let when = prior.status.restarted_at.as_ref()?;
    let writes = |changed: &&Changed| {
        let path = changed.path.to_string();
        let first = path.split('.').next().unwrap_or_default().to_owned();
        changed.change != Class::ProviderOnly && !NOT_OF_STATEFUL_SETS.contains(&first.as_str())
    };
    let paths: Vec<String> = changes.iter().filter(writes).map(|changed| changed.path.to_string()).collect();
    (!paths.is_empty()).then(|| {
        Diagnostic::warning(
            "Redis will restart",
            format!(
                "Somebody has restarted the pods with `kubectl rollout restart` ({when}). With the change of {}, the \
                 operator writes the StatefulSet without the mark of that restart, and all pods restart once more, one \
                 after the other.",
                paths.join(", ")
            ),
        )
    })
}

/// What a single Redis has after a restart, by what the plan puts into force.
fn after_a_restart(planned: &Instance<Planned>) -> &'static str {
    let is_on_disk = || {
        let persistence = planned.persistence.known()?;
        let files = [persistence.rdb.known()?.enabled.known()?, persistence.aof.known()?.enabled.known()?];
        Some(*persistence.enabled.known()? && files.into_iter().any(|is_on| *is_on))
    };
    match is_on_disk() {
        Some(true) => "The provider has Redis write its data to disk first, so the data stays.",
        Some(false) => "Nothing is kept on disk, so all data is lost.",
        None => "The data stays only if persistence.rdb or persistence.aof is enabled.",
    }
}

/// A manual change is in the pods already, and undoing it changes them again.
pub(super) fn for_repairs(prior: &Instance) -> Option<Diagnostic> {
    let (mut repairs, mut is_of_data) = (Vec::new(), false);
    for entry in prior.repairs.keys() {
        match Subject::of(entry) {
            Subject::Data(path) if restarts_pods(&path) => {
                repairs.push(entry.as_str());
                is_of_data = true;
            }
            Subject::Watchers(path) if restarts_pods(&path) => repairs.push(entry.as_str()),
            _ => {}
        }
    }
    let who = match prior.topology() {
        _ if !is_of_data => "the sentinels, one after the other",
        Topology::Standalone => "the pod; a standalone Redis is unavailable during the restart",
        _ => "all pods, one after the other; clients must reconnect",
    };
    (!repairs.is_empty()).then(|| {
        Diagnostic::warning(
            "Redis may restart",
            format!("Somebody has changed {}. Undoing this change may restart {who}.", repairs.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::addresses::Addresses;
    use super::super::super::import::with_defaults;
    use super::*;

    #[test]
    fn a_mark_of_a_restart_goes_with_the_next_change_of_the_stateful_set() {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut prior = with_defaults(&Addresses::new(namespace, name, Topology::Replication)).unwrap();
        let changed = |path: &str| [Changed { path: Path::of(path), change: Class::Live }];
        assert!(mark_goes(&prior, &changed("replica.count")).is_none());
        prior.status.restarted_at = Some("2026-01-02T03:04:05Z".to_owned());
        assert!(mark_goes(&prior, &changed("replica.count")).is_some());
        assert!(mark_goes(&prior, &changed("service.type")).is_none());
    }

    #[test]
    fn what_mending_restarts_is_said() {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let instance = with_defaults(&Addresses::new(namespace, name, Topology::Standalone)).unwrap();
        let said = |repairs: &[&str]| {
            let mut prior = instance.clone();
            prior.repairs =
                repairs.iter().map(|path| ((*path).to_owned(), "is 1, should be 2".to_owned())).collect();
            for_repairs(&prior).map(|one| one.detail).unwrap_or_default()
        };
        let quiet = [
            "master",
            "Secret a",
            "RedisSentinel cache",
            "spec.redisLeader.pdb.minAvailable",
            "spec.clusterSize",
        ];
        assert_eq!(said(&quiet), "");
        assert!(
            said(&["master", "spec.affinity.x"])
                .contains("changed spec.affinity.x. Undoing this change may restart the pod")
        );
        assert!(said(&["RedisSentinel spec.kubernetesConfig.image"]).contains("may restart the sentinels"));
    }
}
