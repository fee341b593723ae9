//! The operator's API: group, version, kinds, and what its custom resources mean.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::names::{PREFIX, annotation};
use super::object::{self, Difference, at};

/// The API group of all its kinds.
pub const GROUP: &str = "redis.redis.opstreelabs.in";
/// The only version served since v0.20.
pub const VERSION: &str = "v1beta2";

/// A kind of the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One Redis without replicas.
    Redis,
    /// A master and its replicas.
    RedisReplication,
    /// Sentinels that watch a `RedisReplication`.
    RedisSentinel,
    /// Shards of leaders and followers.
    RedisCluster,
}

impl Kind {
    /// The kinds that carry data; an instance has exactly one of them.
    pub const WITH_DATA: [Kind; 3] = [Kind::Redis, Kind::RedisReplication, Kind::RedisCluster];

    /// As in `kind:`.
    pub fn kind(self) -> &'static str {
        match self {
            Kind::Redis => "Redis",
            Kind::RedisReplication => "RedisReplication",
            Kind::RedisSentinel => "RedisSentinel",
            Kind::RedisCluster => "RedisCluster",
        }
    }

    /// The kind of an object, as the object states it.
    pub fn of(object: &Json) -> Option<Kind> {
        let kind = object::text(object, &["kind"])?;
        [Kind::Redis, Kind::RedisReplication, Kind::RedisSentinel, Kind::RedisCluster]
            .into_iter()
            .find(|one| one.kind() == kind)
    }

    /// As in URLs, and in the name of its CRD.
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Redis => "redis",
            Kind::RedisReplication => "redisreplications",
            Kind::RedisSentinel => "redissentinels",
            Kind::RedisCluster => "redisclusters",
        }
    }

    /// The name of its CRD.
    pub fn crd(self) -> String {
        format!("{}.{GROUP}", self.plural())
    }

    /// The finalizer that the operator adds at its first reconcile.
    pub fn finalizer(self) -> &'static str {
        match self {
            Kind::Redis => "redisFinalizer",
            Kind::RedisReplication => "redisReplicationFinalizer",
            Kind::RedisSentinel => "redisSentinelFinalizer",
            Kind::RedisCluster => "redisClusterFinalizer",
        }
    }

    /// If this annotation is `true`, the operator ignores the object.
    pub fn skip_reconcile(self) -> &'static str {
        match self {
            Kind::Redis => "redis.opstreelabs.in/skip-reconcile",
            Kind::RedisReplication => "redisreplication.opstreelabs.in/skip-reconcile",
            Kind::RedisSentinel => "redissentinel.opstreelabs.in/skip-reconcile",
            Kind::RedisCluster => "rediscluster.opstreelabs.in/skip-reconcile",
        }
    }
}

/// Who has paused the operator for a custom resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nobody: the operator handles the custom resource.
    Nobody,
    /// We have, or a run of ours that was cut off.
    Ours,
    /// Somebody else, on purpose.
    Others,
}

impl Hold {
    /// Who has paused the operator for that custom resource. A pause without our mark comes from somebody
    /// else.
    pub fn of(custom_resource: &Json) -> Hold {
        let Some(kind) = Kind::of(custom_resource) else { return Hold::Nobody };
        let mark = |name| object::annotation(custom_resource, name);
        match (mark(kind.skip_reconcile()) == Some("true"), mark(annotation::PAUSED).is_some()) {
            (false, _) => Hold::Nobody,
            (true, true) => Hold::Ours,
            (true, false) => Hold::Others,
        }
    }
}

/// The custom resource of that kind.
pub fn of_kind(custom_resources: &[Json], kind: Kind) -> Option<&Json> {
    custom_resources.iter().find(|one| Kind::of(one) == Some(kind))
}

/// Where custom resources hold node selectors.
const NODE_SELECTORS: [&[&str]; 3] = [
    &["spec", "nodeSelector"],
    &["spec", "redisLeader", "nodeSelector"],
    &["spec", "redisFollower", "nodeSelector"],
];

/// The differences between the wanted custom resource and the existing one. A node selector counts as a
/// whole: an additional entry would exclude our nodes.
pub fn differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let mut all = object::differences(wanted, found);
    all.retain(|difference| !says_the_same(difference, found) && !stays_absent(difference, found));
    for selector in NODE_SELECTORS {
        let (ours, theirs) = (at(wanted, selector).as_object(), at(found, selector).as_object());
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
            all.push(Difference {
                path: format!("{}.{name}", selector.join(".")),
                names: selector.iter().map(|part| (*part).to_owned()).chain([name.clone()]).collect(),
                wanted: Json::Null,
                found: value.clone(),
            });
        }
    }
    all
}

/// Fields of a custom resource that do not affect the template of its pods.
const NOT_OF_PODS: [&str; 7] =
    ["clusterSize", "ignoreAnnotations", "pdb", "replicas", "service", "storage", "updateStrategy"];

/// Whether a change of that field of a custom resource replaces pods. Its labels and annotations are those of the pods,
/// too, but for the annotations that the operator ignores.
pub fn restarts_pods(path: &str) -> bool {
    if let Some(annotation) = path.strip_prefix("metadata.annotations.") {
        return !annotation.starts_with(PREFIX) && !annotation.contains("opstreelabs.in/");
    }
    let mut fields = path.split('.');
    match fields.next() {
        Some("spec") => !fields.any(|field| NOT_OF_PODS.contains(&field)),
        Some("metadata") => fields.next() == Some("labels"),
        _ => false,
    }
}

/// Whether we have never written the custom resource: it has no mark of ours.
pub fn is_foreign(found: &Json) -> bool {
    [annotation::CLAIM, annotation::SPEC_HASH].iter().all(|mark| object::annotation(found, mark).is_none())
}

/// What to write over the existing custom resource. A field that cannot be added is left out, with a mark
/// that keeps it left out from then on. Annotations that others have the operator ignore stay ignored.
pub fn over(wanted: &Json, found: &Json) -> Json {
    let mut written = wanted.clone();
    let absent = |difference: &&Difference| stays_absent(difference, found);
    for absent in object::differences(wanted, found).iter().filter(absent) {
        object::remove(&mut written, &absent.names);
        written["metadata"]["annotations"][annotation::VOLUMES_AS_FOUND] = Json::from("true");
    }
    let theirs = object::list(found, &IGNORED).iter();
    let theirs: Vec<Json> =
        theirs.filter(|one| !object::list(wanted, &IGNORED).contains(one)).cloned().collect();
    if let Some(ours) =
        written.pointer_mut("/spec/kubernetesConfig/ignoreAnnotations").and_then(Json::as_array_mut)
    {
        ours.extend(theirs);
    }
    written
}

const IGNORED: [&str; 3] = ["spec", "kubernetesConfig", "ignoreAnnotations"];

/// Whether the pods of a custom resource have volumes: a claim template that requests no size is as good as none.
pub fn has_claims(custom_resource: &Json) -> bool {
    const SIZE: [&str; 7] =
        ["spec", "storage", "volumeClaimTemplate", "spec", "resources", "requests", "storage"];
    !at(custom_resource, &SIZE).is_null()
}

/// The label `app` of custom resources that bear it, by their kinds. The operator gives the labels of a custom resource
/// to everything that it makes of it, also in the place of its own.
pub fn app_labels(custom_resources: &[Json]) -> BTreeMap<String, String> {
    let of = |one: &Json| Some((Kind::of(one)?.kind().to_owned(), object::label(one, "app")?.to_owned()));
    custom_resources.iter().filter_map(of).collect()
}

/// Differences without effect, because the operator or Kubernetes does by itself what is wanted.
fn says_the_same(difference: &Difference, found: &Json) -> bool {
    let Difference { path, names, wanted, found: there } = difference;
    let inner: Vec<&str> = names.iter().skip(1).map(String::as_str).collect();
    let size = at(found, &["spec", "clusterSize"]);
    match inner.as_slice() {
        // The default of a StatefulSet.
        ["kubernetesConfig", "updateStrategy", "type"] => there.is_null() && wanted == "RollingUpdate",
        // What the API server fills in.
        ["kubernetesConfig", "imagePullPolicy"] => {
            let image = object::text(found, &["spec", "kubernetesConfig", "image"]).unwrap_or_default();
            there.is_null() && wanted == if is_of_latest(image) { "Always" } else { "IfNotPresent" }
        }
        // What the operator makes of an empty `storage`.
        ["storage"] => wanted.is_null() && !has_claims(found),
        // The operator sorts the variables by name.
        ["env"] => match (wanted.as_array(), there.as_array()) {
            (Some(wanted), Some(there)) => object::means_the_same(&by_name(wanted), &by_name(there)),
            _ => false,
        },
        ["kubernetesConfig", "ignoreAnnotations"] => wanted
            .as_array()
            .is_some_and(|ours| ours.iter().all(|one| object::list(found, &IGNORED).contains(one))),
        ["kubernetesConfig", "service"] => {
            wanted.is_null() && there.get("serviceType").is_none_or(|word| word == "ClusterIP")
        }
        ["pdb"] | [_, "pdb"] => wanted.is_null() && at(there, &["enabled"]) != &Json::Bool(true),
        // The upper limit wins.
        ["pdb", "minAvailable"] | [_, "pdb", "minAvailable"] => {
            let limit: Vec<&str> = path.split('.').take(names.len() - 1).chain(["maxUnavailable"]).collect();
            wanted.is_null() && !at(found, &limit).is_null()
        }
        ["redisLeader" | "redisFollower", "replicas"] => there.is_null() && wanted == size,
        // Leaders and followers without resources of their own take the common ones; nobody else does.
        [section @ ("redisLeader" | "redisFollower"), "resources", rest @ ..] => {
            let of_all = [&["spec", "kubernetesConfig", "resources"], rest].concat();
            at(found, &["spec", section, "resources"]).is_null()
                && object::means_the_same(wanted, at(found, &of_all))
        }
        ["kubernetesConfig", "resources", ..] => ["redisLeader", "redisFollower"]
            .iter()
            .all(|section| !at(found, &["spec", section, "resources"]).is_null()),
        _ => false,
    }
}

/// Whether an image is looked for at every start: no tag is the tag `latest`.
fn is_of_latest(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    !last.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn by_name(variables: &[Json]) -> Json {
    let mut sorted = variables.to_vec();
    sorted.sort_by(|one, other| object::text(one, &["name"]).cmp(&object::text(other, &["name"])));
    Json::Array(sorted)
}

/// Fields that cannot be added to volumes of others: the operator would try forever, and Kubernetes would
/// refuse. Volumes of ours have these fields, so if one is missing, somebody has removed it.
fn stays_absent(difference: &Difference, found: &Json) -> bool {
    const NODES: &str = "spec.storage.nodeConfVolume";
    let is_of_others = is_foreign(found) || object::annotation(found, annotation::VOLUMES_AS_FOUND).is_some();
    // Somebody has removed all fields of the volumes: they are restored as a whole.
    if !is_of_others || !has_claims(found) {
        return false;
    }
    let is_one = |path: &str| {
        path == "spec.storage.volumeClaimTemplate.spec.storageClassName" || path.starts_with(NODES)
    };
    (difference.found.is_null() || difference.found == Json::Bool(false)) && is_one(&difference.path)
}

/// `apiVersion` of all its kinds.
pub fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}
