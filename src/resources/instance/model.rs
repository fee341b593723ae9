//! What a user writes and sees of an instance.

use std::collections::BTreeMap;

use super::checks;
use super::cluster::Addresses;
use crate::redis::names;
use crate::resources::blocks::{
    Authentication, Image, Master, Persistence, SecurityContext, Timeouts, Toleration, Wait,
};
use crate::resources::types::{DnsLabel, JsonObject, ObjectName, RedisVersion};
use crate::terraform::attribute::{Attribute, Change, Kind, Presence};
use crate::terraform::{Schema, Value};
use crate::{choice, object};

choice! {
    /// The topology.
    pub enum DeploymentMode {
        /// One Redis.
        Standalone = "standalone",
    }
}

object! {
    /// One Redis on Kubernetes, through the OpsTree operator.
    pub struct Instance {
        /// Name of the instance, and of its Services: a DNS label of at most 52 characters.
        name: DnsLabel = required().replaces().check(checks::fits_into_labels),
        /// Namespace of all its objects.
        namespace: DnsLabel = default("redis").replaces(),
        /// Make the namespace if it does not exist. It is never deleted.
        create_namespace: bool = default(false).provider_only(),
        /// Redis version, major and minor: `7.0`. It chooses the image tag.
        version: RedisVersion = default("7.0").rolls(),
        /// Container image.
        image: Image = nested(),
        /// Topology. `standalone`, one Redis, is the only one yet.
        deployment_mode: DeploymentMode = default("standalone").replaces(),
        /// The writable Redis.
        master: Master = nested(),
        /// Where Redis keeps its data.
        persistence: Persistence = nested(),
        /// Directives of redis.conf, by name. They come last and win over all others.
        additional_config: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_directives),
        /// Share of the memory limit that Redis uses for data, in percent: its `maxmemory`. 0 sets none.
        maxmemory_percent: i64 = default(75).rolls().check(checks::is_percentage),
        /// The password of Redis: generated, yours in a Secret, or write-only.
        authentication: Authentication = nested(),
        /// What the pods run as.
        security_context: SecurityContext = nested(),
        /// Labels that a node must have to run a pod.
        node_selector: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_label_pairs),
        /// Taints that the pods tolerate.
        tolerations: Vec<Toleration> =
            default(Value::List(Vec::new())).rolls().check(|all| checks::are_tolerations(all)),
        /// Priority class of the pods.
        priority_class_name: Option<ObjectName> = optional().rolls(),
        /// Service account of the pods.
        service_account: Option<ObjectName> = optional().rolls(),
        /// Environment variables of the Redis container.
        env: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_variables),
        /// Labels of every object of the instance.
        labels: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_labels),
        /// Annotations of every object of the instance.
        annotations: BTreeMap<String, String> = default(empty()).rolls().check(checks::are_annotations),
        /// Fields of the custom resource that no argument expresses.
        custom_spec: CustomSpec = nested(),
        /// Whether and how to wait until Redis serves.
        wait: Wait = nested(),
        /// Refuse to destroy or replace the instance, at plan.
        deletion_protection: bool = default(false).provider_only(),
        /// Take over objects of this name that exist already, instead of failing. Only at creation: changing it later
        /// does nothing.
        adopt_existing: bool = default(false).provider_only(),
        /// Take over fields that another field manager owns, instead of failing.
        force_conflicts: bool = default(false).provider_only(),
        /// How long each operation may take.
        timeouts: Timeouts = nested(),

        /// `namespace/name`, also the import id.
        id: String = computed(),
        /// Host name of the writable Redis, within the cluster.
        host: String = endpoint(host),
        /// Host name of a Redis to read from, within the cluster.
        reader_host: String = endpoint(host),
        /// Port of Redis.
        port: i64 = endpoint(|_| Value::from(names::REDIS_PORT)),
        /// URL of the writable Redis, without a password.
        url: String = endpoint(url),
        /// The Secret that holds the password; null without one.
        auth_secret: Option<AuthSecret> = computed(),
        /// What runs, as of the last apply or refresh.
        status: Status = computed().volatile(),
        /// The objects that the provider manages.
        objects: Vec<ManagedObject> = computed(),
        /// What is wrong in the cluster and no argument expresses, one line each; the next apply mends it.
        repairs: BTreeMap<String, String> = computed().volatile(),
        /// Tells this instance from another of the same name.
        claim: String = computed(),
    }
}

object! {
    /// Fields of the custom resource that no argument expresses.
    pub struct CustomSpec {
        /// JSON object that is merged last into the `spec` of the `Redis` custom resource (RFC 7386).
        redis: Option<JsonObject> = optional().rolls().check(checks::leaves_ours_alone),
    }
}

object! {
    /// Where the password is.
    pub struct AuthSecret {
        /// Name of the Secret.
        name: String = computed(),
        /// Key of the password in it.
        key: String = computed(),
    }
}

object! {
    /// What runs.
    pub struct Status {
        /// Whether Redis serves.
        ready: bool = computed(),
        /// `Ready`, `Progressing` or `Failed`.
        phase: String = computed(),
        /// What is missing, where it is not ready.
        message: String = computed(),
        /// Names of the Redis pods.
        redis_pods: Vec<String> = computed(),
        /// How many of them are Ready.
        ready_pods: i64 = computed(),
        /// The image that runs.
        image: Option<String> = computed(),
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
    /// What identifies an instance.
    pub struct Identity {
        /// Namespace of the instance.
        namespace: String = required(),
        /// Name of the instance.
        name: String = required(),
        /// Kind of the custom resource that carries the data; needed only where the name alone is not enough.
        kind: Option<String> = optional(),
    }
}

impl Instance {
    /// Where its objects are.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses { namespace: self.namespace.0.clone(), name: self.name.0.clone() }
    }

    /// What identifies it.
    pub fn identity(&self) -> Identity {
        Identity {
            namespace: self.namespace.0.clone(),
            name: self.name.0.clone(),
            kind: Some(crate::redis::opstree::Kind::Redis.kind().to_owned()),
        }
    }
}

/// The schema, with each attribute's class of change in its description.
pub fn schema() -> Schema {
    let about = "One Redis on Kubernetes, through the OpsTree Redis operator: created, resized, upgraded and \
                 deleted as one thing, and waited for until it serves.";
    Schema::new(0, about, documented(Instance::attributes()))
}

fn documented(attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes
        .into_iter()
        .map(|mut attribute| {
            if let Kind::Nested(nesting, nested) = attribute.kind {
                attribute.kind = Kind::Nested(nesting, documented(nested));
            }
            let default = match &attribute.presence {
                Presence::Defaulted(Value::String(text)) => format!(" Default: `{text}`."),
                Presence::Defaulted(Value::Number(number)) => format!(" Default: `{number}`."),
                Presence::Defaulted(Value::Bool(value)) => format!(" Default: `{value}`."),
                _ => String::new(),
            };
            let change = match attribute.change {
                Change::Rolls => " A change restarts the pods.",
                Change::Replaces => " A change replaces the instance: its data is lost.",
                Change::Refused => " A change on an existing instance is refused.",
                Change::Live | Change::ProviderOnly => "",
            };
            attribute.description.push_str(&default);
            attribute.description.push_str(change);
            attribute
        })
        .collect()
}

fn empty() -> Value {
    Value::Map(BTreeMap::new())
}

fn host(root: &Value) -> Value {
    match (root.get("name"), root.get("namespace")) {
        (Value::String(name), Value::String(namespace)) => Value::from(names::service_host(name, namespace)),
        _ => Value::Unknown,
    }
}

fn url(root: &Value) -> Value {
    match host(root) {
        Value::String(host) => Value::from(format!("redis://{host}:{}", names::REDIS_PORT)),
        other => other,
    }
}
