//! The questions of core to a resource type: one function for each RPC, with its request and its answer, in
//! Terraform's terms and not those of the wire.

use futures::future::BoxFuture;

use super::diagnostic::Diagnostic;
use super::path::Path;
use super::resource::Call;
use super::schema::{IdentitySchema, Schema};
use super::value::Value;

/// A resource type, without its model.
pub trait ResourceHandler: Send + Sync {
    /// The schema of its model.
    fn schema(&self) -> &Schema;

    /// The schema of its identity, for import.
    fn identity_schema(&self) -> &IdentitySchema;

    /// `ValidateResourceConfig`. `write_only_allowed`: whether this core knows write-only attributes.
    fn validate(&self, config: &Value, write_only_allowed: bool) -> Vec<Diagnostic>;

    /// `UpgradeResourceState`. Works unconfigured and offline.
    fn upgrade_state(&self, request: Upgrade) -> Upgraded;

    /// `UpgradeResourceIdentity`. Works unconfigured and offline.
    fn upgrade_identity(&self, request: Upgrade) -> Upgraded;

    /// `PlanResourceChange`
    fn plan(&self, request: PlanResourceChange) -> BoxFuture<'_, Planned>;

    /// `ReadResource`
    fn read(&self, request: ReadResource, call: Call) -> BoxFuture<'_, Answer>;

    /// `ApplyResourceChange`
    fn apply(&self, request: ApplyResourceChange, call: Call) -> BoxFuture<'_, Answer>;

    /// `ImportResourceState`
    fn import(&self, request: ImportResourceState, call: Call) -> BoxFuture<'_, ImportAnswer>;
}

/// `UpgradeResourceState` and `UpgradeResourceIdentity`
pub struct Upgrade {
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

/// `PlanResourceChange`
pub struct PlanResourceChange {
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
    /// The attributes that require a replacement.
    pub requires_replace: Vec<Path>,
    /// For Apply.
    pub private: Vec<u8>,
    /// As far as it is known.
    pub identity: Option<Value>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// `ReadResource`
pub struct ReadResource {
    /// As of the last apply or read.
    pub state: Value,
    /// Private data.
    pub private: Vec<u8>,
    /// Identity, where this core knows them.
    pub identity: Option<Value>,
}

/// `ApplyResourceChange`
pub struct ApplyResourceChange {
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
    /// Empty if an identity is given.
    pub id: String,
    /// The identity, if one is given.
    pub identity: Option<Value>,
}

/// The answer to an import.
#[derive(Clone, Debug, Default)]
pub struct ImportAnswer {
    /// The imported resources; none with an error.
    pub resource: Option<ImportedResource>,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// One imported resource.
#[derive(Clone, Debug)]
pub struct ImportedResource {
    /// Its state.
    pub state: Value,
    /// Private data.
    pub private: Vec<u8>,
    /// Its identity.
    pub identity: Option<Value>,
}
