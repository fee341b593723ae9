//! Import: existing custom resources, as if a configuration had created them, whether this provider, a Helm
//! chart or a person wrote them. Fields that no argument expresses become `custom_spec`.

mod accepted;
mod amounts;
pub(super) mod others;
mod rest;
mod settings;
mod sources;
mod target;

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use self::sources::Sources;
use super::InstanceResource;
use super::addresses::Addresses;
use super::build::build;
use super::failure::refused;
use super::gather::Gather;
use super::model::{AuthSecret, Identity, Instance};
use super::settle::settle_value;
use super::state::{observe, observe_arguments};
use crate::kubernetes::{Cluster, ObjectRef};
use crate::redis::names::{annotation, label};
use crate::redis::object::{self, annotation as mark, at, list, text};
use crate::redis::objects::Role;
use crate::redis::opstree::{self, Kind};
use crate::redis::picture::Picture;
use crate::redis::topology::Topology;
use crate::resources::blocks::DeploymentMode;
use crate::resources::connection::Connection;
use crate::resources::kinds::resource;
use crate::resources::password;
use crate::resources::types::{ObjectName, RedisVersion, StorageClass};
use crate::terraform::private::Private;
use crate::terraform::resource::{Call, ImportTarget, Imported, Problems};
use crate::terraform::{Diagnostic, Value, plan};

/// How long an import may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Finds an existing instance.
pub async fn import(
    connection: &Connection,
    target: ImportTarget<InstanceResource>,
    call: &Call,
) -> Result<Imported<InstanceResource>, Problems> {
    let cluster = connection.cluster().map_err(|reason| vec![reason.diagnostic()])?;
    let (namespace, name, kind) = match target {
        ImportTarget::Id(id) => {
            let (namespace, name, kind) = target::parts_of(&id)?;
            (namespace, name, kind.map(|kind| target::known_kind(&kind)).transpose()?)
        }
        ImportTarget::Identity(Identity { namespace, name, kind }) => {
            (namespace, name, kind.as_deref().map(target::known_kind).transpose()?)
        }
    };
    tokio::select! {
        imported = import_from(&cluster, namespace, name, kind) => imported,
        () = call.cancelled.cancelled() => {
            Err(vec![Diagnostic::error("Stopped", "The import was stopped; nothing was changed.")])
        }
    }
}

async fn import_from(
    cluster: &Cluster,
    namespace: String,
    name: String,
    kind: Option<Kind>,
) -> Result<Imported<InstanceResource>, Problems> {
    let deadline = Instant::now() + TIMEOUT;
    let refuse = |error| vec![refused(&error)];
    let looked_for: Vec<Kind> = kind.map_or_else(|| Kind::WITH_DATA.to_vec(), |kind| vec![kind]);
    let mut found = Vec::new();
    for kind in looked_for {
        let address = ObjectRef::namespaced(resource(kind), &namespace, &name);
        found.extend(cluster.get(&address, deadline).await.map_err(refuse)?.found());
    }
    let data = match found.as_slice() {
        [data] => data.clone(),
        [] => return Err(vec![target::absent(&namespace, &name)]),
        several => return Err(vec![target::ambiguous(&namespace, &name, several)]),
    };
    let replicated = Kind::of(&data) == Some(Kind::RedisReplication);
    let watching = if replicated {
        others::watching(cluster, &namespace, &name, deadline).await.map_err(refuse)?
    } else {
        Vec::new()
    };
    let (ours, others): (Vec<Json>, Vec<Json>) =
        watching.into_iter().partition(|one| object::name(one) == name);
    let topology = match Kind::of(&data) {
        Some(Kind::RedisCluster) => Topology::Cluster,
        Some(Kind::RedisReplication) if !ours.is_empty() => Topology::Sentinel,
        Some(Kind::RedisReplication) => Topology::Replication,
        _ => Topology::Standalone,
    };
    if replicated && at(&data, &["spec", "clusterSize"]).as_i64().is_some_and(|size| size < 2) {
        return Err(vec![others::without_replicas(&namespace, &name)]);
    }
    if let Some(port) = others::other_port(&data) {
        return Err(vec![others::unreachable(&namespace, &name, port)]);
    }
    let mut warnings = others::warnings(&data, topology, &others);
    let is_watched_by_others = others::are_watching(&data, &others);
    let custom_resources: Vec<Json> = std::iter::once(data).chain(ours).collect();
    let addresses = Addresses {
        app_labels: opstree::app_labels(&custom_resources),
        ..Addresses::new(namespace, name, topology)
    };
    let mut model = observed(cluster, &addresses, custom_resources, deadline).await?;
    if is_watched_by_others {
        model.update_strategy.guarded = false;
    }
    warnings.extend(left_as_found(&model));
    Ok(Imported { identity: model.identity(), model, private: Private::default(), warnings })
}

/// What a change of the configuration will overwrite, and nothing else.
fn left_as_found(instance: &Instance) -> Option<Diagnostic> {
    let fields: Vec<&str> = instance.as_found.keys().map(String::as_str).collect();
    (!fields.is_empty()).then(|| {
        Diagnostic::warning(
            format!("Some fields of {} stay as they are", instance.id),
            format!(
                "No argument expresses what these fields hold: {}. The import keeps them. Each is overwritten only \
                 when its argument changes.",
                fields.join(", ")
            ),
        )
    })
}

async fn observed(
    cluster: &Cluster,
    addresses: &Addresses,
    custom_resources: Vec<Json>,
    deadline: Instant,
) -> Result<Instance, Problems> {
    let refuse = |error| vec![refused(&error)];
    let gather = Gather::fresh(cluster, addresses, deadline);
    let sources = sources::sources(&gather, addresses, &custom_resources).await.map_err(refuse)?;
    let model = arguments(addresses, &custom_resources, &sources)?;
    let written = build(&model, false, true);
    let has_password = model.auth_secret.as_ref().map(|_| sources.secret.is_some());
    let mut picture = Picture { custom_resources, has_password, ..Picture::default() };
    gather.made(&written, &mut picture).await.map_err(refuse)?;
    gather.wanted(&written.objects, &mut picture).await.map_err(refuse)?;
    Ok(observe(&model, &written, &picture))
}

/// The instance to adopt, as an import would read it.
pub(super) async fn found(
    cluster: &Cluster,
    addresses: &Addresses,
    custom_resources: &[Json],
    deadline: Instant,
) -> Result<Instance, Problems> {
    observed(cluster, addresses, custom_resources.to_vec(), deadline).await
}

/// The arguments that would have created the found objects. Provider-only arguments take their defaults.
fn arguments(
    addresses: &Addresses,
    custom_resources: &[Json],
    sources: &Sources,
) -> Result<Instance, Problems> {
    let found = custom_resources.first().unwrap_or(&Json::Null);
    let spec = at(found, &["spec"]);
    let mut instance = with_defaults(addresses)?;
    // `observe_arguments` takes these as known, because the operator does not act on a change of them.
    let template = at(spec, &["storage", "volumeClaimTemplate", "spec"]);
    instance.persistence.enabled = opstree::has_claims(found);
    // If no class is named, the cluster has chosen one.
    let class = text(template, &["storageClassName"])
        .or(sources.claim.as_ref().and_then(|claim| text(claim, &["spec", "storageClassName"])));
    if let Some(class) = class {
        instance.persistence.storage_class = StorageClass(class.to_owned());
    }
    let modes: Vec<String> =
        list(template, &["accessModes"]).iter().filter_map(Json::as_str).map(str::to_owned).collect();
    if !modes.is_empty() {
        instance.persistence.access_modes = modes;
    }
    instance.app_labels = addresses.app_labels.clone();
    instance.labels = rest::common(custom_resources, rest::labels);
    instance.annotations = rest::common(custom_resources, rest::annotations);
    // Applied first, because a field that custom_spec sets belongs to no argument; and again, because an
    // observation takes drift for wanted.
    if let Some(recorded) = &sources.recorded {
        settings::take_recorded(&mut instance, recorded);
    }
    instance = observe_arguments(&instance, custom_resources);
    amounts::fit(&mut instance, custom_resources);
    if let Some(version) = crate::redis::version::Version::of_tag(&instance.image.tag)
        && version >= crate::redis::version::OLDEST
    {
        instance.version = RedisVersion(version);
    }
    instance.claim = mark(found, annotation::CLAIM).map_or_else(|| password::random(16), str::to_owned);
    let key = text(spec, &["kubernetesConfig", "redisSecret", "key"]).unwrap_or_default();
    match text(spec, &["kubernetesConfig", "redisSecret", "name"]) {
        None => instance.authentication.enabled = false,
        Some(name) => {
            instance.auth_secret = Some(AuthSecret { name: name.to_owned(), key: key.to_owned() });
            // The Secret of another instance is to this one a Secret of somebody else.
            let is_ours = |secret: &Json| {
                Role::of(secret) == Some(Role::Password)
                    && object::label(secret, label::CLAIM) == Some(instance.claim.as_str())
            };
            if !sources.secret.as_ref().is_some_and(is_ours) {
                instance.authentication.existing_secret = Some(crate::resources::blocks::SecretKey {
                    name: ObjectName(name.to_owned()),
                    key: key.to_owned(),
                });
            }
        }
    }
    match &sources.recorded {
        Some(recorded) => settings::take_recorded(&mut instance, recorded),
        None => {
            settings::take_others(&mut instance, spec, sources.config_map.as_ref());
            instance = accepted::accepted(&instance)?;
            rest::take_rest(&mut instance, custom_resources);
            instance = accepted::effective(&instance)?;
            instance.as_found = rest::as_found(&instance, custom_resources);
        }
    }
    Ok(instance)
}

/// An instance of that shape with only default arguments.
pub(super) fn with_defaults(addresses: &Addresses) -> Result<Instance, Problems> {
    let (mode, replicas) = match addresses.topology {
        Topology::Standalone => (DeploymentMode::Standalone, Value::Null),
        Topology::Replication => (DeploymentMode::Standalone, Value::from(1_i64)),
        Topology::Sentinel => (DeploymentMode::Sentinel, Value::Null),
        Topology::Cluster => (DeploymentMode::Cluster, Value::Null),
    };
    let config = Value::object([
        ("name", Value::from(addresses.name.as_str())),
        ("namespace", Value::from(addresses.namespace.as_str())),
        ("deployment_mode", Value::from(mode.word())),
        ("replica", Value::object([("count", replicas)])),
    ]);
    let mut value = plan::propose(&Instance::attributes(), &config, &Value::Null, None).planned;
    if let Value::Map(attributes) = &mut value {
        attributes.insert("claim".to_owned(), Value::from(""));
    }
    settle_value(value, None)
}

#[cfg(test)]
mod tests;
