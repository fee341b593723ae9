//! What a resource must declare and do; the server does everything else about Terraform.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::attribute::Attr;
use super::diagnostic::Diagnostic;
use super::path::Path;
use super::phase::{Known, Planned};
use super::plan::Changed;
use super::private::Private;
use super::record::Record;
use super::schema::{IdentitySchema, Schema};

/// Errors that end a call. The [`Record`] contains what exists by then.
pub type Problems = Vec<Diagnostic>;

/// A resource's model, with values that may be unknown before apply.
pub type PlannedModel<R> = <<R as Resource>::Model as Attr>::In<Planned>;

/// One call, and the signal to stop it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Cancelled by Stop (Ctrl-C), and when core is gone.
    pub cancelled: CancellationToken,
}

/// The input of a plan.
pub struct PlanChange<R: Resource> {
    /// The object before; `None` on create, and in the second call of a replace.
    pub prior: Option<R::Model>,
    /// The object after; `None` on destroy. May be changed.
    pub planned: Option<PlannedModel<R>>,
    /// The differences.
    pub changes: Vec<Changed>,
    /// The attributes that require a replacement. May be extended.
    pub requires_replace: Vec<Path>,
    /// Private data of the prior object or, in the second call of a replace, of the first call. Apply
    /// receives it as it is left here.
    pub private: Private,
}

/// What Apply should do.
pub enum Change<R: Resource> {
    /// Create the object.
    Create {
        /// As planned, with the configuration's write-only values.
        planned: PlannedModel<R>,
    },
    /// Change the object.
    Update {
        /// The prior object.
        prior: R::Model,
        /// As planned, with the configuration's write-only values.
        planned: PlannedModel<R>,
        /// The differences.
        changes: Vec<Changed>,
    },
    /// Destroy the object.
    Delete {
        /// The prior object.
        prior: R::Model,
    },
}

/// What an import asks for.
pub enum ImportTarget<R: Resource> {
    /// The id of `terraform import` or of an `import` block.
    Id(String),
    /// The identity of an `import` block.
    Identity(R::Identity),
}

/// The result of an import.
pub struct Imported<R: Resource> {
    /// Its state.
    pub model: R::Model,
    /// Its identity.
    pub identity: R::Identity,
    /// Its private data.
    pub private: Private,
    /// Warnings for the user.
    pub warnings: Vec<Diagnostic>,
}

/// A resource type. `Model` and `Identity` are declared with [`object!`](crate::object).
pub trait Resource: Send + Sync + Sized + 'static {
    /// The schema of what users write and see.
    type Model: Attr<In<Known> = Self::Model>;
    /// What identifies one for import.
    type Identity: Attr<In<Known> = Self::Identity>;

    /// `redis_…`
    fn type_name(&self) -> &'static str;
    /// The schema of `Model`.
    fn schema(&self) -> &Schema;
    /// The schema of `Identity`.
    fn identity_schema(&self) -> &IdentitySchema;

    /// Errors across attributes. Defaults are filled in; values that are invalid by themselves are unknown
    /// here.
    fn validate(&self, config: &PlannedModel<Self>) -> Vec<Diagnostic>;

    /// Guards, warnings and everything else that the plan needs. What is planned follows from the input alone; the
    /// cluster may be asked only for a reason to refuse the plan.
    fn plan(&self, change: &mut PlanChange<Self>) -> impl Future<Output = Vec<Diagnostic>> + Send;

    /// Updates the record from the cluster.
    fn read(
        &self,
        state: Self::Model,
        record: &Record<Self>,
        call: &Call,
    ) -> impl Future<Output = Result<(), Problems>> + Send;

    /// Carries out the plan. If the call is cancelled at any point, the record shows what exists.
    fn apply(
        &self,
        change: Change<Self>,
        record: &Record<Self>,
        call: &Call,
    ) -> impl Future<Output = Result<(), Problems>> + Send;

    /// Finds an existing object.
    fn import(
        &self,
        target: ImportTarget<Self>,
        call: &Call,
    ) -> impl Future<Output = Result<Imported<Self>, Problems>> + Send;
}

/// A provider: its block, and its resources.
pub trait Provider: Send + Sync + 'static {
    /// The schema of the provider block.
    fn schema(&self) -> &Schema;
    /// Errors of a provider block, beyond those of each single attribute.
    fn validate(&self, config: &super::Value) -> Vec<Diagnostic>;
    /// Takes the provider block. Must not connect; unknown values are accepted.
    fn configure(&self, config: &super::Value, terraform_version: &str) -> Vec<Diagnostic>;
}
