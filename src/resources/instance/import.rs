//! Import: what exists, as if a configuration had made it.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::InstanceResource;
use super::cluster::Addresses;
use super::failure::refused;
use super::model::{AuthSecret, Identity, Instance};
use super::password;
use super::settle::settle_value;
use super::state::{Found, observe, observe_arguments, strings};
use crate::kubernetes::{Cluster, Lookup};
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, list, text};
use crate::redis::opstree::Kind;
use crate::resources::connection::Connection;
use crate::resources::types::{JsonObject, ObjectName, RedisVersion};
use crate::terraform::attribute::Scalar;
use crate::terraform::private::Private;
use crate::terraform::resource::{Call, ImportTarget, Imported, Problems};
use crate::terraform::{Diagnostic, Path, Value, plan};

/// How long an import may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Finds what exists already.
pub async fn import(
    connection: &Connection,
    target: ImportTarget<InstanceResource>,
    call: &Call,
) -> Result<Imported<InstanceResource>, Problems> {
    let cluster = connection.cluster().map_err(|reason| vec![reason.diagnostic()])?;
    let addresses = match target {
        ImportTarget::Id(id) => addresses_of(&id)?,
        ImportTarget::Identity(Identity { namespace, name, kind }) => {
            of_known_kind(kind.as_deref())?;
            Addresses { namespace, name }
        }
    };
    tokio::select! {
        imported = import_from(&cluster, &addresses) => imported,
        () = call.cancelled.cancelled() => {
            Err(vec![Diagnostic::error("Stopped", "The import was stopped; nothing was changed.")])
        }
    }
}

fn of_known_kind(kind: Option<&str>) -> Result<(), Problems> {
    match kind {
        None => Ok(()),
        Some(kind) if kind == Kind::Redis.kind() => Ok(()),
        Some(other) => Err(vec![
            Diagnostic::error(
                format!("A {other} cannot be imported"),
                format!("This version of the provider knows the kind {}.", Kind::Redis.kind()),
            )
            .at(Path::of("kind")),
        ]),
    }
}

async fn import_from(
    cluster: &Cluster,
    addresses: &Addresses,
) -> Result<Imported<InstanceResource>, Problems> {
    let deadline = Instant::now() + TIMEOUT;
    let found = match cluster.get(&addresses.custom_resource(), deadline).await {
        Ok(Lookup::Found(found)) => found,
        Ok(Lookup::Absent | Lookup::KindMissing) => return Err(vec![absent(addresses)]),
        Err(error) => return Err(vec![refused(&error)]),
    };
    let model = observed(cluster, addresses, &found, deadline).await?;
    Ok(Imported { identity: model.identity(), model, private: Private::default() })
}

fn addresses_of(id: &str) -> Result<Addresses, Problems> {
    match id.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(Addresses { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
        }
        _ => Err(vec![Diagnostic::error(
            "The import id is not namespace/name",
            format!("Write the namespace and the name of the instance, such as redis/cache; got {id:?}."),
        )]),
    }
}

fn absent(addresses: &Addresses) -> Diagnostic {
    let Addresses { namespace, name } = addresses;
    Diagnostic::error(
        format!("There is no Redis {namespace}/{name} to import"),
        format!(
            "The cluster has no custom resource of that name. See what there is with `kubectl get {} -A`.",
            Kind::Redis.crd()
        ),
    )
}

async fn observed(
    cluster: &Cluster,
    addresses: &Addresses,
    found: &Json,
    deadline: Instant,
) -> Result<Instance, Problems> {
    let spec = at(found, &["spec"]);
    let refuse = |error| vec![refused(&error)];
    let config_map = match text(spec, &["redisConfig", "additionalRedisConfig"]) {
        None => None,
        Some(name) => cluster.get(&addresses.config_map(name), deadline).await.map_err(refuse)?.found(),
    };
    let secret_name = text(spec, &["kubernetesConfig", "redisSecret", "name"]);
    let secret = match secret_name {
        None => None,
        Some(name) => cluster.get_metadata(&addresses.secret(name), deadline).await.map_err(refuse)?.found(),
    };
    let stateful_set = cluster.get(&addresses.stateful_set(), deadline).await.map_err(refuse)?.found();
    let model = arguments(addresses, found, config_map.as_ref(), secret.as_ref())?;
    Ok(observe(
        &model,
        &Found {
            custom_resource: found,
            config_map: config_map.as_ref(),
            secret_exists: secret_name.map(|_| secret.is_some()),
            stateful_set: stateful_set.as_ref(),
        },
    ))
}

/// The arguments that would have made what was found. Provider-only ones take their defaults.
fn arguments(
    addresses: &Addresses,
    found: &Json,
    config_map: Option<&Json>,
    secret: Option<&Json>,
) -> Result<Instance, Problems> {
    let spec = at(found, &["spec"]);
    let mut instance = with_defaults(addresses)?;
    // What `observe_arguments` takes as known, since the operator does not act on a change of it.
    let template = at(spec, &["storage", "volumeClaimTemplate", "spec"]);
    instance.persistence.enabled = !template.is_null();
    if let Some(class) = text(template, &["storageClassName"]) {
        instance.persistence.storage_class = ObjectName(class.to_owned());
    }
    let modes: Vec<String> =
        list(template, &["accessModes"]).iter().filter_map(Json::as_str).map(str::to_owned).collect();
    if !modes.is_empty() {
        instance.persistence.access_modes = modes;
    }
    instance.labels = strings(at(found, &["metadata", "labels"]));
    instance.annotations = strings(at(found, &["metadata", "annotations"]));
    instance.annotations.retain(|name, _| {
        !annotation::IGNORED.contains(&name.as_str()) && !name.starts_with("kubectl.kubernetes.io/")
    });
    instance = observe_arguments(&instance, found);
    if let Some(version) = crate::redis::version::Version::of_tag(&instance.image.tag)
        && version >= crate::redis::version::OLDEST
    {
        instance.version = RedisVersion(version);
    }
    take_settings(&mut instance, config_map);
    instance.claim = mark(found, annotation::CLAIM).map_or_else(|| password::random(16), str::to_owned);
    let key = text(spec, &["kubernetesConfig", "redisSecret", "key"]).unwrap_or_default();
    match text(spec, &["kubernetesConfig", "redisSecret", "name"]) {
        None => instance.authentication.enabled = false,
        Some(name) => {
            instance.auth_secret = Some(AuthSecret { name: name.to_owned(), key: key.to_owned() });
            let ours = secret
                .and_then(|secret| crate::redis::object::label(secret, crate::redis::names::INSTANCE_LABEL))
                .is_some();
            if !ours {
                instance.authentication.existing_secret = Some(crate::resources::blocks::SecretKey {
                    name: ObjectName(name.to_owned()),
                    key: key.to_owned(),
                });
            }
        }
    }
    Ok(instance)
}

pub(super) fn with_defaults(addresses: &Addresses) -> Result<Instance, Problems> {
    let config = Value::object([
        ("name", Value::from(addresses.name.as_str())),
        ("namespace", Value::from(addresses.namespace.as_str())),
    ]);
    let mut value = plan::propose(&Instance::attributes(), &config, &Value::Null, None).planned;
    if let Value::Map(attributes) = &mut value {
        attributes.insert("claim".to_owned(), Value::from(""));
    }
    settle_value(value, None)
}

/// The arguments that redis.conf was rendered from, as our ConfigMap records them.
fn take_settings(instance: &mut Instance, config_map: Option<&Json>) {
    let recorded = config_map
        .and_then(|config_map| mark(config_map, annotation::SETTINGS))
        .and_then(|text| serde_json::from_str::<Json>(text).ok());
    let Some(recorded) = recorded else { return };
    let persistence = &mut instance.persistence;
    if let Some(enabled) = at(&recorded, &["rdb", "enabled"]).as_bool() {
        persistence.rdb.enabled = enabled;
    }
    if let Some(interval) = text(&recorded, &["rdb", "save_interval"]) {
        persistence.rdb.save_interval = interval.to_owned();
    }
    if let Some(enabled) = at(&recorded, &["aof", "enabled"]).as_bool() {
        persistence.aof.enabled = enabled;
    }
    if let Some(policy) = text(&recorded, &["aof", "fsync_policy"])
        && let Ok(policy) = crate::resources::blocks::Fsync::parse(&Value::from(policy))
    {
        persistence.aof.fsync_policy = policy;
    }
    if let Some(percent) = at(&recorded, &["maxmemory_percent"]).as_i64() {
        instance.maxmemory_percent = percent;
    }
    if let Some(custom) = text(&recorded, &["custom_spec"]) {
        instance.custom_spec.redis = JsonObject::parse(&Value::from(custom)).ok();
    }
    instance.authentication.rotate = strings(at(&recorded, &["rotate"]));
    instance.additional_config = strings(at(&recorded, &["additional_config"]));
}
