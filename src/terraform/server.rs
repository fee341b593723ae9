//! The provider as core sees it: its handlers by kind and name, and everything that concerns the provider as
//! a whole.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::diagnostic::Diagnostic;
use super::handler::ResourceHandler;
use super::modelled::Modelled;
use super::resource::{Call, Provider, Resource};
use super::schema::Schema;
use super::table::Table;
use super::validate::validate;
use super::value::Value;

/// A provider and what it has.
pub struct Server {
    provider: Arc<dyn Provider>,
    resources: Table<dyn ResourceHandler>,
    /// Calls in flight hold a child of this; Stop cancels it and puts a new one in its place.
    running: Mutex<CancellationToken>,
}

impl Server {
    /// A provider that has nothing yet; see [`Server::with_resource`].
    pub fn new(provider: Arc<dyn Provider>) -> Server {
        Server { provider, resources: Table::new("resource"), running: Mutex::new(CancellationToken::new()) }
    }

    /// Adds a resource.
    pub fn with_resource<R: Resource>(mut self, resource: R) -> Server {
        self.resources.insert(resource.type_name(), Box::new(Modelled { resource }));
        self
    }

    /// Its resources. Core's questions about a single resource go there.
    pub fn resources(&self) -> &Table<dyn ResourceHandler> {
        &self.resources
    }

    /// The schema of the provider block.
    pub fn provider_schema(&self) -> &Schema {
        self.provider.schema()
    }

    /// `ValidateProviderConfig`
    pub fn validate_provider_config(&self, config: &Value) -> Vec<Diagnostic> {
        let (accepted, mut diagnostics) = validate(&self.provider.schema().attributes, config);
        diagnostics.extend(self.provider.validate(&accepted));
        diagnostics
    }

    /// `ConfigureProvider`. The version is that of Terraform or OpenTofu.
    pub fn configure_provider(&self, config: &Value, terraform_version: &str) -> Vec<Diagnostic> {
        self.provider.configure(config, terraform_version)
    }

    /// The context of a call that can be stopped.
    pub fn call(&self) -> Call {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Call { cancelled: running.child_token() }
    }

    /// `StopProvider`: calls in flight are cancelled; later calls work.
    pub fn stop(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, CancellationToken::new()).cancel();
    }
}
