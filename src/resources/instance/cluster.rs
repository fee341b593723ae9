//! The instance's objects in the cluster: their addresses, and how they are looked at.

use tokio::time::Instant;

use crate::kubernetes::{Cluster, Error, Lookup, Metadata, ObjectRef, Resource, Selection, Watched};
use crate::redis::names::INSTANCE_LABEL;
use crate::redis::next::{Companion, CompanionKind};
use crate::redis::opstree;
use crate::redis::ready::Running;

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
    STATEFUL_SET = "apps" / "v1" "StatefulSet" "statefulsets" true;
    DEPLOYMENT = "apps" / "v1" "Deployment" "deployments" true;
    DEFINITION = "apiextensions.k8s.io" / "v1" "CustomResourceDefinition" "customresourcedefinitions" false;
}

/// The operator's `Redis`.
pub static REDIS: Resource = Resource {
    group: opstree::GROUP,
    version: opstree::VERSION,
    kind: "Redis",
    plural: "redis",
    namespaced: true,
};

/// Where an instance's objects are.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Addresses {
    /// The custom resource.
    pub fn custom_resource(&self) -> ObjectRef {
        ObjectRef::namespaced(&REDIS, &self.namespace, &self.name)
    }

    /// The StatefulSet that the operator makes.
    pub fn stateful_set(&self) -> ObjectRef {
        ObjectRef::namespaced(&STATEFUL_SET, &self.namespace, &self.name)
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

    /// A companion.
    pub fn companion(&self, companion: &Companion) -> ObjectRef {
        match companion.kind {
            CompanionKind::ConfigMap => self.config_map(&companion.name),
            CompanionKind::Secret => self.secret(&companion.name),
        }
    }

    /// Watches everything that makes the instance run.
    pub fn watch(&self, cluster: &Cluster) -> Watched {
        // The operator labels everything it makes; its own label beside `app`, which a user's objects may have too.
        let selector = format!("app={},redis_setup_type=standalone", self.name);
        cluster.watch(vec![
            Selection::one(&self.custom_resource()),
            Selection::one(&self.stateful_set()),
            Selection::labelled(&SERVICE, &self.namespace, &selector),
            Selection::labelled(&POD, &self.namespace, &selector),
            Selection::labelled(&CLAIM, &self.namespace, &selector),
        ])
    }

    /// What runs, as the watch has it.
    pub fn running(&self, watched: &Watched) -> Running {
        let all = |resource| watched.objects(resource).cloned().collect();
        Running {
            stateful_set: watched.get(&self.stateful_set()).cloned(),
            services: all(&SERVICE),
            pods: all(&POD),
            claims: all(&CLAIM),
        }
    }

    /// Companion objects of this instance, whatever their name.
    pub async fn companions(&self, cluster: &Cluster, deadline: Instant) -> Result<Vec<Companion>, Error> {
        let selector = format!("{INSTANCE_LABEL}={}", self.name);
        let mut companions = Vec::new();
        for (resource, kind) in [(&CONFIG_MAP, CompanionKind::ConfigMap), (&SECRET, CompanionKind::Secret)] {
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

    /// Whether the CRD itself is gone; any other reason for a missing kind is an error.
    pub async fn definition_is_gone(&self, cluster: &Cluster, deadline: Instant) -> Result<bool, Error> {
        let definition = ObjectRef::cluster_wide(&DEFINITION, opstree::Kind::Redis.crd());
        Ok(cluster.get_metadata(&definition, deadline).await? == Lookup::Absent)
    }
}
