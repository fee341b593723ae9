//! Each RPC of the provider: find the handler, decode with its types, call it, encode. Nothing else happens
//! here.
//!
//! `Err` means that no handler was called, because there is no such handler or the request could not be read.

use super::proto::tfplugin6::{
    apply_resource_change, configure_provider, get_metadata, get_provider_schema,
    get_resource_identity_schemas, import_resource_state, plan_resource_change, read_resource,
    upgrade_resource_identity, upgrade_resource_state, validate_provider_config, validate_resource_config,
};
use super::{decode, encode};
use crate::terraform::handler::{
    ApplyResourceChange, ImportResourceState, ImportedResource, PlanResourceChange, ReadResource,
    ResourceHandler, Upgrade,
};
use crate::terraform::{Diagnostic, Server, Type};

/// `GetMetadata`: our names.
pub fn get_metadata(server: &Server) -> get_metadata::Response {
    let resource = |type_name: &str| get_metadata::ResourceMetadata { type_name: type_name.to_owned() };
    get_metadata::Response {
        server_capabilities: Some(encode::server_capabilities()),
        resources: server.resources().iter().map(|(type_name, _)| resource(type_name)).collect(),
        ..Default::default()
    }
}

/// `GetProviderSchema`: all our schemas. Core asks once in each command.
pub fn get_provider_schema(server: &Server) -> get_provider_schema::Response {
    get_provider_schema::Response {
        provider: Some(encode::schema(server.provider_schema())),
        resource_schemas: server
            .resources()
            .iter()
            .map(|(type_name, resource)| (type_name.to_owned(), encode::schema(resource.schema())))
            .collect(),
        server_capabilities: Some(encode::server_capabilities()),
        ..Default::default()
    }
}

/// `GetResourceIdentitySchemas`
pub fn get_resource_identity_schemas(server: &Server) -> get_resource_identity_schemas::Response {
    get_resource_identity_schemas::Response {
        identity_schemas: server
            .resources()
            .iter()
            .map(|(type_name, resource)| {
                (type_name.to_owned(), encode::identity_schema(resource.identity_schema()))
            })
            .collect(),
        diagnostics: Vec::new(),
    }
}

/// `ValidateProviderConfig`
pub fn validate_provider_config(
    server: &Server,
    request: validate_provider_config::Request,
) -> Result<validate_provider_config::Response, Diagnostic> {
    let config = decode::value(request.config.as_ref(), server.provider_schema().ty(), "the provider block")?;
    let diagnostics = server.validate_provider_config(&config);
    Ok(validate_provider_config::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `ConfigureProvider`
pub fn configure_provider(
    server: &Server,
    request: configure_provider::Request,
) -> Result<configure_provider::Response, Diagnostic> {
    let config = decode::value(request.config.as_ref(), server.provider_schema().ty(), "the provider block")?;
    let diagnostics = server.configure_provider(&config, &request.terraform_version);
    Ok(configure_provider::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `ValidateResourceConfig`
pub fn validate_resource_config(
    server: &Server,
    request: validate_resource_config::Request,
) -> Result<validate_resource_config::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let config = decode::value(request.config.as_ref(), resource.schema().ty(), "the configuration")?;
    let diagnostics = resource.validate(&config, decode::write_only_allowed(request.client_capabilities));
    Ok(validate_resource_config::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `UpgradeResourceState`
pub fn upgrade_resource_state(
    server: &Server,
    request: upgrade_resource_state::Request,
) -> Result<upgrade_resource_state::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let json = decode::raw_state(request.raw_state)?;
    let upgraded = resource.upgrade_state(Upgrade { version: request.version, json });
    Ok(upgrade_resource_state::Response {
        upgraded_state: encode::value(&upgraded.value, resource.schema().ty()),
        diagnostics: encode::diagnostics(upgraded.diagnostics),
    })
}

/// `UpgradeResourceIdentity`
pub fn upgrade_resource_identity(
    server: &Server,
    request: upgrade_resource_identity::Request,
) -> Result<upgrade_resource_identity::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let json = decode::raw_state(request.raw_identity)?;
    let upgraded = resource.upgrade_identity(Upgrade { version: request.version, json });
    Ok(upgrade_resource_identity::Response {
        upgraded_identity: encode::identity(Some(&upgraded.value), resource.identity_schema().ty()),
        diagnostics: encode::diagnostics(upgraded.diagnostics),
    })
}

/// `ReadResource`
pub async fn read_resource(
    server: &Server,
    request: read_resource::Request,
) -> Result<read_resource::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let (state, identity) = types(resource);
    let request = ReadResource {
        state: decode::value(request.current_state.as_ref(), state, "the state")?,
        private: request.private,
        identity: decode::identity(request.current_identity.as_ref(), identity)?,
    };
    let answer = resource.read(request, server.call()).await;
    Ok(read_resource::Response {
        new_state: encode::value(&answer.state, state),
        private: answer.private,
        new_identity: encode::identity(answer.identity.as_ref(), identity),
        diagnostics: encode::diagnostics(answer.diagnostics),
        deferred: None,
    })
}

/// `PlanResourceChange`
pub async fn plan_resource_change(
    server: &Server,
    request: plan_resource_change::Request,
) -> Result<plan_resource_change::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let (state, identity) = types(resource);
    let request = PlanResourceChange {
        prior_state: decode::value(request.prior_state.as_ref(), state, "the prior state")?,
        config: decode::value(request.config.as_ref(), state, "the configuration")?,
        private: request.prior_private,
        identity: decode::identity(request.prior_identity.as_ref(), identity)?,
    };
    let planned = resource.plan(request).await;
    Ok(plan_resource_change::Response {
        planned_state: encode::value(&planned.state, state),
        requires_replace: encode::paths(planned.requires_replace),
        planned_private: planned.private,
        planned_identity: encode::identity(planned.identity.as_ref(), identity),
        diagnostics: encode::diagnostics(planned.diagnostics),
        legacy_type_system: false,
        deferred: None,
    })
}

/// `ApplyResourceChange`
pub async fn apply_resource_change(
    server: &Server,
    request: apply_resource_change::Request,
) -> Result<apply_resource_change::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let (state, identity) = types(resource);
    let request = ApplyResourceChange {
        prior_state: decode::value(request.prior_state.as_ref(), state, "the prior state")?,
        planned_state: decode::value(request.planned_state.as_ref(), state, "the planned state")?,
        config: decode::value(request.config.as_ref(), state, "the configuration")?,
        private: request.planned_private,
        identity: decode::identity(request.planned_identity.as_ref(), identity)?,
    };
    let answer = resource.apply(request, server.call()).await;
    Ok(apply_resource_change::Response {
        new_state: encode::value(&answer.state, state),
        private: answer.private,
        new_identity: encode::identity(answer.identity.as_ref(), identity),
        diagnostics: encode::diagnostics(answer.diagnostics),
        legacy_type_system: false,
    })
}

/// `ImportResourceState`
pub async fn import_resource_state(
    server: &Server,
    request: import_resource_state::Request,
) -> Result<import_resource_state::Response, Diagnostic> {
    let resource = server.resources().get(&request.type_name)?;
    let (state, identity) = types(resource);
    let target = ImportResourceState {
        id: request.id,
        identity: decode::identity(request.identity.as_ref(), identity)?,
    };
    let answer = resource.import(target, server.call()).await;
    let imported = |found: ImportedResource| import_resource_state::ImportedResource {
        state: encode::value(&found.state, state),
        private: found.private,
        identity: encode::identity(found.identity.as_ref(), identity),
        type_name: request.type_name,
    };
    Ok(import_resource_state::Response {
        imported_resources: answer.resource.map(imported).into_iter().collect(),
        diagnostics: encode::diagnostics(answer.diagnostics),
        deferred: None,
    })
}

/// The types of a resource's states and identities.
fn types(resource: &dyn ResourceHandler) -> (&Type, &Type) {
    (resource.schema().ty(), resource.identity_schema().ty())
}
