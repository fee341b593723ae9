//! Changed labels of a replicated set. The operator selects by every label of a custom resource, in all
//! Services at once, but pods get other labels only when they are replaced. So that no Service is empty
//! during that time, we label the pods first. If the value of a label changes, the Services must not select
//! by the label at all while some pods have the old value and some the new one: during that time the custom
//! resource is written without the label.

use serde_json::Value as Json;

use super::growth;
use crate::redis::desired::{Desired, Form};
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, label, list, name, text, uid};
use crate::redis::opstree::{self, Kind};
use crate::redis::picture::Picture;
use crate::redis::running::Running;
use crate::redis::step::{Next, Step};
use crate::redis::topology::Part;
use crate::redis::waiting::Cause;

/// The steps before a custom resource may be written in its form for a rollout; `None` if its pods have all
/// its labels.
pub fn before_writing(
    kind: Kind,
    rolled: &Json,
    desired: &Desired,
    picture: &Picture,
    running: &Running,
) -> Option<Next> {
    let parts: Vec<Part> = desired.topology.parts_of(kind).collect();
    let has_pod = |pod: &&Json| parts.iter().any(|part| part.has_pod(&desired.name, name(pod)));
    let owns = |service: &&Json| {
        let owners = list(service, &["metadata", "ownerReferences"]);
        owners.iter().any(|owner| text(owner, &["kind"]) == Some(kind.kind()))
    };
    let labels = || at(rolled, &["metadata", "labels"]).as_object().into_iter().flatten();
    let lacking: Vec<String> = labels()
        .filter(|(name, value)| {
            running.pods.iter().filter(has_pod).any(|pod| label(pod, name) != value.as_str())
        })
        .map(|(name, _)| name.clone())
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let is_other = |found: &Json| {
        labels().any(|(name, value)| text(found, &[name]).is_some_and(|found| Some(found) != value.as_str()))
    };
    // Services with our hash belong to the operator; a Service that somebody else has created is not waited
    // for.
    let would_lose = |service: &&Json| {
        mark(service, annotation::SPEC_HASH).is_some() && is_other(at(service, &["spec", "selector"]))
    };
    let Some(service) = running.services.iter().filter(owns).find(would_lose) else {
        return Some(Next::Do(Step::LabelPods(kind)));
    };
    let found = picture.custom_resource(kind)?;
    if !is_other(at(found, &["metadata", "labels"])) {
        let why = format!("the Service {} still selects by a label that changes", name(service));
        return Some(Next::wait(Cause::OperatorBehind, why));
    }
    let form = Form { without: lacking, ..growth::rolled(kind, desired, picture) };
    let differences = opstree::differences(&desired.written(kind, &form), found);
    Some(Next::Do(Step::ApplyCustomResource { kind, uid: uid(found).map(str::to_owned), differences, form }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, custom_resources, serving};
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
        let desired = Desired { custom_resources: rolled.clone(), ..fixture::desired(topology) };
        let mut running = serving(topology);
        running.pods.iter_mut().for_each(|pod| pod["metadata"]["labels"]["team"] = json!("a"));
        running.services[0]["spec"] = json!({ "selector": { "team": selector } });
        if !is_the_operators {
            running.services[0]["metadata"]["annotations"] = Json::Null;
        }
        let picture = Picture { custom_resources: labelled(live), ..Picture::default() };
        match before_writing(kind, &rolled[0], &desired, &picture, &running) {
            Some(Next::Do(step)) => step.name(),
            Some(Next::Wait(_)) => "wait",
            other => panic!("{other:?}"),
        }
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
