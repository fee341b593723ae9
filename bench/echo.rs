//! The echo provider, for `bench/run`: our binary with the same schema that answers with the same states and does
//! nothing. What our provider takes longer than this one is what it does beyond core, wire and schema.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use terraform_provider_redis::plugin::{self, Mode};
use terraform_provider_redis::provider;
use terraform_provider_redis::resources::instance::{Identity, Instance, InstanceResource};
use terraform_provider_redis::terraform::attribute::{Attr, Reading};
use terraform_provider_redis::terraform::record::Record;
use terraform_provider_redis::terraform::resource::{
    Call, Change, ImportTarget, Imported, PlanChange, PlannedModel, Problems, Provider, Resource,
};
use terraform_provider_redis::terraform::{
    Diagnostic, IdentitySchema, Known, Planned, Schema, Server, Value,
};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ours = Arc::new(provider::server());
    let server =
        Server::new(Arc::new(EchoProvider(Arc::clone(&ours)))).with_resource(Echo(InstanceResource::new(
            // Never connected to anything.
            Arc::default(),
        )));
    let served = runtime.block_on(plugin::serve(Arc::new(server), Mode::Core));
    runtime.shutdown_background();
    served.map(drop).map_err(Into::into)
}

/// The same provider block; any configuration is accepted and ignored.
struct EchoProvider(Arc<Server>);

impl Provider for EchoProvider {
    fn schema(&self) -> &Schema {
        self.0.provider_schema()
    }

    fn validate(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn configure(&self, _config: &Value, _terraform_version: &str) -> Vec<Diagnostic> {
        Vec::new()
    }
}

/// The same resource, without a cluster.
struct Echo(InstanceResource);

impl Resource for Echo {
    type Model = Instance;
    type Identity = Identity;

    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn identity_schema(&self) -> &IdentitySchema {
        self.0.identity_schema()
    }

    fn validate(&self, _config: &PlannedModel<Self>) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn plan(&self, _change: &mut PlanChange<Self>) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// The record holds the state already.
    async fn read(&self, _state: Instance, _record: &Record<Self>, _call: &Call) -> Result<(), Problems> {
        Ok(())
    }

    async fn apply(&self, change: Change<Self>, record: &Record<Self>, _call: &Call) -> Result<(), Problems> {
        match change {
            Change::Create { planned } | Change::Update { planned, .. } => {
                let instance = settle(Instance::write::<Planned>(&planned))?;
                record.save(&instance, &instance.identity());
            }
            Change::Delete { .. } => record.gone(),
        }
        Ok(())
    }

    async fn import(&self, _target: ImportTarget<Self>, _call: &Call) -> Result<Imported<Self>, Problems> {
        Err(vec![Diagnostic::error("No import", "The echo provider has nothing to import.")])
    }
}

/// What was planned, with values such as ours has after an apply that did not wait.
fn settle(mut planned: Value) -> Result<Instance, Problems> {
    let text = |name: &str| planned.get(name).as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text("name"), text("namespace"));
    let object = |kind: &str, name: String| {
        Value::object([
            ("kind", Value::from(kind)),
            ("namespace", Value::from(namespace.clone())),
            ("name", Value::from(name)),
        ])
    };
    let status = Value::object([
        ("ready", Value::from(false)),
        ("phase", Value::from("Progressing")),
        ("message", Value::from("it was not waited for (wait.enabled = false)")),
        ("redis_pods", Value::List(Vec::new())),
        ("ready_pods", Value::from(0)),
        ("sentinel_pods", Value::List(Vec::new())),
        ("image", Value::Null),
    ]);
    let objects = Value::from([
        object("Redis", name.clone()),
        object("ConfigMap", format!("{name}-config-0123456789")),
        object("Secret", format!("{name}-auth")),
    ]);
    let secret = [("name", Value::from(format!("{name}-auth"))), ("key", Value::from("password"))];
    let first = [
        ("id", Value::from(format!("{namespace}/{name}"))),
        ("claim", Value::from("0123456789abcdef")),
        ("auth_secret", Value::object(secret)),
        ("external_host", Value::Null),
        ("status", status),
        ("objects", objects),
        ("repairs", Value::Map(BTreeMap::new())),
    ];
    if let Value::Map(attributes) = &mut planned {
        for (name, value) in first {
            attributes.insert(name.to_owned(), value);
        }
    }
    let mut reading = Reading::default();
    Instance::read::<Known>(&planned, &mut reading).ok_or_else(|| reading.problems())
}
