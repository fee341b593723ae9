//! Connects core and a resource: core's values become the resource's own model, and the model becomes core's
//! values.

use futures::future::BoxFuture;

use super::attribute::{Attr, Attribute, Reading};
use super::diagnostic::Diagnostic;
use super::guard::guarded;
use super::handler::{
    Answer, ApplyResourceChange, ImportAnswer, ImportResourceState, ImportedResource, PlanResourceChange,
    Planned, ReadResource, ResourceHandler, Upgrade, Upgraded,
};
use super::phase::{Known, Planned as PlannedPhase};
use super::plan::{self, Proposal};
use super::private::Private;
use super::record::Record;
use super::resource::{Call, Change, ImportTarget, PlanChange, PlannedModel, Problems, Resource};
use super::schema::{IdentitySchema, Schema};
use super::upgrade;
use super::validate::{validate, validate_new, write_only_unsupported};
use super::value::Value;

/// The name in private state under which the derived optional attributes are kept.
const DERIVED: &str = ".derived";

/// A resource with its model, as core asks for it.
pub struct Modelled<R: Resource> {
    pub resource: R,
}

impl<R: Resource> Modelled<R> {
    fn attributes(&self) -> &[Attribute] {
        &self.resource.schema().attributes
    }

    fn planned_model(value: &Value) -> Result<PlannedModel<R>, Problems> {
        read::<PlannedModel<R>>(value, R::Model::read::<PlannedPhase>)
    }

    async fn plan_destroy(&self, request: PlanResourceChange) -> Planned {
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
        let diagnostics = self.resource.plan(&mut change).await;
        Planned {
            state: Value::Null,
            requires_replace: Vec::new(),
            private: change.private.encode(),
            identity: request.identity,
            diagnostics,
        }
    }

    async fn plan_change(&self, request: &PlanResourceChange) -> Result<Planned, Problems> {
        let attributes = self.attributes();
        let mut private = Private::decode(&request.private);
        let derived_before: Option<plan::Derived> = private.get(DERIVED);
        let Proposal { planned, derived, changes } =
            plan::propose(attributes, &request.config, &request.prior_state, derived_before.as_ref());
        private.set(DERIVED, derived);
        // Values that were unknown when the configuration was validated are checked here.
        let (_, mut problems) = validate(attributes, &planned);
        problems.extend(validate_new(attributes, &planned, &request.prior_state));
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
        let diagnostics = self.resource.plan(&mut change).await;
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

impl<R: Resource> ResourceHandler for Modelled<R> {
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
            // Core itself reports a missing required attribute; everything else was reported above.
            Err(problems) if diagnostics.is_empty() => diagnostics.extend(problems),
            Err(_) => {}
        }
        diagnostics
    }

    fn upgrade_state(&self, request: Upgrade) -> Upgraded {
        upgrade::state(self.resource.type_name(), self.schema(), &request)
    }

    fn upgrade_identity(&self, request: Upgrade) -> Upgraded {
        upgrade::identity(self.resource.type_name(), self.identity_schema().ty(), &request)
    }

    fn plan(&self, request: PlanResourceChange) -> BoxFuture<'_, Planned> {
        Box::pin(async move {
            if request.config.is_null() {
                return self.plan_destroy(request).await;
            }
            let planned = self.plan_change(&request).await;
            planned.unwrap_or_else(|diagnostics| Planned { diagnostics, ..Planned::default() })
        })
    }

    fn read(&self, request: ReadResource, call: Call) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let record = Record::<R>::of(&request.state, &request.private, request.identity.as_ref());
            let outcome = match model::<R::Model>(&request.state) {
                Ok(state) => {
                    work("ReadResource", async { self.resource.read(state, &record, &call).await }).await
                }
                Err(problems) => Err(problems),
            };
            record.answer(self.attributes(), outcome, &request.state)
        })
    }

    fn apply(&self, request: ApplyResourceChange, call: Call) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let record = Record::<R>::of(&request.prior_state, &request.private, request.identity.as_ref());
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
            record.answer(self.attributes(), outcome, spelling)
        })
    }

    fn import(&self, request: ImportResourceState, call: Call) -> BoxFuture<'_, ImportAnswer> {
        Box::pin(async move {
            let failed = |diagnostics| ImportAnswer { resource: None, diagnostics };
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
                    resource: Some(ImportedResource {
                        state: plan::strip_write_only(
                            self.attributes(),
                            &R::Model::write::<Known>(&imported.model),
                        ),
                        private: imported.private.encode(),
                        identity: Some(R::Identity::write::<Known>(&imported.identity)),
                    }),
                    diagnostics: imported.warnings,
                },
            }
        })
    }
}

/// Runs a resource's work on an object. A panic is treated like any other problem, so that the answer
/// contains what was saved before the panic.
async fn work(rpc: &str, body: impl Future<Output = Result<(), Problems>>) -> Result<(), Problems> {
    guarded(rpc, body).await.unwrap_or_else(|panicked| Err(vec![panicked]))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::object;
    use crate::terraform::phase::Maybe;
    use crate::terraform::resource::Imported;

    object! {
        /// A thing.
        pub struct Thing {
            /// How work on it ends.
            ends: String = required(),
            /// How often there was work on it.
            works: i64 = computed(),
        }
    }

    object! {
        /// What identifies a thing.
        pub struct ThingIdentity {
            /// How work on it ends.
            ends: String = required(),
        }
    }

    struct Things {
        schema: Schema,
        identity_schema: IdentitySchema,
    }

    impl Things {
        /// Work that saves and warns, and then ends as it is told.
        async fn work(ends: String, record: &Record<Things>, call: &Call) -> Result<(), Problems> {
            record.save(&Thing { ends: ends.clone(), works: 1 }, &ThingIdentity { ends: ends.clone() });
            record.warn(Diagnostic::warning("Works", "It does."));
            match ends.as_str() {
                "well" => Ok(()),
                "badly" => Err(vec![Diagnostic::error("Badly", "As it was told to.")]),
                "when stopped" => {
                    call.cancelled.cancelled().await;
                    Err(vec![Diagnostic::error("Stopped", "As it was told to.")])
                }
                _ => panic!("as it was told to"),
            }
        }
    }

    impl Resource for Things {
        type Model = Thing;
        type Identity = ThingIdentity;

        fn type_name(&self) -> &'static str {
            "test_thing"
        }

        fn schema(&self) -> &Schema {
            &self.schema
        }

        fn identity_schema(&self) -> &IdentitySchema {
            &self.identity_schema
        }

        fn validate(&self, _config: &PlannedModel<Self>) -> Vec<Diagnostic> {
            Vec::new()
        }

        async fn plan(&self, _change: &mut PlanChange<Self>) -> Vec<Diagnostic> {
            Vec::new()
        }

        async fn read(&self, state: Thing, record: &Record<Self>, call: &Call) -> Result<(), Problems> {
            Things::work(state.ends, record, call).await
        }

        async fn apply(
            &self,
            change: Change<Self>,
            record: &Record<Self>,
            call: &Call,
        ) -> Result<(), Problems> {
            let Change::Create { planned: Thing { ends: Maybe::Known(ends), .. } } = change else {
                panic!("only creates are tested here");
            };
            Things::work(ends, record, call).await
        }

        async fn import(
            &self,
            _target: ImportTarget<Self>,
            _call: &Call,
        ) -> Result<Imported<Self>, Problems> {
            panic!("as it was told to");
        }
    }

    fn things() -> Modelled<Things> {
        Modelled {
            resource: Things {
                schema: Schema::new(0, "A thing.", Thing::attributes()),
                identity_schema: IdentitySchema::new(0, ThingIdentity::attributes()),
            },
        }
    }

    fn thing(ends: &str, works: Value) -> Value {
        Value::object([("ends", Value::from(ends)), ("works", works)])
    }

    /// How work may end, and what the user then reads besides the warning.
    const ENDS: [(&str, &[&str]); 4] = [
        ("well", &[]),
        ("badly", &["Badly: As it was told to."]),
        ("when stopped", &["Stopped: As it was told to."]),
        ("in a panic", &["this text: as it was told to"]),
    ];

    fn assert_from_the_record(ends: &str, problems: &[&str], answer: &Answer) {
        assert_eq!(answer.state, thing(ends, Value::from(1)), "{ends}");
        assert_eq!(answer.identity, Some(Value::object([("ends", Value::from(ends))])), "{ends}");
        assert_eq!(answer.private, Private::default().encode(), "{ends}");
        let [warning, errors @ ..] = answer.diagnostics.as_slice() else { panic!("{ends}: {answer:?}") };
        assert_eq!(warning.summary, "Works", "{ends}");
        assert_eq!(errors.len(), problems.len(), "{ends}: {errors:?}");
        for (error, expected) in errors.iter().zip(problems) {
            let told = format!("{}: {}", error.summary, error.detail);
            assert!(error.is_error() && told.contains(expected), "{ends}: {told}");
        }
    }

    /// A call that is stopped soon.
    fn stopped_soon() -> Call {
        let call = Call { cancelled: CancellationToken::new() };
        let stop = call.cancelled.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            stop.cancel();
        });
        call
    }

    #[tokio::test]
    async fn an_apply_is_answered_from_the_record_however_it_ends() {
        for (ends, problems) in ENDS {
            let config = thing(ends, Value::Null);
            let request = ApplyResourceChange {
                prior_state: Value::Null,
                planned_state: thing(ends, Value::Unknown),
                config,
                private: Vec::new(),
                identity: None,
            };
            let answer = things().apply(request, stopped_soon()).await;
            assert_from_the_record(ends, problems, &answer);
        }
    }

    #[tokio::test]
    async fn a_read_is_answered_from_the_record_however_it_ends() {
        for (ends, problems) in ENDS {
            let request =
                ReadResource { state: thing(ends, Value::from(0)), private: Vec::new(), identity: None };
            let answer = things().read(request, stopped_soon()).await;
            assert_from_the_record(ends, problems, &answer);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_as_its_model_stays_as_it_is() {
        let private = {
            let mut private = Private::default();
            private.set("a", 1);
            private.encode()
        };
        let identity = Some(Value::object([("ends", Value::from("well"))]));
        let state = thing("well", Value::Null);
        let request =
            ReadResource { state: state.clone(), private: private.clone(), identity: identity.clone() };
        let answer = things().read(request, stopped_soon()).await;
        assert!(answer.diagnostics[0].is_error(), "{answer:?}");
        assert_eq!((answer.state, answer.private, answer.identity), (state, private, identity));
    }

    #[test]
    fn an_old_state_and_identity_are_upgraded_or_named() {
        let upgrade = |json: &str| Upgrade { version: 7, json: json.into() };
        let upgraded = things().upgrade_state(upgrade(r#"{"ends":"well","works":1,"of_old":1}"#));
        assert_eq!((upgraded.value, upgraded.diagnostics), (thing("well", Value::from(1)), vec![]));
        let upgraded = things().upgrade_identity(upgrade(r#"{"ends":"well"}"#));
        assert_eq!(upgraded.value, Value::object([("ends", Value::from("well"))]));

        for upgraded in [things().upgrade_state(upgrade("[]")), things().upgrade_identity(upgrade("[]"))] {
            assert_eq!(upgraded.diagnostics[0].summary, "The state of this test_thing cannot be read");
            assert!(
                upgraded.diagnostics[0].detail.contains("schema version 7"),
                "{:?}",
                upgraded.diagnostics
            );
        }
    }
}
