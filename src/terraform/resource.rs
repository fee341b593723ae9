//! What a resource has to say for itself; all else about Terraform is done for it by the server.

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

/// Errors that end a call. What exists by then stands in the [`Record`].
pub type Problems = Vec<Diagnostic>;

/// A resource's model with what is not known before apply.
pub type PlannedModel<R> = <<R as Resource>::Model as Attr>::In<Planned>;

/// One call: how it is told to stop.
#[derive(Clone, Debug)]
pub struct Call {
    /// Cancelled by Stop (Ctrl-C), and when core is gone.
    pub cancelled: CancellationToken,
}

/// What a plan is made of.
pub struct PlanChange<R: Resource> {
    /// The object before; `None` on create, and in the second call of a replace.
    pub prior: Option<R::Model>,
    /// The object after; `None` on destroy. May be changed.
    pub planned: Option<PlannedModel<R>>,
    /// What differs.
    pub changes: Vec<Changed>,
    /// What replaces. May be added to.
    pub requires_replace: Vec<Path>,
    /// Private data of the prior object or, in the second call of a replace, of the first call. Handed to
    /// Apply as it is left.
    pub private: Private,
}

/// What Apply is to do.
pub enum Change<R: Resource> {
    /// Make it.
    Create {
        /// As planned, with the configuration's write-only values.
        planned: PlannedModel<R>,
    },
    /// Change it.
    Update {
        /// As it was.
        prior: R::Model,
        /// As planned, with the configuration's write-only values.
        planned: PlannedModel<R>,
        /// What differs.
        changes: Vec<Changed>,
    },
    /// Destroy it.
    Delete {
        /// As it was.
        prior: R::Model,
    },
}

/// What an import was asked for.
pub enum ImportTarget<R: Resource> {
    /// The id of `terraform import` or of an `import` block.
    Id(String),
    /// The identity of an `import` block.
    Identity(R::Identity),
}

/// What was found for an import.
pub struct Imported<R: Resource> {
    /// Its state.
    pub model: R::Model,
    /// Its identity.
    pub identity: R::Identity,
    /// Its private data.
    pub private: Private,
    /// What the user should know of it.
    pub warnings: Vec<Diagnostic>,
}

/// A resource type. `Model` and `Identity` are declared with [`object!`](crate::object).
pub trait Resource: Send + Sync + Sized + 'static {
    /// What users write and see.
    type Model: Attr<In<Known> = Self::Model>;
    /// What identifies one for import.
    type Identity: Attr<In<Known> = Self::Identity>;

    /// `redis_…`
    fn type_name(&self) -> &'static str;
    /// The schema of `Model`.
    fn schema(&self) -> &Schema;
    /// The schema of `Identity`.
    fn identity_schema(&self) -> &IdentitySchema;

    /// What is wrong across attributes. Defaults are filled in; what is wrong by itself is unknown here.
    fn validate(&self, config: &PlannedModel<Self>) -> Vec<Diagnostic>;

    /// Guards, warnings and what else the plan needs. Must be pure.
    fn plan(&self, change: &mut PlanChange<Self>) -> Vec<Diagnostic>;

    /// Brings the record up to date with the cluster.
    fn read(
        &self,
        state: Self::Model,
        record: &Record<Self>,
        call: &Call,
    ) -> impl Future<Output = Result<(), Problems>> + Send;

    /// Does what was planned. Cancelled at any point, the record tells what exists.
    fn apply(
        &self,
        change: Change<Self>,
        record: &Record<Self>,
        call: &Call,
    ) -> impl Future<Output = Result<(), Problems>> + Send;

    /// Finds what exists already.
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
    /// What is wrong with a provider block, beyond what each attribute says by itself.
    fn validate(&self, config: &super::Value) -> Vec<Diagnostic>;
    /// Takes the provider block. Must not connect; unknown values are accepted.
    fn configure(&self, config: &super::Value, terraform_version: &str) -> Vec<Diagnostic>;
}
