//! Making the operator look. The operator looks at replicas and nodes only every 10 to 60 s, but at once when
//! a custom resource is written. So a write makes the operator look whenever there is something new to see,
//! once for each news; and every few seconds while it waits for nodes, which are not visible from outside.

use serde_json::Value as Json;

use super::config::short_hash;
use super::desired::Desired;
use super::memory::Memory;
use super::names::annotation;
use super::object::{annotation as mark, at, label, uid};
use super::picture::Picture;
use super::running::{ROLE, Running, is_ready};
use super::step::{Next, Step};
use super::waiting::{Cause, Waiting};

/// Makes the operator look, if that may end the wait and if the same news has not been passed on before.
pub fn nudge(
    waiting: &Waiting,
    desired: &Desired,
    picture: &Picture,
    memory: &Memory,
    running: &Running,
) -> Option<Next> {
    if !matches!(waiting.cause, Cause::Roles | Cause::Assembling) {
        return None;
    }
    let data = picture.custom_resource(desired.topology.data())?;
    let news = fingerprint(data, running, memory.silences);
    let told = mark(data, annotation::NEWS);
    (told != Some(news.as_str())).then_some(Next::Do(Step::Nudge(news)))
}

/// A short form of what the operator would see if it looked now: pods with their roles, and its own last
/// status. `silences` changes the result each time that a wait for the operator was in vain.
fn fingerprint(custom_resource: &Json, running: &Running, silences: u64) -> String {
    let seen = |pod: &Json| {
        let (uid, role) = (uid(pod).unwrap_or_default(), label(pod, ROLE).unwrap_or_default());
        format!("{uid}={role}{}", is_ready(pod))
    };
    let mut pods: Vec<String> = running.pods.iter().map(seen).collect();
    pods.sort();
    short_hash(&format!("{} {} {silences}", pods.join(" "), at(custom_resource, &["status"])))
}
