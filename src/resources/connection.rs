//! The cluster that the provider block names, as the resources see it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::kubernetes::Cluster;
pub use crate::redis::names::DOMAIN;
use crate::redis::names::is_object_name;
use crate::terraform::Diagnostic;

/// Set by Configure, read by every call. With `-debug` one process is configured many times.
pub struct Connection {
    state: RwLock<State>,
    /// The DNS domain of the cluster; `None` if it is not known yet.
    domain: RwLock<Option<String>>,
    /// Objects that instances of this run are about to have, and the instance of each. No look at the cluster finds
    /// them before they are made.
    reserved: Mutex<BTreeMap<String, String>>,
}

impl Default for Connection {
    fn default() -> Connection {
        Connection {
            state: RwLock::default(),
            domain: RwLock::new(Some(DOMAIN.to_owned())),
            reserved: Mutex::default(),
        }
    }
}

#[derive(Clone, Default)]
enum State {
    /// Before Configure: validation and state upgrades need no cluster.
    #[default]
    NotConfigured,
    /// Some values of the provider block are not known yet; these are their attributes.
    Unknown(Vec<String>),
    /// A cluster; there is no connection yet.
    Cluster(Cluster),
}

/// Whether a text can be the DNS domain of a cluster.
///
/// # Errors
/// What was expected.
pub fn is_domain(domain: &Option<String>) -> Result<(), String> {
    match domain {
        Some(domain) if !is_object_name(domain) => {
            Err(format!("expected a DNS domain, such as cluster.local, got {domain:?}"))
        }
        _ => Ok(()),
    }
}

/// Why there is no cluster to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCluster {
    /// Some values of the provider block are not known yet; these are their attributes.
    Unknown(Vec<String>),
    /// The provider was not configured.
    NotConfigured,
}

impl Connection {
    /// Sets the cluster.
    pub fn set(&self, cluster: Cluster) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Cluster(cluster);
    }

    /// Records that some values of the provider block are not known yet.
    pub fn set_unknown(&self, attributes: Vec<String>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Unknown(attributes);
    }

    /// Sets the DNS domain of the cluster; `None` if it is not known yet.
    pub fn set_domain(&self, domain: Option<String>) {
        *self.domain.write().unwrap_or_else(PoisonError::into_inner) = domain;
    }

    /// The DNS domain of the cluster; `None` if it is not known yet.
    pub fn domain(&self) -> Option<String> {
        self.domain.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reserves the names of objects for an instance, all or none of them.
    ///
    /// # Errors
    /// An object that is reserved for another instance, and that instance.
    pub fn reserve(
        &self,
        instance: &str,
        objects: impl Iterator<Item = String>,
    ) -> Result<(), (String, String)> {
        let objects: Vec<String> = objects.collect();
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        for object in &objects {
            if let Some(other) = reserved.get(object).filter(|other| *other != instance) {
                return Err((object.clone(), other.clone()));
            }
        }
        reserved.extend(objects.into_iter().map(|object| (object, instance.to_owned())));
        Ok(())
    }

    /// The cluster.
    pub fn cluster(&self) -> Result<Cluster, NoCluster> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Cluster(cluster) => Ok(cluster.clone()),
            State::Unknown(attributes) => Err(NoCluster::Unknown(attributes.clone())),
            State::NotConfigured => Err(NoCluster::NotConfigured),
        }
    }
}

impl NoCluster {
    /// The error for calls that need a cluster.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            NoCluster::Unknown(attributes) => Diagnostic::error(
                "The cluster is not known yet",
                format!(
                    "The provider block's {} will be known only after apply. First apply the resources that \
                     these values depend on (-target), or set known values.",
                    attributes.join(", ")
                ),
            ),
            NoCluster::NotConfigured => Diagnostic::error(
                "The provider is not configured",
                "Core called a resource before it configured the provider. This is a bug; please report it.",
            ),
        }
    }
}
