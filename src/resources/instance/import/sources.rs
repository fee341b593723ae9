//! What an import reads the arguments from, beside the custom resources.

use serde_json::Value as Json;

use super::super::addresses::Addresses;
use super::super::gather::Gather;
use super::super::objects::{address, recorded_settings};
use crate::kubernetes::{self, Cause, Content};
use crate::redis::names::{self, annotation, is_object_name};
use crate::redis::object::{annotation as mark, at, text};
use crate::redis::objects::Role;
use crate::redis::picture::Picture;

/// What an import reads the arguments from, beside the custom resources.
#[derive(Default)]
pub(super) struct Sources {
    /// The ConfigMap that the custom resource names.
    pub config_map: Option<Json>,
    /// What our own ConfigMap records.
    pub recorded: Option<Json>,
    /// Metadata of the Secret that the custom resource names.
    pub secret: Option<Json>,
    /// The volume claim of the first pod.
    pub claim: Option<Json>,
}

/// Reads the sources of the arguments, beside the custom resources.
pub(super) async fn sources(
    gather: &Gather<'_>,
    addresses: &Addresses,
    custom_resources: &[Json],
) -> Result<Sources, kubernetes::Error> {
    let data = custom_resources.first().unwrap_or(&Json::Null);
    let spec = at(data, &["spec"]);
    let configuration = text(spec, &["redisConfig", "additionalRedisConfig"])
        .or(text(spec, &["redisLeader", "redisConfig", "additionalRedisConfig"]));
    let config_map = match configuration {
        // Text that somebody has written in the place of a name.
        Some(name) if !is_object_name(name) => None,
        None => None,
        Some(name) => gather.get(&addresses.config_map(name), Content::Whole).await?.found(),
    };
    let mut recorded = config_map.as_ref().and_then(recorded_settings);
    if recorded.is_none() && mark(data, annotation::CLAIM).is_some() {
        // If `custom_spec` names another ConfigMap, or none, ours still exists.
        recorded = recorded_elsewhere(gather).await?;
    }
    let secret = match text(spec, &["kubernetesConfig", "redisSecret", "name"]) {
        None => None,
        Some(name) => gather.get(&addresses.secret(name), Content::Metadata).await?.found(),
    };
    let claim = match addresses.topology.parts().first() {
        None => None,
        Some(part) => {
            let claim = addresses.claim(&names::data_claim(&part.name(&addresses.name), 0));
            match gather.get(&claim, Content::Whole).await {
                // An apply needs no right to get a storage class. Without that right, the class counts as the
                // default one.
                Err(kubernetes::Error { cause: Cause::Forbidden { .. }, .. }) => None,
                claim => claim?.found(),
            }
        }
    };
    Ok(Sources { config_map, recorded, secret, claim })
}

/// The arguments that a ConfigMap of ours records although no custom resource names it.
async fn recorded_elsewhere(gather: &Gather<'_>) -> Result<Option<Json>, kubernetes::Error> {
    let mut picture = Picture::default();
    gather.labelled(&[], &mut picture).await?;
    for found in picture.of_role(Role::Configuration) {
        let config_map = gather.get(&address(&found.key), Content::Whole).await?.found();
        if let Some(recorded) = config_map.as_ref().and_then(recorded_settings) {
            return Ok(Some(recorded));
        }
    }
    Ok(None)
}
