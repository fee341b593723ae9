//! Core, for tests: starts the provider's executable as Terraform does, speaks TLS as Go does, and calls RPCs
//! with values in place of bytes.
//!
//! ```ignore
//! let core = Core::start().await;
//! let thing = core.resource("test_thing").await;
//! let planned = core.plan(&thing, &State::none(), &thing.value(json!({ "name": "x" }))).await;
//! core.shutdown().await;
//! ```

pub mod process;
pub mod tls;

use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use terraform_provider_redis::terraform::{Type, Value, json, msgpack};
use tokio::process::Command;
use tonic::transport::Channel;

use self::process::{COOKIE, Handshake, Process};
use self::tls::{Identity, Tls, connect};

/// The generated clients. The provider itself keeps them to itself.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    dead_code,
    missing_docs,
    reason = "generated, and servers are used by the provider only"
)]
pub mod proto {
    pub mod go_plugin {
        tonic::include_proto!("plugin");
    }
    pub mod tfplugin6 {
        tonic::include_proto!("tfplugin6");
    }
}

use proto::go_plugin::grpc_controller_client::GrpcControllerClient;
use proto::tfplugin6 as wire;
use wire::provider_client::ProviderClient;

/// Core and the provider it started, connected.
pub struct Core {
    pub process: Process,
    pub handshake: Handshake,
    pub identity: Identity,
    pub channel: Channel,
}

/// A resource type, as core knows it from its schema.
pub struct Resource {
    pub type_name: String,
    pub ty: Type,
}

impl Resource {
    /// A value of this type. What is not given is null.
    pub fn value(&self, value: Json) -> Value {
        json::decode(value.to_string().as_bytes(), &self.ty).unwrap()
    }

    fn encode(&self, value: &Value) -> Option<wire::DynamicValue> {
        Some(wire::DynamicValue { msgpack: msgpack::encode(value, &self.ty), json: Vec::new() })
    }

    fn decode(&self, value: Option<wire::DynamicValue>) -> Value {
        msgpack::decode(&value.unwrap_or_default().msgpack, &self.ty).unwrap()
    }
}

/// A state with what belongs to it, as core keeps it between calls.
#[derive(Clone, Debug)]
pub struct State {
    pub value: Value,
    pub private: Vec<u8>,
    pub identity: Option<wire::ResourceIdentityData>,
    pub diagnostics: Vec<wire::Diagnostic>,
    /// Of a plan: what makes it a replacement.
    pub requires_replace: Vec<wire::AttributePath>,
}

impl State {
    /// No object.
    pub fn none() -> State {
        State {
            value: Value::Null,
            private: Vec::new(),
            identity: None,
            diagnostics: Vec::new(),
            requires_replace: Vec::new(),
        }
    }
}

impl Core {
    /// Starts the provider.
    pub async fn start() -> Core {
        Core::start_command(Process::command(&[])).await
    }

    /// Starts the provider of test resources, logging at this level.
    pub async fn start_test_provider(log: &str) -> Core {
        let mut command = Process::test_provider();
        command.env("TF_LOG", log);
        Core::start_command(command).await
    }

    /// Starts a command as a provider, and connects.
    pub async fn start_command(command: Command) -> Core {
        let (process, handshake, identity) = Core::shake_hands(command).await;
        let channel = connect(&handshake, Tls::As(&identity)).await.unwrap();
        Core { process, handshake, identity, channel }
    }

    /// Starts a command as a provider, and reads its handshake line.
    pub async fn shake_hands(mut command: Command) -> (Process, Handshake, Identity) {
        let identity = Identity::new();
        let environment: [(&str, OsString); 4] = [
            (COOKIE.0, COOKIE.1.into()),
            ("PLUGIN_CLIENT_CERT", identity.pem.clone().into()),
            ("PLUGIN_PROTOCOL_VERSIONS", "5,6".into()),
            ("PLUGIN_MIN_PORT", "10000".into()),
        ];
        let mut process = Process::spawn(std::mem::replace(command.envs(environment), Command::new("")));
        let line = loop {
            let line =
                process.line().await.unwrap_or_else(|| panic!("no handshake: {:#?}", process.stderr()));
            // The test harness speaks before a test provider can.
            if line.contains('|') {
                break line;
            }
        };
        let handshake = Handshake::parse(&line);
        (process, handshake, identity)
    }

    /// What core does at the end of a command: how the process ended, and how long after the answer.
    pub async fn shutdown(mut self) -> (ExitStatus, Duration) {
        self.request_shutdown().await;
        let start = Instant::now();
        drop(self.channel);
        let (status, _) = self.process.exit().await;
        (status, start.elapsed())
    }

    /// Shutdown, and its answer.
    pub async fn request_shutdown(&self) {
        let mut controller = GrpcControllerClient::new(self.channel.clone());
        controller.shutdown(proto::go_plugin::Empty {}).await.unwrap();
    }

    /// A core that is killed: its connection closes without a word.
    pub fn abandon(self) -> Process {
        self.process
    }

    /// A client for one call. Any number of calls share the connection, as core's do.
    pub fn provider(&self) -> ProviderClient<Channel> {
        ProviderClient::new(self.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// A resource type, from the provider's schema.
    pub async fn resource(&self, type_name: &str) -> Resource {
        let request = wire::get_provider_schema::Request {};
        let mut response = self.provider().get_provider_schema(request).await.unwrap().into_inner();
        let schema = response.resource_schemas.remove(type_name).unwrap();
        Resource { type_name: type_name.to_owned(), ty: object_type(&schema.block.unwrap().attributes) }
    }

    pub async fn validate(&self, resource: &Resource, config: &Value) -> Vec<wire::Diagnostic> {
        let request = wire::validate_resource_config::Request {
            type_name: resource.type_name.clone(),
            config: resource.encode(config),
            client_capabilities: Some(wire::ClientCapabilities {
                write_only_attributes_allowed: true,
                ..Default::default()
            }),
        };
        self.provider().validate_resource_config(request).await.unwrap().into_inner().diagnostics
    }

    /// The proposed new state is the configuration: our provider does its own merge.
    pub async fn plan(&self, resource: &Resource, prior: &State, config: &Value) -> State {
        let request = wire::plan_resource_change::Request {
            type_name: resource.type_name.clone(),
            prior_state: resource.encode(&prior.value),
            proposed_new_state: resource.encode(config),
            config: resource.encode(config),
            prior_private: prior.private.clone(),
            prior_identity: prior.identity.clone(),
            ..Default::default()
        };
        let response = self.provider().plan_resource_change(request).await.unwrap().into_inner();
        State {
            value: resource.decode(response.planned_state),
            private: response.planned_private,
            identity: response.planned_identity,
            diagnostics: response.diagnostics,
            requires_replace: response.requires_replace,
        }
    }

    pub async fn apply(&self, resource: &Resource, prior: &State, planned: &State, config: &Value) -> State {
        let request = wire::apply_resource_change::Request {
            type_name: resource.type_name.clone(),
            prior_state: resource.encode(&prior.value),
            planned_state: resource.encode(&planned.value),
            config: resource.encode(config),
            planned_private: planned.private.clone(),
            planned_identity: planned.identity.clone(),
            ..Default::default()
        };
        let response = self.provider().apply_resource_change(request).await.unwrap().into_inner();
        State {
            value: resource.decode(response.new_state),
            private: response.private,
            identity: response.new_identity,
            diagnostics: response.diagnostics,
            ..State::none()
        }
    }

    /// Plans and applies a create.
    pub async fn create(&self, resource: &Resource, config: &Value) -> State {
        let planned = self.plan(resource, &State::none(), config).await;
        assert_eq!((&planned.diagnostics[..], &planned.requires_replace[..]), (&[][..], &[][..]));
        self.apply(resource, &State::none(), &planned, config).await
    }

    pub async fn read(&self, resource: &Resource, state: &State) -> State {
        let request = wire::read_resource::Request {
            type_name: resource.type_name.clone(),
            current_state: resource.encode(&state.value),
            private: state.private.clone(),
            current_identity: state.identity.clone(),
            ..Default::default()
        };
        let response = self.provider().read_resource(request).await.unwrap().into_inner();
        State {
            value: resource.decode(response.new_state),
            private: response.private,
            identity: response.new_identity,
            diagnostics: response.diagnostics,
            ..State::none()
        }
    }

    /// What core does with each state it reads from its file.
    pub async fn upgrade(&self, resource: &Resource, stored: &Json) -> State {
        let request = wire::upgrade_resource_state::Request {
            type_name: resource.type_name.clone(),
            version: 0,
            raw_state: Some(wire::RawState { json: stored.to_string().into_bytes(), ..Default::default() }),
        };
        let response = self.provider().upgrade_resource_state(request).await.unwrap().into_inner();
        State {
            value: resource.decode(response.upgraded_state),
            diagnostics: response.diagnostics,
            ..State::none()
        }
    }

    /// Imports by id: the first object found, or none.
    pub async fn import(&self, resource: &Resource, id: &str) -> State {
        let request = wire::import_resource_state::Request {
            type_name: resource.type_name.clone(),
            id: id.to_owned(),
            ..Default::default()
        };
        let mut response = self.provider().import_resource_state(request).await.unwrap().into_inner();
        let imported = response.imported_resources.pop().unwrap_or_default();
        State {
            value: resource.decode(imported.state),
            private: imported.private,
            identity: imported.identity,
            diagnostics: response.diagnostics,
            ..State::none()
        }
    }

    /// Configures the provider, with a block of this JSON.
    pub async fn configure(&self, block: &Json) -> Vec<wire::Diagnostic> {
        let schema =
            self.provider().get_provider_schema(wire::get_provider_schema::Request {}).await.unwrap();
        let block_type = object_type(&schema.into_inner().provider.unwrap().block.unwrap().attributes);
        let config = json::decode(block.to_string().as_bytes(), &block_type).unwrap();
        let request = wire::configure_provider::Request {
            terraform_version: "1.15.0".into(),
            config: Some(wire::DynamicValue {
                msgpack: msgpack::encode(&config, &block_type),
                json: Vec::new(),
            }),
            client_capabilities: None,
        };
        self.provider().configure_provider(request).await.unwrap().into_inner().diagnostics
    }

    /// What core sends on Ctrl-C.
    pub async fn stop(&self) {
        let response = self.provider().stop_provider(wire::stop_provider::Request {}).await.unwrap();
        assert_eq!(response.into_inner().error, "");
    }
}

/// The type of attributes, as core makes it from a schema.
fn object_type(attributes: &[wire::schema::Attribute]) -> Type {
    use wire::schema::object::NestingMode;
    let attribute = |attribute: &wire::schema::Attribute| {
        let ty = match &attribute.nested_type {
            None => plain_type(&serde_json::from_slice(&attribute.r#type).unwrap()),
            Some(nested) => {
                let object = object_type(&nested.attributes);
                match nested.nesting() {
                    NestingMode::Single => object,
                    NestingMode::List => Type::List(object.into()),
                    NestingMode::Set => Type::Set(object.into()),
                    NestingMode::Map => Type::Map(object.into()),
                    NestingMode::Invalid => panic!("no nesting"),
                }
            }
        };
        (attribute.name.clone(), ty)
    };
    Type::Object(attributes.iter().map(attribute).collect())
}

fn plain_type(json: &Json) -> Type {
    let inner = || Box::new(plain_type(&json[1]));
    match json.as_str().or_else(|| json[0].as_str()) {
        Some("bool") => Type::Bool,
        Some("number") => Type::Number,
        Some("string") => Type::String,
        Some("list") => Type::List(inner()),
        Some("set") => Type::Set(inner()),
        Some("map") => Type::Map(inner()),
        Some("object") => Type::Object(
            json[1].as_object().unwrap().iter().map(|(name, ty)| (name.clone(), plain_type(ty))).collect(),
        ),
        _ => panic!("no type of ours: {json}"),
    }
}
