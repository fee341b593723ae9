//! One resource type behind the server: between core's values and the resource's own model.

use futures::future::BoxFuture;

use super::attribute::{Attr, Attribute, Reading};
use super::diagnostic::Diagnostic;
use super::guard::guarded;
use super::phase::{Known, Planned as PlannedPhase};
use super::plan::{self, Proposal};
use super::private::Private;
use super::record::{Record, Saved};
use super::resource::{Call, Change, ImportTarget, PlanChange, PlannedModel, Problems, Resource};
use super::schema::{IdentitySchema, Schema};
use super::server::{
    Answer, ApplyResourceChange, ImportAnswer, ImportResourceState, ImportedResource, PlanResourceChange,
    Planned, ReadResource,
};
use super::validate::validate;
use super::value::Value;

/// Under this name private state keeps which optional attributes were derived.
const DERIVED: &str = ".derived";

/// What the server asks of a resource type, without its model.
pub trait Handler: Send + Sync {
    fn schema(&self) -> &Schema;
    fn identity_schema(&self) -> &IdentitySchema;
    fn validate(&self, config: &Value, write_only_allowed: bool) -> Vec<Diagnostic>;
    fn plan(&self, request: PlanResourceChange) -> Planned;
    fn read(&self, request: ReadResource, call: Call) -> BoxFuture<'_, Answer>;
    fn apply(&self, request: ApplyResourceChange, call: Call) -> BoxFuture<'_, Answer>;
    fn import(&self, request: ImportResourceState, call: Call) -> BoxFuture<'_, ImportAnswer>;
}

/// The handler of one resource.
pub struct ResourceHandler<R: Resource> {
    resource: R,
}

impl<R: Resource> ResourceHandler<R> {
    pub fn new(resource: R) -> ResourceHandler<R> {
        ResourceHandler { resource }
    }

    fn attributes(&self) -> &[Attribute] {
        &self.resource.schema().attributes
    }

    fn planned_model(value: &Value) -> Result<PlannedModel<R>, Problems> {
        read::<PlannedModel<R>>(value, R::Model::read::<PlannedPhase>)
    }

    fn plan_destroy(&self, request: PlanResourceChange) -> Planned {
        let prior = match model::<R::Model>(&request.prior_state) {
            Ok(prior) => prior,
            Err(problems) => return Planned { diagnostics: problems, ..Planned::default() },
        };
        let mut change = PlanChange::<R> {
            prior: Some(prior),
            planned: None,
            changes: Vec::new(),
            requires_replace: Vec::new(),
            private: Private::decode(&request.private),
        };
        let diagnostics = self.resource.plan(&mut change);
        Planned {
            state: Value::Null,
            requires_replace: Vec::new(),
            private: change.private.encode(),
            identity: request.identity,
            diagnostics,
        }
    }

    fn plan_change(&self, request: &PlanResourceChange) -> Result<Planned, Problems> {
        let attributes = self.attributes();
        let mut private = Private::decode(&request.private);
        let derived_before: Option<plan::Derived> = private.get(DERIVED);
        let Proposal { planned, derived, changes } =
            plan::propose(attributes, &request.config, &request.prior_state, derived_before.as_ref());
        private.set(DERIVED, derived);
        // Values that were unknown when the configuration was validated are judged here.
        let (_, problems) = validate(attributes, &planned);
        if !problems.is_empty() {
            return Err(problems);
        }
        let prior = match &request.prior_state {
            Value::Null => None,
            prior => Some(model::<R::Model>(prior)?),
        };
        let replaced = |changed: &&plan::Changed| changed.change == super::attribute::Change::Replaces;
        let mut change = PlanChange::<R> {
            prior,
            planned: Some(Self::planned_model(&planned)?),
            requires_replace: changes.iter().filter(replaced).map(|changed| changed.path.clone()).collect(),
            changes,
            private,
        };
        let diagnostics = self.resource.plan(&mut change);
        let state = change.planned.as_ref().map_or(Value::Null, R::Model::write::<PlannedPhase>);
        Ok(Planned {
            state: plan::strip_write_only(attributes, &state),
            requires_replace: change.requires_replace,
            private: change.private.encode(),
            identity: request.identity.clone(),
            diagnostics,
        })
    }

    fn change(&self, request: &ApplyResourceChange) -> Result<Change<R>, Problems> {
        let attributes = self.attributes();
        let planned = || {
            let with_secrets = plan::with_write_only(attributes, &request.planned_state, &request.config);
            Self::planned_model(&with_secrets)
        };
        Ok(match (&request.prior_state, &request.planned_state) {
            (prior, Value::Null) => Change::Delete { prior: model::<R::Model>(prior)? },
            (Value::Null, _) => Change::Create { planned: planned()? },
            (prior, planned_state) => Change::Update {
                prior: model::<R::Model>(prior)?,
                planned: planned()?,
                changes: plan::changes(attributes, prior, planned_state),
            },
        })
    }
}

impl<R: Resource> Handler for ResourceHandler<R> {
    fn schema(&self) -> &Schema {
        self.resource.schema()
    }

    fn identity_schema(&self) -> &IdentitySchema {
        self.resource.identity_schema()
    }

    fn validate(&self, config: &Value, write_only_allowed: bool) -> Vec<Diagnostic> {
        let attributes = self.attributes();
        let (accepted, mut diagnostics) = validate(attributes, config);
        if !write_only_allowed {
            diagnostics.extend(write_only_unsupported(attributes, config));
        }
        let completed = plan::propose(attributes, &accepted, &Value::Null, None).planned;
        match Self::planned_model(&completed) {
            Ok(model) => diagnostics.extend(self.resource.validate(&model)),
            // What a required attribute lacks is core's to say; anything else was said above.
            Err(problems) if diagnostics.is_empty() => diagnostics.extend(problems),
            Err(_) => {}
        }
        diagnostics
    }

    fn plan(&self, request: PlanResourceChange) -> Planned {
        if request.config.is_null() {
            return self.plan_destroy(request);
        }
        self.plan_change(&request).unwrap_or_else(|diagnostics| Planned { diagnostics, ..Planned::default() })
    }

    fn read(&self, request: ReadResource, call: Call) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let record = record::<R>(&request.state, &request.private, request.identity.as_ref());
            let outcome = match model::<R::Model>(&request.state) {
                Ok(state) => {
                    work("ReadResource", async { self.resource.read(state, &record, &call).await }).await
                }
                Err(problems) => Err(problems),
            };
            answer(self.schema(), record.saved(), outcome, &request.state, request.identity)
        })
    }

    fn apply(&self, request: ApplyResourceChange, call: Call) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let record = record::<R>(&request.prior_state, &request.private, request.identity.as_ref());
            let outcome = match self.change(&request) {
                Ok(change) => {
                    let body = async { self.resource.apply(change, &record, &call).await };
                    work("ApplyResourceChange", body).await
                }
                Err(problems) => Err(problems),
            };
            let spelling = match &request.planned_state {
                Value::Null => &request.prior_state,
                planned => planned,
            };
            answer(self.schema(), record.saved(), outcome, spelling, request.identity)
        })
    }

    fn import(&self, request: ImportResourceState, call: Call) -> BoxFuture<'_, ImportAnswer> {
        Box::pin(async move {
            let failed = |diagnostics| ImportAnswer { resources: Vec::new(), diagnostics };
            let target = match request.identity.filter(|identity| !identity.is_null()) {
                None => ImportTarget::Id(request.id),
                Some(identity) => match model::<R::Identity>(&identity) {
                    Ok(identity) => ImportTarget::Identity(identity),
                    Err(problems) => return failed(problems),
                },
            };
            match self.resource.import(target, &call).await {
                Err(problems) => failed(problems),
                Ok(imported) => ImportAnswer {
                    resources: vec![ImportedResource {
                        type_name: request.type_name,
                        state: plan::strip_write_only(
                            self.attributes(),
                            &R::Model::write::<Known>(&imported.model),
                        ),
                        private: imported.private.encode(),
                        identity: Some(R::Identity::write::<Known>(&imported.identity)),
                    }],
                    diagnostics: imported.warnings,
                },
            }
        })
    }
}

/// Runs a resource's work on an object: a panic is one more problem of it, so that what was saved before is
/// answered.
async fn work<T>(rpc: &str, body: impl Future<Output = Result<T, Problems>>) -> Result<T, Problems> {
    guarded(rpc, body).await.unwrap_or_else(|panicked| Err(vec![panicked]))
}

/// The answer is made from the record, however the call ended.
fn answer(
    schema: &Schema,
    saved: Saved,
    outcome: Result<(), Problems>,
    spelling: &Value,
    identity: Option<Value>,
) -> Answer {
    let mut diagnostics = saved.warnings;
    if let Err(problems) = outcome {
        diagnostics.extend(problems);
    }
    let state = plan::respell(&schema.attributes, &saved.state, spelling);
    Answer {
        state: plan::strip_write_only(&schema.attributes, &state),
        private: saved.private.encode(),
        identity: if saved.identity.is_null() { identity } else { Some(saved.identity) },
        diagnostics,
    }
}

fn record<R: Resource>(state: &Value, private: &[u8], identity: Option<&Value>) -> Record<R> {
    let identity = identity.cloned().unwrap_or_default();
    Record::of(state.clone(), Private::decode(private), identity)
}

fn model<T: Attr<In<Known> = T>>(value: &Value) -> Result<T, Problems> {
    read(value, T::read::<Known>)
}

fn read<T>(value: &Value, read: impl FnOnce(&Value, &mut Reading) -> Option<T>) -> Result<T, Problems> {
    let mut reading = Reading::default();
    match read(value, &mut reading) {
        Some(model) => Ok(model),
        None => Err(reading.problems()),
    }
}

fn write_only_unsupported(attributes: &[Attribute], config: &Value) -> Vec<Diagnostic> {
    let stripped = plan::strip_write_only(attributes, config);
    if &stripped == config {
        return Vec::new();
    }
    vec![Diagnostic::error(
        "Write-only attributes need Terraform 1.11 or OpenTofu 1.11",
        "This version would keep the value in its state. Upgrade it, or use the attribute's alternative that \
         refers to an existing Secret.",
    )]
}
