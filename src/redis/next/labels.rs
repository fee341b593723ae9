//! Labels that are to be other ones. The operator selects by every label of a custom resource, in all Services at once, and
//! pods have other labels only once they are made anew; so that no Service is empty meanwhile, we label the pods first. Where
//! the value of a label changes, its Services must not select by it at all while pods have the one or the other: until they do
//! not, the custom resource is written without it.

use serde_json::{Value as Json, json};

use super::apply::uid;
use super::{Cause, Desired, Form, Next, Observed, Step, guarded, shards, wait};
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, is_terminating, label, name, text};
use crate::redis::opstree::{self, Kind};
use crate::redis::ready::Running;

/// What must be done before a custom resource may be written as it is while its pods are rolled; `None` where its pods have
/// every label of it.
pub(super) fn before_writing(
    kind: Kind,
    rolled: &Json,
    desired: &Desired,
    observed: &Observed,
    running: &Running,
) -> Option<Next> {
    let apps: Vec<String> = guarded::parts(kind, desired).map(|part| part.name(&desired.name)).collect();
    let is_of_it = |object: &&Json| apps.iter().any(|app| label(object, "app") == Some(app));
    let labels = || at(rolled, &["metadata", "labels"]).as_object().into_iter().flatten();
    let lacking: Vec<String> = labels()
        .filter(|(name, value)| {
            running.pods.iter().filter(is_of_it).any(|pod| label(pod, name) != value.as_str())
        })
        .map(|(name, _)| name.clone())
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let is_other = |found: &Json| {
        labels().any(|(name, value)| text(found, &[name]).is_some_and(|found| Some(found) != value.as_str()))
    };
    // Those that bear our hash are the operator's; a Service that somebody else has made is nobody's to wait for.
    let would_lose = |service: &&Json| {
        mark(service, annotation::SPEC_HASH).is_some() && is_other(at(service, &["spec", "selector"]))
    };
    let Some(service) = running.services.iter().filter(is_of_it).find(would_lose) else {
        return Some(Next::Do(Step::LabelPods(kind)));
    };
    let found = observed.custom_resource(kind)?;
    if !is_other(at(found, &["metadata", "labels"])) {
        let why =
            format!("the operator still has the Service {} select by a label that changes", name(service));
        return Some(wait(Cause::OperatorBehind, why));
    }
    let differences = opstree::differences(&without(rolled, &lacking), found);
    let form = Form::Without(lacking);
    Some(Next::Do(Step::ApplyCustomResource { kind, uid: uid(found), differences, form }))
}

/// The operator rolls the pods of a cluster one after the other, and selects by a new label of theirs at once: so each has it
/// before the operator is shown it. `None` where nothing of the kind changes, or where a value does: the operator follows for
/// followers only once all leaders have restarted, and pods cannot have both.
pub(super) fn of_cluster(desired: &Desired, observed: &Observed) -> Option<Next> {
    let kind = desired.topology.data();
    let is_ours_to_tell = kind == Kind::RedisCluster && desired.is_guarded && !desired.creating;
    let found = observed.custom_resource(kind).filter(|found| !is_terminating(found))?;
    let labels =
        || at(desired.custom_resource(kind), &["metadata", "labels"]).as_object().into_iter().flatten();
    let shown = |name: &str| at(found, &["metadata", "labels", name]);
    let is_new = |(name, _): (&String, &Json)| shown(name).is_null();
    let is_another = |(name, value): (&String, &Json)| !shown(name).is_null() && shown(name) != value;
    if !is_ours_to_tell
        || observed.pods_are_not_labelled
        || shards::is_kept_off(desired, found)
        || labels().any(is_another)
        || !labels().any(is_new)
    {
        return None;
    }
    let Some(running) = &observed.running else { return Some(Next::Do(Step::Watch)) };
    let lacks = |pod: &Json| labels().any(|(name, value)| label(pod, name) != value.as_str());
    running.pods.iter().any(lacks).then_some(Next::Do(Step::LabelPods(kind)))
}

/// The custom resource without these labels. Its hash is another one, or nothing would tell when the operator has taken over
/// the whole.
pub(super) fn without(custom_resource: &Json, names: &[String]) -> Json {
    let mut written = custom_resource.clone();
    for name in names {
        written["metadata"]["labels"][name] = Json::Null;
    }
    let hash = mark(custom_resource, annotation::SPEC_HASH).unwrap_or_default();
    written["metadata"]["annotations"][annotation::SPEC_HASH] = json!(format!("{hash}-unlabelled"));
    written
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired;
    use super::*;
    use crate::redis::fixture::{custom_resources, serving};
    use crate::redis::topology::Topology;

    /// Before the custom resource gets the label `team: b`, which every pod has as `a`; the selector is of a Service that bears
    /// our hash or not.
    fn step(live: Option<&str>, selector: Option<&str>, is_the_operators: bool) -> &'static str {
        let (kind, topology) = (Kind::RedisReplication, Topology::Replication);
        let labelled = |team: Option<&str>| {
            let mut all = custom_resources(topology);
            all[0]["metadata"]["labels"] = json!({ "team": team });
            all
        };
        let rolled = labelled(Some("b"));
        let desired = desired(topology, rolled.clone());
        let mut running = serving(topology);
        running.pods.iter_mut().for_each(|pod| pod["metadata"]["labels"]["team"] = json!("a"));
        running.services[0]["metadata"]["labels"] = json!({ "app": "cache" });
        running.services[0]["spec"] = json!({ "selector": { "team": selector } });
        if !is_the_operators {
            running.services[0]["metadata"]["annotations"] = Json::Null;
        }
        let observed = Observed { custom_resources: labelled(live), ..Observed::default() };
        match before_writing(kind, &rolled[0], &desired, &observed, &running) {
            Some(Next::Do(step)) => step.name(),
            Some(Next::Wait(_)) => "wait",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_pods_of_a_cluster_are_labelled_before_the_operator_selects_by_a_label() {
        let topology = Topology::Cluster;
        let mut desired = desired(topology, custom_resources(topology));
        desired.custom_resources[0]["metadata"]["labels"] = json!({ "team": "b" });
        let mut observed = Observed { custom_resources: custom_resources(topology), ..Observed::default() };
        assert_eq!(of_cluster(&desired, &observed), Some(Next::Do(Step::Watch)));
        observed.running = Some(serving(topology));
        let todo = Some(Next::Do(Step::LabelPods(Kind::RedisCluster)));
        assert_eq!(of_cluster(&desired, &observed), todo);
        let without_the_right = Observed { pods_are_not_labelled: true, ..observed.clone() };
        assert_eq!(of_cluster(&desired, &without_the_right), None);
        let pods = &mut observed.running.as_mut().unwrap().pods;
        pods.iter_mut().for_each(|pod| pod["metadata"]["labels"]["team"] = json!("b"));
        assert_eq!(of_cluster(&desired, &observed), None, "all have it");
        observed.running = Some(serving(topology));
        observed.custom_resources[0]["metadata"]["labels"] = json!({ "team": "b" });
        assert_eq!(of_cluster(&desired, &observed), None, "the operator gives it to each that it replaces");
        observed.custom_resources[0]["metadata"]["labels"] = json!({ "team": "a" });
        assert_eq!(of_cluster(&desired, &observed), None, "its Services still select by the other value");
        observed.custom_resources = custom_resources(topology);
        let skip = Kind::RedisCluster.skip_reconcile();
        observed.custom_resources[0]["metadata"]["annotations"][skip] = json!("true");
        assert_eq!(of_cluster(&desired, &observed), None, "the operator would not follow");
    }

    #[test]
    fn pods_are_labelled_once_no_service_of_the_operators_selects_by_another_value() {
        assert_eq!(step(Some("a"), Some("a"), true), "write the custom resource");
        assert_eq!(step(None, Some("a"), true), "wait");
        assert_eq!(step(None, None, true), "label the pods");
        assert_eq!(step(Some("b"), Some("b"), true), "label the pods");
        assert_eq!(step(Some("a"), Some("a"), false), "label the pods");
    }
}
