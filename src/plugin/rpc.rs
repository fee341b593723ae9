//! Each RPC of the provider: decode, call [`Server`], encode. Nothing else happens here.
//!
//! `Err` means that the provider was not asked, because the request could not be read.

use super::proto::tfplugin6::{
    ResourceIdentityData, apply_resource_change, configure_provider, get_metadata, get_provider_schema,
    get_resource_identity_schemas, import_resource_state, plan_resource_change, read_resource,
    upgrade_resource_identity, upgrade_resource_state, validate_provider_config, validate_resource_config,
};
use super::{decode, encode};
use crate::terraform::server::{
    ApplyResourceChange, ConfigureProvider, ImportResourceState, ImportedResource, PlanResourceChange,
    ReadResource, Upgrade, ValidateResourceConfig,
};
use crate::terraform::{Diagnostic, Server, Type, Value};

/// `GetMetadata`: our names.
pub fn get_metadata(server: &Server) -> get_metadata::Response {
    let resource = |type_name: &str| get_metadata::ResourceMetadata { type_name: type_name.to_owned() };
    get_metadata::Response {
        server_capabilities: Some(encode::server_capabilities()),
        resources: server.resources().map(|(type_name, ..)| resource(type_name)).collect(),
        ..Default::default()
    }
}

/// `GetProviderSchema`: all our schemas. Core asks once in each command.
pub fn get_provider_schema(server: &Server) -> get_provider_schema::Response {
    get_provider_schema::Response {
        provider: Some(encode::schema(server.provider_schema())),
        resource_schemas: server
            .resources()
            .map(|(type_name, schema, _)| (type_name.to_owned(), encode::schema(schema)))
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
            .filter_map(|(type_name, _, identity)| {
                Some((type_name.to_owned(), encode::identity_schema(identity?)))
            })
            .collect(),
        diagnostics: Vec::new(),
    }
}

/// `ValidateProviderConfig`
pub async fn validate_provider_config(
    server: &Server,
    request: validate_provider_config::Request,
) -> Result<validate_provider_config::Response, Diagnostic> {
    let config = decode::value(request.config.as_ref(), server.provider_schema().ty(), "the provider block")?;
    let diagnostics = server.validate_provider_config(config).await;
    Ok(validate_provider_config::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `ConfigureProvider`
pub async fn configure_provider(
    server: &Server,
    request: configure_provider::Request,
) -> Result<configure_provider::Response, Diagnostic> {
    let config = decode::value(request.config.as_ref(), server.provider_schema().ty(), "the provider block")?;
    let diagnostics = server
        .configure_provider(ConfigureProvider { terraform_version: request.terraform_version, config })
        .await;
    Ok(configure_provider::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `ValidateResourceConfig`
pub async fn validate_resource_config(
    server: &Server,
    request: validate_resource_config::Request,
) -> Result<validate_resource_config::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let diagnostics = server
        .validate_resource_config(ValidateResourceConfig {
            config: decode::value(request.config.as_ref(), types.state, "the configuration")?,
            write_only_allowed: decode::write_only_allowed(request.client_capabilities),
            type_name: request.type_name,
        })
        .await;
    Ok(validate_resource_config::Response { diagnostics: encode::diagnostics(diagnostics) })
}

/// `UpgradeResourceState`
pub async fn upgrade_resource_state(
    server: &Server,
    request: upgrade_resource_state::Request,
) -> Result<upgrade_resource_state::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let upgraded = server
        .upgrade_resource_state(Upgrade {
            version: request.version,
            json: decode::raw_state(request.raw_state)?,
            type_name: request.type_name,
        })
        .await;
    Ok(upgrade_resource_state::Response {
        upgraded_state: encode::value(&upgraded.value, types.state),
        diagnostics: encode::diagnostics(upgraded.diagnostics),
    })
}

/// `UpgradeResourceIdentity`
pub async fn upgrade_resource_identity(
    server: &Server,
    request: upgrade_resource_identity::Request,
) -> Result<upgrade_resource_identity::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let upgraded = server
        .upgrade_resource_identity(Upgrade {
            version: request.version,
            json: decode::raw_state(request.raw_identity)?,
            type_name: request.type_name,
        })
        .await;
    Ok(upgrade_resource_identity::Response {
        upgraded_identity: encode::identity(Some(&upgraded.value), types.identity),
        diagnostics: encode::diagnostics(upgraded.diagnostics),
    })
}

/// `ReadResource`
pub async fn read_resource(
    server: &Server,
    request: read_resource::Request,
) -> Result<read_resource::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let answer = server
        .read_resource(ReadResource {
            state: decode::value(request.current_state.as_ref(), types.state, "the state")?,
            private: request.private,
            identity: types.decode_identity(request.current_identity)?,
            type_name: request.type_name,
        })
        .await;
    Ok(read_resource::Response {
        new_state: encode::value(&answer.state, types.state),
        private: answer.private,
        new_identity: encode::identity(answer.identity.as_ref(), types.identity),
        diagnostics: encode::diagnostics(answer.diagnostics),
        deferred: None,
    })
}

/// `PlanResourceChange`
pub async fn plan_resource_change(
    server: &Server,
    request: plan_resource_change::Request,
) -> Result<plan_resource_change::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let planned = server
        .plan_resource_change(PlanResourceChange {
            prior_state: decode::value(request.prior_state.as_ref(), types.state, "the prior state")?,
            config: decode::value(request.config.as_ref(), types.state, "the configuration")?,
            private: request.prior_private,
            identity: types.decode_identity(request.prior_identity)?,
            type_name: request.type_name,
        })
        .await;
    Ok(plan_resource_change::Response {
        planned_state: encode::value(&planned.state, types.state),
        requires_replace: encode::paths(planned.requires_replace),
        planned_private: planned.private,
        planned_identity: encode::identity(planned.identity.as_ref(), types.identity),
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
    let types = Types::of(server, &request.type_name)?;
    let answer = server
        .apply_resource_change(ApplyResourceChange {
            prior_state: decode::value(request.prior_state.as_ref(), types.state, "the prior state")?,
            planned_state: decode::value(request.planned_state.as_ref(), types.state, "the planned state")?,
            config: decode::value(request.config.as_ref(), types.state, "the configuration")?,
            private: request.planned_private,
            identity: types.decode_identity(request.planned_identity)?,
            type_name: request.type_name,
        })
        .await;
    Ok(apply_resource_change::Response {
        new_state: encode::value(&answer.state, types.state),
        private: answer.private,
        new_identity: encode::identity(answer.identity.as_ref(), types.identity),
        diagnostics: encode::diagnostics(answer.diagnostics),
        legacy_type_system: false,
    })
}

/// `ImportResourceState`
pub async fn import_resource_state(
    server: &Server,
    request: import_resource_state::Request,
) -> Result<import_resource_state::Response, Diagnostic> {
    let types = Types::of(server, &request.type_name)?;
    let answer = server
        .import_resource_state(ImportResourceState {
            id: request.id,
            identity: types.decode_identity(request.identity)?,
            type_name: request.type_name,
        })
        .await;
    let imported = |resource: ImportedResource| {
        let types = Types::of(server, &resource.type_name)?;
        Ok(import_resource_state::ImportedResource {
            state: encode::value(&resource.state, types.state),
            private: resource.private,
            identity: encode::identity(resource.identity.as_ref(), types.identity),
            type_name: resource.type_name,
        })
    };
    Ok(import_resource_state::Response {
        imported_resources: answer.resources.into_iter().map(imported).collect::<Result<_, _>>()?,
        diagnostics: encode::diagnostics(answer.diagnostics),
        deferred: None,
    })
}

/// What a resource's values are made of.
struct Types<'server> {
    state: &'server Type,
    identity: Option<&'server Type>,
}

impl Types<'_> {
    fn of<'server>(server: &'server Server, type_name: &str) -> Result<Types<'server>, Diagnostic> {
        let schema = server.resource_schema(type_name).ok_or_else(|| {
            Diagnostic::error(
                format!("No resource {type_name}"),
                "This version of the provider does not have it. Check the name, or upgrade the provider.",
            )
        })?;
        let identity = server.identity_schema(type_name).map(|schema| schema.ty());
        Ok(Types { state: schema.ty(), identity })
    }

    fn decode_identity(&self, identity: Option<ResourceIdentityData>) -> Result<Option<Value>, Diagnostic> {
        decode::identity(identity.as_ref(), self.identity)
    }
}
