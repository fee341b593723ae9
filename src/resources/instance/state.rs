//! From the objects to the model: the other direction of `build`, group by group in the same order. What no
//! argument expresses becomes an entry in `repairs`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::build::build;
use super::model::{CustomSpec, Instance, ManagedObject, Status};
use crate::redis::names::annotation;
use crate::redis::next::Desired;
use crate::redis::object::{self, Difference, at, count, differences, list, text};
use crate::redis::quantity::Quantity;
use crate::redis::ready::{image, rolled_out};
use crate::redis::version::Version;
use crate::redis::{config, opstree};
use crate::resources::blocks::{
    Image, Limits, Master, PullPolicy, Requests, Resources, SecurityContext, Toleration,
};
use crate::resources::types::{ObjectName, RedisVersion};
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// The entry in `repairs` of an instance that is being deleted.
pub const DELETION: &str = "deletion";

/// What a refresh found of an instance.
pub struct Found<'a> {
    /// The custom resource.
    pub custom_resource: &'a Json,
    /// The ConfigMap that the state asks for.
    pub config_map: Option<&'a Json>,
    /// Whether the Secret that the state names is there; `None` where that could not be told.
    pub secret_exists: Option<bool>,
    /// The StatefulSet.
    pub stateful_set: Option<&'a Json>,
}

/// The instance as it is found, given what is known of it.
pub fn observe(known: &Instance, found: &Found<'_>) -> Instance {
    let written = build(known, false, true);
    // The usual case, and the cheap one: everything we wrote is there and means the same.
    if real_differences(&written.custom_resource, found.custom_resource).is_empty() {
        return with_computed(known.clone(), &written, &written, found);
    }
    let instance = observe_arguments(known, found.custom_resource);
    let desired = build(&instance, false, true);
    with_computed(instance, &desired, &written, found)
}

fn with_computed(
    mut instance: Instance,
    desired: &Desired,
    written: &Desired,
    found: &Found<'_>,
) -> Instance {
    instance.repairs = repairs(&instance, desired, written, found);
    instance.status = status(found);
    instance.objects = objects(&instance);
    instance
}

/// The arguments as the custom resource has them; where it says nothing, what was known stays.
pub fn observe_arguments(known: &Instance, custom_resource: &Json) -> Instance {
    let spec = at(custom_resource, &["spec"]);
    let mut instance = known.clone();
    instance.image = observe_image(&known.image, spec);
    if let Some(version) = Version::of_tag(&instance.image.tag)
        && instance.image.tag != known.image.tag
        && version != known.version.0
        && version >= crate::redis::version::OLDEST
    {
        instance.version = RedisVersion(version);
    }
    instance.master = Master { resources: observe_resources(&known.master.resources, spec) };
    observe_storage(&mut instance, spec);
    instance.security_context = observe_security(&known.security_context, spec);
    instance.node_selector = strings(at(spec, &["nodeSelector"]));
    instance.tolerations = list(spec, &["tolerations"]).iter().map(observe_toleration).collect();
    instance.priority_class_name = text(spec, &["priorityClassName"]).map(|name| ObjectName(name.to_owned()));
    instance.service_account = text(spec, &["serviceAccountName"]).map(|name| ObjectName(name.to_owned()));
    instance.env = list(spec, &["env"])
        .iter()
        .filter_map(|variable| {
            Some((text(variable, &["name"])?.to_owned(), variable.get("value")?.as_str()?.to_owned()))
        })
        .collect();
    // Other tools put labels and annotations of their own there: only those that are ours count.
    instance.labels = kept(&known.labels, at(custom_resource, &["metadata", "labels"]));
    instance.annotations = kept(&known.annotations, at(custom_resource, &["metadata", "annotations"]));
    instance.custom_spec = observe_custom(&known.custom_spec, spec);
    if let Some(secret) = at(spec, &["kubernetesConfig", "redisSecret"]).as_object() {
        let part = |field: &str| secret.get(field).and_then(Json::as_str).map(str::to_owned);
        if let (Some(name), Some(key), Some(known)) =
            (part("name"), part("key"), &mut instance.authentication.existing_secret)
        {
            *known = crate::resources::blocks::SecretKey { name: ObjectName(name), key };
            instance.auth_secret =
                Some(super::model::AuthSecret { name: known.name.0.clone(), key: known.key.clone() });
        }
    }
    instance
}

fn observe_image(known: &Image, spec: &Json) -> Image {
    let mut image = known.clone();
    let reference = text(spec, &["kubernetesConfig", "image"]).unwrap_or_default();
    if let Some((repository, tag)) = split_reference(reference) {
        (image.repository, image.tag) = (repository.to_owned(), tag.to_owned());
    }
    if let Some(policy) = text(spec, &["kubernetesConfig", "imagePullPolicy"]) {
        image.pull_policy = PullPolicy::parse(&Value::from(policy)).unwrap_or(known.pull_policy);
    }
    image.pull_secrets = list(spec, &["kubernetesConfig", "imagePullSecrets"])
        .iter()
        .filter_map(|secret| text(secret, &["name"]))
        .map(|name| ObjectName(name.to_owned()))
        .collect();
    image
}

/// `host:5000/path:tag` → (`host:5000/path`, `tag`); `None` without a tag.
pub fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let path = reference.rfind('/').map_or(0, |slash| slash + 1);
    let colon = reference[path..].rfind(':')? + path;
    Some((&reference[..colon], &reference[colon + 1..]))
}

fn observe_resources(known: &Resources, spec: &Json) -> Resources {
    let quantity = |path: [&str; 2], known: &Quantity| {
        text(spec, &["kubernetesConfig", "resources", path[0], path[1]])
            .and_then(Quantity::parse)
            .unwrap_or_else(|| known.clone())
    };
    Resources {
        requests: Requests {
            cpu: quantity(["requests", "cpu"], &known.requests.cpu),
            memory: quantity(["requests", "memory"], &known.requests.memory),
        },
        limits: Limits {
            cpu: quantity(["limits", "cpu"], &known.limits.cpu),
            memory: quantity(["limits", "memory"], &known.limits.memory),
        },
    }
}

/// Whether there are volumes, their class and their access modes are left as they are known: the operator does not
/// act on a change of them, so what was made is still there.
fn observe_storage(instance: &mut Instance, spec: &Json) {
    let storage = at(spec, &["storage"]);
    if !storage.is_null() {
        instance.persistence.retain_on_delete = at(storage, &["keepAfterDelete"]) == &Json::Bool(true);
    }
    let size = text(storage, &["volumeClaimTemplate", "spec", "resources", "requests", "storage"]);
    if let Some(size) = size.and_then(Quantity::parse) {
        instance.persistence.size = size;
    }
}

fn observe_security(known: &SecurityContext, spec: &Json) -> SecurityContext {
    let context = at(spec, &["podSecurityContext"]);
    SecurityContext {
        run_as_non_root: at(context, &["runAsNonRoot"]).as_bool(),
        run_as_user: at(context, &["runAsUser"]).as_i64(),
        fs_group: at(context, &["fsGroup"]).as_i64().unwrap_or(known.fs_group),
    }
}

fn observe_toleration(toleration: &Json) -> Toleration {
    let part = |field| text(toleration, &[field]).map(str::to_owned);
    Toleration {
        key: part("key"),
        operator: part("operator"),
        value: part("value"),
        effect: part("effect"),
        toleration_seconds: at(toleration, &["tolerationSeconds"]).as_i64(),
    }
}

/// The values that these keys have now.
fn kept(known: &BTreeMap<String, String>, found: &Json) -> BTreeMap<String, String> {
    let mut found = strings(found);
    found.retain(|name, _| known.contains_key(name));
    found
}

/// Drift in a field that `custom_spec` sets appears there.
fn observe_custom(known: &CustomSpec, spec: &Json) -> CustomSpec {
    let redis = known.redis.as_ref().map(|custom| {
        let mut object = custom.object.clone();
        restrict(&mut object, spec);
        crate::resources::types::JsonObject::parse(&Value::from(object.to_string()))
            .unwrap_or_else(|_| custom.clone())
    });
    CustomSpec { redis }
}

/// Takes from `found` the values of the paths that `wanted` sets.
fn restrict(wanted: &mut Json, found: &Json) {
    match wanted {
        Json::Object(fields) => {
            fields.iter_mut().for_each(|(field, value)| restrict(value, at(found, &[field])))
        }
        value => {
            let absent = value.is_null() && found.is_null();
            if !absent && !differences(value, found).is_empty() {
                *value = found.clone();
            }
        }
    }
}

pub(super) fn strings(object: &Json) -> BTreeMap<String, String> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// What differs between what we want and what is there, our own marks aside: the hash follows from the rest.
fn real_differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let mark = |path: &str| path == format!("metadata.annotations.{}", annotation::SPEC_HASH);
    let mut all = opstree::differences(wanted, found);
    all.retain(|difference| !mark(&difference.path));
    all
}

/// What is wrong and no argument expresses, one readable line each. redis.conf is compared with what was
/// written, not with what the arguments as they are found would make of it.
fn repairs(
    instance: &Instance,
    desired: &Desired,
    written: &Desired,
    found: &Found<'_>,
) -> BTreeMap<String, String> {
    let mut custom_resource = desired.custom_resource.clone();
    custom_resource["spec"]["redisConfig"] = written.custom_resource["spec"]["redisConfig"].clone();
    let mut repairs: BTreeMap<String, String> = real_differences(&custom_resource, found.custom_resource)
        .into_iter()
        .map(|difference| {
            let line = format!("is {}, should be {}", shown(&difference.found), shown(&difference.wanted));
            (difference.path, line)
        })
        .collect();
    if object::is_terminating(found.custom_resource) {
        let line = "it is being deleted; once it is gone, the next apply makes it anew, without its data";
        repairs.insert(DELETION.to_owned(), line.to_owned());
    }
    match object::annotation(found.custom_resource, annotation::UNFINISHED) {
        Some("creating") => {
            drop(repairs.insert("rollout".to_owned(), "the creation was not finished".to_owned()))
        }
        Some(_) => {
            drop(repairs.insert("rollout".to_owned(), "the last change was not rolled out".to_owned()))
        }
        None => {}
    }
    let config_map = object::name(&written.config_map).to_owned();
    match found.config_map {
        None => drop(repairs.insert(format!("ConfigMap {config_map}"), "is missing".to_owned())),
        Some(found) => {
            if at(found, &["data", config::KEY]) != at(&written.config_map, &["data", config::KEY]) {
                repairs.insert(format!("ConfigMap {config_map}"), "its text was changed".to_owned());
            }
        }
    }
    if let (Some(secret), Some(false)) = (&instance.auth_secret, found.secret_exists) {
        repairs.insert(format!("Secret {}", secret.name), "is missing".to_owned());
    }
    repairs
}

fn shown(value: &Json) -> String {
    if value.is_null() { "not set".to_owned() } else { value.to_string() }
}

fn status(found: &Found<'_>) -> Status {
    let Some(stateful_set) = found.stateful_set else {
        return not_ready("Progressing", "the operator has not made the StatefulSet yet");
    };
    let (ready, phase, message) = match rolled_out(stateful_set, 1) {
        Ok(()) => (true, "Ready", String::new()),
        Err(why) => (false, "Progressing", why),
    };
    let pods = usize::try_from(count(stateful_set, &["spec", "replicas"])).unwrap_or(0);
    Status {
        ready,
        phase: phase.to_owned(),
        message,
        redis_pods: (0..pods).map(|ordinal| format!("{}-{ordinal}", object::name(stateful_set))).collect(),
        ready_pods: count(stateful_set, &["status", "readyReplicas"]),
        image: image(stateful_set).map(str::to_owned),
    }
}

/// The status of an instance that does not serve.
pub fn not_ready(phase: &str, message: &str) -> Status {
    Status {
        ready: false,
        phase: phase.to_owned(),
        message: message.to_owned(),
        redis_pods: Vec::new(),
        ready_pods: 0,
        image: None,
    }
}

/// The status as of what runs.
pub fn status_of(stateful_set: Option<&Json>, custom_resource: &Json) -> Status {
    status(&Found { custom_resource, config_map: None, secret_exists: None, stateful_set })
}

/// The objects that the provider manages.
pub fn objects(instance: &Instance) -> Vec<ManagedObject> {
    let desired = build(instance, false, true);
    let object = |kind: &str, name: &str| ManagedObject {
        kind: kind.to_owned(),
        namespace: desired.namespace.clone(),
        name: name.to_owned(),
    };
    let mut objects = vec![
        object(desired.kind.kind(), &desired.name),
        object("ConfigMap", object::name(&desired.config_map)),
    ];
    objects.extend(desired.secret.as_deref().map(|secret| object("Secret", secret)));
    objects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::cluster::Addresses;
    use super::super::import::with_defaults;
    use super::super::model::AuthSecret;
    use super::*;
    use crate::resources::types::DnsLabel;

    fn instance() -> Instance {
        let mut instance =
            with_defaults(&Addresses { namespace: "redis".to_owned(), name: "cache".to_owned() }).unwrap();
        instance.auth_secret = Some(AuthSecret { name: "cache-auth".to_owned(), key: "password".to_owned() });
        instance
    }

    fn found<'a>(custom_resource: &'a Json, config_map: &'a Json) -> Found<'a> {
        Found { custom_resource, config_map: Some(config_map), secret_exists: Some(true), stateful_set: None }
    }

    /// What the API server and the operator make of what we write (facts §1.7).
    fn as_stored(instance: &Instance) -> Json {
        let mut stored = object::without_nulls(&build(instance, false, true).custom_resource);
        stored["metadata"]["finalizers"] = json!(["redisFinalizer"]);
        stored["spec"]["kubernetesConfig"]["updateStrategy"] = json!({});
        if let Some(storage) = stored["spec"]["storage"].as_object_mut() {
            storage.retain(|_, value| value != &json!(false));
        }
        stored
    }

    #[test]
    fn what_the_operator_fills_in_never_shows() {
        let instance = instance();
        let config_map = build(&instance, false, true).config_map;
        let observed = observe(&instance, &found(&as_stored(&instance), &config_map));
        assert_eq!(observed.repairs, BTreeMap::new());
        assert_eq!(Instance { status: instance.status.clone(), objects: Vec::new(), ..observed }, instance);
    }

    #[test]
    fn what_no_argument_expresses_is_to_be_repaired() {
        let instance = instance();
        let mut config_map = build(&instance, false, true).config_map;
        config_map["data"][config::KEY] = json!("save 1 1");
        let mut stored = as_stored(&instance);
        stored["spec"]["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"] = json!("other");
        stored["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
        let observed =
            observe(&instance, &Found { secret_exists: Some(false), ..found(&stored, &config_map) });
        let lines: Vec<String> =
            observed.repairs.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        ConfigMap cache-config-7aaaf72a6d: its text was changed
        Secret cache-auth: is missing
        rollout: the last change was not rolled out
        spec.storage.volumeClaimTemplate.spec.storageClassName: is "other", should be "gp3"
        "#);
    }

    #[test]
    fn references_are_split_at_the_tag() {
        for (reference, parts) in [
            ("quay.io/opstree/redis:v7.0.15", Some(("quay.io/opstree/redis", "v7.0.15"))),
            ("host:5000/redis:1", Some(("host:5000/redis", "1"))),
            ("host:5000/redis", None),
            ("redis", None),
        ] {
            assert_eq!(split_reference(reference), parts, "{reference}");
        }
    }

    fn quantity() -> impl Strategy<Value = Quantity> {
        (1u32..2000, "(m|Mi|Gi)")
            .prop_map(|(number, unit)| Quantity::parse(&format!("{number}{unit}")).unwrap())
    }

    fn words() -> impl Strategy<Value = BTreeMap<String, String>> {
        proptest::collection::btree_map("[a-z]{1,5}", "[a-z0-9]{1,5}", 0..3)
    }

    prop_compose! {
        fn any_instance()(
            cpu in quantity(), memory in quantity(), size in quantity(),
            tag in "v[0-9]\\.[0-9]\\.[0-9]{1,2}", policy in 0..3usize,
            selector in words(), env in words(), labels in words(), annotations in words(),
            tolerations in proptest::collection::vec(("[a-z]{1,5}", proptest::option::of(0i64..100)), 0..3),
            class in proptest::option::of("[a-z]{1,5}"), account in proptest::option::of("[a-z]{1,5}"),
            user in proptest::option::of(1i64..2000), non_root in proptest::option::of(any::<bool>()),
            persistent in any::<bool>(), retain in any::<bool>(), authenticated in any::<bool>(),
        ) -> Instance {
            let mut instance = instance();
            instance.name = DnsLabel("cache".to_owned());
            instance.master.resources.requests.cpu = cpu.clone();
            instance.master.resources.limits.cpu = cpu;
            instance.master.resources.requests.memory = memory.clone();
            instance.master.resources.limits.memory = memory;
            instance.persistence.enabled = persistent;
            instance.persistence.retain_on_delete = retain && persistent;
            if persistent {
                instance.persistence.size = size;
            }
            instance.image.tag = tag;
            instance.image.pull_policy = [PullPolicy::Always, PullPolicy::Never, PullPolicy::IfNotPresent][policy];
            instance.node_selector = selector;
            instance.env = env;
            instance.labels = labels;
            instance.annotations = annotations;
            instance.tolerations = tolerations.into_iter().map(|(key, seconds)| Toleration {
                key: Some(key), operator: Some("Exists".to_owned()), value: None,
                effect: Some("NoExecute".to_owned()), toleration_seconds: seconds,
            }).collect();
            instance.priority_class_name = class.map(ObjectName);
            instance.service_account = account.map(ObjectName);
            instance.security_context.run_as_user = user;
            instance.security_context.run_as_non_root = non_root;
            if !authenticated {
                instance.auth_secret = None;
                instance.authentication.enabled = false;
            }
            instance
        }
    }

    proptest! {
        /// Both directions of the mapping: whatever is built is observed again.
        #[test]
        fn what_is_built_is_observed(instance in any_instance()) {
            let config_map = build(&instance, false, true).config_map;
            let stored = as_stored(&instance);
            let observed = observe(&instance, &found(&stored, &config_map));
            prop_assert_eq!(&observed.repairs, &BTreeMap::new());
            let arguments = observe_arguments(&instance, &stored);
            prop_assert_eq!(Instance { version: instance.version.clone(), ..arguments }, instance);
        }

        /// Drift: an instance that is known otherwise takes the values that are found.
        #[test]
        fn what_was_edited_is_observed(known in any_instance(), edited in any_instance()) {
            let mut edited = edited;
            // What is not observed: see `observe_storage` and `kept`.
            edited.persistence = known.persistence.clone();
            edited.labels = known.labels.clone();
            edited.annotations = known.annotations.clone();
            edited.auth_secret = known.auth_secret.clone();
            edited.authentication = known.authentication.clone();
            let config_map = build(&known, false, true).config_map;
            let mut stored = as_stored(&edited);
            stored["spec"]["redisConfig"] = build(&known, false, true).custom_resource["spec"]["redisConfig"].clone();
            let observed = observe(&known, &found(&stored, &config_map));
            prop_assert_eq!(&observed.repairs, &BTreeMap::new());
            prop_assert_eq!(
                build(&observed, false, true).custom_resource["spec"]["kubernetesConfig"].clone(),
                build(&edited, false, true).custom_resource["spec"]["kubernetesConfig"].clone()
            );
            prop_assert_eq!(
                (observed.env, observed.node_selector, observed.tolerations, observed.security_context),
                (edited.env, edited.node_selector, edited.tolerations, edited.security_context)
            );
        }
    }
}
