//! One picture of what exists: the custom resources, the objects that the operator made from them, our own
//! objects, and the answers of Redis itself. Refresh, apply, import and destroy use the same picture and ask
//! it the same questions.

use serde_json::Value as Json;

use super::answers::Answers;
use super::names::annotation;
use super::object::annotation as mark;
use super::objects::{Found, Key, Role};
use super::opstree::{self, Hold, Kind};
use super::running::Running;
use super::topology::Topology;

/// What exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The custom resources.
    pub custom_resources: Vec<Json>,
    /// Objects with the labels of the instance, and objects with the names of ours.
    pub objects: Vec<Found>,
    /// Whether the Secret with the password exists, whoever keeps it; `None`: it was not read, or there
    /// should be none.
    pub has_password: Option<bool>,
    /// What runs; `None` until it was read.
    pub running: Option<Running>,
    /// The StatefulSets, once a run has read them that does not watch what runs.
    pub stateful_sets: Option<Vec<Json>>,
    /// All questions and their answers.
    pub answers: Answers,
}

impl Picture {
    /// The custom resource of that kind.
    pub fn custom_resource(&self, kind: Kind) -> Option<&Json> {
        opstree::of_kind(&self.custom_resources, kind)
    }

    /// Records a custom resource, or that it is gone.
    pub fn set_custom_resource(&mut self, kind: Kind, object: Option<Json>) {
        self.custom_resources.retain(|one| Kind::of(one) != Some(kind));
        self.custom_resources.extend(object);
    }

    /// An object.
    pub fn object(&self, key: &Key) -> Option<&Found> {
        self.objects.iter().find(|one| one.key == *key)
    }

    /// Records an object, or that it is gone.
    pub fn set_object(&mut self, key: &Key, object: Option<Json>) {
        self.objects.retain(|one| one.key != *key);
        self.objects.extend(object.map(|object| Found { key: key.clone(), object }));
    }

    /// The objects of that role.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Found> {
        self.objects.iter().filter(move |one| one.key.role == role)
    }

    /// Who has paused the operator for the custom resource of that kind.
    pub fn hold(&self, kind: Kind) -> Hold {
        self.custom_resource(kind).map_or(Hold::Nobody, Hold::of)
    }

    /// Whether somebody else has paused the operator for a custom resource of the instance on purpose.
    pub fn is_held_by_others(&self, topology: Topology) -> bool {
        topology.kinds().iter().any(|kind| self.hold(*kind) == Hold::Others)
    }

    /// The mark of a pause of ours: another one is another pause.
    pub fn pause(&self, kind: Kind) -> Option<&str> {
        let found = self.custom_resource(kind).filter(|found| Hold::of(found) == Hold::Ours)?;
        mark(found, annotation::PAUSED)
    }

    /// Whether a run of ours has paused the operator.
    pub fn is_held_by_us(&self, topology: Topology) -> bool {
        topology.kinds().iter().any(|kind| self.hold(*kind) == Hold::Ours)
    }

    /// Whether every StatefulSet that the custom resources ask for exists, with all its pods Ready and of its
    /// revision; `carries_data`: only StatefulSets with data. `Err` says what is missing.
    pub fn at_rest(&self, topology: Topology, instance: &str, carries_data: bool) -> Result<(), String> {
        let parts = topology.parts().iter().filter(|part| part.has_data() || !carries_data);
        let nothing = Running::default();
        let running = self.running.as_ref().unwrap_or(&nothing);
        for part in parts {
            let replicas = self.custom_resource(part.kind).map_or(0, |one| part.replicas(one));
            running.at_rest(*part, instance, replicas)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{custom_resources, serving};
    use super::super::names::annotation;
    use super::*;

    #[test]
    fn a_pause_is_ours_only_with_our_mark() {
        let mut picture =
            Picture { custom_resources: custom_resources(Topology::Sentinel), ..Picture::default() };
        let kind = Kind::RedisSentinel;
        assert_eq!(picture.hold(kind), Hold::Nobody);
        picture.custom_resources[1]["metadata"]["annotations"][kind.skip_reconcile()] = json!("true");
        assert_eq!(picture.hold(kind), Hold::Others);
        assert!(picture.is_held_by_others(Topology::Sentinel) && !picture.is_held_by_us(Topology::Sentinel));
        picture.custom_resources[1]["metadata"]["annotations"][annotation::PAUSED] = json!("true");
        assert_eq!(picture.hold(kind), Hold::Ours);
        assert!(picture.is_held_by_us(Topology::Sentinel) && !picture.is_held_by_others(Topology::Sentinel));
    }

    #[test]
    fn at_rest_are_all_parts_or_those_with_data() {
        for topology in [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster] {
            let mut picture = Picture {
                custom_resources: custom_resources(topology),
                running: Some(serving(topology)),
                ..Picture::default()
            };
            assert_eq!(picture.at_rest(topology, "cache", false), Ok(()), "{topology:?}");
            picture.running.as_mut().unwrap().stateful_sets.pop();
            assert!(picture.at_rest(topology, "cache", false).is_err(), "{topology:?}");
            let data_rests = picture.at_rest(topology, "cache", true).is_ok();
            assert_eq!(data_rests, topology == Topology::Sentinel, "{topology:?}");
        }
    }
}
