//! The wanted objects: the custom resources in each of their forms, and our own objects.

use serde_json::{Value as Json, json};

use super::names::annotation;
use super::object::{annotation as mark, at, count, text};
use super::objects::{Key, Role, Wanted};
use super::opstree::{self, Kind};
use super::password::PasswordAt;
use super::topology::Topology;

/// The wanted state of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its shape.
    pub topology: Topology,
    /// Its name, which every custom resource shares.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The random mark that distinguishes it from another instance of the same name.
    pub claim: String,
    /// The custom resources in their final form, without the mark of an unfinished run; the one with the data
    /// first.
    pub custom_resources: Vec<Json>,
    /// Objects of ours beside the custom resources, in the order in which they are written.
    pub objects: Vec<Wanted>,
    /// Whether we roll the pods. If not, we only repair what a rollout of ours has left after it was cut off.
    pub is_guarded: bool,
    /// The password before this run, if the state knows one.
    pub former_password: Option<PasswordAt>,
    /// Whether this run creates the instance; otherwise the instance must exist.
    pub creating: bool,
    /// Whether objects with the labels of this instance are ours whatever their claim: a create continues a
    /// create that was cut off, or adopts.
    pub takes_over: bool,
    /// Whether volumes that an earlier instance has left stand in the way: Redis would start with their data.
    pub starts_empty: bool,
    /// Whether to create the namespace if it does not exist.
    pub create_namespace: bool,
    /// Whether to wait until Redis serves.
    pub wait: bool,
}

/// In which form a custom resource is written. The default is the final form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether only we replace its pods.
    pub is_rolled_by_us: bool,
    /// Its size while a set grows to the wanted size.
    pub size: Option<i64>,
    /// The labels that it does not have yet.
    pub without: Vec<String>,
}

impl Desired {
    /// The custom resource that carries the data.
    pub fn data(&self) -> &Json {
        self.custom_resource(self.topology.data())
    }

    /// The custom resource of that kind; null if the instance has none.
    pub fn custom_resource(&self, kind: Kind) -> &Json {
        opstree::of_kind(&self.custom_resources, kind).unwrap_or(&Json::Null)
    }

    /// The custom resource of that kind in that form. The hash is another one for each form, so that it is visible
    /// when the operator has processed the form.
    pub fn written(&self, kind: Kind, form: &Form) -> Json {
        let mut written = self.custom_resource(kind).clone();
        if form.is_rolled_by_us {
            written["spec"]["kubernetesConfig"]["updateStrategy"] =
                json!({ "type": "OnDelete", "rollingUpdate": null });
            rehash(&mut written, "guarded");
        }
        if let Some(size) = form.size {
            written["spec"]["clusterSize"] = json!(size);
            rehash(&mut written, &format!("of-{size}"));
        }
        if !form.without.is_empty() {
            form.without.iter().for_each(|name| written["metadata"]["labels"][name] = Json::Null);
            rehash(&mut written, "unlabelled");
        }
        written
    }

    /// Whether an apply may end while pods of an older revision run: it does not wait, or the strategy keeps pods back.
    pub fn may_leave_old_pods(&self) -> bool {
        let keeps_back = |custom_resource: &Json| {
            let strategy = at(custom_resource, &["spec", "kubernetesConfig", "updateStrategy"]);
            text(strategy, &["type"]) == Some("OnDelete")
                || count(strategy, &["rollingUpdate", "partition"]) > 0
        };
        !self.wait || self.custom_resources.iter().any(keeps_back)
    }

    /// The object of that role, if there is one.
    pub fn of_role(&self, role: Role) -> Option<&Wanted> {
        self.objects.iter().find(|one| one.key.role == role)
    }

    /// The object with that key.
    pub fn object(&self, key: &Key) -> Option<&Wanted> {
        self.objects.iter().find(|one| one.key == *key)
    }

    /// Whether a custom resource includes that ConfigMap into redis.conf. `custom_spec` may choose another
    /// ConfigMap, or none.
    pub fn names_config_map(&self, name: &str) -> bool {
        let paths: [&[&str]; 2] = [
            &["spec", "redisConfig", "additionalRedisConfig"],
            &["spec", "redisLeader", "redisConfig", "additionalRedisConfig"],
        ];
        paths.iter().any(|path| text(self.data(), path) == Some(name))
    }
}

fn rehash(custom_resource: &mut Json, form: &str) {
    let hash = format!("{}-{form}", mark(custom_resource, annotation::SPEC_HASH).unwrap_or_default());
    custom_resource["metadata"]["annotations"][annotation::SPEC_HASH] = json!(hash);
}
