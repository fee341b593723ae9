//! The provider as core sees it: one function for each RPC, in Terraform's terms, none of the wire's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::diagnostic::Diagnostic;
use super::handler::{Handler, ResourceHandler};
use super::msgpack::DecodeError;
use super::path::Path;
use super::resource::{Call, Provider, Resource};
use super::schema::{IdentitySchema, Schema};
use super::validate::validate;
use super::value::Value;
use super::{attribute, json, plan};

/// A provider and its resources.
pub struct Server {
    provider: Arc<dyn Provider>,
    resources: BTreeMap<&'static str, Box<dyn Handler>>,
    /// Calls in flight hold a child of this; Stop cancels it and puts a new one in its place.
    running: Mutex<CancellationToken>,
}

/// `ConfigureProvider`
pub struct ConfigureProvider {
    /// Of Terraform or OpenTofu.
    pub terraform_version: String,
    /// The provider block.
    pub config: Value,
}

/// `ValidateResourceConfig`
pub struct ValidateResourceConfig {
    /// Which resource.
    pub type_name: String,
    /// As written.
    pub config: Value,
    /// Whether this core knows write-only attributes.
    pub write_only_allowed: bool,
}

/// `UpgradeResourceState` and `UpgradeResourceIdentity`
pub struct Upgrade {
    /// Which resource.
    pub type_name: String,
    /// Of the schema that wrote it.
    pub version: i64,
    /// As the state file keeps it.
    pub json: Vec<u8>,
}

/// The answer to an upgrade.
pub struct Upgraded {
    /// In the form of today's schema.
    pub value: Value,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// `ReadResource`
pub struct ReadResource {
    /// Which resource.
    pub type_name: String,
    /// As of the last apply or read.
    pub state: Value,
    /// Private data.
    pub private: Vec<u8>,
    /// Identity, where this core knows them.
    pub identity: Option<Value>,
}

/// `PlanResourceChange`
pub struct PlanResourceChange {
    /// Which resource.
    pub type_name: String,
    /// Null on create and in the second call of a replace.
    pub prior_state: Value,
    /// Null on destroy.
    pub config: Value,
    /// Private data of the prior state, or of the first call of a replace.
    pub private: Vec<u8>,
    /// Identity of the prior state.
    pub identity: Option<Value>,
}

/// The answer to a plan.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Null on destroy.
    pub state: Value,
    /// What makes it a replace.
    pub requires_replace: Vec<Path>,
    /// For Apply.
    pub private: Vec<u8>,
    /// As far as it is known.
    pub identity: Option<Value>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// `ApplyResourceChange`
pub struct ApplyResourceChange {
    /// Which resource.
    pub type_name: String,
    /// Null on create.
    pub prior_state: Value,
    /// Null on destroy.
    pub planned_state: Value,
    /// Null on destroy.
    pub config: Value,
    /// From the plan.
    pub private: Vec<u8>,
    /// From the plan.
    pub identity: Option<Value>,
}

/// The answer to a read or an apply.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Null for no object.
    pub state: Value,
    /// Private data.
    pub private: Vec<u8>,
    /// Identity.
    pub identity: Option<Value>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// `ImportResourceState`
pub struct ImportResourceState {
    /// Which resource.
    pub type_name: String,
    /// Empty where an identity is given.
    pub id: String,
    /// The identity, if one is given.
    pub identity: Option<Value>,
}

/// The answer to an import.
#[derive(Clone, Debug, Default)]
pub struct ImportAnswer {
    /// What was found: one, or none with an error.
    pub resources: Vec<ImportedResource>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// One imported resource.
#[derive(Clone, Debug)]
pub struct ImportedResource {
    /// Which resource.
    pub type_name: String,
    /// Its state.
    pub state: Value,
    /// Private data.
    pub private: Vec<u8>,
    /// Its identity.
    pub identity: Option<Value>,
}

impl Server {
    /// A provider without resources; see [`Server::with`].
    pub fn new(provider: Arc<dyn Provider>) -> Server {
        Server { provider, resources: BTreeMap::new(), running: Mutex::new(CancellationToken::new()) }
    }

    /// Adds a resource.
    pub fn with<R: Resource>(mut self, resource: R) -> Server {
        self.resources.insert(resource.type_name(), Box::new(ResourceHandler::new(resource)));
        self
    }

    /// The schema of the provider block.
    pub fn provider_schema(&self) -> &Schema {
        self.provider.schema()
    }

    /// All resources: type name, schema, identity.
    pub fn resources(&self) -> impl Iterator<Item = (&'static str, &Schema, Option<&IdentitySchema>)> {
        self.resources
            .iter()
            .map(|(name, handler)| (*name, handler.schema(), Some(handler.identity_schema())))
    }

    /// The schema of a resource.
    pub fn resource_schema(&self, type_name: &str) -> Option<&Schema> {
        self.resources.get(type_name).map(|handler| handler.schema())
    }

    /// The schema of a resource's identity.
    pub fn identity_schema(&self, type_name: &str) -> Option<&IdentitySchema> {
        self.resources.get(type_name).map(|handler| handler.identity_schema())
    }

    /// `ValidateProviderConfig`
    pub async fn validate_provider_config(&self, config: Value) -> Vec<Diagnostic> {
        let (accepted, mut diagnostics) = validate(&self.provider.schema().attributes, &config);
        diagnostics.extend(self.provider.validate(&accepted));
        diagnostics
    }

    /// `ConfigureProvider`
    pub async fn configure_provider(&self, request: ConfigureProvider) -> Vec<Diagnostic> {
        self.provider.configure(&request.config, &request.terraform_version)
    }

    /// `ValidateResourceConfig`
    pub async fn validate_resource_config(&self, request: ValidateResourceConfig) -> Vec<Diagnostic> {
        match self.handler(&request.type_name) {
            Ok(handler) => handler.validate(&request.config, request.write_only_allowed),
            Err(problem) => vec![problem],
        }
    }

    /// `UpgradeResourceState`. Works unconfigured and offline.
    pub async fn upgrade_resource_state(&self, request: Upgrade) -> Upgraded {
        let upgraded = self.handler(&request.type_name).and_then(|handler| {
            let schema = handler.schema();
            let state =
                json::decode(&request.json, schema.ty()).map_err(|error| unreadable(&request, &error))?;
            Ok(fill_in(&schema.attributes, &state))
        });
        answer_upgrade(upgraded)
    }

    /// `UpgradeResourceIdentity`. Works unconfigured and offline.
    pub async fn upgrade_resource_identity(&self, request: Upgrade) -> Upgraded {
        let upgraded = self.handler(&request.type_name).and_then(|handler| {
            json::decode(&request.json, handler.identity_schema().ty())
                .map_err(|error| unreadable(&request, &error))
        });
        answer_upgrade(upgraded)
    }

    /// `ReadResource`
    pub async fn read_resource(&self, request: ReadResource) -> Answer {
        match self.handler(&request.type_name) {
            Ok(handler) => handler.read(request, self.call()).await,
            Err(problem) => Answer {
                state: request.state,
                private: request.private,
                identity: request.identity,
                diagnostics: vec![problem],
            },
        }
    }

    /// `PlanResourceChange`
    pub async fn plan_resource_change(&self, request: PlanResourceChange) -> Planned {
        match self.handler(&request.type_name) {
            Ok(handler) => handler.plan(request),
            Err(problem) => Planned { diagnostics: vec![problem], ..Planned::default() },
        }
    }

    /// `ApplyResourceChange`
    pub async fn apply_resource_change(&self, request: ApplyResourceChange) -> Answer {
        match self.handler(&request.type_name) {
            Ok(handler) => handler.apply(request, self.call()).await,
            Err(problem) => Answer {
                state: request.prior_state,
                private: request.private,
                identity: request.identity,
                diagnostics: vec![problem],
            },
        }
    }

    /// `ImportResourceState`
    pub async fn import_resource_state(&self, request: ImportResourceState) -> ImportAnswer {
        match self.handler(&request.type_name) {
            Ok(handler) => handler.import(request, self.call()).await,
            Err(problem) => ImportAnswer { diagnostics: vec![problem], ..ImportAnswer::default() },
        }
    }

    /// `StopProvider`: calls in flight are cancelled, later ones work.
    pub fn stop(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, CancellationToken::new()).cancel();
    }

    fn call(&self) -> Call {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Call { cancelled: running.child_token() }
    }

    fn handler(&self, type_name: &str) -> Result<&dyn Handler, Diagnostic> {
        self.resources.get(type_name).map(|handler| handler.as_ref()).ok_or_else(|| {
            Diagnostic::error(
                format!("No resource {type_name}"),
                "This version of the provider does not have it. Check the name, or upgrade the provider.",
            )
        })
    }
}

fn answer_upgrade(upgraded: Result<Value, Diagnostic>) -> Upgraded {
    match upgraded {
        Ok(value) => Upgraded { value, diagnostics: Vec::new() },
        Err(problem) => Upgraded { value: Value::Null, diagnostics: vec![problem] },
    }
}

/// Attributes that an older schema did not have take their defaults, so that the next plan is empty.
fn fill_in(attributes: &[attribute::Attribute], state: &Value) -> Value {
    if state.is_null() {
        return Value::Null;
    }
    // With the state as its own configuration and prior, all that it holds stays.
    let completed = plan::complete(attributes, state, state);
    plan::strip_write_only(attributes, &plan::derive(attributes, state, completed, state, None).0)
}

fn unreadable(request: &Upgrade, error: &DecodeError) -> Diagnostic {
    Diagnostic::error(
        format!("The state of this {} cannot be read", request.type_name),
        format!(
            "It was written with schema version {}: {error}. Restore a backup of the state, or remove the \
             resource from the state and import it again.",
            request.version
        ),
    )
}
