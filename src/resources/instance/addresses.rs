//! Where the objects of an instance are, and how they are watched.

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

use crate::kubernetes::{Cluster, Error, Lookup, ObjectRef, Selection, Watched};
use crate::redis::opstree::Kind;
use crate::redis::running::Running;
use crate::redis::topology::Topology;
use crate::resources::kinds::{CLAIM, CONFIG_MAP, DEFINITION, POD, SECRET, SERVICE, STATEFUL_SET, resource};

/// Where an instance's objects are.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its shape.
    pub topology: Topology,
    /// The label `app` of the pods, by the kind of the custom resource, if the custom resource bears that label.
    pub app_labels: BTreeMap<String, String>,
}

/// As the id of the instance says it: `namespace/name`.
impl fmt::Display for Addresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl Addresses {
    /// Where the objects are of an instance with the operator's own labels.
    pub fn new(namespace: String, name: String, topology: Topology) -> Addresses {
        Addresses { namespace, name, topology, app_labels: BTreeMap::new() }
    }

    /// A selector of everything that the operator creates for the instance. Other instances may bear the same label, if
    /// somebody has chosen it.
    pub fn selector(&self) -> String {
        self.topology.selector(&self.name, &self.app_labels)
    }

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

    /// Watches all objects that the instance runs on.
    pub fn watch(&self, cluster: &Cluster) -> Watched {
        // The operator labels everything it creates. Its own label is part of the selector, because objects
        // of a user may have the label `app`, too.
        let selector = self.selector();
        let custom_resources =
            self.topology.kinds().iter().map(|kind| Selection::one(&self.custom_resource(*kind)));
        let made = [&STATEFUL_SET, &SERVICE, &POD, &CLAIM]
            .map(|resource| Selection::labelled(resource, &self.namespace, &selector));
        cluster.watch(custom_resources.chain(made).collect())
    }

    /// What runs, as the watch has it.
    pub fn running(&self, watched: &Watched) -> Running {
        let all = |resource| watched.objects(resource).cloned().collect();
        let mut running = Running {
            stateful_sets: all(&STATEFUL_SET),
            services: all(&SERVICE),
            pods: all(&POD),
            claims: all(&CLAIM),
        };
        running.retain_those_of(self.topology, &self.name);
        running
    }

    /// Whether the CRD of the data itself is gone; any other reason for a missing kind is an error.
    pub async fn definition_is_gone(&self, cluster: &Cluster, deadline: Instant) -> Result<bool, Error> {
        let definition = ObjectRef::cluster_wide(&DEFINITION, self.topology.data().crd());
        Ok(cluster.get_metadata(&definition, deadline).await? == Lookup::Absent)
    }
}
