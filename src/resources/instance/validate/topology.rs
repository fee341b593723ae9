//! Arguments that do not fit the topology: arguments of another mode, and combinations that lose data or
//! block the operator.

use super::super::model::Instance;
use super::Guard;
use crate::redis::topology::{Topology, majority};
use crate::resources::blocks::{ServiceType, UpdateType};
use crate::terraform::{Diagnostic, Path, Planned};

const GUARDS: [Guard; 14] = [
    name_too_long,
    replicas_in_cluster_mode,
    no_replica_to_promote,
    sentinel_without_use,
    cluster_without_use,
    quorum_out_of_reach,
    sentinel_without_password,
    data_at_risk,
    more_replicas_than_there_are,
    guarded_and_by_hand,
    pods_left_behind,
    spread_of_one,
    budget_of_one,
    annotations_without_use,
];

pub(super) fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = GUARDS.iter().filter_map(|guard| guard(config)).collect();
    found.extend(two_limits(config));
    found
}

fn name_too_long(config: &Instance<Planned>) -> Option<Diagnostic> {
    let name = &config.name.known()?.0;
    let longest = config.planned_topology()?.longest_name();
    (name.len() > longest).then(|| {
        Diagnostic::error(
            format!("The name is longer than {longest} characters"),
            format!(
                "The name has {} characters. In this mode the operator appends up to nine characters to it, \
                 and Kubernetes puts the result and a hash of ten characters into a label of at most 63. \
                 Choose a shorter name.",
                name.len()
            ),
        )
        .at(Path::of("name"))
    })
}

fn replicas_in_cluster_mode(config: &Instance<Planned>) -> Option<Diagnostic> {
    let is_cluster = config.planned_topology()? == Topology::Cluster;
    let is_set = config.replica.known()?.count.known()?.is_some();
    (is_cluster && is_set).then(|| {
        Diagnostic::error(
            "replica.count is not valid in cluster mode",
            "Every shard of a cluster has its own followers. Remove replica.count, and set \
             cluster.replicas_per_shard.",
        )
        .at(Path::of("replica.count"))
    })
}

fn no_replica_to_promote(config: &Instance<Planned>) -> Option<Diagnostic> {
    let is_sentinel = config.planned_topology()? == Topology::Sentinel;
    let count = config.replica.known()?.count.known()?.unwrap_or(0);
    (is_sentinel && count == 0).then(|| {
        Diagnostic::error(
            "Sentinel mode needs at least one replica",
            "Sentinels promote a replica if the master is lost, so they need at least one. Set replica.count \
             to 1 or more, or set deployment_mode = \"standalone\".",
        )
        .at(Path::of("replica.count"))
    })
}

fn sentinel_without_use(config: &Instance<Planned>) -> Option<Diagnostic> {
    let is_set = config.sentinel.known()?.is_some();
    (is_set && config.planned_topology()? != Topology::Sentinel).then(|| of_another_mode("sentinel"))
}

fn cluster_without_use(config: &Instance<Planned>) -> Option<Diagnostic> {
    let is_set = config.cluster.known()?.is_some();
    (is_set && config.planned_topology()? != Topology::Cluster).then(|| of_another_mode("cluster"))
}

fn of_another_mode(attribute: &str) -> Diagnostic {
    Diagnostic::error(
        format!("{attribute} is set, but this is not {attribute} mode"),
        format!(
            "The argument would have no effect. Set deployment_mode = \"{attribute}\" (this replaces an \
             existing instance), or remove {attribute}."
        ),
    )
    .at(Path::of(attribute))
}

fn quorum_out_of_reach(config: &Instance<Planned>) -> Option<Diagnostic> {
    let sentinel = config.sentinel.known()?.as_ref()?;
    let (replicas, quorum) = (*sentinel.replicas.known()?, *sentinel.quorum.known()?);
    (quorum > replicas).then(|| {
        Diagnostic::error(
            format!("{quorum} of {replicas} sentinels can never agree"),
            format!(
                "No failover would ever begin. Omit sentinel.quorum for the majority ({}), or set at most \
                 {replicas}.",
                majority(replicas)
            ),
        )
        .at(Path::of("sentinel.quorum"))
    })
}

fn sentinel_without_password(config: &Instance<Planned>) -> Option<Diagnostic> {
    let protected = *config.sentinel.known()?.as_ref()?.password_protected.known()?;
    let enabled = *config.authentication.known()?.enabled.known()?;
    (protected && !enabled).then(|| {
        Diagnostic::error(
            "The sentinels require a password, but authentication is off",
            "The sentinels use the password of Redis. Set authentication.enabled = true, or set \
             sentinel.password_protected = false.",
        )
        .at(Path::of("sentinel.password_protected"))
    })
}

fn data_at_risk(config: &Instance<Planned>) -> Option<Diagnostic> {
    let persistence = config.persistence.known()?;
    let has_volume = *persistence.enabled.known()?;
    let (snapshots, log) =
        (persistence.rdb.known()?.enabled.known()?, persistence.aof.known()?.enabled.known()?);
    let is_on_disk = has_volume && (*snapshots || *log);
    let custom = config.custom_spec.known()?;
    let (accepted, why) = match config.planned_topology()? {
        Topology::Standalone => return None,
        Topology::Replication | Topology::Sentinel => (
            custom.replication.known()?.is_some(),
            "A master that restarts comes back empty, and its replicas copy that, so all data is lost",
        ),
        Topology::Cluster => (
            custom.cluster.known()?.is_some(),
            "A node that restarts has lost its data and its cluster, and does not join the cluster again",
        ),
    };
    let (argument, remedy) = match has_volume {
        false => ("persistence.enabled", "Set persistence.enabled = true"),
        true => {
            ("persistence.rdb.enabled", "Enable persistence.rdb or persistence.aof: nothing is on the volume")
        }
    };
    (!is_on_disk && !accepted).then(|| {
        Diagnostic::error(
            "Without persistence a restart can lose everything",
            format!(
                "{why}. {remedy}. If the data is a cache that may be lost, confirm \
                 this with a custom_spec for the kind, which may be an empty object: jsonencode({{}})."
            ),
        )
        .at(Path::of(argument))
    })
}

fn more_replicas_than_there_are(config: &Instance<Planned>) -> Option<Diagnostic> {
    const DIRECTIVES: [&str; 2] = ["min-replicas-to-write", "min-slaves-to-write"];
    let directives = config.additional_config.known()?;
    let (directive, least) = DIRECTIVES.iter().find_map(|name| Some((*name, directives.get(*name)?)))?;
    let least: i64 = least.known()?.trim().parse().ok()?;
    let replicas = match config.planned_topology()? {
        Topology::Cluster => *config.cluster.known()?.as_ref()?.replicas_per_shard.known()?,
        _ => config.replica.known()?.count.known()?.unwrap_or(0),
    };
    let path = Path::of("additional_config");
    if least > replicas {
        let why = format!(
            "Redis would refuse every write: the number of replicas is {replicas}. Lower {directive}, or add \
             replicas."
        );
        return Some(
            Diagnostic::error(format!("{directive} is {least}, but there are fewer replicas"), why).at(path),
        );
    }
    (least > 0 && least == replicas).then(|| {
        Diagnostic::warning(
            "Redis refuses writes while any replica is away",
            format!(
                "{directive} is {least}, and there are no more replicas than that. Each restart of a replica \
                 stops all writes, in a rollout, too. Lower {directive}, or add a replica."
            ),
        )
        .at(path)
    })
}

fn guarded_and_by_hand(config: &Instance<Planned>) -> Option<Diagnostic> {
    let strategy = config.update_strategy.known()?;
    let guarded = *strategy.guarded.known()?;
    let set = match (strategy.r#type.known()?, strategy.rolling_update.known()?) {
        (Some(_), _) => "type",
        (None, Some(_)) => "rolling_update",
        (None, None) => return None,
    };
    guarded.then(|| {
        Diagnostic::error(
            format!("update_strategy.{set} is not valid with a guarded rollout"),
            format!(
                "In a guarded rollout the provider replaces the pods itself, one at a time, and sets this \
                 field. Remove {set}, or set update_strategy.guarded = false."
            ),
        )
        .at(Path::of(&format!("update_strategy.{set}")))
    })
}

fn pods_left_behind(config: &Instance<Planned>) -> Option<Diagnostic> {
    let strategy = config.update_strategy.known()?;
    if *strategy.guarded.known()? {
        return None;
    }
    let on_delete = *strategy.r#type.known()? == Some(UpdateType::OnDelete);
    on_delete.then(|| {
        Diagnostic::warning(
            "Changes take effect only when you delete the pods",
            "With update_strategy.type = \"OnDelete\" an apply returns while the old pods still run.",
        )
        .at(Path::of("update_strategy.type"))
    })
}

fn spread_of_one(config: &Instance<Planned>) -> Option<Diagnostic> {
    let several = !config.topology_spread_constraints.known()?.is_empty();
    (several && config.planned_topology()? == Topology::Standalone).then(|| {
        Diagnostic::error(
            "topology_spread_constraints has no effect on a single Redis",
            "The operator's kind for a single Redis has no such field. Remove the argument. To choose the \
             node, use node_selector and tolerations.",
        )
        .at(Path::of("topology_spread_constraints"))
    })
}

fn budget_of_one(config: &Instance<Planned>) -> Option<Diagnostic> {
    let budget = config.pod_disruption_budget.known()?;
    let (min, max) = (*budget.min_available.known()?, *budget.max_unavailable.known()?);
    let keeps_the_pod = max.map_or(min.unwrap_or(1) > 0, |max| max == 0);
    let is_single = config.planned_topology()? == Topology::Standalone;
    (*budget.enabled.known()? && is_single && keeps_the_pod).then(|| {
        Diagnostic::warning(
            "The disruption budget blocks every eviction of the only pod",
            "Draining the pod's node waits until somebody deletes the pod by hand. To allow the drain, \
             remove pod_disruption_budget. To drain the node without an outage, add a replica.",
        )
        .at(Path::of("pod_disruption_budget.enabled"))
    })
}

fn two_limits(config: &Instance<Planned>) -> Vec<Diagnostic> {
    let of_pods = || {
        let budget = config.pod_disruption_budget.known()?;
        Some(budget.min_available.known()?.is_some() && budget.max_unavailable.known()?.is_some())
    };
    let of_sentinels = || {
        let budget = config.sentinel.known()?.as_ref()?.pod_disruption_budget.known()?;
        Some(budget.min_available.known()?.is_some() && budget.max_unavailable.known()?.is_some())
    };
    let refused = |path: &str| {
        Diagnostic::error(
            "Only one limit of a disruption budget can be set",
            "Kubernetes accepts either min_available or max_unavailable; the operator would silently ignore \
             min_available. Set only one of them.",
        )
        .at(Path::of(&format!("{path}.min_available")))
    };
    [(of_pods(), "pod_disruption_budget"), (of_sentinels(), "sentinel.pod_disruption_budget")]
        .into_iter()
        .filter(|(both, _)| *both == Some(true))
        .map(|(_, path)| refused(path))
        .collect()
}

fn annotations_without_use(config: &Instance<Planned>) -> Option<Diagnostic> {
    let service = config.service.known()?;
    let within = *service.r#type.known()? == ServiceType::ClusterIp;
    (within && !service.annotations.known()?.is_empty()).then(|| {
        Diagnostic::warning(
            "service.annotations has no effect",
            "These are annotations of the Service for access from outside, and service.type = \"ClusterIP\" \
             creates no such Service. For annotations of all objects, use annotations.",
        )
        .at(Path::of("service.annotations"))
    })
}
