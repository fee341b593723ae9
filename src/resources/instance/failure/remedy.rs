//! Remedies: what to do about each cause.

use super::super::addresses::Addresses;
use crate::kubernetes;
use crate::redis::opstree::Kind;
use crate::redis::waiting::{Cause, Waiting};

/// The kind of custom resource that causes the wait. Default: the kind that carries the data.
pub(super) fn held(waiting: &Waiting, addresses: &Addresses) -> Kind {
    waiting.about.unwrap_or(addresses.topology.data())
}

/// What to do about the cause of a wait.
pub(super) fn remedy(waiting: &Waiting, addresses: &Addresses) -> String {
    let Addresses { namespace, name, .. } = addresses;
    match waiting.cause {
        Cause::NamespaceMissing => format!(
            "Create the namespace {namespace} first and let this resource depend on it (depends_on), or set \
             create_namespace = true."
        ),
        Cause::ObjectNotReady => format!(
            "The controller of this kind has not processed the object. Check that the controller runs and \
             see `kubectl -n {namespace} get events`, then apply again."
        ),
        Cause::Taken => {
            "Delete the object if nobody needs it, or choose another name for the instance.".to_owned()
        }
        Cause::Kept => "Set persistence.existing_claims = \"reuse\", delete the claims if nobody needs their data, \
                        or choose another name for the instance."
            .to_owned(),
        Cause::KindMissing => "Install the OpsTree Redis operator, which brings the CRD (Helm chart \
                               ot-helm/redis-operator), and let this resource depend on it."
            .to_owned(),
        Cause::OperatorAbsent | Cause::OperatorBehind => {
            "Once the operator works, apply again. No data is lost.".to_owned()
        }
        Cause::Image => {
            "Check image.repository and image.tag, and image.pull_secrets for a private registry.".to_owned()
        }
        Cause::ImageName => "Write image.repository without a tag, and image.tag without a colon.".to_owned(),
        Cause::Reference => format!(
            "Create the missing object in the namespace {namespace}. A Secret that \
             authentication.existing_secret names must contain the given key. Then apply again."
        ),
        Cause::Crash => "Fix the error that the log reports. The most frequent causes are a directive of \
                         additional_config that this Redis version does not know, and too little memory in \
                         master.resources.limits."
            .to_owned(),
        Cause::Unschedulable => {
            "Free capacity on a node, lower master.resources.requests, or check node_selector and \
             tolerations."
                .to_owned()
        }
        Cause::Claim => "Check that persistence.storage_class names an existing storage class (`kubectl get \
                         storageclass`) and that its provisioner works."
            .to_owned(),
        Cause::Growing | Cause::NotGrowing => format!(
            "Redis serves, and its data fits. The storage driver resizes volumes on its own. See `kubectl -n \
             {namespace} describe pvc` for the reason of the delay. Some drivers enlarge the file system \
             only when the pod starts, some wait hours between two resizes of a volume, and some cannot \
             resize volumes."
        ),
        Cause::PodsRefused => "The API server accepts the custom resource and refuses its pods. Pod security: set \
                               security_context (run_as_non_root = true, run_as_user = 1000), set further \
                               fields by custom_spec (securityContext), or have the label of the namespace \
                               changed. A LimitRange: change master.resources. A webhook: change what it names, \
                               or ask its owner. Then apply again."
            .to_owned(),
        Cause::Quota => format!(
            "Raise the quota (`kubectl -n {namespace} describe quota`), or lower the resources or the number of \
             pods. Then apply again."
        ),
        Cause::Starting => format!(
            "See `kubectl -n {namespace} describe pod {name}-0`. If the pod only needs more time, raise \
             timeouts.create or timeouts.update. Then apply again."
        ),
        Cause::Roles | Cause::Settling => format!(
            "The operator checks every 30 seconds which pod is the master. See `kubectl -n {namespace} get \
             pods -L redis-role` and the operator's log. A pod that refuses the operator's login stops the \
             operator."
        ),
        Cause::Rolling => format!(
            "The other pods serve, and the operator is no longer paused. Fix the cause that prevents the pod \
             from becoming Ready (see `kubectl -n {namespace} describe pod` and the log of the pod), then \
             apply again: the rollout continues from there."
        ),
        // In this order: a chosen pod that is a master without replicas looks like a pod that has just
        // restarted.
        Cause::Ambiguous => format!(
            "No pod was changed. Decide by the contents of the pods which data to keep: the other pods lose \
             what only they hold. Make each of the other pods (OTHER) follow the pod that you chose (CHOSEN, \
             at ADDRESS), and only then make the chosen pod the master:\n\n  kubectl -n {namespace} exec \
             OTHER -c {name} -- sh -c 'REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli replicaof ADDRESS \
             6379'\n  kubectl -n {namespace} exec CHOSEN -c {name} -- sh -c \
             'REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli replicaof no one'\n\nThen apply again."
        ),
        Cause::Login => format!(
            "The provider logs in with the password in the Secret that the pod was started with. Nothing was \
             changed. If somebody has changed that Secret in place, write the former password back: a \
             running Redis keeps the password that it was started with. To rotate a password, refer to \
             another Secret (authentication.existing_secret), or change authentication.rotate. The provider \
             cannot talk to a Redis that accepts TLS only or has no user default. See `kubectl -n \
             {namespace} get pods -o yaml` for the Secret (REDIS_PASSWORD) of the pod."
        ),
        Cause::Elsewhere => format!(
            "Somebody has made the pod a replica of another Redis, for example to move data here. The provider \
             does not cut that link, and has changed no pod. Once all data is here and applications no \
             longer write to the other Redis, make the pod (POD) a master: `kubectl -n {namespace} exec POD -c \
             {name} -- sh -c 'REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli replicaof no one'`. Then apply \
             again."
        ),
        Cause::Unreachable => format!(
            "The question came from a pod of the instance. Check that no NetworkPolicy blocks traffic \
             between the pods of the instance, that DNS works in the pods, and `kubectl -n {namespace} get \
             endpointslices,pods -o wide`. Then apply again."
        ),
        Cause::Assembling => format!(
            "The operator assembles a cluster by running redis-cli in its first pod, and checks the cluster \
             every 30 to 60 seconds. See `kubectl -n {namespace} get {} {name}` and the operator's log. If \
             the cluster only needs more time, raise timeouts.create or timeouts.update. Then apply again.",
            addresses.topology.data().crd()
        ),
        Cause::Nodes => format!(
            "See the cluster as one node sees it: `kubectl -n {namespace} exec {name}-leader-0 -- redis-cli \
             cluster nodes`. The operator repairs a disconnected node. A node that has lost its nodes.conf \
             or its slots must be repaired by hand (`redis-cli --cluster check`, `--cluster fix`). If a \
             replica is only still copying, raise timeouts.update. Then apply again."
        ),
        Cause::Terminating | Cause::Finalizer => format!(
            "See `kubectl -n {namespace} get {} {name} -o yaml` for the finalizers that block the deletion.",
            addresses.topology.data().crd()
        ),
        Cause::LeftPaused => "The warning says what is missing: a right, the Secret with a password of the pods, an \
                              operator that runs; or authentication is being switched on or off. Restore that, and \
                              apply again: the rollout continues from there. Do not unpause the operator by \
                              hand: it does not know which pod is the master now, and the latest writes could be \
                              lost."
            .to_owned(),
        Cause::SkipReconcile => format!(
            "Remove the annotation, unless somebody has paused the operator on purpose: `kubectl -n \
             {namespace} annotate {} {name} {}-`. Then apply again.",
            held(waiting, addresses).crd(),
            held(waiting, addresses).skip_reconcile()
        ),
        Cause::Deleted => "Apply again: the next plan will recreate it.".to_owned(),
        Cause::ChangedBack => {
            "Find out what changes the object (`kubectl get --show-managed-fields -o yaml` names the \
             managers; an admission webhook leaves no name), and let only one of the two set the field."
                .to_owned()
        }
    }
}

/// Remedies that this resource's arguments offer.
pub(super) fn remedy_here(cause: &kubernetes::Cause) -> Option<String> {
    let text = match cause {
        kubernetes::Cause::Conflict { .. } => {
            "Remove these fields from the other manager's configuration, or set force_conflicts = true to \
             take them over."
        }
        kubernetes::Cause::AdmissionDenied { .. } => {
            "Change the configuration so that it passes (labels, annotations, image, resources, \
             security_context), or ask the owner of the policy for an exception."
        }
        kubernetes::Cause::NamespaceMissing { .. } => {
            "Create the namespace first and let this resource depend on it (depends_on), or set \
             create_namespace = true."
        }
        _ => return None,
    };
    Some(text.to_owned())
}
