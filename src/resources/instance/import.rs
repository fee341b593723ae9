//! Import: what exists, as if a configuration had made it.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::InstanceResource;
use super::build::build;
use super::cluster::{Addresses, resource};
use super::failure::refused;
use super::model::{AuthSecret, CustomSpec, Identity, Instance};
use super::password;
use super::settle::settle_value;
use super::state::{Found, external_service_name, observe, observe_arguments, strings};
use crate::kubernetes::{Cluster, ObjectRef};
use crate::redis::names::annotation;
use crate::redis::next::{CompanionKind, Rendered};
use crate::redis::object::{annotation as mark, at, list, text};
use crate::redis::opstree::Kind;
use crate::redis::topology::Topology;
use crate::resources::blocks::{DeploymentMode, Service, ServiceType};
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
    let (namespace, name, kind) = match target {
        ImportTarget::Id(id) => {
            let (namespace, name) = parts_of(&id)?;
            (namespace, name, None)
        }
        ImportTarget::Identity(Identity { namespace, name, kind }) => {
            (namespace, name, kind.as_deref().map(known_kind).transpose()?)
        }
    };
    tokio::select! {
        imported = import_from(&cluster, namespace, name, kind) => imported,
        () = call.cancelled.cancelled() => {
            Err(vec![Diagnostic::error("Stopped", "The import was stopped; nothing was changed.")])
        }
    }
}

fn known_kind(kind: &str) -> Result<Kind, Problems> {
    Kind::WITH_DATA.into_iter().find(|one| one.kind() == kind).ok_or_else(|| {
        let known = Kind::WITH_DATA.map(Kind::kind).join(", ");
        vec![
            Diagnostic::error(
                format!("A {kind} cannot be imported"),
                format!("Write the kind of the custom resource that carries the data, one of {known}."),
            )
            .at(Path::of("kind")),
        ]
    })
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
        [] => return Err(vec![absent(&namespace, &name)]),
        several => return Err(vec![ambiguous(&namespace, &name, several)]),
    };
    let mut custom_resources = vec![data];
    let topology = match custom_resources.first().and_then(Kind::of) {
        Some(Kind::RedisCluster) => Topology::Cluster,
        Some(Kind::RedisReplication) => {
            let sentinels = ObjectRef::namespaced(resource(Kind::RedisSentinel), &namespace, &name);
            let sentinels = cluster.get(&sentinels, deadline).await.map_err(refuse)?.found();
            let watches = |sentinels: &Json| {
                let path = ["spec", "redisSentinelConfig", "redisReplicationName"];
                text(sentinels, &path) == Some(name.as_str())
            };
            match sentinels.filter(watches) {
                Some(sentinels) => {
                    custom_resources.push(sentinels);
                    Topology::Sentinel
                }
                None => Topology::Replication,
            }
        }
        _ => Topology::Standalone,
    };
    let addresses = Addresses { namespace, name, topology };
    let model = observed(cluster, &addresses, custom_resources, deadline).await?;
    Ok(Imported { identity: model.identity(), model, private: Private::default() })
}

fn parts_of(id: &str) -> Result<(String, String), Problems> {
    match id.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(((*namespace).to_owned(), (*name).to_owned()))
        }
        _ => Err(vec![Diagnostic::error(
            "The import id is not namespace/name",
            format!("Write the namespace and the name of the instance, such as redis/cache; got {id:?}."),
        )]),
    }
}

fn absent(namespace: &str, name: &str) -> Diagnostic {
    let kinds = Kind::WITH_DATA.map(Kind::crd).join(",");
    Diagnostic::error(
        format!("There is no Redis {namespace}/{name} to import"),
        format!(
            "The cluster has no custom resource of that name. See what there is with `kubectl get {kinds} -A`."
        ),
    )
}

fn ambiguous(namespace: &str, name: &str, found: &[Json]) -> Diagnostic {
    let kinds: Vec<&str> = found.iter().filter_map(Kind::of).map(Kind::kind).collect();
    Diagnostic::error(
        format!("More than one Redis is called {namespace}/{name}"),
        format!(
            "There are custom resources of the kinds {} with this name. Import by identity, with the kind that is meant: \
             identity = {{ namespace = \"{namespace}\", name = \"{name}\", kind = \"{}\" }}. An import block takes that since \
             Terraform 1.12 and OpenTofu 1.12.",
            kinds.join(" and "),
            kinds.first().copied().unwrap_or_default()
        ),
    )
}

async fn observed(
    cluster: &Cluster,
    addresses: &Addresses,
    custom_resources: Vec<Json>,
    deadline: Instant,
) -> Result<Instance, Problems> {
    let refuse = |error| vec![refused(&error)];
    let data = custom_resources.first().unwrap_or(&Json::Null);
    let spec = at(data, &["spec"]);
    let configuration = text(spec, &["redisConfig", "additionalRedisConfig"])
        .or(text(spec, &["redisLeader", "redisConfig", "additionalRedisConfig"]));
    let config_map = match configuration {
        None => None,
        Some(name) => cluster.get(&addresses.config_map(name), deadline).await.map_err(refuse)?.found(),
    };
    let secret_name = text(spec, &["kubernetesConfig", "redisSecret", "name"]);
    let secret = match secret_name {
        None => None,
        Some(name) => cluster.get_metadata(&addresses.secret(name), deadline).await.map_err(refuse)?.found(),
    };
    let mut stateful_sets = Vec::new();
    for stateful_set in addresses.stateful_sets() {
        stateful_sets.extend(cluster.get(&stateful_set, deadline).await.map_err(refuse)?.found());
    }
    let model = arguments(addresses, &custom_resources, config_map.as_ref(), secret.as_ref())?;
    let written = build(&model, false, true);
    let mut companions: Vec<Rendered> =
        config_map.into_iter().map(|object| Rendered { kind: CompanionKind::ConfigMap, object }).collect();
    let mut external_service = None;
    if let Some(name) = external_service_name(&written) {
        external_service = cluster.get(&addresses.service(&name), deadline).await.map_err(refuse)?.found();
    }
    if written.companion(CompanionKind::Service).is_some() {
        let service = external_service.clone();
        companions.extend(service.map(|object| Rendered { kind: CompanionKind::Service, object }));
    }
    let secret_exists = secret_name.map(|_| secret.is_some());
    let found = Found { secret_exists, companions, stateful_sets, external_service, custom_resources };
    Ok(observe(&model, &written, &found))
}

/// The arguments that would have made what was found. Provider-only ones take their defaults.
fn arguments(
    addresses: &Addresses,
    custom_resources: &[Json],
    config_map: Option<&Json>,
    secret: Option<&Json>,
) -> Result<Instance, Problems> {
    let found = custom_resources.first().unwrap_or(&Json::Null);
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
    // First, since what custom_spec sets is no argument's; and again, since an observation takes drift for wanted.
    take_settings(&mut instance, config_map);
    instance = observe_arguments(&instance, custom_resources);
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

/// An instance of that shape for which nothing else was asked.
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
    let custom = |kind| {
        text(&recorded, &["custom_spec", kind])
            .and_then(|custom| JsonObject::parse(&Value::from(custom)).ok())
    };
    instance.custom_spec = CustomSpec {
        redis: custom("redis"),
        replication: custom("replication"),
        sentinel: custom("sentinel"),
        cluster: custom("cluster"),
    };
    let service = at(&recorded, &["service"]);
    if let Some(Ok(word)) = text(service, &["type"]).map(|word| ServiceType::parse(&Value::from(word))) {
        instance.service = Service {
            r#type: word,
            annotations: strings(at(service, &["annotations"])),
            internal: at(service, &["internal"]).as_bool().unwrap_or(instance.service.internal),
        };
    }
    instance.authentication.rotate = strings(at(&recorded, &["rotate"]));
    instance.additional_config = strings(at(&recorded, &["additional_config"]));
}
