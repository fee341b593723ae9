//! What is imported: the custom resources of one instance, made of a seed.
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::generate::Generator;
use super::hints;
use crate::cluster;

/// Stands for the name of the instance, which is another one in each world.
pub const NAME: &str = "NAME_OF_IT";

const GROUP: &str = "redis.redis.opstreelabs.in";
pub const KINDS: [(&str, &str); 4] = [
    ("Redis", "redis"),
    ("RedisReplication", "redisreplications"),
    ("RedisSentinel", "redissentinels"),
    ("RedisCluster", "redisclusters"),
];

/// The schema of each kind's `spec`, as the API server has it.
pub struct Schemas(BTreeMap<&'static str, Value>);

impl Schemas {
    pub fn read() -> Schemas {
        let of = |(kind, plural): (&'static str, &str)| {
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}");
            let definition = cluster::get(&path).json();
            let versions = definition["spec"]["versions"].as_array().cloned().unwrap_or_default();
            let served = versions.into_iter().find(|version| version["name"] == "v1beta2").expect("v1beta2");
            let spec = served.pointer("/schema/openAPIV3Schema/properties/spec").expect("a schema").clone();
            (kind, spec)
        };
        Schemas(KINDS.into_iter().map(of).collect())
    }
}

/// The custom resources of an instance, the data first.
#[derive(Clone, PartialEq)]
pub struct Subject {
    pub seed: u64,
    pub manifests: Vec<Value>,
}

impl Subject {
    pub fn of(seed: u64, schemas: &Schemas) -> Subject {
        // Seeds that follow each other are to have nothing in common.
        let mut chance = Chance::of(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let kinds: &[&'static str] = match chance.below(100) {
            0..30 => &["Redis"],
            30..55 => &["RedisReplication"],
            55..75 => &["RedisReplication", "RedisSentinel"],
            _ => &["RedisCluster"],
        };
        let density = chance.one_of(&[5, 15, 30, 60, 90]);
        let manifests =
            kinds.iter().map(|kind| manifest(kind, &schemas.0[kind], density, &mut chance)).collect();
        Subject { seed, manifests }
    }

    /// The manifests with the name in its place.
    pub fn called(&self, name: &str) -> Vec<Value> {
        let named = |one: &Value| serde_json::from_str(&one.to_string().replace(NAME, name)).unwrap();
        self.manifests.iter().map(named).collect()
    }

    /// A name that says whose it is. Some are as long as a name of a cluster may be.
    pub fn name(&self) -> String {
        let short = format!("r{}", self.seed);
        let padding = if self.seed.is_multiple_of(10) { 43_usize.saturating_sub(short.len()) } else { 0 };
        format!("{short}{}", "-x".repeat(padding / 2))
    }

    pub fn kinds(&self) -> String {
        let kinds: Vec<&str> = self.manifests.iter().filter_map(|one| one["kind"].as_str()).collect();
        kinds.join("+")
    }

    /// As a file for kubectl.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for manifest in self.called("name") {
            text.push_str("---\n");
            write_yaml(&manifest, 0, &mut text);
        }
        text
    }
}

fn manifest(kind: &str, schema: &Value, density: usize, chance: &mut Chance) -> Value {
    let mut spec =
        Generator { chance, density }.value(schema, &mut vec!["spec"]).expect("a spec is an object");
    if kind == "RedisSentinel" {
        spec["clusterSize"] = json!(chance.one_of(&[1, 3, 3, 3, 3, 4, 5, 7]));
    }
    let mut metadata = json!({ "name": NAME });
    if chance.percent(50) {
        metadata["labels"] = labels(chance);
    }
    if chance.percent(50) {
        metadata["annotations"] = annotations(chance);
    }
    json!({ "apiVersion": format!("{GROUP}/v1beta2"), "kind": kind, "metadata": metadata, "spec": spec })
}

fn labels(chance: &mut Chance) -> Value {
    const KEYS: [&str; 9] = [
        "app.kubernetes.io/name",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
        "team",
        "app",
        "role",
        "redis_setup_type",
        "cluster",
        "example.com/Some.key_1",
    ];
    const VALUES: [&str; 6] = ["", "a", "Helm", "some-chart-0.1.0", "true", "1"];
    let mut labels = Map::new();
    for _ in 0..chance.between(1, 3) {
        // The operator's own keys are known to be hard: not in every second object.
        let key = if chance.percent(75) { chance.one_of(&KEYS[..4]) } else { chance.one_of(&KEYS) };
        labels.insert(key.to_owned(), json!(chance.one_of(&VALUES)));
    }
    Value::Object(labels)
}

fn annotations(chance: &mut Chance) -> Value {
    const KEYS: [&str; 6] = [
        "note",
        "example.com/runbook",
        "kubectl.kubernetes.io/last-applied-configuration",
        "meta.helm.sh/release-name",
        "argocd.argoproj.io/tracking-id",
        "redis.opstreelabs.in/recreate-statefulset",
    ];
    let mut annotations = Map::new();
    for _ in 0..chance.between(1, 3) {
        annotations.insert(chance.one_of(&KEYS).to_owned(), json!(hints::text(chance)));
    }
    Value::Object(annotations)
}

/// Enough of YAML for people: keys and lists in lines, all else as JSON, which YAML includes.
fn write_yaml(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                text.push_str(&format!("{indent}{key}:"));
                write_below(value, depth, text);
            }
        }
        Value::Array(list) => {
            for item in list {
                text.push_str(&format!("{indent}-"));
                write_below(item, depth, text);
            }
        }
        scalar => text.push_str(&format!("{indent}{scalar}\n")),
    }
}

fn write_below(value: &Value, depth: usize, text: &mut String) {
    let is_nested = value.as_object().is_some_and(|object| !object.is_empty())
        || value.as_array().is_some_and(|list| !list.is_empty());
    if is_nested {
        text.push('\n');
        write_yaml(value, depth + 1, text);
    } else {
        text.push_str(&format!(" {value}\n"));
    }
}
