//! Replacements: what becomes of the data, and what would stand in the way of the new instance.

use serde::{Deserialize, Serialize};

use super::super::model::Instance;
use crate::redis::topology::Topology;
use crate::resources::blocks::ExistingClaims;
use crate::terraform::{Diagnostic, Path, Planned};

/// The volumes that stay when an instance is destroyed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    namespace: String,
    name: String,
    is_cluster: bool,
}

impl Kept {
    /// The volumes that a destroy of the instance leaves.
    pub fn of(prior: &Instance) -> Option<Kept> {
        (prior.persistence.enabled && prior.persistence.retain_on_delete).then(|| Kept {
            namespace: prior.namespace.0.clone(),
            name: prior.name.0.clone(),
            is_cluster: prior.topology() == Topology::Cluster,
        })
    }

    /// Why the planned instance cannot be created after the destroy, as far as the plan can know.
    pub fn in_the_way_of(&self, planned: &Instance<Planned>) -> Option<Diagnostic> {
        let refuses = planned.persistence.known()?.existing_claims.known() == Some(&ExistingClaims::Error);
        (refuses && self.would_be_mounted_by(planned)).then(|| kept_volumes(&self.namespace, &self.name))
    }

    fn would_be_mounted_by(&self, planned: &Instance<Planned>) -> bool {
        let has_volumes =
            planned.persistence.known().is_some_and(|persistence| persistence.enabled.known() == Some(&true));
        let topology = if self.is_cluster { Topology::Cluster } else { Topology::Standalone };
        has_volumes
            && planned.namespace.known().is_some_and(|namespace| namespace.0 == self.namespace)
            && planned.name.known().is_some_and(|name| name.0 == self.name)
            && planned.planned_topology().is_some_and(|other| topology.shares_claims(other))
    }
}

/// The consequences of a replacement, or why it is refused.
pub fn judge(prior: &Instance, planned: &Instance<Planned>, paths: &[Path]) -> Vec<Diagnostic> {
    if prior.deletion_protection {
        return vec![refused()];
    }
    let kept = Kept::of(prior);
    if let Some(error) = kept.as_ref().and_then(|kept| kept.in_the_way_of(planned)) {
        return vec![error];
    }
    let (summary, data) = match kept {
        Some(kept) if kept.would_be_mounted_by(planned) => (
            format!("{} will be replaced, and keeps its volumes", prior.id),
            "The old instance is destroyed, its volumes stay (persistence.retain_on_delete), and the new instance \
             starts with the data on them (persistence.existing_claims). Redis is unavailable meanwhile.",
        ),
        Some(_) => (
            format!("{} will be replaced: the new instance starts empty", prior.id),
            "The old instance is destroyed, and its volumes stay (persistence.retain_on_delete), but the new \
             instance does not use them: it starts empty.",
        ),
        None => (
            format!("{} will be replaced: its data is lost", prior.id),
            "The old instance is destroyed with its volumes; the new instance starts empty.",
        ),
    };
    let paths: Vec<String> = paths.iter().map(Path::to_string).collect();
    // Of all replacements, only this one needs an explanation.
    let why = if paths.iter().any(|path| path == "replica.count") {
        ": the operator uses one kind for a single Redis and another kind for a Redis with replicas"
    } else {
        ""
    };
    let detail = format!("A change of {} creates a new instance{why}. {data}", paths.join(", "));
    vec![Diagnostic::warning(summary, detail)]
}

/// Core cannot turn an update into a replacement at apply: it would end with an error of its own, which
/// blames the provider.
pub fn perhaps(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let unknown = planned.deployment_mode.known().is_some() && planned.planned_topology().is_none();
    unknown.then(|| {
        Diagnostic::warning(
            format!("It is not known yet whether {} must be replaced", prior.id),
            "replica.count depends on a value that is known only after apply. A change from 0 to more, or \
             back, needs another kind of custom resource and therefore a new instance. In that case this \
             apply ends with \"Provider produced inconsistent final plan\" before the instance is changed, \
             and the next plan will show the replacement.",
        )
        .at(Path::of("replica.count"))
    })
}

/// The instance is protected.
pub fn refused() -> Diagnostic {
    Diagnostic::error(
        "The instance is protected against replacement",
        "Its deletion_protection is true, and this plan would destroy the instance and its data. Undo the \
         change (or omit -replace), or first apply the configuration with deletion_protection = false.",
    )
    .at(Path::of("deletion_protection"))
}

fn kept_volumes(namespace: &str, name: &str) -> Diagnostic {
    Diagnostic::error(
        format!("{namespace}/{name} would be destroyed and could not be created again"),
        "A destroy keeps its volumes (persistence.retain_on_delete = true), and the new instance of this name would \
         find them. Set persistence.existing_claims = \"reuse\" if the new instance should start with their data. \
         If the data is not needed any more, first apply persistence.retain_on_delete = false. If the instance is \
         only marked as tainted, because its creation did not end well, remove the mark (`terraform untaint` or \
         `tofu untaint`) and apply: the provider goes on with it. To destroy the instance, first undo the change.",
    )
    .at(Path::of("persistence.existing_claims"))
}

#[cfg(test)]
mod tests {
    use super::super::super::addresses::Addresses;
    use super::super::super::import::with_defaults;
    use super::*;
    use crate::terraform::Severity;
    use crate::terraform::attribute::as_planned;

    fn instance(topology: Topology, retain: bool, existing_claims: ExistingClaims) -> Instance {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut instance = with_defaults(&Addresses::new(namespace, name, topology)).unwrap();
        instance.persistence.retain_on_delete = retain;
        instance.persistence.existing_claims = existing_claims;
        instance
    }

    #[test]
    fn what_becomes_of_the_data_is_said() {
        use ExistingClaims::{Error, Reuse};
        let said = |retain, existing_claims, to| {
            let prior = instance(Topology::Standalone, retain, Error);
            let planned = as_planned::<Instance>(&instance(to, retain, existing_claims)).unwrap();
            let found = judge(&prior, &planned, &[Path::of("version")]);
            (found[0].severity, found[0].summary.clone())
        };
        let warning = |text: &str| (Severity::Warning, format!("redis/cache will be replaced{text}"));
        assert_eq!(said(false, Error, Topology::Standalone), warning(": its data is lost"));
        assert_eq!(said(true, Reuse, Topology::Sentinel), warning(", and keeps its volumes"));
        assert_eq!(said(true, Error, Topology::Cluster), warning(": the new instance starts empty"));
        assert_eq!(said(true, Error, Topology::Replication).0, Severity::Error);
    }
}
