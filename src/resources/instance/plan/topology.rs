//! Changes of size and shape that the operator cannot make, or can make only alone.

use super::super::model::Instance;
use crate::redis::topology::Topology;
use crate::resources::blocks::ServiceType;
use crate::terraform::attribute::Change as Class;
use crate::terraform::plan::Changed;
use crate::terraform::{Diagnostic, Path, Planned};

pub(super) fn guards(prior: &Instance, planned: &Instance<Planned>, changes: &[Changed]) -> Vec<Diagnostic> {
    [
        without_its_master(prior, planned),
        more_by_the_operator(prior, planned),
        fewer_shards_and_more(prior, planned, changes),
        other_addresses(prior, planned),
        other_volumes_for_nodes(prior, changes),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn is_guarded(planned: &Instance<Planned>) -> Option<bool> {
    let is_guarded = *planned.update_strategy.known()?.guarded.known()?;
    Some(is_guarded && planned.wait.known()?.enabled.known() == Some(&true))
}

/// A new pod starts as a master, and the operator may call it one before it follows.
fn more_by_the_operator(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let replicas = (*planned.replica.known()?.count.known()?)?;
    let grows = matches!(prior.topology(), Topology::Replication | Topology::Sentinel)
        && prior.replica.count.is_some_and(|before| before < replicas);
    (grows && !is_guarded(planned)?).then(|| {
        Diagnostic::warning(
            "Writes may be lost while the operator adds replicas",
            "A new pod starts as a master of its own. If the operator looks at the pod before the pod follows the \
             master, the Service leads to both, and what is written to the new pod is lost. With \
             update_strategy.guarded and wait.enabled each new pod follows before the Service can lead to it.",
        )
        .at(Path::of("replica.count"))
    })
}

/// A StatefulSet removes the pods with the highest ordinals, even if one of them is the master. A guarded
/// change hands over first.
fn without_its_master(prior: &Instance, planned: &Instance<Planned>) -> Option<Diagnostic> {
    let is_guarded = is_guarded(planned)?;
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
            format!("The master, {master}, is one of the pods to be removed"),
            "The sentinels promote a replica after sentinel.down_after_milliseconds. Until then writes fail, \
             and writes that were not copied yet are lost. With update_strategy.guarded and wait.enabled the \
             master hands over first.",
        )
        .at(path),
        _ => Diagnostic::error(
            format!("The master, {master}, would be removed"),
            format!(
                "The StatefulSet removes the pods with the highest ordinals, and without sentinels no \
                 replica is promoted: the set would have no master. Set update_strategy.guarded and \
                 wait.enabled to true, so that the master hands over first, or set replica.count to \
                 {ordinal} or more."
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
                "The operator postpones the removal until all pods are Ready again, and then may not find \
                 the nodes to remove. First apply the change of {}, then the change of cluster.num_shards.",
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
            format!(
                "The nodes of the cluster will announce other addresses: {} instead of {}",
                after.word(),
                before.word()
            ),
            "Until all pods have restarted, some nodes announce host names and others announce addresses. \
             Clients that follow redirections by host name may lose some nodes during that time.",
        )
        .at(Path::of("cluster.version_mode"))
    })
}

/// Only for a cluster: in other modes there is no such volume, and the argument has no effect.
fn other_volumes_for_nodes(prior: &Instance, changes: &[Changed]) -> Option<Diagnostic> {
    let path = Path::of("persistence.node_conf_size");
    let change = changes.iter().find(|changed| changed.path == path)?;
    (prior.topology() == Topology::Cluster && prior.persistence.enabled).then(|| super::refused(change))
}

/// Behind a node port, cluster nodes announce the address of the Kubernetes node instead of their own. The
/// operator sets this address by an environment variable, so a change restarts them.
pub(super) fn announces_other_addresses(prior: &Instance, planned: &Instance<Planned>) -> bool {
    let of_node = |r#type: &ServiceType| *r#type == ServiceType::NodePort;
    let after = planned.service.known().and_then(|service| service.r#type.known()).map(of_node);
    prior.topology() == Topology::Cluster
        && after.is_some_and(|after| after != of_node(&prior.service.r#type))
}
