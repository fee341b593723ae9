//! A provider of one resource that does what its argument `does` says, to see what the wire makes of it.
//!
//! It must be a process of its own, so this test binary is started again as one: see
//! `Process::test_provider`.

use std::sync::Arc;
use std::time::Duration;

use terraform_provider_redis::object;
use terraform_provider_redis::plugin::{self, Ended, Mode};
use terraform_provider_redis::terraform::private::Private;
use terraform_provider_redis::terraform::record::Record;
use terraform_provider_redis::terraform::resource::{
    Call, Change, ImportTarget, Imported, PlanChange, PlannedModel, Problems, Provider, Resource,
};
use terraform_provider_redis::terraform::{Diagnostic, IdentitySchema, Maybe, Schema, Server, Value};

/// Targets outside our own crate are not logged.
const LOG: &str = "terraform_provider_redis::test";

/// The exit codes by which tests learn how it ended.
pub const SIGNALLED: i32 = 10;
pub const ABANDONED: i32 = 11;

object! {
    /// A thing.
    pub struct Thing {
        /// What its calls do.
        does: String = required(),
        /// Any amount of text.
        text: Option<String> = optional(),
    }
}

object! {
    /// What identifies a thing.
    pub struct ThingIdentity {
        /// What its calls do.
        does: String = required(),
    }
}

/// The resource `test_thing`.
struct Things {
    schema: Schema,
    identity_schema: IdentitySchema,
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

    fn validate(&self, config: &PlannedModel<Self>) -> Vec<Diagnostic> {
        assert_ne!(config.does.known().map(String::as_str), Some("panic in validate"), "as it was told to");
        Vec::new()
    }

    async fn plan(&self, change: &mut PlanChange<Self>) -> Vec<Diagnostic> {
        let does = change.planned.as_ref().and_then(|planned| planned.does.known());
        assert_ne!(does.map(String::as_str), Some("panic in plan"), "as it was told to");
        Vec::new()
    }

    async fn read(&self, state: Thing, _record: &Record<Self>, _call: &Call) -> Result<(), Problems> {
        assert_ne!(state.does, "panic in read", "as it was told to");
        Ok(())
    }

    async fn apply(&self, change: Change<Self>, record: &Record<Self>, call: &Call) -> Result<(), Problems> {
        let Change::Create { planned: Thing { does: Maybe::Known(does), text: Maybe::Known(text) } } = change
        else {
            record.gone();
            return Ok(());
        };
        let identity = ThingIdentity { does: does.clone() };
        record.save(&Thing { does: does.clone(), text }, &identity);
        match does.as_str() {
            "panic in a thread" => {
                let panicked = std::thread::spawn(|| panic!("as it was told to")).join();
                assert!(panicked.is_err());
                Ok(())
            }
            "panic in apply" => panic!("as it was told to"),
            "wait" => {
                tracing::info!(target: LOG, "waiting");
                call.cancelled.cancelled().await;
                Err(vec![Diagnostic::error("Stopped", "As it was told to.")])
            }
            "ignore stop" => {
                tracing::info!(target: LOG, "waiting");
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn import(&self, target: ImportTarget<Self>, _call: &Call) -> Result<Imported<Self>, Problems> {
        let does = match target {
            ImportTarget::Id(id) => id,
            ImportTarget::Identity(identity) => identity.does,
        };
        assert_ne!(does, "panic in import", "as it was told to");
        Ok(Imported {
            model: Thing { does: does.clone(), text: None },
            identity: ThingIdentity { does },
            private: Private::default(),
            warnings: Vec::new(),
        })
    }
}

struct TestProvider {
    schema: Schema,
}

impl Provider for TestProvider {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, _config: &Value) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn configure(&self, _config: &Value, _terraform_version: &str) -> Vec<Diagnostic> {
        Vec::new()
    }
}

fn server() -> Server {
    Server::new(Arc::new(TestProvider { schema: Schema::new(0, "", Vec::new()) })).with_resource(Things {
        schema: Schema::new(0, "A thing.", Thing::attributes()),
        identity_schema: IdentitySchema::new(0, ThingIdentity::attributes()),
    })
}

#[test]
fn serves_as_a_process_of_its_own() {
    if std::env::var_os("WIRE_TEST_PROVIDER").is_none() {
        // Run as a test: there is nothing to do.
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(plugin::serve(Arc::new(server()), Mode::Core)).unwrap();
    runtime.shutdown_background();
    std::process::exit(match ended {
        Ended::Shutdown => 0,
        Ended::Signal => SIGNALLED,
        Ended::Abandoned => ABANDONED,
    });
}
