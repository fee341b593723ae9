//! CPU and memory: what the API server or the operator would refuse.

use super::super::model::Instance;
use crate::redis::quantity::Quantity;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Limits, ReplicaLimits, ReplicaRequests, Requests};
use crate::terraform::{Diagnostic, Maybe, Path, Planned};

/// A request and a limit, with the attribute of the request.
type Pair<'a> = (&'static str, &'a Maybe<Quantity>, &'a Maybe<Quantity>);

pub(super) fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    let above = pairs(config).into_iter().filter_map(above);
    above.chain(replicas_differ(config)).collect()
}

/// Requests and limits of every container.
fn pairs(config: &Instance<Planned>) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    if let Some((requests, limits)) = of_master(config) {
        pairs.push(("master.resources.requests.cpu", &requests.cpu, &limits.cpu));
        pairs.push(("master.resources.requests.memory", &requests.memory, &limits.memory));
    }
    if let Some((requests, limits)) = of_replica(config)
        && config.planned_topology() == Some(Topology::Cluster)
    {
        pairs.push(("replica.resources.requests.cpu", &requests.cpu, &limits.cpu));
        pairs.push(("replica.resources.requests.memory", &requests.memory, &limits.memory));
    }
    let of_sentinel = || {
        let resources = config.sentinel.known()?.as_ref()?.resources.known()?;
        Some((resources.requests.known()?, resources.limits.known()?))
    };
    if let Some((requests, limits)) = of_sentinel() {
        pairs.push(("sentinel.resources.requests.cpu", &requests.cpu, &limits.cpu));
        pairs.push(("sentinel.resources.requests.memory", &requests.memory, &limits.memory));
    }
    pairs
}

fn of_master(config: &Instance<Planned>) -> Option<(&Requests<Planned>, &Limits<Planned>)> {
    let resources = config.master.known()?.resources.known()?;
    Some((resources.requests.known()?, resources.limits.known()?))
}

fn of_replica(config: &Instance<Planned>) -> Option<(&ReplicaRequests<Planned>, &ReplicaLimits<Planned>)> {
    let resources = config.replica.known()?.resources.known()?;
    Some((resources.requests.known()?, resources.limits.known()?))
}

fn above((path, request, limit): Pair<'_>) -> Option<Diagnostic> {
    let (request, limit) = (request.known()?, limit.known()?);
    let part = path.rsplit('.').next()?;
    (request > limit).then(|| {
        Diagnostic::error(
            format!("The {part} request exceeds the limit"),
            format!(
                "The API server refuses a container whose request ({request}) exceeds its limit ({limit}). \
                 Raise {}, or lower the request.",
                path.replace("requests", "limits")
            ),
        )
        .at(Path::of(path))
    })
}

fn replicas_differ(config: &Instance<Planned>) -> Option<Diagnostic> {
    if config.planned_topology()? == Topology::Cluster {
        return None;
    }
    let (master, limits) = of_master(config)?;
    let (replica, replica_limits) = of_replica(config)?;
    let pairs = [
        ("requests.cpu", &master.cpu, &replica.cpu),
        ("requests.memory", &master.memory, &replica.memory),
        ("limits.cpu", &limits.cpu, &replica_limits.cpu),
        ("limits.memory", &limits.memory, &replica_limits.memory),
    ];
    let differs = |(_, master, replica): &(&str, &Maybe<Quantity>, &Maybe<Quantity>)| matches!((master.known(), replica.known()), (Some(master), Some(replica)) if master != replica);
    let (path, ..) = pairs.into_iter().find(differs)?;
    Some(
        Diagnostic::error(
            "Replicas must have the same resources as the master",
            format!(
                "Master and replicas are pods of one StatefulSet, and any of them may become the master. Set \
                 master.resources.{path} and omit replica.resources. Only in cluster mode may followers \
                 differ from leaders."
            ),
        )
        .at(Path::of(&format!("replica.resources.{path}"))),
    )
}
