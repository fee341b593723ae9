//! From the picture to the model: the other direction of `build`. A difference that no argument expresses
//! becomes an entry in `repairs`.

mod arguments;
mod custom;
mod pods;

use std::collections::BTreeSet;

use serde_json::Value as Json;

pub use arguments::{observe_arguments, strings};

use super::build::build;
use super::model::{Instance, ManagedObject, Status};
use super::objects::{external_host, external_service_name};
use crate::redis::desired::Desired;
use crate::redis::names::{self, annotation};
use crate::redis::object::{self, Difference, count, text};
use crate::redis::objects::{Found, Key, Role, Wanted};
use crate::redis::opstree::{self, Kind};
use crate::redis::picture::Picture;
use crate::redis::ready;
use crate::redis::repair::{self, Repair, Subject};
use crate::redis::running::{Running, image, image_of_pod, may_need, restarted_at};
use crate::redis::topology::Topology;

/// The instance as it is found, given what is known of it. `written` is the known instance, built.
pub fn observe(known: &Instance, written: &Desired, picture: &Picture) -> Instance {
    let app_labels = opstree::app_labels(&picture.custom_resources);
    if app_labels == known.app_labels {
        return observe_written(known, written, picture);
    }
    // Somebody has given a custom resource that label, or taken it away: all selectors follow.
    let known = Instance { app_labels, ..known.clone() };
    observe_written(&known, &build(&known, false, true), picture)
}

fn observe_written(known: &Instance, written: &Desired, picture: &Picture) -> Instance {
    // The usual case, and the cheap one: every field that we wrote exists and means the same.
    let as_written = |wanted: &Json| {
        let live = Kind::of(wanted).and_then(|kind| picture.custom_resource(kind));
        live.is_some_and(|live| real_differences(wanted, live).is_empty())
    };
    if written.custom_resources.iter().all(as_written) {
        return with_computed(known.clone(), written, written, picture);
    }
    let instance = observe_arguments(known, &picture.custom_resources);
    let desired = build(&instance, false, true);
    with_computed(instance, &desired, written, picture)
}

fn with_computed(
    mut instance: Instance,
    desired: &Desired,
    written: &Desired,
    picture: &Picture,
) -> Instance {
    let repairs = repairs(&instance, desired, written, picture);
    instance.repairs = repairs.into_iter().map(|one| (one.subject.to_string(), one.line)).collect();
    instance.status = status(desired.topology, &desired.name, picture);
    let unwanted = unwanted(&instance.claim, desired, written, picture);
    instance.objects = objects(desired).into_iter().chain(unwanted.into_iter().map(managed)).collect();
    instance.external_host = host_from_outside(desired, picture);
    instance
}

/// The address of the load balancer of the instance.
pub fn host_from_outside(desired: &Desired, picture: &Picture) -> Option<String> {
    let wanted = external_service_name(desired)?;
    let mut of_operator = picture.running.iter().flat_map(|running| &running.services);
    let ours = picture.of_role(Role::ExternalAccess).find(|found| found.key.name == wanted);
    let service =
        ours.map(|found| &found.object).or_else(|| of_operator.find(|one| object::name(one) == wanted));
    external_host(service?)
}

/// The differences between what we want and what exists, without our own marks: the hash follows from the
/// rest. An imported instance that we have never written has no marks, and needs none until we write it.
fn real_differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let hash = format!("metadata.annotations.{}", annotation::SPEC_HASH);
    let marks = format!("metadata.annotations.{}", names::PREFIX);
    let is_foreign = opstree::is_foreign(found);
    let is_mark = |path: &str| {
        path == hash
            || (is_foreign && (path.starts_with(&marks) || path == "spec.kubernetesConfig.ignoreAnnotations"))
    };
    let mut all = opstree::differences(wanted, found);
    all.retain(|difference| !is_mark(&difference.path));
    all
}

/// All problems that no argument expresses.
fn repairs(instance: &Instance, desired: &Desired, written: &Desired, picture: &Picture) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for wanted in &desired.custom_resources {
        repairs.extend(repairs_of_custom_resource(wanted, written, picture));
    }
    repairs.extend(repair::of_what_runs(desired.topology, &desired.name, picture));
    let is_unused = |wanted: &&Wanted| {
        wanted.key.role == Role::Configuration && !written.names_config_map(&wanted.key.name)
    };
    let needed = written.objects.iter().filter(|wanted| !is_unused(wanted));
    repairs.extend(needed.filter_map(|wanted| repair_of_object(wanted, picture)));
    // An object that a pod may still start with becomes an entry once no pod does.
    let stateful_sets = picture.running.iter().flat_map(|running| &running.stateful_sets);
    let is_needed = |key: &Key| may_need(stateful_sets.clone(), key.kind, &key.name);
    let superfluous = unwanted(&instance.claim, desired, written, picture).into_iter();
    let superfluous = superfluous.filter(|key| !is_needed(key));
    repairs.extend(superfluous.map(|key| Repair::new(Subject::object(key), "is no longer wanted")));
    // One that the user keeps is not ours to mend: a refresh warns of it.
    let is_ours = instance.authentication.existing_secret.is_none();
    if let (Some(secret), Some(false), true) = (&instance.auth_secret, picture.has_password, is_ours) {
        repairs.push(Repair::new(Subject::Secret(secret.name.clone()), "is missing"));
    }
    repairs
}

/// A field that is as we wrote it needs no repair, even if the observed arguments would give another value:
/// redis.conf for another memory limit, the majority of another number of sentinels. The argument already
/// shows the drift.
fn repairs_of_custom_resource(wanted: &Json, written: &Desired, picture: &Picture) -> Vec<Repair> {
    let Some(kind) = Kind::of(wanted) else { return Vec::new() };
    let Some(live) = picture.custom_resource(kind) else {
        return vec![Repair::missing(kind, &written.name)];
    };
    let drifted = real_differences(written.custom_resource(kind), live);
    let has_drifted = |difference: &Difference| {
        let same = |one: &Difference| {
            one.names.starts_with(&difference.names) || difference.names.starts_with(&one.names)
        };
        drifted.iter().any(same)
    };
    let mut repairs: Vec<Repair> = real_differences(wanted, live)
        .into_iter()
        .filter(has_drifted)
        .map(|difference| Repair::field(kind, &difference))
        .collect();
    if object::is_terminating(live) {
        let line = "it is being deleted; once it is gone, the next apply recreates it, without its data";
        repairs.push(Repair::new(Subject::Deletion, line));
    }
    repairs
}

fn repair_of_object(wanted: &Wanted, picture: &Picture) -> Option<Repair> {
    let line = match picture.object(&wanted.key) {
        Some(found) => wanted.wrong(&found.object)?,
        None => "is missing".to_owned(),
    };
    Some(Repair::new(Subject::object(&wanted.key), line))
}

/// What runs, according to StatefulSets and custom resources.
pub fn status(topology: Topology, name: &str, picture: &Picture) -> Status {
    let mut status = not_ready("Ready", "");
    let nothing = Running::default();
    let running = picture.running.as_ref().unwrap_or(&nothing);
    for part in topology.parts() {
        let app = part.name(name);
        let Some(stateful_set) = running.stateful_set(&app) else { continue };
        let pods = usize::try_from(count(stateful_set, &["spec", "replicas"])).unwrap_or(0);
        let pods = (0..pods).map(|ordinal| format!("{app}-{ordinal}"));
        if part.has_data() {
            status.redis_pods.extend(pods);
            status.ready_pods += count(stateful_set, &["status", "readyReplicas"]);
            status.image = status.image.or_else(|| image(stateful_set).map(str::to_owned));
            status.restarted_at =
                status.restarted_at.or_else(|| restarted_at(stateful_set).map(str::to_owned));
        } else {
            status.sentinel_pods.extend(pods);
        }
    }
    status.image = images_of_pods(topology, name, running).or(status.image);
    let mut missing = picture.at_rest(topology, name, false).err();
    if let Some(data) = picture.custom_resource(topology.data()) {
        let master = text(data, &["status", "masterNode"]).filter(|master| !master.is_empty());
        status.master_node = match topology {
            Topology::Standalone => status.redis_pods.first().cloned(),
            Topology::Cluster => None,
            _ => master.map(str::to_owned),
        };
        let unsettled = match topology {
            Topology::Standalone => None,
            Topology::Cluster => ready::assembled(data).err().map(|waiting| waiting.why),
            _ if master.is_none() => Some("the operator has not found a master yet".to_owned()),
            _ => None,
        };
        missing = missing.or(unsettled);
    }
    if let Some(missing) = missing {
        status.phase = "Progressing".to_owned();
        status.message = missing;
    } else {
        status.ready = true;
    }
    status
}

/// The images that the pods run; several if they differ. `None` if the pods were not read.
fn images_of_pods(topology: Topology, name: &str, running: &Running) -> Option<String> {
    let with_data = topology.parts().iter().filter(|part| part.has_data());
    let apps: Vec<String> = with_data.map(|part| part.name(name)).collect();
    let pods = apps.iter().flat_map(|app| running.pods_of(app));
    let images: BTreeSet<&str> = pods.filter_map(image_of_pod).collect();
    (!images.is_empty()).then(|| images.into_iter().collect::<Vec<_>>().join(", "))
}

/// The status of an instance that does not serve.
pub fn not_ready(phase: &str, message: &str) -> Status {
    Status {
        ready: false,
        phase: phase.to_owned(),
        message: message.to_owned(),
        master_node: None,
        redis_pods: Vec::new(),
        ready_pods: 0,
        sentinel_pods: Vec::new(),
        image: None,
        restarted_at: None,
    }
}

/// Objects of ours that an apply should have deleted.
fn unwanted<'p>(claim: &str, desired: &Desired, written: &Desired, picture: &'p Picture) -> Vec<&'p Key> {
    let is_unwanted = |found: &&Found| {
        let is_wanted = [desired, written].iter().any(|one| one.object(&found.key).is_some());
        !is_wanted && found.is_claimed_by(claim)
    };
    picture.objects.iter().filter(is_unwanted).map(|found| &found.key).collect()
}

/// Objects of ours that an apply has left, because a pod may still start with them.
pub fn kept(desired: &Desired, picture: &Picture) -> Vec<ManagedObject> {
    unwanted(&desired.claim, desired, desired, picture).into_iter().map(managed).collect()
}

fn managed(key: &Key) -> ManagedObject {
    let Key { kind, namespace, name, .. } = key;
    ManagedObject { kind: (*kind).to_owned(), namespace: namespace.clone(), name: name.clone() }
}

/// The objects that the provider manages.
pub fn objects(desired: &Desired) -> Vec<ManagedObject> {
    let object = |kind: &str, name: &str| ManagedObject {
        kind: kind.to_owned(),
        namespace: desired.namespace.clone(),
        name: name.to_owned(),
    };
    let custom_resources = desired.topology.kinds().iter().map(|kind| object(kind.kind(), &desired.name));
    let objects = desired.objects.iter().map(|wanted| managed(&wanted.key));
    custom_resources.chain(objects).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use std::collections::BTreeMap;

    use super::super::addresses::Addresses;
    use super::super::import::with_defaults;
    use super::super::model::AuthSecret;
    use super::*;
    use crate::redis::config;
    use crate::redis::object::at;
    use crate::redis::quantity::Quantity;
    use crate::resources::blocks::{
        AntiAffinity, Probe, PullPolicy, ServiceType, Spread, Toleration, UpdateType,
    };
    use crate::resources::types::ObjectName;

    fn instance_of(topology: Topology) -> Instance {
        let (namespace, name) = ("redis".to_owned(), "cache".to_owned());
        let mut instance = with_defaults(&Addresses::new(namespace, name, topology)).unwrap();
        instance.auth_secret = Some(AuthSecret { name: "cache-auth".to_owned(), key: "password".to_owned() });
        instance
    }

    fn instance() -> Instance {
        instance_of(Topology::Standalone)
    }

    fn built(instance: &Instance) -> Desired {
        build(instance, false, true)
    }

    /// What a refresh finds of `stored`, where our objects are as `written` has them.
    fn found(stored: Vec<Json>, written: &Desired) -> Picture {
        let mut picture =
            Picture { custom_resources: stored, has_password: Some(true), ..Picture::default() };
        for wanted in &written.objects {
            picture.set_object(&wanted.key, Some(wanted.object.clone()));
        }
        picture
    }

    fn set(object: &mut Json, path: &[&str], value: Json) {
        *path.iter().fold(object, |inner, name| &mut inner[*name]) = value;
    }

    /// What the API server and the operator make of what we write (facts §1.7).
    fn as_stored(instance: &Instance) -> Vec<Json> {
        built(instance).custom_resources.iter().map(stored).collect()
    }

    fn stored(custom_resource: &Json) -> Json {
        let mut stored = object::without_nulls(custom_resource);
        stored["metadata"]["finalizers"] = json!(["redisFinalizer"]);
        if stored["spec"]["kubernetesConfig"]["updateStrategy"].is_null() {
            stored["spec"]["kubernetesConfig"]["updateStrategy"] = json!({});
        }
        if let Some(storage) = stored["spec"]["storage"].as_object_mut() {
            storage.retain(|_, value| value != &json!(false));
        }
        stored["status"] = json!({ "masterNode": "cache-0", "state": "Ready" });
        stored
    }

    #[test]
    fn what_the_operator_fills_in_never_shows() {
        for topology in [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster] {
            let instance = instance_of(topology);
            let written = built(&instance);
            let observed = observe(&instance, &written, &found(as_stored(&instance), &written));
            assert_eq!(observed.repairs, BTreeMap::new());
            assert_eq!(
                Instance { status: instance.status.clone(), objects: Vec::new(), ..observed },
                instance
            );
        }
    }

    /// The operator gives the pods that label in the place of its own.
    #[test]
    fn selectors_follow_a_label_that_somebody_adds() {
        let mut instance = instance();
        instance.service.r#type = ServiceType::NodePort;
        let written = built(&instance);
        let mut stored = as_stored(&instance);
        set(&mut stored[0], &["metadata", "labels", "app"], json!("web"));
        let observed = observe(&instance, &written, &found(stored, &written));
        assert_eq!(observed.app_labels, BTreeMap::from([("Redis".to_owned(), "web".to_owned())]));
        assert!(observed.repairs.contains_key("Service cache-external"), "{:?}", observed.repairs);
    }

    /// A count of 0 would be another kind: the refresh after that would not find it, and forget it.
    #[test]
    fn a_set_that_lost_its_replicas_is_still_a_set() {
        let mut instance = instance_of(Topology::Replication);
        instance.replica.count = Some(2);
        let written = built(&instance);
        let mut stored = as_stored(&instance);
        set(&mut stored[0], &["spec", "clusterSize"], json!(1));
        let observed = observe(&instance, &written, &found(stored, &written));
        assert_eq!((observed.topology(), observed.replica.count), (Topology::Replication, Some(2)));
        assert_eq!(observed.repairs["spec.clusterSize"], "is 1, should be 3");
    }

    #[test]
    fn what_no_argument_expresses_is_to_be_repaired() {
        let instance = instance();
        let written = built(&instance);
        let mut stored = as_stored(&instance);
        stored[0]["spec"]["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"] = json!("other");
        stored[0]["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
        let mut found = found(stored, &written);
        let [password, configuration] = written.objects.as_slice() else { panic!("two objects") };
        found.has_password = Some(false);
        found.set_object(&password.key, None);
        let mut edited = configuration.object.clone();
        edited["data"][config::KEY] = json!("save 1 1");
        found.set_object(&configuration.key, Some(edited));
        let observed = observe(&instance, &written, &found);
        let lines: Vec<String> =
            observed.repairs.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        ConfigMap cache-config-ec2be1d372: its text was changed
        Secret cache-auth: is missing
        rollout: the last change was not rolled out
        spec.storage.volumeClaimTemplate.spec.storageClassName: is "other", should be "gp3"
        "#);
    }

    #[test]
    fn sentinels_that_are_gone_or_edited_where_no_argument_says_so_are_to_be_repaired() {
        let instance = instance_of(Topology::Sentinel);
        let written = built(&instance);
        let mut stored = as_stored(&instance);
        stored[1]["spec"]["redisSentinelConfig"]["redisPort"] = json!("1");
        let repairs = |stored| observe(&instance, &written, &found(stored, &written)).repairs;
        assert_eq!(
            repairs(stored.clone()),
            BTreeMap::from([(
                "RedisSentinel spec.redisSentinelConfig.redisPort".to_owned(),
                "is \"1\", should be \"6379\"".to_owned()
            )])
        );
        stored.pop();
        assert_eq!(
            repairs(stored),
            BTreeMap::from([("RedisSentinel cache".to_owned(), "is missing".to_owned())])
        );
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
            (topology, count, seconds) in (0..4usize, 3i64..6, proptest::option::of(1i64..90)),
            (affinity, spread, on_delete, exposed) in
                (0..3usize, any::<bool>(), any::<bool>(), any::<bool>()),
        ) -> Instance {
            let topology =
                [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster][topology];
            let mut instance = instance_of(topology);
            instance.master.resources.requests.cpu = cpu.clone();
            instance.master.resources.limits.cpu = cpu;
            instance.master.resources.requests.memory = memory.clone();
            instance.master.resources.limits.memory = memory;
            if topology != Topology::Cluster {
                instance.replica.resources = instance.master.resources.amounts().into();
            }
            if let Some(sentinel) = &mut instance.sentinel {
                sentinel.replicas = count;
                sentinel.quorum = count - 1;
                sentinel.down_after_milliseconds = 1000 * count;
                sentinel.password_protected = authenticated && retain;
                sentinel.pod_disruption_budget.max_unavailable = seconds;
            }
            if let Some(cluster) = &mut instance.cluster {
                cluster.num_shards = count;
                cluster.replicas_per_shard = count - 3;
            }
            if matches!(topology, Topology::Replication | Topology::Sentinel) {
                instance.replica.count = Some(count);
            }
            if topology != Topology::Standalone {
                instance.anti_affinity =
                    [AntiAffinity::Soft, AntiAffinity::Required, AntiAffinity::None][affinity];
                instance.pod_disruption_budget.enabled = spread;
                instance.topology_spread_constraints = (0..i64::from(spread)).map(|_| Spread {
                    max_skew: count, topology_key: "zone".to_owned(),
                    when_unsatisfiable: "DoNotSchedule".to_owned(),
                }).collect();
            }
            if topology == Topology::Cluster && exposed {
                instance.service.r#type = ServiceType::LoadBalancer;
            }
            instance.update_strategy.r#type = on_delete.then_some(UpdateType::OnDelete);
            instance.termination_grace_period_seconds = seconds;
            instance.readiness_probe = seconds.map(|seconds| Probe {
                initial_delay_seconds: None, period_seconds: Some(seconds), timeout_seconds: None,
                failure_threshold: None,
            });
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
            let written = built(&instance);
            let stored = as_stored(&instance);
            let observed = observe(&instance, &written, &found(stored.clone(), &written));
            prop_assert_eq!(&observed.repairs, &BTreeMap::new());
            let arguments = observe_arguments(&instance, &stored);
            prop_assert_eq!(Instance { version: instance.version.clone(), ..arguments }, instance);
        }

        /// Drift: an instance that is known otherwise takes the values that are found.
        #[test]
        fn what_was_edited_is_observed(known in any_instance(), edited in any_instance()) {
            let mut edited = edited;
            prop_assume!(known.topology() == edited.topology());
            // What is not observed: see `observe_storage` and `kept`.
            edited.persistence = known.persistence.clone();
            edited.update_strategy = known.update_strategy.clone();
            edited.labels = known.labels.clone();
            edited.annotations = known.annotations.clone();
            edited.auth_secret = known.auth_secret.clone();
            edited.authentication = known.authentication.clone();
            let written = built(&known);
            let mut stored = as_stored(&edited);
            for (stored, written) in stored.iter_mut().zip(&written.custom_resources) {
                for path in [&["redisConfig"][..], &["redisLeader", "redisConfig"], &["redisFollower", "redisConfig"]] {
                    let before = at(at(written, &["spec"]), path);
                    if !before.is_null() {
                        set(&mut stored["spec"], path, before.clone());
                    }
                }
            }
            let observed = observe(&known, &written, &found(stored.clone(), &written));
            prop_assert_eq!(&observed.repairs, &BTreeMap::new());
            let ours = Instance {
                version: edited.version.clone(),
                // What equals the usual value may be written in two ways.
                pod_disruption_budget: edited.pod_disruption_budget.clone(),
                sentinel: edited.sentinel.clone(),
                ..observe_arguments(&known, &stored)
            };
            prop_assert_eq!(ours, edited);
        }
    }
}
