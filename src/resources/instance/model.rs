//! The model of an instance: what users write and see.

use std::collections::BTreeMap;

use super::addresses::Addresses;
use super::endpoints;
use super::{checks, directives};
use crate::object;
use crate::redis::names;
use crate::redis::topology::{Part, Topology};
use crate::resources::blocks::{
    AntiAffinity, Authentication, Cluster, DeploymentMode, Disruption, Image, Master, NetworkPolicy,
    Persistence, Probe, Replica, SecurityContext, Sentinel, Service, Spread, Timeouts, Toleration,
    UpdateStrategy, Wait, in_cluster_mode, in_sentinel_mode,
};
use crate::resources::types::{DnsLabel, JsonObject, NamespaceName, ObjectName, RedisVersion};
use crate::terraform::{Planned, Value};

object! {
    /// A Redis instance on Kubernetes, through the OpsTree operator.
    pub struct Instance {
        /// Name of the instance and of its Services. A DNS label of at most 52 characters; in sentinel and cluster
        /// mode, at most 43.
        name: DnsLabel = required().replaces().check(checks::fits_into_labels),
        /// Namespace of all objects of the instance.
        namespace: NamespaceName = default("redis").replaces(),
        /// Whether to create the namespace if it does not exist. The provider never deletes the namespace.
        create_namespace: bool = default(false).provider_only(),
        /// Redis version, major and minor: `7.0`. Determines the image tag.
        version: RedisVersion = default("7.0").rolls(),
        /// Container image.
        image: Image = nested(),
        /// Topology: `standalone`, `sentinel` or `cluster`. `standalone` with `replica.count` above 0 is a master
        /// with replicas.
        deployment_mode: DeploymentMode = default("standalone").replaces(),
        /// The writable Redis; in cluster mode, the leaders.
        master: Master = nested(),
        /// The replicas of the master; in cluster mode, the followers.
        replica: Replica = nested(),
        /// The sentinels. Only with `deployment_mode = "sentinel"`.
        sentinel: Option<Sentinel> = nested_where(in_sentinel_mode),
        /// The shards. Only with `deployment_mode = "cluster"`.
        cluster: Option<Cluster> = nested_where(in_cluster_mode),
        /// Where Redis keeps its data.
        persistence: Persistence = nested(),
        /// Directives of redis.conf, by name. They come last and override all others. The lines of a value of
        /// `loadmodule` and `client-output-buffer-limit` repeat the directive.
        additional_config: BTreeMap<String, String> = default(empty()).rolls().check(directives::are_directives),
        /// Share of the memory limit that Redis uses for data, in percent. Sets `maxmemory`; with 0, `maxmemory` is
        /// not set.
        maxmemory_percent: i64 = default(75).rolls().check(checks::is_percentage),
        /// The password of Redis: generated, in a Secret of yours, or write-only.
        authentication: Authentication = nested(),
        /// User and group of the pods.
        security_context: SecurityContext = nested(),
        /// Labels that a node must have to run a pod.
        node_selector: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_label_pairs),
        /// Taints that the pods tolerate.
        tolerations: Vec<Toleration> =
            default(Value::List(Vec::new())).rolls().check(|all| checks::are_tolerations(all)),
        /// Whether pods of the instance share nodes: `soft` (preferably not), `required` (never) or `none` (the
        /// scheduler decides).
        anti_affinity: AntiAffinity = default("soft").rolls(),
        /// How pods spread over zones or nodes. Redis pods and sentinels are counted separately, as are leaders and
        /// followers. Not valid for a single Redis.
        topology_spread_constraints: Vec<Spread> =
            default(Value::List(Vec::new())).rolls().check(|all| checks::are_spreads(all)),
        /// How many pods must keep running during evictions, such as a node drain.
        pod_disruption_budget: Disruption = nested(),
        /// How clients outside the Kubernetes cluster reach Redis.
        service: Service = nested(),
        /// Who may connect to the pods of the instance.
        network_policy: NetworkPolicy = nested(),
        /// How pods are replaced when a change restarts them.
        update_strategy: UpdateStrategy = nested(),
        /// Seconds that Redis has to write its data and stop before it is killed. Default: 30.
        termination_grace_period_seconds: Option<i64> = optional().rolls().check(checks::is_not_negative),
        /// Timings of the probe that decides whether a pod can serve. The operator defines the probe itself.
        readiness_probe: Option<Probe> = optional(),
        /// Timings of the probe that decides whether a container is restarted. The operator defines the probe itself.
        liveness_probe: Option<Probe> = optional(),
        /// Priority class of the pods.
        priority_class_name: Option<ObjectName> = optional().rolls(),
        /// Service account of the pods.
        service_account: Option<ObjectName> = optional().rolls(),
        /// Environment variables of the Redis and sentinel containers.
        env: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_variables),
        /// Labels of every object of the instance. The operator selects pods by these labels: after a change, the
        /// Services reach no pod until pods with the new labels are Ready. A guarded rollout avoids this.
        labels: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_labels),
        /// Annotations of every object of the instance.
        annotations: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_annotations),
        /// Fields of the operator's custom resources that no argument expresses, as JSON for each kind.
        custom_spec: CustomSpec = nested(),
        /// Whether and how to wait until Redis serves requests.
        wait: Wait = nested(),
        /// Whether to refuse plans that destroy or replace the instance.
        deletion_protection: bool = default(false).provider_only(),
        /// Whether to take over existing objects of this name instead of failing. Only at creation: a later change
        /// has no effect.
        adopt_existing: bool = default(false).provider_only(),
        /// Whether to take over fields that another field manager owns, instead of failing.
        force_conflicts: bool = default(false).provider_only(),
        /// How long each operation may take.
        timeouts: Timeouts = nested(),

        /// `namespace/name`. Also the import ID.
        id: String = computed(),
        /// Host name of the writable Redis, within the Kubernetes cluster. In cluster mode, of any leader.
        host: String = endpoint(endpoints::host),
        /// Host name of the replicas, for reads, within the Kubernetes cluster. In cluster mode, of the followers.
        /// Equals `host` if there are no replicas or followers.
        reader_host: String = endpoint(endpoints::reader_host),
        /// Port of Redis.
        port: i64 = endpoint(|_| Value::from(i64::from(names::REDIS_PORT))),
        /// Host name of the sentinels, within the Kubernetes cluster. Null in other modes.
        sentinel_host: Option<String> = endpoint(endpoints::sentinel_host),
        /// Port of the sentinels. Null in other modes.
        sentinel_port: Option<i64> = endpoint(endpoints::sentinel_port),
        /// `host:port` of each Service by which a cluster client finds the nodes. Null in other modes.
        cluster_hosts: Option<Vec<String>> = endpoint(endpoints::cluster_hosts),
        /// URL of the writable Redis, without a password.
        url: String = endpoint(endpoints::url),
        /// External address of the Service of type `LoadBalancer`. Null for other types, and until the Service has an
        /// address.
        external_host: Option<String> = computed().volatile(),
        /// The Secret that holds the password. Null without a password.
        auth_secret: Option<AuthSecret> = computed(),
        /// State of the instance, as of the last apply or refresh.
        status: Status = computed().volatile(),
        /// The objects that the provider manages.
        objects: Vec<ManagedObject> = computed(),
        /// Problems in the cluster that no argument expresses, one line each. The next apply repairs them.
        repairs: BTreeMap<String, String> = computed().volatile(),
        /// The label `app` of the pods by kind of custom resource, where an imported custom resource replaces it.
        app_labels: BTreeMap<String, String> = computed(),
        /// Fields that an import found otherwise than the arguments would write them, with what the arguments would write.
        /// Such a field stays as it is until its argument changes.
        as_found: BTreeMap<String, String> = computed(),
        /// Random mark that distinguishes this instance from another of the same name.
        claim: String = computed(),
    }
}

object! {
    /// Fields of the custom resources that no argument expresses. Each value is a JSON object that is merged last
    /// into the `spec` of one kind (RFC 7386).
    pub struct CustomSpec {
        /// Merged into the `spec` of the `Redis`. For standalone mode without replicas.
        redis: Option<JsonObject> = optional().rolls().check(checks::leaves_ours_alone),
        /// Merged into the `spec` of the `RedisReplication`. For standalone mode with replicas, and for sentinel
        /// mode.
        replication: Option<JsonObject> = optional().rolls().check(checks::leaves_ours_alone),
        /// Merged into the `spec` of the `RedisSentinel`. For sentinel mode.
        sentinel: Option<JsonObject> = optional().rolls().check(checks::leaves_ours_alone),
        /// Merged into the `spec` of the `RedisCluster`. For cluster mode.
        cluster: Option<JsonObject> = optional().rolls().check(checks::leaves_ours_alone),
    }
}

object! {
    /// The Secret that holds the password.
    pub struct AuthSecret {
        /// Name of the Secret.
        name: String = computed(),
        /// Key of the password in the Secret.
        key: String = computed(),
    }
}

object! {
    /// State of the instance.
    pub struct Status {
        /// Whether Redis serves.
        ready: bool = computed(),
        /// `Ready`, `Progressing` or `Failed`.
        phase: String = computed(),
        /// The reason, if Redis is not ready.
        message: String = computed(),
        /// Name of the master pod. Null if there is no master, and in cluster mode.
        master_node: Option<String> = computed(),
        /// Names of the Redis pods.
        redis_pods: Vec<String> = computed(),
        /// How many of the Redis pods are Ready.
        ready_pods: i64 = computed(),
        /// Names of the sentinel pods.
        sentinel_pods: Vec<String> = computed(),
        /// The image of the Redis pods. During a rollout, and with `OnDelete` or a partition, all images of theirs.
        image: Option<String> = computed(),
        /// When somebody last restarted the pods with `kubectl rollout restart`. Null if nobody has since the operator
        /// last wrote the StatefulSet.
        restarted_at: Option<String> = computed(),
    }
}

object! {
    /// An object that the provider manages.
    pub struct ManagedObject {
        /// Kind of the object.
        kind: String = computed(),
        /// Namespace of the object.
        namespace: String = computed(),
        /// Name of the object.
        name: String = computed(),
    }
}

object! {
    /// Identity of an instance.
    pub struct Identity {
        /// Namespace of the instance.
        namespace: String = required(),
        /// Name of the instance.
        name: String = required(),
        /// Kind of the custom resource that carries the data. Needed only if the name alone is ambiguous.
        kind: Option<String> = optional(),
    }
}

impl Instance {
    /// Its shape.
    pub fn topology(&self) -> Topology {
        topology(self.deployment_mode, self.replica.count)
    }

    /// Where its objects are.
    pub(super) fn addresses(&self) -> Addresses {
        let Instance { namespace, name, app_labels, .. } = self;
        let own = Addresses::new(namespace.0.clone(), name.0.clone(), self.topology());
        Addresses { app_labels: app_labels.clone(), ..own }
    }

    /// The label `app` of the pods of a part.
    pub fn app(&self, part: Part) -> String {
        part.app(&self.name.0, &self.app_labels)
    }

    /// What identifies it.
    pub fn identity(&self) -> Identity {
        Identity {
            namespace: self.namespace.0.clone(),
            name: self.name.0.clone(),
            kind: Some(self.topology().data().kind().to_owned()),
        }
    }
}

impl Instance<Planned> {
    /// Its shape, if the plan determines it.
    pub fn planned_topology(&self) -> Option<Topology> {
        let count = match self.replica.known() {
            Some(replica) => replica.count.known().copied(),
            None => None,
        };
        match *self.deployment_mode.known()? {
            DeploymentMode::Standalone => Some(topology(DeploymentMode::Standalone, count?)),
            mode => Some(topology(mode, None)),
        }
    }
}

fn topology(mode: DeploymentMode, replicas: Option<i64>) -> Topology {
    match mode {
        DeploymentMode::Standalone if replicas.unwrap_or(0) == 0 => Topology::Standalone,
        DeploymentMode::Standalone => Topology::Replication,
        DeploymentMode::Sentinel => Topology::Sentinel,
        DeploymentMode::Cluster => Topology::Cluster,
    }
}

fn empty() -> Value {
    Value::Map(BTreeMap::new())
}
