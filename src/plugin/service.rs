//! The provider's gRPC service: its RPCs, and the answer to core when an RPC fails by itself.
//!
//! [`super::rpc`] defines what each RPC does. Here each RPC runs in a task of its own ([`super::calls`]). If
//! it panics, or if its request cannot be read, the answer is a diagnostic, never a gRPC status, and **the
//! objects that core knows stay as they are**: an answer without state would make core forget an existing
//! object.
//!
//! RPCs that are not here answer UNIMPLEMENTED, which every core understands.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::calls::Calls;
use super::proto::tfplugin6::provider_server::Provider;
use super::proto::tfplugin6::{
    Diagnostic as WireDiagnostic, apply_resource_change, configure_provider, get_metadata,
    get_provider_schema, get_resource_identity_schemas, import_resource_state, plan_resource_change,
    read_resource, stop_provider, upgrade_resource_identity, upgrade_resource_state,
    validate_provider_config, validate_resource_config,
};
use super::{encode, rpc};
use crate::terraform::{Diagnostic, Server};

/// The provider, as tonic serves it.
pub struct ProviderService {
    server: Arc<Server>,
    calls: Calls,
}

type Answer<T> = Result<Response<T>, Status>;

impl ProviderService {
    /// Serves `server`; `calls` keeps track of the calls in flight.
    pub fn new(server: Arc<Server>, calls: Calls) -> ProviderService {
        ProviderService { server, calls }
    }

    /// Answers with what `body` returns, or with `refused` if it returns or panics with a diagnostic.
    async fn answer<T: Send + 'static>(
        &self,
        rpc: &'static str,
        type_name: &str,
        body: impl Future<Output = Result<T, Diagnostic>> + Send + 'static,
        refused: impl FnOnce(Vec<WireDiagnostic>) -> T + Send,
    ) -> Answer<T> {
        let answer = self.calls.run(rpc, type_name, body).await.and_then(|answer| answer);
        Ok(Response::new(answer.unwrap_or_else(|problem| refused(encode::diagnostics(vec![problem])))))
    }
}

#[tonic::async_trait]
impl Provider for ProviderService {
    async fn get_metadata(&self, _: Request<get_metadata::Request>) -> Answer<get_metadata::Response> {
        let server = self.server.clone();
        let body = async move { Ok(rpc::get_metadata(&server)) };
        let refused = |diagnostics| get_metadata::Response { diagnostics, ..Default::default() };
        self.answer("GetMetadata", "", body, refused).await
    }

    async fn get_provider_schema(
        &self,
        _: Request<get_provider_schema::Request>,
    ) -> Answer<get_provider_schema::Response> {
        let server = self.server.clone();
        let body = async move { Ok(rpc::get_provider_schema(&server)) };
        let refused = |diagnostics| get_provider_schema::Response { diagnostics, ..Default::default() };
        self.answer("GetProviderSchema", "", body, refused).await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<get_resource_identity_schemas::Request>,
    ) -> Answer<get_resource_identity_schemas::Response> {
        let server = self.server.clone();
        let body = async move { Ok(rpc::get_resource_identity_schemas(&server)) };
        let refused =
            |diagnostics| get_resource_identity_schemas::Response { diagnostics, ..Default::default() };
        self.answer("GetResourceIdentitySchemas", "", body, refused).await
    }

    async fn validate_provider_config(
        &self,
        request: Request<validate_provider_config::Request>,
    ) -> Answer<validate_provider_config::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let body = async move { rpc::validate_provider_config(&server, request) };
        let refused = |diagnostics| validate_provider_config::Response { diagnostics };
        self.answer("ValidateProviderConfig", "", body, refused).await
    }

    async fn configure_provider(
        &self,
        request: Request<configure_provider::Request>,
    ) -> Answer<configure_provider::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let body = async move { rpc::configure_provider(&server, request) };
        let refused = |diagnostics| configure_provider::Response { diagnostics };
        self.answer("ConfigureProvider", "", body, refused).await
    }

    async fn validate_resource_config(
        &self,
        request: Request<validate_resource_config::Request>,
    ) -> Answer<validate_resource_config::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let body = async move { rpc::validate_resource_config(&server, request) };
        let refused = |diagnostics| validate_resource_config::Response { diagnostics };
        self.answer("ValidateResourceConfig", &type_name, body, refused).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<upgrade_resource_state::Request>,
    ) -> Answer<upgrade_resource_state::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let body = async move { rpc::upgrade_resource_state(&server, request) };
        let refused = |diagnostics| upgrade_resource_state::Response { diagnostics, upgraded_state: None };
        self.answer("UpgradeResourceState", &type_name, body, refused).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<upgrade_resource_identity::Request>,
    ) -> Answer<upgrade_resource_identity::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let body = async move { rpc::upgrade_resource_identity(&server, request) };
        let refused =
            |diagnostics| upgrade_resource_identity::Response { diagnostics, upgraded_identity: None };
        self.answer("UpgradeResourceIdentity", &type_name, body, refused).await
    }

    async fn read_resource(
        &self,
        request: Request<read_resource::Request>,
    ) -> Answer<read_resource::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let unchanged = read_resource::Response {
            new_state: request.current_state.clone(),
            private: request.private.clone(),
            new_identity: request.current_identity.clone(),
            ..Default::default()
        };
        let body = async move { rpc::read_resource(&server, request).await };
        let refused = |diagnostics| read_resource::Response { diagnostics, ..unchanged };
        self.answer("ReadResource", &type_name, body, refused).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<plan_resource_change::Request>,
    ) -> Answer<plan_resource_change::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let unchanged = plan_resource_change::Response {
            planned_state: request.prior_state.clone(),
            planned_private: request.prior_private.clone(),
            planned_identity: request.prior_identity.clone(),
            ..Default::default()
        };
        let body = async move { rpc::plan_resource_change(&server, request).await };
        let refused = |diagnostics| plan_resource_change::Response { diagnostics, ..unchanged };
        self.answer("PlanResourceChange", &type_name, body, refused).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<apply_resource_change::Request>,
    ) -> Answer<apply_resource_change::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        // A resource reports by itself what it did before a panic, so nothing was done here.
        let unchanged = apply_resource_change::Response {
            new_state: request.prior_state.clone(),
            private: request.planned_private.clone(),
            new_identity: request.planned_identity.clone(),
            ..Default::default()
        };
        let body = async move { rpc::apply_resource_change(&server, request).await };
        let refused = |diagnostics| apply_resource_change::Response { diagnostics, ..unchanged };
        self.answer("ApplyResourceChange", &type_name, body, refused).await
    }

    async fn import_resource_state(
        &self,
        request: Request<import_resource_state::Request>,
    ) -> Answer<import_resource_state::Response> {
        let (server, request) = (self.server.clone(), request.into_inner());
        let type_name = request.type_name.clone();
        let body = async move { rpc::import_resource_state(&server, request).await };
        let refused = |diagnostics| import_resource_state::Response { diagnostics, ..Default::default() };
        self.answer("ImportResourceState", &type_name, body, refused).await
    }

    /// Returns at once, because core holds a lock meanwhile. The calls in flight end soon and report what
    /// they did.
    async fn stop_provider(&self, _: Request<stop_provider::Request>) -> Answer<stop_provider::Response> {
        tracing::info!("core asks to stop: calls in flight are cancelled");
        self.server.stop();
        Ok(Response::new(stop_provider::Response::default()))
    }
}
