//! The wire, from core's side: the real executable is started as Terraform starts it, and called as Terraform
//! calls.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may fail loudly; clippy.toml allows it in #[test] functions only, not in their helpers"
)]

mod core;
mod provider;

use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value as Json, json};
use terraform_provider_redis::terraform::Value;
use tonic::transport::Channel;

use crate::core::process::Process;
use crate::core::proto::go_plugin::grpc_broker_client::GrpcBrokerClient;
use crate::core::proto::go_plugin::grpc_stdio_client::GrpcStdioClient;
use crate::core::proto::tfplugin6 as wire;
use crate::core::proto::tfplugin6::provider_client::ProviderClient;
use crate::core::tls::{Identity, Tls, connect, connect_plain};
use crate::core::{Core, State};

/// The goal for the end after Shutdown is 5 ms, which `make bench` measures; a busy machine may take longer.
const AT_ONCE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn started_by_hand_it_explains_itself() {
    let mut process = Process::spawn(Process::command(&[]));
    let (status, _) = process.exit().await;
    assert_eq!(status.code(), Some(1));
    process.stderr_with("not meant to be started by hand").await;
    assert_eq!(process.line().await, None, "stdout is for core");
}

#[tokio::test]
async fn flags() {
    let mut process = Process::spawn(Process::command(&["--version"]));
    assert_eq!(
        process.line().await.unwrap(),
        format!("terraform-provider-redis {}", env!("CARGO_PKG_VERSION"))
    );
    assert!(process.exit().await.0.success());

    let mut process = Process::spawn(Process::command(&["--help"]));
    assert!(process.line().await.unwrap().contains("Terraform"));
    assert!(process.exit().await.0.success());

    let mut process = Process::spawn(Process::command(&["--nonsense"]));
    assert_eq!(process.exit().await.0.code(), Some(2));
    process.stderr_with("unknown arguments: --nonsense").await;
}

#[tokio::test]
async fn handshake_and_shutdown() {
    let core = Core::start().await;
    let [core_protocol, protocol, network, socket, kind, certificate] = core.handshake.fields.as_slice()
    else {
        panic!("{:?}", core.handshake)
    };
    assert_eq!([core_protocol.as_str(), protocol, network, kind], ["1", "6", "unix", "grpc"]);
    assert!(certificate.len() > 50 && !certificate.contains('='));
    let socket = std::path::PathBuf::from(socket);
    assert!(socket.exists());

    let (status, took) = core.shutdown().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < AT_ONCE, "took {took:?}");
    assert!(!socket.exists(), "the socket is gone");
}

#[tokio::test]
async fn only_the_holder_of_cores_certificate_is_let_in() {
    // In TLS 1.3 a client learns only after its own handshake that it was refused: ask something.
    async fn served(channel: Result<Channel, tonic::transport::Error>) -> bool {
        let request = wire::get_provider_schema::Request {};
        match channel {
            Ok(channel) => ProviderClient::new(channel).get_provider_schema(request).await.is_ok(),
            Err(_) => false,
        }
    }

    let core = Core::start().await;
    let stranger = Identity::new();
    assert!(!served(connect(&core.handshake, Tls::As(&stranger)).await).await, "another certificate");
    assert!(!served(connect(&core.handshake, Tls::Anonymous).await).await, "no certificate");
    assert!(!served(connect_plain(&core.handshake.socket).await).await, "no TLS");

    assert!(served(connect(&core.handshake, Tls::As(&core.identity)).await).await);
    assert!(served(connect(&core.handshake, Tls::Tls12(&core.identity)).await).await);
    // All of them came and went, and core's own connection stands.
    assert!(core.shutdown().await.0.success());
}

#[tokio::test]
async fn schema_and_capabilities() {
    let core = Core::start().await;
    let schema = core
        .provider()
        .get_provider_schema(wire::get_provider_schema::Request {})
        .await
        .unwrap()
        .into_inner();
    assert!(schema.provider.is_some(), "core refuses a provider without");
    let capabilities = schema.server_capabilities.unwrap();
    assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
    assert!(!capabilities.move_resource_state && !capabilities.generate_resource_config);

    let identities = core
        .provider()
        .get_resource_identity_schemas(wire::get_resource_identity_schemas::Request {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(identities.diagnostics, []);
}

#[tokio::test]
async fn what_is_not_served_is_unimplemented() {
    let core = Core::start().await;
    let status = core.provider().get_functions(wire::get_functions::Request {}).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
    let status = core.provider().get_states(wire::get_states::Request::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn an_unknown_resource_is_a_diagnostic() {
    let core = Core::start().await;
    let request = wire::read_resource::Request {
        type_name: "redis_nothing".into(),
        private: vec![1],
        current_state: Some(wire::DynamicValue { msgpack: vec![0x80], json: Vec::new() }),
        ..Default::default()
    };
    let response = core.provider().read_resource(request.clone()).await.unwrap().into_inner();
    assert_eq!(response.diagnostics[0].summary, "No resource redis_nothing");
    assert_eq!(
        (response.new_state, response.private),
        (request.current_state, request.private),
        "nothing is lost"
    );
}

#[tokio::test]
async fn a_create_and_a_read() {
    let core = Core::start_test_provider("").await;
    let thing = core.resource("test_thing").await;
    assert_eq!(core.configure(&json!({})).await, []);
    let config = thing.value(json!({ "does": "nothing", "text": "x" }));
    assert_eq!(core.validate(&thing, &config).await, []);
    let created = core.create(&thing, &config).await;
    assert_eq!((&created.value, created.diagnostics.as_slice()), (&config, [].as_slice()));
    assert!(created.identity.is_some());
    let read = core.read(&thing, &created).await;
    assert_eq!((read.value, read.identity), (created.value, created.identity));
}

#[tokio::test]
async fn states_may_be_larger_than_grpcs_own_limit() {
    let core = Core::start_test_provider("").await;
    let thing = core.resource("test_thing").await;
    let text = "x".repeat(9 << 20);
    let created = core.create(&thing, &thing.value(json!({ "does": "nothing", "text": text }))).await;
    assert_eq!(created.value.get("text").as_str().map(str::len), Some(text.len()));
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_call_and_no_crash() {
    let core = Core::start_test_provider("debug").await;
    let thing = core.resource("test_thing").await;
    // The text of the panic, and its place in the provider's own code.
    let told = |rpc: &str, diagnostics: &[wire::Diagnostic]| {
        let [problem] = diagnostics else { panic!("{rpc}: {diagnostics:?}") };
        assert_eq!(problem.summary, format!("The provider failed in {rpc}"));
        assert!(problem.detail.contains("as it was told to"), "{problem:?}");
        assert!(problem.detail.contains("(tests/wire/provider.rs:"), "{problem:?}");
    };

    let problems = core.validate(&thing, &thing.value(json!({ "does": "panic in validate" }))).await;
    told("ValidateResourceConfig", &problems);

    let planned = core.plan(&thing, &State::none(), &thing.value(json!({ "does": "panic in plan" }))).await;
    told("PlanResourceChange", &planned.diagnostics);

    let config = thing.value(json!({ "does": "panic in apply" }));
    let created = core.create(&thing, &config).await;
    told("ApplyResourceChange", &created.diagnostics);
    assert_eq!(created.value, config, "what exists is in the state");
    assert!(created.identity.is_some(), "and so is its identity");

    let state = State { value: thing.value(json!({ "does": "panic in read" })), ..State::none() };
    let read = core.read(&thing, &state).await;
    told("ReadResource", &read.diagnostics);
    assert_eq!(read.value, state.value);

    let imported = core.import(&thing, "panic in import").await;
    told("ImportResourceState", &imported.diagnostics);

    let config = thing.value(json!({ "does": "nothing" }));
    assert_eq!(core.create(&thing, &config).await.value, config, "others go on");

    core.process.stderr_with("panicked: as it was told to").await;
    let crash = core.process.stderr().into_iter().find(|line| line.starts_with("panic: "));
    assert_eq!(crash, None, "core would report a crash");
    assert!(core.shutdown().await.0.success());
}

#[tokio::test]
async fn a_panic_outside_of_calls_is_a_crash_that_core_shows() {
    let core = Core::start_test_provider("").await;
    let thing = core.resource("test_thing").await;
    core.create(&thing, &thing.value(json!({ "does": "panic in a thread" }))).await;
    let line = core.process.stderr_with("panic: ").await;
    assert_eq!(line, "panic: as it was told to");
    core.process.stderr_with("tests/wire/provider.rs:").await;
}

#[tokio::test]
async fn upgrade_import_and_destroy() {
    let core = Core::start_test_provider("").await;
    let thing = core.resource("test_thing").await;
    let upgraded = core.upgrade(&thing, &json!({ "does": "nothing", "text": "x", "of_old": 1 })).await;
    assert_eq!(
        (&upgraded.value, upgraded.diagnostics),
        (&thing.value(json!({ "does": "nothing", "text": "x" })), vec![])
    );

    let imported = core.import(&thing, "nothing").await;
    assert_eq!(
        (&imported.value, &imported.diagnostics),
        (&thing.value(json!({ "does": "nothing" })), &vec![])
    );
    assert!(imported.identity.is_some());

    let planned = core.plan(&thing, &imported, &Value::Null).await;
    assert_eq!((&planned.value, &planned.diagnostics), (&Value::Null, &vec![]));
    let destroyed = core.apply(&thing, &imported, &planned, &Value::Null).await;
    assert_eq!((destroyed.value, destroyed.diagnostics), (Value::Null, vec![]));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_diagnostic_and_the_state_stays() {
    let core = Core::start_test_provider("").await;
    let no_object = Some(wire::DynamicValue { msgpack: vec![0xc3], json: Vec::new() });
    let request = wire::apply_resource_change::Request {
        type_name: "test_thing".into(),
        prior_state: no_object.clone(),
        planned_private: vec![1],
        ..Default::default()
    };
    let response = core.provider().apply_resource_change(request).await.unwrap().into_inner();
    assert_eq!(response.diagnostics[0].summary, "The provider cannot read the prior state");
    assert_eq!((response.new_state, response.private), (no_object, vec![1]));
}

#[tokio::test]
async fn stop_ends_calls_in_flight_and_later_ones_work() {
    let core = Core::start_test_provider("info").await;
    let thing = core.resource("test_thing").await;
    let config = thing.value(json!({ "does": "wait" }));
    let stopping = async {
        core.process.stderr_with("waiting").await;
        core.stop().await;
    };
    let (created, ()) = tokio::join!(core.create(&thing, &config), stopping);
    assert_eq!(created.diagnostics[0].summary, "Stopped");
    assert_eq!(created.value, config, "what exists is in the state");

    let config = thing.value(json!({ "does": "nothing" }));
    assert_eq!(core.create(&thing, &config).await.value, config);
}

#[tokio::test]
async fn a_provider_whose_core_is_gone_ends() {
    for does in ["wait", "ignore stop"] {
        let core = Core::start_test_provider("info").await;
        let thing = core.resource("test_thing").await;
        let config = thing.value(json!({ "does": does }));
        tokio::select! {
            created = core.create(&thing, &config) => panic!("{created:?}"),
            _ = core.process.stderr_with("waiting") => {}
        }
        let (status, took) = core.abandon().exit().await;
        assert_eq!(status.code(), Some(provider::ABANDONED));
        assert!(took < Duration::from_secs(1), "{does}: {took:?}");
    }
}

#[tokio::test]
async fn shutdown_lets_calls_in_flight_leave_things_in_order() {
    let mut core = Core::start_test_provider("info").await;
    let thing = core.resource("test_thing").await;
    let config = thing.value(json!({ "does": "wait" }));
    let shutting_down = async {
        core.process.stderr_with("waiting").await;
        core.request_shutdown().await;
    };
    let (created, ()) = tokio::join!(core.create(&thing, &config), shutting_down);
    assert_eq!((created.diagnostics[0].summary.as_str(), created.value), ("Stopped", config));
    assert_eq!(core.process.exit().await.0.code(), Some(0));
}

#[tokio::test]
async fn ctrl_c_is_for_core_to_judge() {
    let core = Core::start_test_provider("info").await;
    let thing = core.resource("test_thing").await;
    core.process.signal("INT");
    core.process.signal("INT");
    let config = thing.value(json!({ "does": "nothing" }));
    assert_eq!(core.create(&thing, &config).await.value, config);
}

#[tokio::test]
async fn sigterm_ends_the_process_when_calls_in_flight_are_answered() {
    let mut core = Core::start_test_provider("info").await;
    let thing = core.resource("test_thing").await;
    let config = thing.value(json!({ "does": "wait" }));
    let terminating = async {
        core.process.stderr_with("waiting").await;
        core.process.signal("TERM");
    };
    let (created, ()) = tokio::join!(core.create(&thing, &config), terminating);
    assert_eq!((created.diagnostics[0].summary.as_str(), created.value), ("Stopped", config));
    assert_eq!(core.process.exit().await.0.code(), Some(provider::SIGNALLED));
}

#[tokio::test]
async fn stdio_and_broker_stay_open_and_silent() {
    let core = Core::start().await;
    let mut stdio = GrpcStdioClient::new(core.channel.clone()).stream_stdio(()).await.unwrap().into_inner();
    let mut broker = GrpcBrokerClient::new(core.channel.clone())
        .start_stream(futures::stream::pending())
        .await
        .unwrap()
        .into_inner();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(stdio.message().now_or_never().is_none());
    assert!(broker.message().now_or_never().is_none());

    let (status, took) = core.shutdown().await;
    assert!(status.success());
    assert!(took < AT_ONCE, "open streams do not hold it up: {took:?}");
    assert!(matches!(stdio.message().await, Ok(None)), "ended, not broken");
}

#[tokio::test]
async fn logs_are_hclogs() {
    let core = Core::start_test_provider("trace").await;
    let thing = core.resource("test_thing").await;
    core.create(&thing, &thing.value(json!({ "does": "nothing" }))).await;
    core.process.stderr_with("ApplyResourceChange").await;
    for line in core.process.stderr() {
        let line: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        let line = line.as_object().unwrap();
        assert!(line.values().all(Json::is_string), "{line:?}");
        let timestamp = line["@timestamp"].as_str().unwrap();
        assert_eq!(timestamp.len(), "2026-08-22T10:00:00.123456Z".len(), "{timestamp}");
        assert!(line.contains_key("@level") && line.contains_key("@message") && line.contains_key("@module"));
    }
}

#[tokio::test]
async fn without_tf_log_it_is_silent() {
    let core = Core::start().await;
    core.provider().get_provider_schema(wire::get_provider_schema::Request {}).await.unwrap();
    assert_eq!(core.process.stderr(), Vec::<String>::new());
}

#[tokio::test]
async fn debug_serves_connection_after_connection() {
    let mut process = Process::spawn(Process::command(&["--debug"]));
    let line = process.line().await.unwrap();
    let json = line.strip_prefix("TF_REATTACH_PROVIDERS='").unwrap().strip_suffix('\'').unwrap();
    let json: Json = serde_json::from_str(json).unwrap();
    let provider = &json["registry.terraform.io/redis-k8s/redis"];
    assert_eq!((&provider["Pid"], &provider["Test"]), (&json!(process.id()), &json!(true)));
    let socket = provider["Addr"]["String"].as_str().unwrap();

    for _command in 0..2 {
        let channels =
            [connect_plain(socket.as_ref()).await.unwrap(), connect_plain(socket.as_ref()).await.unwrap()];
        for channel in channels {
            let mut provider = ProviderClient::new(channel);
            provider.get_provider_schema(wire::get_provider_schema::Request {}).await.unwrap();
            provider.configure_provider(wire::configure_provider::Request::default()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    process.signal("INT");
    assert!(process.exit().await.0.success());
}
