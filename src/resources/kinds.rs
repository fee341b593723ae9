//! The kinds of objects that our resources read and write.

use crate::kubernetes::Resource;
use crate::redis::opstree::{self, Kind};

macro_rules! resources {
    ($($(#[doc = $doc:literal])* $NAME:ident = $group:literal / $version:literal $kind:literal $plural:literal $namespaced:literal;)*) => {
        $($(#[doc = $doc])* pub static $NAME: Resource = Resource {
            group: $group, version: $version, kind: $kind, plural: $plural, namespaced: $namespaced,
        };)*
    };
}

resources! {
    CONFIG_MAP = "" / "v1" "ConfigMap" "configmaps" true;
    SECRET = "" / "v1" "Secret" "secrets" true;
    SERVICE = "" / "v1" "Service" "services" true;
    POD = "" / "v1" "Pod" "pods" true;
    CLAIM = "" / "v1" "PersistentVolumeClaim" "persistentvolumeclaims" true;
    NAMESPACE = "" / "v1" "Namespace" "namespaces" false;
    EVENT = "" / "v1" "Event" "events" true;
    ENDPOINT_SLICE = "discovery.k8s.io" / "v1" "EndpointSlice" "endpointslices" true;
    STATEFUL_SET = "apps" / "v1" "StatefulSet" "statefulsets" true;
    DEPLOYMENT = "apps" / "v1" "Deployment" "deployments" true;
    DISRUPTION_BUDGET = "policy" / "v1" "PodDisruptionBudget" "poddisruptionbudgets" true;
    NETWORK_POLICY = "networking.k8s.io" / "v1" "NetworkPolicy" "networkpolicies" true;
    STORAGE_CLASS = "storage.k8s.io" / "v1" "StorageClass" "storageclasses" false;
    DEFINITION = "apiextensions.k8s.io" / "v1" "CustomResourceDefinition" "customresourcedefinitions" false;
}

macro_rules! operators_resources {
    ($($NAME:ident = $Kind:ident;)*) => {
        $(static $NAME: Resource = Resource {
            group: opstree::GROUP,
            version: opstree::VERSION,
            kind: stringify!($Kind),
            plural: Kind::$Kind.plural(),
            namespaced: true,
        };)*

        /// A kind of the operator's.
        pub fn resource(kind: Kind) -> &'static Resource {
            match kind { $(Kind::$Kind => &$NAME,)* }
        }
    };
}

operators_resources! {
    REDIS = Redis;
    REDIS_REPLICATION = RedisReplication;
    REDIS_SENTINEL = RedisSentinel;
    REDIS_CLUSTER = RedisCluster;
}
