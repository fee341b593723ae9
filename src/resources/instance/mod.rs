//! `redis_k8s_instance`: an instance of Redis on Kubernetes, through the operator.
//!
//! An apply: `model → build → gather → next → do`, in a loop (`apply`, `run`). A refresh: `gather → observe →
//! model` (`read`, `state`). `validate` and `plan` judge before anything is written. `objects` is the table
//! of all objects that we manage beside the custom resources.

mod addresses;
mod adopt;
mod apply;
mod build;
mod checks;
mod clashes;
mod delete;
mod directives;
mod endpoints;
mod existing_secret;
mod failure;
mod gather;
mod growth;
mod import;
mod model;
mod objects;
mod plan;
mod read;
mod remains;
mod run;
mod schema;
mod settle;
mod state;
mod telling;
mod validate;

use std::sync::{Arc, LazyLock};

pub use model::{Identity, Instance};

use crate::resources::connection::Connection;
use crate::terraform::attribute::{Attr, Reading};
use crate::terraform::record::Record;
use crate::terraform::resource::{
    Call, Change, ImportTarget, Imported, PlanChange, PlannedModel, Problems, Resource,
};
use crate::terraform::{Diagnostic, IdentitySchema, Known, Planned, Schema};

/// The type name in configurations.
pub const TYPE_NAME: &str = "redis_k8s_instance";

/// The resource type.
pub struct InstanceResource {
    connection: Arc<Connection>,
}

impl InstanceResource {
    /// A resource type that works on that cluster.
    pub fn new(connection: Arc<Connection>) -> InstanceResource {
        InstanceResource { connection }
    }
}

impl Resource for InstanceResource {
    type Model = Instance;
    type Identity = Identity;

    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn schema(&self) -> &Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(schema::schema);
        &SCHEMA
    }

    fn identity_schema(&self) -> &IdentitySchema {
        static SCHEMA: LazyLock<IdentitySchema> =
            LazyLock::new(|| IdentitySchema::new(0, Identity::attributes()));
        &SCHEMA
    }

    fn validate(&self, config: &PlannedModel<Self>) -> Vec<Diagnostic> {
        validate::validate(config)
    }

    async fn plan(&self, change: &mut PlanChange<Self>) -> Vec<Diagnostic> {
        let cannot_grow = growth::refused_at_plan(&self.connection, change).await;
        let diagnostics = plan::plan(change, cannot_grow);
        let domain = self.connection.domain();
        change.planned = change.planned.take().map(|planned| {
            let moved = endpoints::under(&Instance::write::<Planned>(&planned), domain.as_deref());
            Instance::read::<Planned>(&moved, &mut Reading::default()).unwrap_or(planned)
        });
        diagnostics
    }

    async fn read(&self, state: Instance, record: &Record<Self>, call: &Call) -> Result<(), Problems> {
        Box::pin(read::read(&self.connection, state, record, call)).await
    }

    async fn apply(&self, change: Change<Self>, record: &Record<Self>, call: &Call) -> Result<(), Problems> {
        Box::pin(apply::apply(&self.connection, change, record, call)).await
    }

    async fn import(&self, target: ImportTarget<Self>, call: &Call) -> Result<Imported<Self>, Problems> {
        let mut imported = Box::pin(import::import(&self.connection, target, call)).await?;
        let moved =
            endpoints::under(&Instance::write::<Known>(&imported.model), self.connection.domain().as_deref());
        if let Some(model) = Instance::read::<Known>(&moved, &mut Reading::default()) {
            imported.model = model;
        }
        Ok(imported)
    }
}
