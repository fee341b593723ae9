//! The instance's objects in the cluster: their addresses, and how they are looked at.

use tokio::time::Instant;

use crate::kubernetes::{Cluster, Error, Lookup, Metadata, ObjectRef, Resource, Selection, Watched};
use crate::redis::names::INSTANCE_LABEL;
use crate::redis::next::{Companion, CompanionKind};
use crate::redis::opstree::{self, Kind};
use crate::redis::ready::Running;
use crate::redis::topology::Topology;

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
    DEFINITION = "apiextensions.k8s.io" / "v1" "CustomResourceDefinition" "customresourcedefinitions" false;
}

macro_rules! operators_resources {
    ($($NAME:ident = $Kind:ident $plural:literal;)*) => {
        $(static $NAME: Resource = Resource {
            group: opstree::GROUP,
            version: opstree::VERSION,
            kind: stringify!($Kind),
            plural: $plural,
            namespaced: true,
        };)*

        /// A kind of the operator's.
        pub fn resource(kind: Kind) -> &'static Resource {
            match kind { $(Kind::$Kind => &$NAME,)* }
        }
    };
}

operators_resources! {
    REDIS = Redis "redis";
    REDIS_REPLICATION = RedisReplication "redisreplications";
    REDIS_SENTINEL = RedisSentinel "redissentinels";
    REDIS_CLUSTER = RedisCluster "redisclusters";
}

/// Where an instance's objects are.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its shape.
    pub topology: Topology,
}

impl Addresses {
    /// A custom resource.
    pub fn custom_resource(&self, kind: Kind) -> ObjectRef {
        ObjectRef::namespaced(resource(kind), &self.namespace, &self.name)
    }

    /// The custom resource that carries the data.
    pub fn data(&self) -> ObjectRef {
        self.custom_resource(self.topology.data())
    }

    /// The StatefulSets that the operator makes.
    pub fn stateful_sets(&self) -> impl Iterator<Item = ObjectRef> {
        self.topology
            .parts()
            .iter()
            .map(|part| ObjectRef::namespaced(&STATEFUL_SET, &self.namespace, part.name(&self.name)))
    }

    /// A ConfigMap.
    pub fn config_map(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced(&CONFIG_MAP, &self.namespace, name)
    }

    /// A Secret.
    pub fn secret(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced(&SECRET, &self.namespace, name)
    }

    /// A volume claim.
    pub fn claim(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced(&CLAIM, &self.namespace, name)
    }

    /// A pod.
    pub fn pod(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced(&POD, &self.namespace, name)
    }

    /// A Service.
    pub fn service(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced(&SERVICE, &self.namespace, name)
    }

    /// A companion.
    pub fn companion(&self, kind: CompanionKind, name: &str) -> ObjectRef {
        match kind {
            CompanionKind::ConfigMap => self.config_map(name),
            CompanionKind::Secret => self.secret(name),
            CompanionKind::Service => self.service(name),
        }
    }

    /// Watches everything that makes the instance run.
    pub fn watch(&self, cluster: &Cluster) -> Watched {
        // The operator labels everything it makes; its own label beside `app`, which a user's objects may have too.
        let selector = self.topology.selector(&self.name);
        let custom_resources =
            self.topology.kinds().iter().map(|kind| Selection::one(&self.custom_resource(*kind)));
        let made = [&STATEFUL_SET, &SERVICE, &POD, &CLAIM]
            .map(|resource| Selection::labelled(resource, &self.namespace, &selector));
        cluster.watch(custom_resources.chain(made).collect())
    }

    /// What runs, as the watch has it.
    pub fn running(&self, watched: &Watched) -> Running {
        let all = |resource| watched.objects(resource).cloned().collect();
        Running {
            stateful_sets: all(&STATEFUL_SET),
            services: all(&SERVICE),
            pods: all(&POD),
            claims: all(&CLAIM),
        }
    }

    /// Companion objects of this instance, whatever their name.
    pub async fn companions(&self, cluster: &Cluster, deadline: Instant) -> Result<Vec<Companion>, Error> {
        let selector = format!("{INSTANCE_LABEL}={}", self.name);
        let mut companions = Vec::new();
        for (resource, kind) in [
            (&CONFIG_MAP, CompanionKind::ConfigMap),
            (&SECRET, CompanionKind::Secret),
            (&SERVICE, CompanionKind::Service),
        ] {
            let found =
                cluster.list_metadata(resource, Some(&self.namespace), Some(&selector), deadline).await?;
            companions.extend(found.iter().map(|object| Companion {
                kind,
                name: object.name().to_owned(),
                owned: object.metadata("ownerReferences").is_some(),
            }));
        }
        Ok(companions)
    }

    /// Whether the CRD of the data itself is gone; any other reason for a missing kind is an error.
    pub async fn definition_is_gone(&self, cluster: &Cluster, deadline: Instant) -> Result<bool, Error> {
        let definition = ObjectRef::cluster_wide(&DEFINITION, self.topology.data().crd());
        Ok(cluster.get_metadata(&definition, deadline).await? == Lookup::Absent)
    }
}
