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
    (!rolling.is_empty()).then(|| Diagnostic::warning("Redis will restart", how))
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
