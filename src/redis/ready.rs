//! Whether Redis serves: pure functions over observed objects that say *why not*.

use serde_json::Value as Json;

use super::diagnose;
use super::memory::Memory;
use super::names::annotation;
use super::object::{annotation, at, count, differences, is_terminating, label, list, name, text, uid};
use super::opstree::{Hold, Kind, of_kind};
use super::running::{ROLE, Running, is_acted_on, is_ready, revision_of};
use super::topology::{Part, Topology};
use super::volumes::smaller_claim;
use super::waiting::{Cause, Waiting};

/// Redis serves when the operator has seen exactly these specs, every pod is Ready in the newest revision,
/// and all pods have the roles that they should have. `Err` says what is missing.
pub fn ready(topology: Topology, custom_resources: &[Json], running: &Running) -> Result<(), Waiting> {
    for part in topology.parts() {
        let Some(custom_resource) = of_kind(custom_resources, part.kind) else {
            return waiting(Cause::OperatorBehind, format!("the {} does not exist yet", part.kind.kind()));
        };
        if part.replicas(custom_resource) > 0 {
            part_ready(*part, custom_resource, running)?;
        }
        if part.kind == Kind::RedisReplication {
            // The operator creates no sentinels before there is a master.
            roles(custom_resource, running)?;
        }
    }
    match (topology, of_kind(custom_resources, topology.data())) {
        (Topology::Cluster, Some(data)) => assembled(data),
        _ => Ok(()),
    }
}

fn part_ready(part: Part, custom_resource: &Json, running: &Running) -> Result<(), Waiting> {
    seen_by_operator(part, custom_resource, running)?;
    let app = part.name(name(custom_resource));
    let Some(stateful_set) = running.stateful_set(&app) else {
        let why = format!("the operator has not created the StatefulSet {app} yet");
        return waiting(Cause::OperatorBehind, why);
    };
    if part.kind == Kind::RedisSentinel && !is_made_of(custom_resource, stateful_set) {
        return waiting(
            Cause::OperatorBehind,
            format!("the operator has not updated the StatefulSet {app} yet"),
        );
    }
    if let Some(claim) = smaller_claim(part, custom_resource, running) {
        return waiting(
            Cause::OperatorBehind,
            format!("the operator has not enlarged the claim {claim} yet"),
        );
    }
    let replicas = part.replicas(custom_resource);
    running.at_rest(part, name(custom_resource), replicas).or_else(|why| {
        let pods: Vec<Json> = running.pods_of(&app).cloned().collect();
        match diagnose::pods(&pods, &running.claims) {
            Some(found) => Err(found),
            None => waiting(Cause::Starting, why),
        }
    })
}

/// The Services carry the hash of the spec that the operator read last, and the operator writes them after
/// the StatefulSet. So the same hash on the Service proves that the StatefulSet has this spec. The Service of
/// a RedisSentinel is written before its StatefulSet, so that StatefulSet must be checked, too.
pub fn seen_by_operator(part: Part, custom_resource: &Json, running: &Running) -> Result<(), Waiting> {
    let wanted = annotation(custom_resource, annotation::SPEC_HASH);
    let app = part.name(name(custom_resource));
    let service = running.services.iter().find(|service| name(service) == app);
    if wanted.is_none() || service.is_some_and(|service| annotation(service, annotation::SPEC_HASH) == wanted)
    {
        return Ok(());
    }
    let kind = part.kind.kind();
    if Hold::of(custom_resource) != Hold::Nobody {
        return Err(kept_off(part.kind));
    }
    let finalizers = list(custom_resource, &["metadata", "finalizers"]);
    if finalizers.iter().any(|finalizer| finalizer == part.kind.finalizer()) {
        waiting(
            Cause::OperatorBehind,
            format!("the operator has not processed this specification of the {kind} yet"),
        )
    } else {
        waiting(Cause::OperatorAbsent, format!("no operator has processed the {kind} yet"))
    }
}

/// Whether the StatefulSet of sentinels has this specification. Since v0.23 the operator writes the Services
/// of sentinels first, so the hash proves nothing about the StatefulSet.
pub fn is_made_of(custom_resource: &Json, stateful_set: &Json) -> bool {
    const VARIABLES: [(&str, &str); 5] = [
        ("MASTER_GROUP_NAME", "masterGroupName"),
        ("QUORUM", "quorum"),
        ("DOWN_AFTER_MILLISECONDS", "downAfterMilliseconds"),
        ("FAILOVER_TIMEOUT", "failoverTimeout"),
        ("PARALLEL_SYNCS", "parallelSyncs"),
    ];
    let config = at(custom_resource, &["spec", "kubernetesConfig"]);
    let Some(container) = list(stateful_set, &["spec", "template", "spec", "containers"]).first() else {
        return true;
    };
    let holds = |variable: &str, field: &str| {
        let wanted = text(custom_resource, &["spec", "redisSentinelConfig", field]);
        let set = list(container, &["env"]).iter().find(|one| text(one, &["name"]) == Some(variable));
        set.is_none_or(|set| text(set, &["value"]) == wanted)
    };
    let strategy = |object: &Json, path: &[&str]| {
        text(at(object, path), &["type"]).unwrap_or("RollingUpdate").to_owned()
    };
    text(container, &["image"]) == text(config, &["image"])
        && differences(at(config, &["resources"]), at(container, &["resources"])).is_empty()
        && VARIABLES.iter().all(|(variable, field)| holds(variable, field))
        && strategy(config, &["updateStrategy"]) == strategy(stateful_set, &["spec", "updateStrategy"])
}

/// Somebody has paused the operator for a custom resource.
pub fn kept_off(kind: Kind) -> Waiting {
    let (name, skip) = (kind.kind(), kind.skip_reconcile());
    let why = format!("the {name} has the annotation {skip}, so the operator ignores it");
    Waiting::new(Cause::SkipReconcile, why).about(kind)
}

/// One pod is the master according to both the operator's status and the labels, and all others are replicas.
fn roles(custom_resource: &Json, running: &Running) -> Result<(), Waiting> {
    let Some(master) = text(custom_resource, &["status", "masterNode"]).filter(|master| !master.is_empty())
    else {
        return waiting(Cause::Roles, "the operator has not found a master yet".to_owned());
    };
    let instance = name(custom_resource);
    let mut masters = Vec::new();
    for pod in running.pods_of(instance) {
        match label(pod, ROLE) {
            Some("master") => masters.push(name(pod)),
            Some("slave") => {}
            _ => {
                return waiting(Cause::Roles, format!("pod {} is neither master nor replica yet", name(pod)));
            }
        }
    }
    match masters.as_slice() {
        [one] if *one == master => Ok(()),
        [] => waiting(Cause::Roles, "no pod is labelled as the master yet".to_owned()),
        [one] => {
            waiting(Cause::Roles, format!("pod {one} is the master, but the operator still reports {master}"))
        }
        several => waiting(Cause::Roles, format!("several pods are masters: {}", several.join(", "))),
    }
}

/// The operator reports a cluster as Ready when all nodes have met and all slots are served. Its counts are
/// counts of pods.
pub fn assembled(custom_resource: &Json) -> Result<(), Waiting> {
    let state = text(custom_resource, &["status", "state"]).unwrap_or("without a state");
    let reason = text(custom_resource, &["status", "reason"]).unwrap_or_default();
    let counts = ["readyLeaderReplicas", "readyFollowerReplicas"];
    let whole =
        Topology::Cluster.parts().iter().zip(counts).all(|(part, ready)| {
            count(custom_resource, &["status", ready]) == part.replicas(custom_resource)
        });
    if state == "Ready" && whole {
        return Ok(());
    }
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    waiting(Cause::Assembling, format!("the cluster is {state}{reason}"))
}

/// A pod of an older revision than that of its StatefulSet that cannot become Ready, or was not for long: name and
/// uid. A StatefulSet waits for such a pod before it replaces it. A pod that is busy for a moment may be the only one
/// with the data of its shard, and is left alone.
pub fn broken_pod(
    topology: Topology,
    custom_resources: &[Json],
    running: &Running,
    memory: &Memory,
) -> Option<(String, String)> {
    topology.parts().iter().find_map(|part| {
        let custom_resource = of_kind(custom_resources, part.kind)?;
        seen_by_operator(*part, custom_resource, running).ok()?;
        let app = part.name(name(custom_resource));
        let is_hopeless = |pod: &Json| is_hopeless(pod, &running.claims, memory);
        broken_pod_of(running.stateful_set(&app)?, running.pods_of(&app), is_hopeless)
    })
}

fn broken_pod_of<'a>(
    stateful_set: &Json,
    mut pods: impl Iterator<Item = &'a Json>,
    is_hopeless: impl Fn(&Json) -> bool,
) -> Option<(String, String)> {
    if !is_acted_on(stateful_set) {
        return None;
    }
    let wanted = text(stateful_set, &["status", "updateRevision"])?;
    // A pod without a revision was made by somebody else, with our labels.
    let is_old = |pod: &Json| revision_of(pod).is_some_and(|revision| revision != wanted);
    let broken = |pod: &&Json| is_old(pod) && !is_ready(pod) && !is_terminating(pod) && is_hopeless(pod);
    let pod = pods.find(broken)?;
    Some((name(pod).to_owned(), uid(pod)?.to_owned()))
}

/// Whether nothing is expected of a pod as it is: it cannot start, or has not been Ready for too long.
pub fn is_hopeless(pod: &Json, claims: &[Json], memory: &Memory) -> bool {
    uid(pod).is_some_and(|uid| memory.given_up.contains(uid)) || cannot_start(pod, claims)
}

/// Whether a pod cannot start by itself: a missing image, no node, one crash after the other.
fn cannot_start(pod: &Json, claims: &[Json]) -> bool {
    let pod = std::slice::from_ref(pod);
    match diagnose::pods(pod, claims) {
        Some(Waiting { cause: Cause::Crash, .. }) => diagnose::crashes(pod) >= diagnose::CRASHES,
        trouble => trouble.is_some(),
    }
}

/// The remains of a deleted instance, in words.
pub fn left_over(running: &Running, volumes_stay: bool) -> Option<String> {
    let names = |objects: &[Json]| objects.iter().map(name).collect::<Vec<_>>().join(", ");
    if !running.stateful_sets.is_empty() {
        return Some(format!("these StatefulSets still exist: {}", names(&running.stateful_sets)));
    }
    if !running.pods.is_empty() {
        return Some(format!("these pods still exist: {}", names(&running.pods)));
    }
    if !running.services.is_empty() {
        return Some(format!("these Services still exist: {}", names(&running.services)));
    }
    if !volumes_stay && !running.claims.is_empty() {
        return Some(format!("these volume claims still exist: {}", names(&running.claims)));
    }
    None
}

/// A claim that nobody deletes although everything else of a deleted instance is gone. The operator's
/// finalizer deletes the claims before the StatefulSet is collected, and until then the StatefulSet
/// controller may recreate one. Name and uid.
pub fn claim_made_anew(running: &Running) -> Option<(String, String)> {
    if !running.stateful_sets.is_empty() || !running.pods.is_empty() {
        return None;
    }
    let claim = running.claims.iter().find(|claim| !is_terminating(claim))?;
    Some((name(claim).to_owned(), uid(claim)?.to_owned()))
}

/// The remains of an earlier instance of that name that is being deleted. Claims that are not being deleted
/// were kept on purpose.
pub fn left_of_another_life(running: &Running) -> Option<String> {
    let going = running.claims.iter().filter(|claim| is_terminating(claim)).cloned().collect();
    left_over(&Running { claims: going, ..running.clone() }, false)
}

/// Whether a container with data is Ready, or was Ready before it restarted.
pub fn has_served(topology: Topology, instance: &str, running: &Running) -> bool {
    topology.parts().iter().filter(|part| part.has_data()).any(|part| {
        let app = part.name(instance);
        running.pods_of(&app).any(|pod| is_ready(pod) && !is_terminating(pod))
            || running
                .stateful_set(&app)
                .is_some_and(|stateful_set| count(stateful_set, &["status", "readyReplicas"]) > 0)
    })
}

fn waiting(cause: Cause, why: String) -> Result<(), Waiting> {
    Err(Waiting::new(cause, why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::diagnose::CRASHES;
    use super::super::fixture::{custom_resources, serving};
    use super::*;

    const ALL: [Topology; 4] =
        [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster];

    /// Each makes one thing untrue of an instance that serves: of its last custom resource, or of what runs.
    type Spoil = fn(&mut Json, &mut Running);

    fn judged(topology: Topology, spoil: Spoil) -> Result<(), Cause> {
        let (mut custom_resources, mut running) = (custom_resources(topology), serving(topology));
        spoil(custom_resources.last_mut().unwrap(), &mut running);
        ready(topology, &custom_resources, &running).map_err(|waiting| waiting.cause)
    }

    fn spoil(running: &mut Running, field: &str, value: Json) {
        running.stateful_sets.last_mut().unwrap()["status"][field] = value;
    }

    #[test]
    fn ready_only_if_all_of_it_is_true() {
        let spoilt: [(Cause, Spoil); 9] = [
            (Cause::OperatorBehind, |_, running| running.services.clear()),
            (Cause::OperatorBehind, |_, running| {
                running.services[0]["metadata"]["annotations"][annotation::SPEC_HASH] = json!("1");
            }),
            (Cause::OperatorBehind, |_, running| drop(running.stateful_sets.pop())),
            (Cause::OperatorBehind, |_, running| {
                running.claims[0]["spec"]["resources"]["requests"]["storage"] = json!("1Gi");
            }),
            (Cause::Starting, |_, running| spoil(running, "observedGeneration", json!(2))),
            (Cause::Starting, |_, running| spoil(running, "currentRevision", json!("a"))),
            (Cause::Starting, |_, running| spoil(running, "readyReplicas", json!(0))),
            (Cause::Starting, |_, running| spoil(running, "updatedReplicas", json!(0))),
            (Cause::Starting, |_, running| {
                running.stateful_sets.last_mut().unwrap()["spec"]["replicas"] = json!(7);
            }),
        ];
        for topology in ALL {
            assert_eq!(judged(topology, |_, _| ()), Ok(()), "{topology:?}");
            for (index, (cause, spoil)) in spoilt.into_iter().enumerate() {
                assert_eq!(judged(topology, spoil), Err(cause), "{topology:?}, case {index}");
            }
        }
    }

    #[test]
    fn an_operator_that_does_nothing_is_told_from_one_that_is_kept_off() {
        for topology in ALL {
            let absent: Spoil = |custom_resource, running| {
                running.services.pop();
                custom_resource["metadata"]["finalizers"] = json!([]);
            };
            let skipped: Spoil = |custom_resource, running| {
                running.services.pop();
                let skip = Kind::of(custom_resource).unwrap().skip_reconcile();
                custom_resource["metadata"]["annotations"][skip] = json!("true");
            };
            assert_eq!(judged(topology, absent), Err(Cause::OperatorAbsent), "{topology:?}");
            assert_eq!(judged(topology, skipped), Err(Cause::SkipReconcile), "{topology:?}");
        }
    }

    #[test]
    fn sentinels_are_of_the_specification_only_if_their_stateful_set_is() {
        let custom_resource = json!({ "spec": {
            "kubernetesConfig": { "image": "a:1", "resources": { "limits": { "cpu": "1" } } },
            "redisSentinelConfig": { "quorum": "2" },
        } });
        let container = json!({
            "image": "a:1", "resources": { "limits": { "cpu": "1000m" } },
            "env": [{ "name": "QUORUM", "value": "2" }],
        });
        let made =
            |container: &Json| json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
        assert!(is_made_of(&custom_resource, &made(&container)));
        let spoilt: [(&str, Json); 3] = [
            ("image", json!("a:2")),
            ("resources", json!({ "limits": { "cpu": "2" } })),
            ("env", json!([{ "name": "QUORUM", "value": "3" }])),
        ];
        for (field, value) in spoilt {
            let mut other = container.clone();
            other[field] = value;
            assert!(!is_made_of(&custom_resource, &made(&other)), "{field}");
        }
        let mut on_delete = made(&container);
        on_delete["spec"]["updateStrategy"] = json!({ "type": "OnDelete" });
        assert!(!is_made_of(&custom_resource, &on_delete));
    }

    #[test]
    fn a_replicated_set_has_one_master_and_all_else_are_replicas() {
        let roles: [Spoil; 4] = [
            |custom_resource, _| custom_resource["status"] = json!({}),
            |_, running| running.pods[1]["metadata"]["labels"][ROLE] = json!("master"),
            |_, running| running.pods[0]["metadata"]["labels"][ROLE] = json!("slave"),
            |_, running| running.pods[2]["metadata"]["labels"] = json!({ "app": "cache" }),
        ];
        for (index, spoil) in roles.into_iter().enumerate() {
            assert_eq!(judged(Topology::Replication, spoil), Err(Cause::Roles), "case {index}");
        }
    }

    #[test]
    fn a_cluster_is_ready_when_the_operator_says_so_of_all_nodes() {
        let states: [Spoil; 3] = [
            |custom_resource, _| custom_resource["status"]["state"] = json!("Bootstrap"),
            |custom_resource, _| custom_resource["status"]["readyFollowerReplicas"] = json!(2),
            |custom_resource, _| custom_resource["status"] = json!({}),
        ];
        for (index, spoil) in states.into_iter().enumerate() {
            assert_eq!(judged(Topology::Cluster, spoil), Err(Cause::Assembling), "case {index}");
        }
        let alone: Spoil = |custom_resource, running| {
            custom_resource["spec"]["redisFollower"] = json!({ "replicas": 0 });
            custom_resource["status"]["readyFollowerReplicas"] = json!(0);
            running.services.pop();
        };
        assert_eq!(judged(Topology::Cluster, alone), Ok(()), "no followers, no Service of theirs");
    }

    #[test]
    fn only_a_pod_of_an_older_revision_of_which_nothing_is_expected_is_broken() {
        let image = json!([{ "state": { "waiting": { "reason": "ImagePullBackOff" } } }]);
        let crashed = |times: i64| json!([{ "ready": false, "restartCount": times, "lastState": { "terminated": { "exitCode": 1 } } }]);
        let given_up = Memory { given_up: ["cache-0-uid".to_owned()].into(), ..Memory::default() };
        for (revision, ready, containers, memory, broken) in [
            ("a", "False", json!([]), Memory::default(), false),
            ("a", "False", crashed(1), Memory::default(), false),
            ("a", "False", crashed(CRASHES), Memory::default(), true),
            ("a", "False", image.clone(), Memory::default(), true),
            ("a", "False", json!([]), given_up.clone(), true),
            ("a", "True", json!([]), given_up.clone(), false),
            ("b", "False", image, given_up, false),
        ] {
            let mut running = serving(Topology::Standalone);
            running.pods[0]["metadata"]["labels"]["controller-revision-hash"] = json!(revision);
            running.pods[0]["status"]["conditions"][0]["status"] = json!(ready);
            running.pods[0]["status"]["containerStatuses"] = containers.clone();
            let custom_resources = custom_resources(Topology::Standalone);
            let found = broken_pod(Topology::Standalone, &custom_resources, &running, &memory);
            assert_eq!(found.is_some(), broken, "{revision} {ready} {containers}");
        }
    }

    #[test]
    fn what_keeps_the_pod_from_starting_is_said() {
        let topology = Topology::Standalone;
        let mut running = serving(topology);
        spoil(&mut running, "readyReplicas", json!(0));
        running.pods[0]["status"] = json!({ "containerStatuses": [{
            "name": "cache", "image": "redis:nope",
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "not found" } },
        }] });
        let waiting = ready(topology, &custom_resources(topology), &running).unwrap_err();
        assert_eq!(waiting.cause, Cause::Image);
        assert_eq!(waiting.why, "pod cache-0 cannot pull the image redis:nope: not found");
    }
}
