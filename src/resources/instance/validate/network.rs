//! Conflicts of the network policy: a policy that nothing can pass, and one without effect.

use super::Guard;
use crate::redis::topology::Topology;
use crate::resources::blocks::ServiceType;
use crate::resources::instance::model::Instance;
use crate::terraform::{Diagnostic, Path, Planned};

const GUARDS: [Guard; 4] =
    [policy_between_nodes, policy_without_use, policy_shuts_out_the_outside, policy_for_nobody];

pub(super) fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    GUARDS.iter().filter_map(|guard| guard(config)).collect()
}

fn policy_between_nodes(config: &Instance<Planned>) -> Option<Diagnostic> {
    let enabled = *config.network_policy.known()?.enabled.known()?;
    let is_of_node = *config.service.known()?.r#type.known()? == ServiceType::NodePort;
    let is_cluster = config.planned_topology()? == Topology::Cluster;
    (enabled && is_of_node && is_cluster).then(|| {
        Diagnostic::error(
            "network_policy does not support service.type = \"NodePort\" in cluster mode",
            "With this service.type the nodes of the cluster reach each other by the addresses of the \
             Kubernetes nodes. A NetworkPolicy cannot distinguish these addresses from those of clients, so \
             the cluster would fall apart. Set network_policy.enabled = false, or another service.type.",
        )
        .at(Path::of("network_policy.enabled"))
    })
}

fn policy_without_use(config: &Instance<Planned>) -> Option<Diagnostic> {
    let policy = config.network_policy.known()?;
    let attribute = if policy.allowed_cidrs.known().is_some_and(|list| !list.is_empty()) {
        "allowed_cidrs"
    } else if policy.allowed_namespaces.known().is_some_and(|list| !list.is_empty()) {
        "allowed_namespaces"
    } else {
        return None;
    };
    (!*policy.enabled.known()?).then(|| {
        Diagnostic::warning(
            format!("network_policy.{attribute} has no effect"),
            "Without network_policy.enabled = true there is no policy, and anybody may connect.",
        )
        .at(Path::of(&format!("network_policy.{attribute}")))
    })
}

fn policy_shuts_out_the_outside(config: &Instance<Planned>) -> Option<Diagnostic> {
    let policy = config.network_policy.known()?;
    let is_within = *config.service.known()?.r#type.known()? == ServiceType::ClusterIp;
    let nobody = policy.allowed_cidrs.known()?.is_empty();
    (*policy.enabled.known()? && !is_within && nobody).then(|| {
        Diagnostic::warning(
            "No client outside the cluster can connect",
            "service.type exposes Redis outside the cluster, but the network policy refuses all clients \
             there. Set network_policy.allowed_cidrs to the addresses of the clients or, if the load \
             balancer hides them, to those of the nodes.",
        )
        .at(Path::of("network_policy.allowed_cidrs"))
    })
}

fn policy_for_nobody(config: &Instance<Planned>) -> Option<Diagnostic> {
    let policy = config.network_policy.known()?;
    let is_within = *config.service.known()?.r#type.known()? == ServiceType::ClusterIp;
    let nobody = policy.allowed_namespaces.known()?.is_empty() && policy.allowed_cidrs.known()?.is_empty();
    (*policy.enabled.known()? && is_within && nobody).then(|| {
        Diagnostic::warning(
            "No application can connect",
            "The network policy refuses every client that it does not list, and it lists none. Set \
             network_policy.allowed_namespaces to the namespaces of the applications. The namespace of the \
             instance must be listed, too, if applications run there. If another NetworkPolicy of yours \
             allows the clients, ignore this warning.",
        )
        .at(Path::of("network_policy.allowed_namespaces"))
    })
}
