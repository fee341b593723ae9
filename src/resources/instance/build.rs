//! From the model to the objects: `Instance → Desired`. The other direction is `state`, group by group in the
//! same order. Patterns are exhaustive: a new argument must be placed here or it does not compile.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::model::{AuthSecret, CustomSpec, DeploymentMode, Instance};
use crate::redis::config::{self, Settings, save_points, short_hash};
use crate::redis::names::{self, INSTANCE_LABEL, annotation};
use crate::redis::next::Desired;
use crate::redis::object;
use crate::redis::opstree::{Kind, api_version};
use crate::resources::blocks::{
    Aof, Image, Limits, Master, Persistence, Rdb, Requests, Resources, SecurityContext, Toleration,
};
use crate::resources::types::JsonObject;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// Whose field manager we are.
pub const MANAGER: &str = "terraform-provider-redis";

/// What the instance is to be in the cluster. `creating` and `wait` are for the loop.
pub fn build(instance: &Instance, creating: bool, wait: bool) -> Desired {
    let Instance {
        name,
        namespace,
        create_namespace,
        // Chooses the tag, which is in `image`.
        version: _,
        image,
        deployment_mode: DeploymentMode::Standalone,
        master: Master { resources },
        persistence,
        additional_config,
        maxmemory_percent,
        authentication,
        security_context,
        node_selector,
        tolerations,
        priority_class_name,
        service_account,
        env,
        labels,
        annotations,
        custom_spec: CustomSpec { redis: custom },
        // Only the provider reads these.
        wait: _,
        deletion_protection: _,
        adopt_existing: _,
        force_conflicts: _,
        timeouts: _,
        // Computed.
        id: _,
        host: _,
        reader_host: _,
        port: _,
        url: _,
        auth_secret,
        status: _,
        objects: _,
        repairs: _,
        claim,
    } = instance;

    let settings = settings(persistence, *maxmemory_percent, resources, additional_config);
    let text = settings.render();
    let config_map_name = names::config_map(&name.0, &text);

    let mut kubernetes_config = image_fields(image);
    kubernetes_config.insert("resources".to_owned(), resource_fields(resources));
    kubernetes_config.insert("ignoreAnnotations".to_owned(), json!(annotation::IGNORED));
    let secret = auth_secret.as_ref().map(|AuthSecret { name, key }| json!({ "name": name, "key": key }));
    kubernetes_config.insert("redisSecret".to_owned(), json!(secret));
    let mut spec = Map::from_iter([
        ("kubernetesConfig".to_owned(), Json::Object(kubernetes_config)),
        ("redisConfig".to_owned(), json!({ "additionalRedisConfig": config_map_name })),
        ("podSecurityContext".to_owned(), security_fields(security_context)),
    ]);
    let mut set = |field: &str, value: Json| drop(spec.insert(field.to_owned(), value));
    // A null says that nothing may be there: what somebody adds by hand is taken away again.
    set("storage", if persistence.enabled { storage_fields(persistence) } else { Json::Null });
    set("nodeSelector", unless_empty(node_selector.is_empty(), json!(node_selector)));
    set(
        "tolerations",
        unless_empty(tolerations.is_empty(), tolerations.iter().map(toleration_fields).collect()),
    );
    set("priorityClassName", json!(priority_class_name.as_ref().map(|class| &class.0)));
    set("serviceAccountName", json!(service_account.as_ref().map(|account| &account.0)));
    let variables = env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    set("env", unless_empty(env.is_empty(), variables));
    let mut spec = Json::Object(spec);
    if let Some(custom) = custom {
        merge(&mut spec, &custom.object);
    }

    let hashed =
        json!({ "labels": labels, "annotations": annotations, "spec": object::without_nulls(&spec) });
    let hash = short_hash(&hashed.to_string());
    let mut marks = annotations.clone();
    marks.insert(annotation::CLAIM.to_owned(), claim.clone());
    marks.insert(annotation::SPEC_HASH.to_owned(), hash);
    let companion = |annotations: BTreeMap<String, String>| {
        let mut labels = labels.clone();
        labels.insert(INSTANCE_LABEL.to_owned(), name.0.clone());
        labels.entry("app.kubernetes.io/managed-by".to_owned()).or_insert_with(|| MANAGER.to_owned());
        json!({ "namespace": namespace.0, "labels": labels, "annotations": annotations })
    };
    let mut config_map_metadata =
        companion(with_mark(annotations, annotation::SETTINGS, &recorded(instance)));
    config_map_metadata["name"] = json!(config_map_name);

    Desired {
        kind: Kind::Redis,
        name: name.0.clone(),
        namespace: namespace.0.clone(),
        custom_resource: json!({
            "apiVersion": api_version(),
            "kind": Kind::Redis.kind(),
            "metadata": { "name": name.0, "namespace": namespace.0, "labels": labels, "annotations": marks },
            "spec": spec,
        }),
        config_map: json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": config_map_metadata,
            "data": { config::KEY: text },
        }),
        secret: auth_secret
            .as_ref()
            .filter(|_| authentication.existing_secret.is_none())
            .map(|secret| secret.name.clone()),
        creating,
        create_namespace: *create_namespace,
        wait,
    }
}

/// The Secret with a password of ours. Immutable: it is made once and never written again.
pub fn secret(instance: &Instance, name: &str, password: &str) -> Json {
    let mut labels = instance.labels.clone();
    labels.insert(INSTANCE_LABEL.to_owned(), instance.name.0.clone());
    labels.entry("app.kubernetes.io/managed-by".to_owned()).or_insert_with(|| MANAGER.to_owned());
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": true,
        "metadata": {
            "name": name,
            "namespace": instance.namespace.0,
            "labels": labels,
            "annotations": instance.annotations,
        },
        "stringData": { PASSWORD_KEY: password },
    })
}

/// The key of a password that we keep.
pub const PASSWORD_KEY: &str = "password";

fn settings<'a>(
    persistence: &'a Persistence,
    maxmemory_percent: i64,
    resources: &'a Resources,
    additional: &'a BTreeMap<String, String>,
) -> Settings<'a> {
    let Rdb { enabled: rdb, save_interval } = &persistence.rdb;
    let Aof { enabled: aof, fsync_policy } = &persistence.aof;
    Settings {
        save: (*rdb && persistence.enabled).then(|| save_points(save_interval).unwrap_or_default()),
        append_fsync: (*aof && persistence.enabled).then(|| fsync_policy.word()),
        maxmemory_percent: u8::try_from(maxmemory_percent).unwrap_or(0),
        memory_limit: &resources.limits.memory,
        additional,
    }
}

/// The arguments of which redis.conf is rendered, for import.
fn recorded(instance: &Instance) -> String {
    let Rdb { enabled: rdb, save_interval } = &instance.persistence.rdb;
    let Aof { enabled: aof, fsync_policy } = &instance.persistence.aof;
    json!({
        "rdb": { "enabled": rdb, "save_interval": save_interval },
        "aof": { "enabled": aof, "fsync_policy": fsync_policy.word() },
        "maxmemory_percent": instance.maxmemory_percent,
        "additional_config": instance.additional_config,
        "custom_spec": instance.custom_spec.redis.as_ref().map(JsonObject::value).as_ref().and_then(Value::as_str),
        "rotate": instance.authentication.rotate,
    })
    .to_string()
}

fn with_mark(annotations: &BTreeMap<String, String>, mark: &str, value: &str) -> BTreeMap<String, String> {
    let mut annotations = annotations.clone();
    annotations.insert(mark.to_owned(), value.to_owned());
    annotations
}

fn image_fields(image: &Image) -> Map<String, Json> {
    let Image { repository, tag, pull_policy, pull_secrets } = image;
    let secrets = pull_secrets.iter().map(|secret| json!({ "name": secret.0 })).collect();
    Map::from_iter([
        ("image".to_owned(), json!(format!("{repository}:{tag}"))),
        ("imagePullPolicy".to_owned(), json!(pull_policy.word())),
        ("imagePullSecrets".to_owned(), unless_empty(pull_secrets.is_empty(), secrets)),
    ])
}

fn unless_empty(empty: bool, value: Json) -> Json {
    if empty { Json::Null } else { value }
}

fn resource_fields(resources: &Resources) -> Json {
    let Resources {
        requests: Requests { cpu: requested_cpu, memory: requested_memory },
        limits: Limits { cpu, memory },
    } = resources;
    json!({
        "requests": { "cpu": requested_cpu.canonical(), "memory": requested_memory.canonical() },
        "limits": { "cpu": cpu.canonical(), "memory": memory.canonical() },
    })
}

fn storage_fields(persistence: &Persistence) -> Json {
    let Persistence {
        enabled: _,
        storage_class,
        size,
        // Of cluster mode.
        node_conf_size: _,
        access_modes,
        // In redis.conf.
        rdb: _,
        aof: _,
        retain_on_delete,
    } = persistence;
    json!({
        "keepAfterDelete": retain_on_delete,
        "volumeClaimTemplate": {
            "spec": {
                "storageClassName": storage_class.0,
                "accessModes": access_modes,
                "resources": { "requests": { "storage": size.canonical() } },
            },
        },
    })
}

fn security_fields(security_context: &SecurityContext) -> Json {
    let SecurityContext { run_as_non_root, run_as_user, fs_group } = security_context;
    json!({ "fsGroup": fs_group, "runAsNonRoot": run_as_non_root, "runAsUser": run_as_user })
}

fn toleration_fields(toleration: &Toleration) -> Json {
    let Toleration { key, operator, value, effect, toleration_seconds } = toleration;
    let fields = [
        ("key", key.as_ref().map(|key| json!(key))),
        ("operator", operator.as_ref().map(|operator| json!(operator))),
        ("value", value.as_ref().map(|value| json!(value))),
        ("effect", effect.as_ref().map(|effect| json!(effect))),
        ("tolerationSeconds", toleration_seconds.map(|seconds| json!(seconds))),
    ];
    Json::Object(fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect())
}

/// RFC 7386: what is null in the patch must not be there, objects are merged, all else is replaced.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.insert(field.clone(), Json::Null);
        } else {
            merge(target.entry(field).or_insert(Json::Null), value);
        }
    }
}

/// The name of the Secret that a configuration asks for: the user's, or one of ours that changes with every
/// rotation. `None` without authentication.
pub fn wanted_secret(instance: &Instance) -> Option<AuthSecret> {
    let authentication = &instance.authentication;
    if !authentication.enabled {
        return None;
    }
    if let Some(existing) = &authentication.existing_secret {
        return Some(AuthSecret { name: existing.name.0.clone(), key: existing.key.clone() });
    }
    let mut rotation: Vec<String> =
        authentication.rotate.iter().map(|(key, value)| format!("{key}={value}")).collect();
    rotation.extend(authentication.password_wo_version.map(|version| version.to_string()));
    Some(AuthSecret {
        name: names::secret(&instance.name.0, &rotation.join("\n")),
        key: PASSWORD_KEY.to_owned(),
    })
}
