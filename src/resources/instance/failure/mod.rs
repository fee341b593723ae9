//! Why an operation failed, in words that name cause and remedy. The only place that turns errors and
//! diagnoses into diagnostics.

mod remedy;

use std::time::Duration;

use tokio::time::Instant;

use self::remedy::{held, remedy, remedy_here};
use super::addresses::Addresses;
use super::run::Ended;
use crate::kubernetes::{self, Cluster, LogOptions};
use crate::redis::diagnose;
use crate::redis::opstree::Kind;
use crate::redis::running::Running;
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::kinds::{DEPLOYMENT, EVENT};
use crate::resources::redaction::Redaction;
use crate::terraform::Diagnostic;

/// How long looking for the cause may take: timeouts are kept within a second.
const LOOKING: Duration = Duration::from_millis(900);

/// Lines of a crashed container's log that are quoted.
const LOG_LINES: i64 = 12;

/// Explains why the instance is not as it should be: what the run waited for, what the cluster reports about
/// it, and what to do.
pub async fn explain(
    cluster: &Cluster,
    addresses: &Addresses,
    waiting: &Waiting,
    running: Option<&Running>,
    ended: Ended,
    redaction: &Redaction,
) -> Diagnostic {
    let place = format!("{}/{}", addresses.namespace, addresses.name);
    let summary = match ended {
        Ended::GivenUp => format!("Redis {place} does not become ready"),
        Ended::TimedOut(limit) => format!("Redis {place} was not ready within {}", shown(limit)),
        Ended::Stopped => format!("Stopped while waiting for Redis {place}"),
    };
    let mut parts = vec![format!("Still waiting: {}.", waiting.why.trim_end_matches('.'))];
    if ended != Ended::Stopped {
        let deadline = Instant::now() + LOOKING;
        let quoted = evidence(cluster, addresses, waiting, running, deadline).await;
        parts.extend(quoted.iter().map(|quoted| redaction.text(quoted)));
        parts.push(remedy(waiting, addresses));
    }
    Diagnostic::error(summary, parts.join("\n\n"))
}

/// Explains why a destroy did not end.
pub async fn explain_delete(
    cluster: &Cluster,
    addresses: &Addresses,
    waiting: &Waiting,
    ended: Ended,
) -> Diagnostic {
    let place = format!("{}/{}", addresses.namespace, addresses.name);
    let summary = match ended {
        Ended::Stopped => format!("Stopped while deleting Redis {place}"),
        Ended::TimedOut(limit) => format!("Redis {place} was not gone within {}", shown(limit)),
        Ended::GivenUp => format!("Redis {place} could not be deleted"),
    };
    let mut parts = vec![format!("Still waiting: {}.", waiting.why.trim_end_matches('.'))];
    if ended != Ended::Stopped && waiting.cause == Cause::Finalizer {
        let deadline = Instant::now() + LOOKING;
        let deployments = cluster.list(&DEPLOYMENT, None, None, deadline).await.ok();
        parts.push(diagnose::operator(deployments.as_deref(), &addresses.namespace));
        parts.push(format!(
            "The operator must remove its finalizer. Once the operator runs again, destroy again. If the \
             operator is gone for good, remove the finalizer by hand, then delete the volume claims: \
             `kubectl -n {} patch {} {} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'`.",
            addresses.namespace,
            held(waiting, addresses).crd(),
            addresses.name
        ));
    } else if ended != Ended::Stopped {
        parts.push(format!(
            "The cluster's controllers delete the objects that belong to the custom resource. Run `kubectl \
             -n {} get all,pvc` to see what is left, then destroy again. timeouts.delete limits how long the \
             provider waits.",
            addresses.namespace
        ));
    }
    Diagnostic::error(summary, parts.join("\n\n"))
}

async fn evidence(
    cluster: &Cluster,
    addresses: &Addresses,
    waiting: &Waiting,
    running: Option<&Running>,
    deadline: Instant,
) -> Vec<String> {
    let mut evidence = Vec::new();
    if matches!(waiting.cause, Cause::OperatorAbsent | Cause::OperatorBehind) {
        let deployments = cluster.list(&DEPLOYMENT, None, None, deadline).await.ok();
        evidence.push(diagnose::operator(deployments.as_deref(), &addresses.namespace));
    }
    let crashed = running.and_then(|running| diagnose::crashing(&running.pods));
    if let Some((pod, container)) = crashed {
        let log = crash_log(cluster, addresses, &pod, &container, deadline).await;
        evidence.extend(log.map(|log| format!("The log of container {container}:\n{}", indented(&log))));
    }
    if let Ok(events) = cluster.list(&EVENT, Some(&addresses.namespace), None, deadline).await {
        let warnings = diagnose::warnings(&events, &addresses.name, running);
        if !warnings.is_empty() {
            evidence.push(format!("Events:\n{}", indented(&warnings.join("\n"))));
        }
    }
    evidence
}

/// The beginning of the node's answer if the container has been removed while another one starts.
const NO_LOG: &str = "unable to retrieve container logs";

async fn crash_log(
    cluster: &Cluster,
    addresses: &Addresses,
    pod: &str,
    container: &str,
    deadline: Instant,
) -> Option<String> {
    let pod = addresses.pod(pod);
    for previous in [true, false] {
        let options = LogOptions {
            container: Some(container),
            previous,
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(8192),
            ..LogOptions::default()
        };
        match cluster.logs(&pod, options, deadline).await {
            Ok(log) if !log.trim().is_empty() && !log.starts_with(NO_LOG) => return Some(log),
            _ => {}
        }
    }
    None
}

/// The volumes are smaller than requested, and no apply could change that.
pub fn volumes_are_late(addresses: &Addresses, waiting: &Waiting) -> Diagnostic {
    let place = format!("{}/{}", addresses.namespace, addresses.name);
    Diagnostic::warning(
        format!("The volumes of Redis {place} have not grown yet"),
        format!("{}.\n\n{}", capitalized(&waiting.why), remedy(waiting, addresses)),
    )
}

/// An error of a request.
pub fn refused(error: &kubernetes::Error) -> Diagnostic {
    let server = error.server.as_deref().map(|server| format!(" (API server {server})")).unwrap_or_default();
    let why = error.cause.to_string();
    let mut parts = vec![format!("{}{server}.", capitalized(why.trim_end_matches('.')))];
    parts.extend(remedy_here(&error.cause).or_else(|| error.cause.remedy()));
    Diagnostic::error(format!("Could not {}", error.attempt), parts.join("\n\n"))
}

/// A name at the beginning keeps its spelling: somebody may copy it from here.
fn capitalized(text: &str) -> String {
    if text.split_whitespace().next().is_some_and(|word| word.contains([':', '"', '.'])) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The name is in use.
pub fn name_taken(addresses: &Addresses, kind: Kind, by_us: bool) -> Diagnostic {
    let Addresses { namespace, name, .. } = addresses;
    let what = if kind == Kind::Redis { "Redis" } else { kind.kind() };
    let remedy = if by_us {
        format!(
            "It bears the mark of this provider: another configuration or workspace manages it, or its state was \
             lost. So it is neither continued nor adopted, and nothing was changed. If no other state has it, \
             import it (import ID {namespace}/{name}). Otherwise choose another name."
        )
    } else {
        format!(
            "This resource did not create it, so nothing was changed. To manage it with this configuration, \
             import it (import ID {namespace}/{name}) or set adopt_existing = true. Otherwise choose another \
             name."
        )
    };
    Diagnostic::error(format!("{what} {namespace}/{name} already exists"), remedy)
}

/// An object of another kind has this name, and its objects would have the same names as ours.
pub fn name_clashes(addresses: &Addresses, other: Kind) -> Diagnostic {
    let Addresses { namespace, name, topology, .. } = addresses;
    Diagnostic::error(
        format!("A {} named {namespace}/{name} already exists", other.kind()),
        format!(
            "{} of the {} would have the same names, and both custom resources would compete for them. \
             Nothing was changed. Choose another name. If nobody needs the {} and its data any more, delete \
             it: `kubectl -n {namespace} delete {} {name}`.",
            if topology.clashes_if_managed() == Some(other) {
                "The Secret with the password and other objects"
            } else {
                "The StatefulSet and Services"
            },
            topology.data().kind(),
            other.kind(),
            other.crd()
        ),
    )
}

/// A value that was unknown at plan turns out to need a replacement.
pub fn replaces_late(prior: &super::model::Instance, addresses: &Addresses) -> Diagnostic {
    Diagnostic::error(
        format!("{} must be replaced, but the plan did not say so", prior.id),
        format!(
            "Its replica.count was not known at plan. The value is known now and needs a {} instead of a {}, \
             which would be a new object without the data. Nothing was changed. Plan again with a known \
             value.",
            addresses.topology.data().kind(),
            prior.topology().data().kind()
        ),
    )
}

/// The Secret was deleted between plan and apply.
pub fn secret_went(instance: &super::model::Instance) -> Diagnostic {
    Diagnostic::error(
        format!("The password of {} was deleted after the plan was made", instance.id),
        "Its Secret no longer exists, so Redis needs a new password in a new Secret. Nothing was changed. \
         Apply again: the new plan will include the new Secret.",
    )
}

/// A length of time for people.
pub fn shown(length: Duration) -> String {
    match length.as_secs() {
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds if seconds >= 60 => format!("{}m{}s", seconds / 60, seconds % 60),
        seconds => format!("{seconds}s"),
    }
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
