//! Everything that a plan must report before anything is done: guards, warnings, repairs. Pure: what the cluster was asked
//! is an input.

mod replacing;
mod restarts;
mod settings;
mod time;
mod topology;

use std::collections::BTreeMap;

use self::replacing::Kept;
use super::InstanceResource;
use super::build::build;
use super::delete::protected;
use super::model::{Instance, ManagedObject};
use super::settle::settle;
use super::state::objects;
use crate::redis::object::at;
use crate::redis::repair::Subject;
use crate::redis::version::Version;
use crate::resources::blocks::ServiceType;
use crate::terraform::attribute::{Attr, Change as Class, as_planned};
use crate::terraform::plan::Changed;
use crate::terraform::resource::PlanChange;
use crate::terraform::{Diagnostic, Maybe, Path, Planned, Severity, Value};

/// In private state, the mark of a protected instance: the second call of a replace has no prior state, and
/// finds the mark that the first call left.
const PROTECTED: &str = "protected";

/// In private state, the volumes that a destroy leaves: a replacement of the same name would find them.
const KEPT: &str = "kept_volumes";

/// In private state, the arguments that guards judge, as the last apply had them. If a plan has the same
/// arguments, the configuration has not changed: somebody has changed the cluster.
const APPLIED: &str = "applied";

/// These arguments.
const GUARDED: [&str; 6] = [
    "version",
    "image.tag",
    "persistence.size",
    "persistence.node_conf_size",
    "replica.count",
    "cluster.num_shards",
];

/// Judges a plan, and completes it. `cannot_grow`: why the cluster does not make the volumes larger.
pub fn plan(change: &mut PlanChange<InstanceResource>, cannot_grow: Option<Diagnostic>) -> Vec<Diagnostic> {
    if let Some(planned) = &mut change.planned
        && is_within_the_cluster(planned)
    {
        planned.external_host = Maybe::Known(None);
    }
    let replaced_and_protected = change.prior.is_none() && change.private.get(PROTECTED) == Some(true);
    let kept: Option<Kept> = change.private.get(KEPT).filter(|_| change.prior.is_none());
    match (&change.prior, &mut change.planned) {
        (Some(prior), None) => {
            return if prior.deletion_protection { vec![protected(prior)] } else { Vec::new() };
        }
        (None, Some(planned)) => {
            if replaced_and_protected {
                return vec![replacing::refused()];
            }
            if let Some(error) = kept.and_then(|kept| kept.in_the_way_of(planned)) {
                return vec![error];
            }
            change.private.set(APPLIED, guarded(planned));
            return unprotected(planned).into_iter().chain(time::too_short(planned)).collect();
        }
        (Some(_), Some(_)) => {}
        (None, None) => return Vec::new(),
    }
    let (Some(prior), Some(planned)) = (&change.prior, &mut change.planned) else { return Vec::new() };
    if prior.deletion_protection {
        change.private.set(PROTECTED, true);
    } else {
        change.private.remove(PROTECTED);
    }
    match Kept::of(prior) {
        Some(kept) => change.private.set(KEPT, kept),
        None => change.private.remove(KEPT),
    }
    if planned.planned_topology().is_some_and(|topology| topology != prior.topology())
        && change.requires_replace.is_empty()
    {
        // The mode is the same, but the kind of custom resource changes.
        change.requires_replace.push(Path::of("replica.count"));
    }
    if !change.requires_replace.is_empty() {
        return replacing::judge(prior, planned, &change.requires_replace);
    }
    let applied: BTreeMap<String, String> = change.private.get(APPLIED).unwrap_or_default();
    let now = guarded(planned);
    let by_somebody = |path: &Path| {
        let path = path.to_string();
        applied.contains_key(&path) && applied.get(&path) == now.get(&path)
    };
    let mut diagnostics: Vec<Diagnostic> = guards(prior, planned, &change.changes)
        .into_iter()
        .chain(cannot_grow)
        .map(
            |found| {
                if found.attribute.as_ref().is_some_and(by_somebody) { left_to_apply(found) } else { found }
            },
        )
        .collect();
    change.private.set(APPLIED, now);
    diagnostics.extend(replacing::perhaps(prior, planned));
    diagnostics.extend(time::too_short(planned).filter(|_| time::is_about(&change.changes)));
    let writes = change.changes.iter().any(|changed| changed.change != Class::ProviderOnly);
    if writes {
        let authentication = Path::of("authentication");
        if change.changes.iter().any(|changed| changed.path.0.first() == authentication.0.first()) {
            planned.auth_secret = Maybe::Unknown;
        }
    } else if !prior.repairs.is_empty() {
        planned.repairs = Maybe::Known(BTreeMap::new());
        planned.status = Maybe::Unknown;
    }
    let by_changes = writes.then(|| restarts::for_changes(prior, planned, &change.changes)).flatten();
    diagnostics.extend(by_changes.or_else(|| restarts::for_repairs(prior)));
    // A Secret that is no longer wanted is not the password.
    let password = prior.auth_secret.as_ref().map(|secret| Subject::Secret(secret.name.clone()));
    if prior.repairs.keys().any(|entry| Some(Subject::of(entry)) == password) {
        planned.auth_secret = Maybe::Unknown;
    }
    // Which fields still stay as they were found depends on what exists at the apply.
    if (writes || !prior.repairs.is_empty()) && !prior.as_found.is_empty() {
        planned.as_found = Maybe::Unknown;
    }
    if writes || !prior.repairs.is_empty() {
        planned.objects = known_objects(prior, planned).map_or(Maybe::Unknown, Maybe::Known);
    }
    diagnostics
}

/// Changes of an existing instance that would block the operator or lose data.
fn guards(prior: &Instance, planned: &Instance<Planned>, changes: &[Changed]) -> Vec<Diagnostic> {
    changes
        .iter()
        .filter(|changed| changed.change == Class::Refused)
        .map(refused)
        .chain(shrinks(prior, planned))
        .chain(downgrades(prior, planned))
        .chain(topology::guards(prior, planned, changes))
        .chain(settings::without_effect(planned, changes))
        .collect()
}

/// Changes that apply must refuse even if a plan let them pass.
pub fn refusals(prior: &Instance, planned: &Instance<Planned>, changes: &[Changed]) -> Vec<Diagnostic> {
    let mut found = guards(prior, planned, changes);
    found.retain(|diagnostic| diagnostic.severity == Severity::Error);
    found
}

fn guarded(planned: &Instance<Planned>) -> BTreeMap<String, String> {
    let planned = Instance::write::<Planned>(planned);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    GUARDED
        .into_iter()
        .filter_map(|path| Some((path.to_owned(), text(planned.at(&path.split('.').collect::<Vec<_>>()))?)))
        .collect()
}

/// A destroy begins with a plan like any other, and an error would stop it. An instance that has drifted may
/// be destroyed.
fn left_to_apply(found: Diagnostic) -> Diagnostic {
    if found.severity == Severity::Warning {
        return found;
    }
    let detail = format!(
        "{} The configuration did not change: somebody has changed the cluster. An apply will refuse this \
         change; a destroy is still possible.",
        found.detail
    );
    Diagnostic { severity: Severity::Warning, detail, ..found }
}

fn is_within_the_cluster(planned: &Instance<Planned>) -> bool {
    let service = planned.service.known().and_then(|service| service.r#type.known());
    // A Service that leads out of the cluster may also be in the custom_spec of a cluster.
    let custom = planned.custom_spec.known().and_then(|custom| custom.cluster.known());
    let has_other_service = custom.is_none_or(|custom| {
        custom.as_ref().is_some_and(|spec| !at(&spec.object, &["kubernetesConfig", "service"]).is_null())
    });
    service == Some(&ServiceType::ClusterIp) && !has_other_service
}

/// The objects that the provider will manage, if they are known before apply: one that pods of the old revision start
/// with stays as long as they do.
fn known_objects(
    prior: &Instance,
    planned: &Instance<Planned>,
) -> Option<Vec<Maybe<ManagedObject<Planned>>>> {
    planned.auth_secret.known()?;
    let instance = settle(planned, Some(prior)).ok()?;
    let desired = build(&instance, false, instance.wait.enabled);
    let objects = objects(&desired);
    let may_stay = desired.may_leave_old_pods() && prior.objects.iter().any(|one| !objects.contains(one));
    as_planned::<Vec<ManagedObject>>(&objects).filter(|_| !may_stay)
}

fn unprotected(planned: &Instance<Planned>) -> Option<Diagnostic> {
    let enabled = *planned.authentication.known()?.enabled.known()?;
    (!enabled).then(|| {
        Diagnostic::warning(
            "Redis will have no password",
            "Anybody who can reach the Service of the instance can read and write everything. Set \
             authentication.enabled = true, or restrict access with network_policy.",
        )
        .at(Path::of("authentication.enabled"))
    })
}

fn refused(changed: &Changed) -> Diagnostic {
    Diagnostic::error(
        format!("{} cannot change on an existing instance", changed.path),
        "The operator does not change existing volumes and StatefulSets. It would fail on this change again \
         and again, and block every other change. Undo the change, or create a new instance with the new \
         value, move the data there, and destroy this instance.",
    )
    .at(changed.path.clone())
}

fn shrinks(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let persistence = planned.persistence.known()?;
    let size = persistence.size.known()?;
    let before = &prior.persistence.size;
    let may_not_have_grown = prior.repairs.contains_key(&Subject::Rollout.to_string());
    (prior.persistence.enabled && size < before).then(|| {
        if may_not_have_grown {
            return Diagnostic::warning(
                format!("Volumes go back from {before} to {size} only if none of them has grown"),
                format!(
                    "The last change was not rolled out. The apply looks at the volume claims, and refuses if any of \
                     them requests more than {size}."
                ),
            )
            .at(Path::of("persistence.size"));
        }
        Diagnostic::error(
            format!("Volumes cannot shrink from {before} to {size}"),
            format!(
                "Kubernetes does not shrink volumes. The operator would retry forever and block every other \
                 change. Set persistence.size to {before} or more, or create a new instance and move the \
                 data there."
            ),
        )
        .at(Path::of("persistence.size"))
    })
}

fn downgrades(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    // A tag may belong to another version than `version`.
    let of = |tag: &str, version: Version| Version::of_tag(tag).unwrap_or(version);
    let before = of(&prior.image.tag, prior.version.0);
    let after = of(planned.image.known()?.tag.known()?, planned.version.known()?.0);
    let blamed = if planned.version.known()?.0 < prior.version.0 { "version" } else { "image.tag" };
    // The way back from a tag that does not exist, or does not start.
    let may_never_have_run =
        after.major == before.major && prior.repairs.contains_key(&Subject::Rollout.to_string());
    (after < before).then(|| {
        if may_never_have_run {
            return Diagnostic::warning(
                format!("Redis goes back from {before} to {after} only if {before} has not run yet"),
                format!(
                    "The last change was not rolled out. A pod in which Redis {before} has run already has written files \
                     that Redis {after} cannot read: it would not start."
                ),
            )
            .at(Path::of(blamed));
        }
        Diagnostic::error(
            format!("Redis cannot be downgraded from {before} to {after}"),
            format!(
                "Redis {after} cannot read the files of Redis {before}, nor copy from it: it would not start, or it \
                 would start empty. Create a new instance with the older version and copy the keys."
            ),
        )
        .at(Path::of(blamed))
    })
}

#[cfg(test)]
mod tests {
    use super::super::addresses::Addresses;
    use super::super::import::with_defaults;
    use super::*;
    use crate::redis::quantity::Quantity;
    use crate::redis::topology::Topology;
    use crate::resources::blocks::UpdateType;
    use crate::terraform::private::Private;
    use crate::terraform::{Known, plan};

    fn instance() -> Instance {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        with_defaults(&Addresses::new(namespace, name, Topology::Standalone)).unwrap()
    }

    fn sized(size: &str) -> Instance {
        let mut instance = instance();
        instance.persistence.size = Quantity::parse(size).unwrap();
        instance
    }

    /// What a plan says of going from one to the other; `private` is as the last apply left it.
    fn judged(prior: &Instance, planned: Instance<Planned>, private: Private) -> (Vec<Diagnostic>, Private) {
        judged_with(prior, planned, private, None)
    }

    fn judged_with(
        prior: &Instance,
        planned: Instance<Planned>,
        private: Private,
        cannot_grow: Option<Diagnostic>,
    ) -> (Vec<Diagnostic>, Private) {
        let attributes = super::super::schema::schema().attributes;
        let values = (Instance::write::<Known>(prior), Instance::write::<Planned>(&planned));
        let changes = plan::changes(&attributes, &values.0, &values.1);
        let mut change = PlanChange::<InstanceResource> {
            prior: Some(prior.clone()),
            planned: Some(planned),
            changes,
            requires_replace: Vec::new(),
            private,
        };
        (super::plan(&mut change, cannot_grow), change.private)
    }

    #[test]
    fn what_somebody_else_changed_stops_no_destroy() {
        let severities =
            |found: &[Diagnostic]| -> Vec<Severity> { found.iter().map(|one| one.severity).collect() };
        let planned = |size: &str| as_planned::<Instance>(&sized(size)).unwrap();
        let (_, applied) = judged(&sized("1Gi"), planned("1Gi"), Private::default());
        let (by_somebody, _) = judged(&sized("2Gi"), planned("1Gi"), applied.clone());
        assert_eq!(severities(&by_somebody), [Severity::Warning], "{by_somebody:?}");
        let (by_the_user, _) = judged(&sized("2Gi"), planned("512Mi"), applied);
        assert_eq!(severities(&by_the_user), [Severity::Error], "{by_the_user:?}");
        let (by_anybody, _) = judged(&sized("2Gi"), planned("1Gi"), Private::default());
        assert_eq!(severities(&by_anybody), [Severity::Error], "{by_anybody:?}");
        // Whoever it was, apply does not do it.
        assert_eq!(severities(&refusals(&sized("2Gi"), &planned("1Gi"), &[])), [Severity::Error]);
    }

    #[test]
    fn volumes_that_cannot_grow_are_refused_and_stop_no_destroy() {
        let planned = |size: &str| as_planned::<Instance>(&sized(size)).unwrap();
        let (_, applied) = judged(&sized("2Gi"), planned("2Gi"), Private::default());
        let told = |size: &str| {
            let cannot_grow = Diagnostic::error("No", "The class.").at(Path::of("persistence.size"));
            let (found, _) = judged_with(&sized("1Gi"), planned(size), applied.clone(), Some(cannot_grow));
            found.iter().map(|one| one.severity).collect::<Vec<_>>()
        };
        assert_eq!(told("3Gi"), [Severity::Error]);
        assert_eq!(told("2Gi"), [Severity::Warning], "somebody has changed the cluster");
    }

    #[test]
    fn the_objects_are_open_while_old_pods_may_need_one_that_goes() {
        let mut prior = instance();
        prior.objects = objects(&build(&prior, false, true));
        let is_known = |edit: fn(&mut Instance)| {
            let mut after = prior.clone();
            edit(&mut after);
            known_objects(&prior, &as_planned::<Instance>(&after).unwrap()).is_some()
        };
        let reconfigure = |instance: &mut Instance| {
            instance.additional_config.insert("timeout".to_owned(), "1".to_owned());
        };
        assert!(is_known(reconfigure), "all pods are replaced before the apply ends");
        assert!(is_known(|after| after.wait.enabled = false), "nothing goes");
        assert!(!is_known(|after| {
            after.additional_config.insert("timeout".to_owned(), "1".to_owned());
            after.wait.enabled = false;
        }));
        assert!(!is_known(|after| {
            after.additional_config.insert("timeout".to_owned(), "1".to_owned());
            after.update_strategy.r#type = Some(UpdateType::OnDelete);
        }));
    }

    #[test]
    fn an_unknown_number_of_replicas_may_come_to_another_kind() {
        let mut planned = as_planned::<Instance>(&instance()).unwrap();
        if let Maybe::Known(replica) = &mut planned.replica {
            replica.count = Maybe::Unknown;
        }
        let (found, _) = judged(&instance(), planned, Private::default());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].summary.contains("not known yet"), "{found:?}");
    }
}
