//! Remedies: what to do about each cause.

use super::super::addresses::Addresses;
use crate::kubernetes;
use crate::redis::opstree::Kind;
use crate::redis::waiting::{Cause, Waiting};

/// The kind of custom resource that is in the way: that of the data, unless it is another.
pub(super) fn held(waiting: &Waiting, addresses: &Addresses) -> Kind {
    waiting.about.unwrap_or(addresses.topology.data())
}

/// What to do about the cause of a wait.
pub(super) fn remedy(waiting: &Waiting, addresses: &Addresses) -> String {
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
            "Delete the object if nobody needs it, or choose another name for the instance.".to_owned()
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

/// Remedies that this resource's arguments offer.
pub(super) fn remedy_here(cause: &kubernetes::Cause) -> Option<String> {
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
