//! Our objects beside the custom resources: how they are identified, how each is written, what a difference
//! means, and which of the existing objects are ours.

use std::fmt;

use serde_json::Value as Json;

use super::names::{MANAGER, label};
use super::object::{self, Difference, additions, at, count, differences, list, text};

/// The purpose of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A part of redis.conf.
    Configuration,
    /// The password.
    Password,
    /// The way to the master from outside of the cluster.
    ExternalAccess,
    /// How many pods an eviction must leave.
    DisruptionBudget,
    /// Who may connect.
    NetworkPolicy,
}

impl Role {
    const ALL: [Role; 5] = [
        Role::Configuration,
        Role::Password,
        Role::ExternalAccess,
        Role::DisruptionBudget,
        Role::NetworkPolicy,
    ];

    /// The value of its label.
    pub fn word(self) -> &'static str {
        match self {
            Role::Configuration => "configuration",
            Role::Password => "password",
            Role::ExternalAccess => "external-access",
            Role::DisruptionBudget => "disruption-budget",
            Role::NetworkPolicy => "network-policy",
        }
    }

    /// The role that the label of an object states.
    pub fn of(object: &Json) -> Option<Role> {
        let word = object::label(object, label::ROLE)?;
        Role::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// What identifies one object of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its role.
    pub role: Role,
    /// As in `kind:`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.name)
    }
}

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Whenever it differs.
    Applied,
    /// Only once: afterwards only its labels and annotations follow.
    Once,
}

/// When an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the custom resources, which need it or whose pods must never be without it.
    BeforeRedis,
    /// After them.
    AfterRedis,
}

/// The effect on an apply that cannot write an object because its kind is not installed or because these
/// credentials may not write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The apply waits for the kind, and a refusal is an error.
    Required,
    /// The apply warns and continues.
    Optional,
}

/// When an object counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// As soon as it is written.
    Written,
    /// When its controller has processed it.
    Observed,
}

/// Which of its fields must stay as they were written; differences in other fields do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// None: it only has to exist.
    Presence,
    /// Its text. The contents are not shown.
    Data,
    /// The spec. The API server and others may add fields.
    Spec,
    /// The spec, to which nobody may add a field: a field more would let somebody in.
    ExactSpec,
}

/// A wanted object.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its key.
    pub key: Key,
    /// The object as it is written; for an object that is written once, only its metadata.
    pub object: Json,
    /// How it is written.
    pub write: Write,
    /// When it is written.
    pub stage: Stage,
    /// Whether an apply can continue without it.
    pub need: Need,
    /// When it counts as ready.
    pub readiness: Readiness,
    /// What a difference means.
    pub judged: Judged,
}

impl Wanted {
    /// Why the existing object is not ready yet.
    pub fn not_ready(&self, found: &Json) -> Option<String> {
        match self.readiness {
            Readiness::Written => None,
            Readiness::Observed => {
                let seen = count(found, &["status", "observedGeneration"]);
                let is_seen = seen >= count(found, &["metadata", "generation"]);
                (!is_seen).then(|| format!("the controller of the {} has not processed it yet", self.key))
            }
        }
    }

    /// The problem of the existing object, if anything must be repaired.
    pub fn wrong(&self, found: &Json) -> Option<String> {
        match self.judged {
            Judged::Presence => None,
            Judged::Data => {
                let same = at(found, &["data"]) == at(&self.object, &["data"]);
                (!same).then(|| "its text was changed".to_owned())
            }
            Judged::Spec | Judged::ExactSpec => {
                let different = self.differences(found);
                let first = different.iter().find(|one| one.path.starts_with("spec."))?;
                let (is, should_be) = (object::shown(&first.found), object::shown(&first.wanted));
                Some(format!("{} is {is}, should be {should_be}", first.path))
            }
        }
    }

    /// Every difference that the next write removes.
    pub fn differences(&self, found: &Json) -> Vec<Difference> {
        let mut all = differences(&self.object, found);
        if self.judged == Judged::ExactSpec {
            all.extend(additions(&self.object, found, "spec"));
        }
        all
    }
}

/// An object with the labels of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its key.
    pub key: Key,
    /// The object; if it is not wanted, only its metadata.
    pub object: Json,
}

impl Found {
    /// Whether the object has an owner, so that the cluster deletes it with the owner.
    pub fn is_owned(&self) -> bool {
        !list(&self.object, &["metadata", "ownerReferences"]).is_empty()
    }

    /// Whether the state with that claim owns it.
    pub fn is_claimed_by(&self, claim: &str) -> bool {
        object::label(&self.object, label::CLAIM) == Some(claim)
    }

    /// Whether we have written the object although no state claims it: somebody has removed its labels.
    pub fn is_unclaimed_of_ours(&self) -> bool {
        let mut entries = list(&self.object, &["metadata", "managedFields"]).iter();
        object::label(&self.object, label::CLAIM).is_none()
            && entries.any(|entry| text(entry, &["manager"]) == Some(MANAGER))
    }

    /// Whether it was made for an instance of that name.
    pub fn is_of(&self, namespace: &str, instance: &str) -> bool {
        object::label(&self.object, label::INSTANCE) == Some(instance)
            && object::label(&self.object, label::NAMESPACE) == Some(namespace)
    }
}

/// A merge patch that gives an object the labels and annotations of `wanted`, and removes those that we set
/// earlier; `None` if they are as they should be. Labels and annotations of others stay.
pub fn labelling(wanted: &Json, found: &Json) -> Option<Json> {
    let mut patch = serde_json::Map::new();
    for field in ["labels", "annotations"] {
        let (wanted, there) = (at(wanted, &["metadata", field]), at(found, &["metadata", field]));
        let differs = |name: &str, value: &Json| there.get(name) != Some(value);
        let entries = wanted.as_object().into_iter().flatten();
        let mut changes: serde_json::Map<String, Json> = entries
            .filter(|(name, value)| differs(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let superfluous = written_by_us(found, field)
            .filter(|name| wanted.get(*name).is_none() && there.get(*name).is_some());
        changes.extend(superfluous.map(|name| (name.to_owned(), Json::Null)));
        if !changes.is_empty() {
            patch.insert(field.to_owned(), Json::Object(changes));
        }
    }
    (!patch.is_empty()).then(|| serde_json::json!({ "metadata": patch }))
}

/// The names of the labels or annotations that we have written, according to the API server.
fn written_by_us<'f>(found: &'f Json, field: &str) -> impl Iterator<Item = &'f str> {
    let entries = list(found, &["metadata", "managedFields"]).iter();
    let ours = entries.filter(|entry| text(entry, &["manager"]) == Some(MANAGER));
    let path = format!("f:{field}");
    ours.filter_map(move |entry| at(entry, &["fieldsV1", "f:metadata", &path]).as_object())
        .flat_map(|fields| fields.keys().filter_map(|name| name.strip_prefix("f:")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_role_has_a_word_of_its_own() {
        for role in Role::ALL {
            let object = json!({ "metadata": { "labels": { label::ROLE: role.word() } } });
            assert_eq!(Role::of(&object), Some(role));
        }
        assert_eq!(Role::of(&json!({})), None);
    }

    #[test]
    fn labels_of_ours_follow_and_those_of_others_stay() {
        let found = json!({ "metadata": {
            "labels": { "team": "one", "old": "yes", "theirs": "x" },
            "annotations": { "note": "n" },
            "managedFields": [
                { "manager": "kubectl", "fieldsV1": { "f:metadata": { "f:labels": { "f:theirs": {} } } } },
                { "manager": MANAGER, "fieldsV1": { "f:data": { "f:password": {} }, "f:metadata": {
                    "f:labels": { ".": {}, "f:team": {}, "f:old": {} }, "f:annotations": { "f:note": {}, "f:gone": {} },
                } } },
            ],
        } });
        let wanted = json!({ "metadata": { "labels": { "team": "two" }, "annotations": { "note": "n" } } });
        let patch = json!({ "metadata": { "labels": { "team": "two", "old": null } } });
        assert_eq!(labelling(&wanted, &found), Some(patch));
        let same = json!({ "metadata": { "labels": { "team": "one", "old": "yes" }, "annotations": { "note": "n" } } });
        assert_eq!(labelling(&same, &found), None);
    }

    #[test]
    fn an_object_counts_as_ready_when_its_controller_has_seen_it() {
        let key = Key {
            role: Role::DisruptionBudget,
            kind: "PodDisruptionBudget",
            namespace: "redis".to_owned(),
            name: "cache".to_owned(),
        };
        let mut wanted = Wanted {
            key,
            object: json!({ "spec": { "minAvailable": 1 } }),
            write: Write::Applied,
            stage: Stage::AfterRedis,
            need: Need::Required,
            readiness: Readiness::Observed,
            judged: Judged::Spec,
        };
        let at = |generation: i64, seen: i64| {
            json!({ "metadata": { "generation": generation }, "status": { "observedGeneration": seen },
                    "spec": { "minAvailable": 2 } })
        };
        let why = "the controller of the PodDisruptionBudget cache has not processed it yet";
        assert_eq!(wanted.not_ready(&at(2, 1)).as_deref(), Some(why));
        assert_eq!(wanted.not_ready(&at(2, 2)), None);
        assert_eq!(wanted.wrong(&at(1, 1)).as_deref(), Some("spec.minAvailable is 2, should be 1"));
        wanted.readiness = Readiness::Written;
        assert_eq!(wanted.not_ready(&at(2, 1)), None);
        wanted.judged = Judged::Presence;
        assert_eq!(wanted.wrong(&at(1, 1)), None);
    }
    #[test]
    fn a_field_more_differs_only_if_nobody_may_add_one() {
        let wanted = |judged| Wanted {
            key: Key {
                role: Role::NetworkPolicy,
                kind: "NetworkPolicy",
                namespace: "redis".to_owned(),
                name: "cache".to_owned(),
            },
            object: json!({ "spec": { "ports": [{ "port": 1 }], "selector": { "a": "b" }, "limit": null } }),
            write: Write::Applied,
            stage: Stage::BeforeRedis,
            need: Need::Required,
            readiness: Readiness::Written,
            judged,
        };
        let found = json!({
            "metadata": { "labels": { "theirs": "x" } },
            "spec": { "ports": [{ "port": 1, "endPort": 9 }], "selector": { "a": "b", "c": "d" } },
        });
        assert_eq!(wanted(Judged::Spec).wrong(&found), None);
        let exact = wanted(Judged::ExactSpec);
        let paths: Vec<String> = exact.differences(&found).into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["spec.ports", "spec.selector.c"]);
        let removal = object::removal(&exact.differences(&found));
        assert_eq!(removal, Some(json!({ "spec": { "selector": { "c": null } } })));
        let same = json!({ "spec": { "ports": [{ "port": 1 }], "selector": { "a": "b" } } });
        assert_eq!(exact.wrong(&same), None);
    }
}
