//! Why an operation did not end well, in words that name cause and remedy. The one place that turns errors
//! and diagnoses into diagnostics.

use std::time::Duration;

use tokio::time::Instant;

use super::addresses::Addresses;
use super::run::Ended;
use crate::kubernetes::{self, Cluster, LogOptions};
use crate::redis::diagnose;
use crate::redis::opstree::Kind;
use crate::redis::running::Running;
use crate::redis::waiting::{Cause, Waiting};
use crate::resources::kinds::{DEPLOYMENT, EVENT};
use crate::terraform::Diagnostic;

/// How long looking for the cause may take: timeouts are kept within a second.
const LOOKING: Duration = Duration::from_millis(900);

/// Lines of a crashed container's log that are quoted.
const LOG_LINES: i64 = 12;

/// Says why the instance is not as it should be: what was waited for, what the cluster says about it, and
/// what to do.
pub async fn explain(
    cluster: &Cluster,
    addresses: &Addresses,
    waiting: &Waiting,
    running: Option<&Running>,
    ended: Ended,
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
        parts.extend(evidence(cluster, addresses, waiting, running, deadline).await);
        parts.push(remedy(waiting, addresses));
    }
    Diagnostic::error(summary, parts.join("\n\n"))
}

/// Says why a destroy did not end.
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
        Ended::GivenUp => format!("Redis {place} does not go away"),
    };
    let mut parts = vec![format!("Still waiting: {}.", waiting.why.trim_end_matches('.'))];
    if ended != Ended::Stopped && waiting.cause == Cause::Finalizer {
        let deadline = Instant::now() + LOOKING;
        let deployments = cluster.list(&DEPLOYMENT, None, None, deadline).await.ok();
        parts.push(diagnose::operator(deployments.as_deref(), &addresses.namespace));
        parts.push(format!(
            "The operator must take its finalizer away. Once it runs again, destroy again. If it is gone for \
             good, remove the finalizer by hand, then delete the claims yourself: `kubectl -n {} patch {} {} \
             --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'`.",
            addresses.namespace,
            held(waiting, addresses).crd(),
            addresses.name
        ));
    } else if ended != Ended::Stopped {
        parts.push(format!(
            "The cluster's own controllers collect what belonged to the custom resource. See `kubectl -n {} get \
             all,pvc`, and destroy again; timeouts.delete says how long that may take.",
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

/// How the node begins its answer when the container has been taken away while another one starts.
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

/// The kind of custom resource that is in the way: that of the data, unless it is another.
fn held(waiting: &Waiting, addresses: &Addresses) -> Kind {
    waiting.about.unwrap_or(addresses.topology.data())
}

fn remedy(waiting: &Waiting, addresses: &Addresses) -> String {
    let Addresses { namespace, name, .. } = addresses;
    match waiting.cause {
        Cause::NamespaceMissing => format!(
            "Create the namespace {namespace} first (a depends_on on the resource that does), or set create_namespace = \
             true."
        ),
        Cause::ObjectNotReady => format!(
            "Its controller is part of the cluster's control plane, or of what was installed with its kind. See `kubectl -n \
             {namespace} get events`, then apply again."
        ),
        Cause::Taken => {
            "Nothing of it was changed. Delete the object if nobody needs it, or choose another name for the \
                         instance."
                .to_owned()
        }
        Cause::KindMissing => "Install the OpsTree Redis operator, which brings the CRD (Helm chart \
                               ot-helm/redis-operator), and let this resource depend on it."
            .to_owned(),
        Cause::OperatorAbsent | Cause::OperatorBehind => {
            "Once the operator works, apply again: no data is lost by that.".to_owned()
        }
        Cause::Image => {
            "Check image.repository and image.tag, and image.pull_secrets for a private registry.".to_owned()
        }
        Cause::ImageName => "Write image.repository without a tag, and image.tag without a colon.".to_owned(),
        Cause::Reference => format!(
            "Create what is missing in the namespace {namespace}, with the key that authentication.existing_secret \
             names; then apply again."
        ),
        Cause::Crash => {
            "Mend what the log complains about: most often a directive of additional_config that this \
                         Redis does not know, or too little memory in master.resources.limits."
                .to_owned()
        }
        Cause::Unschedulable => {
            "Make room on a node, lower master.resources.requests, or check node_selector and \
                                 tolerations."
                .to_owned()
        }
        Cause::Claim => {
            "Check that persistence.storage_class names a storage class of this cluster (`kubectl get \
                         storageclass`) whose provisioner works."
                .to_owned()
        }
        Cause::Growing | Cause::NotGrowing => format!(
            "Redis serves, and its data fits. A storage driver resizes volumes on its own: see `kubectl -n {namespace} describe \
             pvc` for what keeps it from that. Some grow the file system only when the pod starts, some wait hours between two \
             resizes of a volume, and some cannot do it."
        ),
        Cause::Starting => format!(
            "See `kubectl -n {namespace} describe pod {name}-0`. If it only needs longer, raise timeouts.create or \
             timeouts.update; then apply again."
        ),
        Cause::Roles => format!(
            "The operator looks every 30 s who is master. See `kubectl -n {namespace} get pods -L redis-role` and the \
             operator's log; a pod that it cannot log in to keeps it from going on."
        ),
        Cause::Rolling => format!(
            "The other pods serve, and the operator looks after the set again. Mend what keeps the pod from being well (`kubectl \
             -n {namespace} describe pod` and its log), then apply again: the rollout goes on from there."
        ),
        // In this order: a chosen pod that is a master, and that nobody follows yet, looks like one that has just restarted.
        Cause::Ambiguous => format!(
            "No pod was changed for that. Decide by what they hold which data must stay; the other pods lose what only they \
             hold. Have each of the others (OTHER) follow the pod that you chose (CHOSEN, at ADDRESS), and only then make that \
             one the master:\n\n  \
             kubectl -n {namespace} exec OTHER -c {name} -- sh -c 'REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli replicaof \
             ADDRESS 6379'\n  \
             kubectl -n {namespace} exec CHOSEN -c {name} -- sh -c 'REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli replicaof no \
             one'\n\nThen apply again."
        ),
        Cause::Unreachable => format!(
            "It was asked from a pod of the instance. Check that a NetworkPolicy does not keep its pods from each other, \
             that the pods' DNS works, and `kubectl -n {namespace} get endpointslices,pods -o wide`. Then apply again."
        ),
        Cause::Assembling => format!(
            "The operator puts a cluster together by running redis-cli in its first pod, and looks every 30 to 60 s. See \
             `kubectl -n {namespace} get {} {name}` and its log; if it only needs longer, raise timeouts.create or \
             timeouts.update. Then apply again.",
            addresses.topology.data().crd()
        ),
        Cause::Nodes => format!(
            "What a node thinks of the others is told by `kubectl -n {namespace} exec {name}-leader-0 -- redis-cli cluster \
             nodes`. The operator mends a node that is disconnected; one that has lost its nodes.conf or its slots must be \
             brought back by hand (`redis-cli --cluster check`, `--cluster fix`). If a replica is only still copying, raise \
             timeouts.update. Then apply again."
        ),
        Cause::Terminating | Cause::Finalizer => format!(
            "See `kubectl -n {namespace} get {} {name} -o yaml` for the finalizers that hold it.",
            addresses.topology.data().crd()
        ),
        Cause::SkipReconcile => format!(
            "Take the annotation away, unless somebody keeps the operator off on purpose: `kubectl -n {namespace} \
             annotate {} {name} {}-`. Then apply again.",
            held(waiting, addresses).crd(),
            held(waiting, addresses).skip_reconcile()
        ),
        Cause::Deleted => {
            "Apply again: the refresh will see that it is gone, and plan to make it anew.".to_owned()
        }
        Cause::ChangedBack => {
            "Find out who does (`kubectl get --show-managed-fields -o yaml` names the managers; an \
                               admission webhook leaves no name), and let one of the two decide."
                .to_owned()
        }
    }
}

/// The volumes are not as large as asked for: nothing that an apply could mend.
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

/// Remedies that this resource's arguments offer.
fn remedy_here(cause: &kubernetes::Cause) -> Option<String> {
    let text = match cause {
        kubernetes::Cause::Conflict { .. } => {
            "Let the other manager give these fields up, or set force_conflicts = true to take them."
        }
        kubernetes::Cause::AdmissionDenied { .. } => {
            "Change the configuration so that it passes (labels, annotations, image, resources, security_context), or \
             ask those who keep the policy."
        }
        kubernetes::Cause::NamespaceMissing { .. } => {
            "Create the namespace first (a depends_on on the resource that does), or set create_namespace = true."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// A name at the beginning stays as it is: it may be copied from here.
fn capitalized(text: &str) -> String {
    if text.split_whitespace().next().is_some_and(|word| word.contains([':', '"', '.'])) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The name is taken.
pub fn name_taken(addresses: &Addresses, kind: Kind, by_us: bool) -> Diagnostic {
    let Addresses { namespace, name, .. } = addresses;
    let what = if kind == Kind::Redis { "Redis" } else { kind.kind() };
    Diagnostic::error(
        format!("{what} {namespace}/{name} exists already"),
        format!(
            "It was not made by this resource, so nothing was changed. To manage it from here, import it \
             (its import id is {namespace}/{name}), or set adopt_existing = true to take it over with this \
             configuration. Otherwise choose another name.{}",
            if by_us {
                " It bears the mark of this provider: if an apply was cut off before core could save its state, importing \
                 it is what is missing."
            } else {
                ""
            }
        ),
    )
}

/// Another kind of that name makes objects of the same names.
pub fn name_clashes(addresses: &Addresses, other: Kind) -> Diagnostic {
    let Addresses { namespace, name, topology } = addresses;
    Diagnostic::error(
        format!("A {} of the name {namespace}/{name} exists already", other.kind()),
        format!(
            "The operator would give the StatefulSet and Services of the {} the same names, and both would fight for \
             them; nothing was changed. Choose another name. If nobody needs the {} and its data any more, delete it: \
             `kubectl -n {namespace} delete {} {name}`.",
            topology.data().kind(),
            other.kind(),
            other.crd()
        ),
    )
}

/// What was unknown at plan turns out to need a replacement.
pub fn replaces_late(prior: &super::model::Instance, addresses: &Addresses) -> Diagnostic {
    Diagnostic::error(
        format!("{} would have to be replaced", prior.id),
        format!(
            "Its replica.count was not known at plan. Now it is, and it makes a {} of a {}: that is another object, \
             without the data. Nothing was changed. Plan again with the value known, and the plan will say so.",
            addresses.topology.data().kind(),
            prior.topology().data().kind()
        ),
    )
}

/// The Secret was deleted between plan and apply.
pub fn secret_went(instance: &super::model::Instance) -> Diagnostic {
    Diagnostic::error(
        format!("The password of {} was deleted after the plan was made", instance.id),
        "Its Secret is gone, so Redis needs a new password in a new one. Nothing was changed. Apply again: the new \
         plan will have it.",
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
