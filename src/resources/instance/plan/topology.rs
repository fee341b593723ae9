//! Changes of size and shape that the operator cannot make, or only alone.

use super::super::model::Instance;
use crate::redis::topology::Topology;
use crate::resources::blocks::ServiceType;
use crate::terraform::attribute::Change as Class;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

pub(super) fn guards(prior: &Instance, planned: &Instance<Planned>, changes: &[Changed]) -> Vec<Diagnostic> {
    [
        without_its_master(prior, planned),
        fewer_shards_and_more(prior, planned, changes),
        other_addresses(prior, planned),
        other_volumes_for_nodes(prior, changes),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The StatefulSet gives its highest pods up, whoever is the master. A guarded change hands over first.
fn without_its_master(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let is_guarded = *planned.update_strategy.known()?.guarded.known()?
        && planned.wait.known()?.enabled.known() == Some(&true);
    let replicas = (*planned.replica.known()?.count.known()?)?;
    let master = prior.status.master_node.as_deref()?;
    let ordinal: i64 = master.rsplit('-').next()?.parse().ok()?;
    if is_guarded
        || ordinal <= replicas
        || !matches!(prior.topology(), Topology::Replication | Topology::Sentinel)
    {
        return None;
    }
    let path = Path::of("replica.count");
    Some(match prior.topology() {
        Topology::Sentinel => Diagnostic::warning(
            format!("The master, {master}, is one of the pods that go"),
            "The sentinels notice that after sentinel.down_after_milliseconds and promote a replica: writes fail until then, \
             and what was not copied yet is lost. With update_strategy.guarded and wait.enabled the master hands over first.",
        )
        .at(path),
        _ => Diagnostic::error(
            format!("The master, {master}, would be one of the pods that go"),
            format!(
                "The StatefulSet gives its highest pods up, and without sentinels nobody promotes a replica: the set would \
                 be left without a master. Set update_strategy.guarded and wait.enabled to true, and the master hands over \
                 first; or set replica.count to {ordinal} or more."
            ),
        )
        .at(path),
    })
}

fn fewer_shards_and_more(
    prior: &Instance,
    planned: &Instance<Planned>,
    changes: &[Changed],
) -> Option<Diagnostic> {
    let before = prior.cluster.as_ref()?.num_shards;
    let after = *planned.cluster.known()?.as_ref()?.num_shards.known()?;
    let shards = Path::of("cluster.num_shards");
    let other = changes.iter().find(|changed| changed.path != shards && changed.change == Class::Rolls)?;
    (after < before).then(|| {
        Diagnostic::error(
            "Shards cannot be removed while pods restart",
            format!(
                "The operator puts off the removal until all pods are Ready again, and then may not find the nodes it \
                 wants to remove. First apply the change of {}, then that of cluster.num_shards.",
                other.path
            ),
        )
        .at(shards)
    })
}

fn other_addresses(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let before = prior.cluster.as_ref()?.version_mode;
    let after = *planned.cluster.known()?.as_ref()?.version_mode.known()?;
    (before != after).then(|| {
        Diagnostic::warning(
            format!("Cluster nodes will be known in another way: {} instead of {}", after.word(), before.word()),
            "Until all pods have restarted, some nodes announce host names and others addresses. Clients that follow \
             redirections by host name may lose some of them for that time.",
        )
        .at(Path::of("cluster.version_mode"))
    })
}

/// Only of a cluster: in other modes there is no such volume, and the argument has no effect.
fn other_volumes_for_nodes(prior: &Instance, changes: &[Changed]) -> Option<Diagnostic> {
    let path = Path::of("persistence.node_conf_size");
    let change = changes.iter().find(|changed| changed.path == path)?;
    (prior.topology() == Topology::Cluster && prior.persistence.enabled).then(|| super::refused(change))
}

/// Behind a port of the node, cluster nodes announce that of the node instead of their own: the operator tells them by
/// an environment variable, and so restarts them.
pub(super) fn announces_other_addresses(prior: &Instance, planned: &Instance<Planned>) -> bool {
    let of_node = |r#type: &ServiceType| *r#type == ServiceType::NodePort;
    let after = planned.service.known().and_then(|service| service.r#type.known()).map(of_node);
    prior.topology() == Topology::Cluster
        && after.is_some_and(|after| after != of_node(&prior.service.r#type))
}
