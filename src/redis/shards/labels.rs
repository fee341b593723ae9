//! New labels of a cluster: each pod gets the label before the operator selects by it.

use serde_json::Value as Json;

use crate::redis::desired::Desired;
use crate::redis::memory::{Denial, Memory};
use crate::redis::object::{at, is_terminating, label};
use crate::redis::opstree::{Hold, Kind};
use crate::redis::picture::Picture;
use crate::redis::step::{Next, Step};

/// The operator rolls the pods of a cluster one by one, but selects by a new label at once. So every pod gets
/// the label before the operator sees it. `None` if no label is new, or if the value of a label changes: the
/// operator updates the followers only once all leaders have restarted, and pods cannot have both values.
pub fn of_cluster(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let kind = desired.topology.data();
    let is_ours_to_tell = kind == Kind::RedisCluster && desired.is_guarded && !desired.creating;
    let found = picture.custom_resource(kind).filter(|found| !is_terminating(found))?;
    let labels =
        || at(desired.custom_resource(kind), &["metadata", "labels"]).as_object().into_iter().flatten();
    let shown = |name: &str| at(found, &["metadata", "labels", name]);
    let is_new = |(name, _): (&String, &Json)| shown(name).is_null();
    let is_another = |(name, value): (&String, &Json)| !shown(name).is_null() && shown(name) != value;
    if !is_ours_to_tell
        || memory.denied.has(&Denial::PodLabels)
        || Hold::of(found) == Hold::Others
        || labels().any(is_another)
        || !labels().any(is_new)
    {
        return None;
    }
    let Some(running) = &picture.running else { return Some(Next::Do(Step::Watch)) };
    let lacks = |pod: &Json| labels().any(|(name, value)| label(pod, name) != value.as_str());
    running.pods.iter().any(lacks).then_some(Next::Do(Step::LabelPods(kind)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, custom_resources, serving};
    use crate::redis::topology::Topology;

    #[test]
    fn the_pods_of_a_cluster_are_labelled_before_the_operator_selects_by_a_label() {
        let topology = Topology::Cluster;
        let mut desired = fixture::desired(topology);
        desired.custom_resources[0]["metadata"]["labels"] = json!({ "team": "b" });
        let mut picture = Picture { custom_resources: custom_resources(topology), ..Picture::default() };
        let memory = Memory::default();
        assert_eq!(of_cluster(&desired, &picture, &memory), Some(Next::Do(Step::Watch)));
        picture.running = Some(serving(topology));
        let todo = Some(Next::Do(Step::LabelPods(Kind::RedisCluster)));
        assert_eq!(of_cluster(&desired, &picture, &memory), todo);
        let without_the_right = Memory { denied: [Denial::PodLabels].into(), ..Memory::default() };
        assert_eq!(of_cluster(&desired, &picture, &without_the_right), None);
        let pods = &mut picture.running.as_mut().unwrap().pods;
        pods.iter_mut().for_each(|pod| pod["metadata"]["labels"]["team"] = json!("b"));
        assert_eq!(of_cluster(&desired, &picture, &memory), None, "all have it");
        picture.running = Some(serving(topology));
        picture.custom_resources[0]["metadata"]["labels"] = json!({ "team": "b" });
        assert_eq!(
            of_cluster(&desired, &picture, &memory),
            None,
            "the operator gives it to each that it replaces"
        );
        picture.custom_resources[0]["metadata"]["labels"] = json!({ "team": "a" });
        assert_eq!(
            of_cluster(&desired, &picture, &memory),
            None,
            "its Services still select by the other value"
        );
        picture.custom_resources = custom_resources(topology);
        let skip = Kind::RedisCluster.skip_reconcile();
        picture.custom_resources[0]["metadata"]["annotations"][skip] = json!("true");
        assert_eq!(of_cluster(&desired, &picture, &memory), None, "the operator would not follow");
    }
}
