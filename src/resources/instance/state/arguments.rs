//! The arguments of the operator's custom resources, read back group by group in the order of `build`. `pods.rs` has
//! those about pods.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::custom::{observe_custom, without_custom};
use super::pods::{observe_budget, observe_lives, observe_placement, observe_toleration};
use crate::redis::object::{at, differences, list, text};
use crate::redis::opstree::Kind;
use crate::redis::quantity::Quantity;
use crate::redis::topology::Topology;
use crate::redis::version::Version;
use crate::resources::blocks::{
    Amounts, ClusterVersion, Image, PullPolicy, SecurityContext, SentinelDisruption, ServiceType,
};
use crate::resources::instance::build::sentinel_budget;
use crate::resources::instance::model::{AuthSecret, Instance};
use crate::resources::types::{ObjectName, RedisVersion};
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// The arguments as the custom resources have them; an argument without a field there keeps its known value.
pub fn observe_arguments(known: &Instance, custom_resources: &[Json]) -> Instance {
    let topology = known.topology();
    let of_kind =
        |kind| custom_resources.iter().find(|one| Kind::of(one) == Some(kind)).unwrap_or(&Json::Null);
    let mut custom_spec = known.custom_spec.clone();
    for kind in topology.kinds() {
        observe_custom(&mut custom_spec, *kind, at(of_kind(*kind), &["spec"]));
    }
    let typed = without_custom(known, custom_resources);
    let of_kind = |kind| typed.iter().find(|one| Kind::of(one) == Some(kind)).unwrap_or(&Json::Null);
    let data = of_kind(topology.data());
    let spec = at(data, &["spec"]);
    let part = topology.parts().first().copied();
    let section = part.and_then(|part| part.section).map_or(spec, |section| at(spec, &[section]));
    let mut instance = known.clone();
    instance.image = observe_image(&known.image, spec);
    if let Some(version) = Version::of_tag(&instance.image.tag)
        && instance.image.tag != known.image.tag
        && version != known.version.0
        && version >= crate::redis::version::OLDEST
    {
        instance.version = RedisVersion(version);
    }
    observe_sizes(&mut instance, spec);
    if topology == Topology::Sentinel {
        observe_sentinel(&mut instance, at(of_kind(Kind::RedisSentinel), &["spec"]));
    }
    observe_storage(&mut instance, spec);
    instance.security_context = observe_security(&known.security_context, spec);
    instance.node_selector = strings(at(section, &["nodeSelector"]));
    instance.tolerations = list(section, &["tolerations"]).iter().map(observe_toleration).collect();
    if let Some(part) = part {
        observe_placement(&mut instance, part, section);
    }
    observe_lives(&mut instance, spec, section);
    observe_service(&mut instance, spec);
    instance.priority_class_name = text(spec, &["priorityClassName"]).map(|name| ObjectName(name.to_owned()));
    instance.service_account = text(spec, &["serviceAccountName"]).map(|name| ObjectName(name.to_owned()));
    instance.env = list(spec, &["env"])
        .iter()
        .filter_map(|variable| {
            Some((text(variable, &["name"])?.to_owned(), variable.get("value")?.as_str()?.to_owned()))
        })
        .collect();
    // Other tools add labels and annotations of their own: only ours count.
    instance.labels = kept(&known.labels, at(data, &["metadata", "labels"]));
    instance.annotations = kept(&known.annotations, at(data, &["metadata", "annotations"]));
    instance.custom_spec = custom_spec;
    if let Some(secret) = at(spec, &["kubernetesConfig", "redisSecret"]).as_object() {
        let part = |field: &str| secret.get(field).and_then(Json::as_str).map(str::to_owned);
        if let (Some(name), Some(key), Some(known)) =
            (part("name"), part("key"), &mut instance.authentication.existing_secret)
        {
            *known = crate::resources::blocks::SecretKey { name: ObjectName(name), key };
            instance.auth_secret = Some(AuthSecret { name: known.name.0.clone(), key: known.key.clone() });
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

/// `host:5000/path:tag` → (`host:5000/path`, `tag`); `None` without a tag, and with a digest.
pub fn split_reference(reference: &str) -> Option<(&str, &str)> {
    if reference.contains('@') {
        return None;
    }
    let path = reference.rfind('/').map_or(0, |slash| slash + 1);
    let colon = reference[path..].rfind(':')? + path;
    Some((&reference[..colon], &reference[colon + 1..]))
}

/// How many pods there are, and what each may use.
fn observe_sizes(instance: &mut Instance, spec: &Json) {
    let usual = instance.master.resources.amounts();
    let amounts = observe_amounts(usual, at(spec, &["kubernetesConfig", "resources"]));
    let size = at(spec, &["clusterSize"]).as_i64();
    match (instance.topology(), &mut instance.cluster) {
        (Topology::Cluster, Some(cluster)) => {
            let leaders = at(spec, &["redisLeader", "replicas"]).as_i64().or(size);
            let followers = at(spec, &["redisFollower", "replicas"]).as_i64().or(size);
            cluster.num_shards = leaders.unwrap_or(cluster.num_shards);
            let shards = cluster.num_shards.max(1);
            // No argument expresses a number of followers that is not a multiple of the number of shards.
            if let Some(followers) = followers.filter(|followers| followers % shards == 0) {
                cluster.replicas_per_shard = followers / shards;
            }
            if let Some(Ok(version)) =
                text(spec, &["clusterVersion"]).map(|word| ClusterVersion::parse(&Value::from(word)))
            {
                cluster.version_mode = version;
            }
            let of_part =
                |section: &str, usual: Amounts| observe_amounts(usual, at(spec, &[section, "resources"]));
            instance.replica.resources = of_part("redisFollower", amounts.clone()).into();
            instance.master.resources = of_part("redisLeader", amounts).into();
        }
        (topology, _) => {
            // A set without replicas is still a set, but no argument says so: without sentinels a count of 0
            // means another kind.
            let least = if topology == Topology::Sentinel { 0 } else { 1 };
            if let Some(count) = size.map(|size| size - 1)
                && topology != Topology::Standalone
                && count >= least
            {
                instance.replica.count = Some(count);
            }
            instance.replica.resources = amounts.clone().into();
            instance.master.resources = amounts.into();
        }
    }
}

fn observe_amounts(known: Amounts, resources: &Json) -> Amounts {
    let quantity =
        |path: [&str; 2], known: Quantity| text(resources, &path).and_then(Quantity::parse).unwrap_or(known);
    Amounts {
        requested_cpu: quantity(["requests", "cpu"], known.requested_cpu),
        requested_memory: quantity(["requests", "memory"], known.requested_memory),
        cpu: quantity(["limits", "cpu"], known.cpu),
        memory: quantity(["limits", "memory"], known.memory),
    }
}

fn observe_sentinel(instance: &mut Instance, spec: &Json) {
    let Some(sentinel) = instance.sentinel.as_mut().filter(|_| !spec.is_null()) else { return };
    if let Some((repository, _)) = text(spec, &["kubernetesConfig", "image"]).and_then(split_reference) {
        instance.image.sentinel_repository = repository.to_owned();
    }
    let config = at(spec, &["redisSentinelConfig"]);
    let number =
        |field: &str, known: i64| text(config, &[field]).and_then(|text| text.parse().ok()).unwrap_or(known);
    let usual = sentinel.replicas;
    sentinel.replicas = at(spec, &["clusterSize"]).as_i64().unwrap_or(sentinel.replicas);
    sentinel.quorum = number("quorum", sentinel.quorum);
    sentinel.down_after_milliseconds = number("downAfterMilliseconds", sentinel.down_after_milliseconds);
    sentinel.failover_timeout = number("failoverTimeout", sentinel.failover_timeout);
    sentinel.parallel_syncs = number("parallelSyncs", sentinel.parallel_syncs);
    if let Some(name) = text(config, &["masterGroupName"]) {
        sentinel.master_name = name.to_owned();
    }
    sentinel.resources =
        observe_amounts(sentinel.resources.amounts(), at(spec, &["kubernetesConfig", "resources"])).into();
    sentinel.password_protected = !at(spec, &["kubernetesConfig", "redisSecret"]).is_null();
    let pdb = at(spec, &["pdb"]);
    let budget = &mut sentinel.pod_disruption_budget;
    let is_it = |sentinels: i64| differences(&sentinel_budget(budget, sentinels), pdb).is_empty();
    // A value that follows from their number still follows from the known number.
    if !is_it(usual) && !is_it(sentinel.replicas) {
        let known = (budget.min_available, budget.max_unavailable);
        let (enabled, min, max) = observe_budget(known, pdb);
        *budget = SentinelDisruption { enabled, min_available: min, max_unavailable: max };
    }
}

/// The Service that leads to a cluster from outside is a field of its custom resource. For the other shapes the provider
/// creates a Service of its own.
fn observe_service(instance: &mut Instance, spec: &Json) {
    if instance.topology() == Topology::Cluster {
        let service = at(spec, &["kubernetesConfig", "service"]);
        let word = Value::from(text(service, &["serviceType"]).unwrap_or("ClusterIP"));
        instance.service.r#type = ServiceType::parse(&word).unwrap_or(instance.service.r#type);
    }
}

/// Whether there are volumes, their class and their access modes keep their known values: the operator does
/// not act on a change of them, so the volumes still are as they were created.
fn observe_storage(instance: &mut Instance, spec: &Json) {
    let storage = at(spec, &["storage"]);
    if instance.persistence.enabled && !storage.is_null() {
        instance.persistence.retain_on_delete = at(storage, &["keepAfterDelete"]) == &Json::Bool(true);
    }
    let size = text(storage, &["volumeClaimTemplate", "spec", "resources", "requests", "storage"]);
    if let Some(size) = size.and_then(Quantity::parse) {
        instance.persistence.size = size;
    }
    let nodes = ["nodeConfVolumeClaimTemplate", "spec", "resources", "requests", "storage"];
    if let Some(size) = text(storage, &nodes).and_then(Quantity::parse) {
        instance.persistence.node_conf_size = size;
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

/// The values that these keys have now.
fn kept(known: &BTreeMap<String, String>, found: &Json) -> BTreeMap<String, String> {
    let mut found = strings(found);
    found.retain(|name, _| known.contains_key(name));
    found
}

pub fn strings(object: &Json) -> BTreeMap<String, String> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_at_the_tag() {
        for (reference, parts) in [
            ("quay.io/opstree/redis:v7.0.15", Some(("quay.io/opstree/redis", "v7.0.15"))),
            ("host:5000/redis:1", Some(("host:5000/redis", "1"))),
            ("host:5000/redis", None),
            ("redis", None),
            ("host:5000/redis@sha256:12", None),
        ] {
            assert_eq!(split_reference(reference), parts, "{reference}");
        }
    }
}
