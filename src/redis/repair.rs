//! Problems in the cluster that no argument expresses. A refresh writes each of them into `repairs`, core
//! then plans an update, and the apply repairs them. The judgements are the same as those of the apply
//! itself.

use std::fmt;

use serde_json::Value as Json;

use super::names::annotation;
use super::object::{self, Difference, text};
use super::objects::Key;
use super::opstree::Kind;
use super::picture::Picture;
use super::running::address;
use super::set;
use super::topology::Topology;

/// A problem to repair: one entry of `repairs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// What is affected.
    pub subject: Subject,
    /// The problem, in words.
    pub line: String,
}

/// What a repair affects: the key of its entry in `repairs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An apply that was cut off.
    Rollout,
    /// The instance is being deleted.
    Deletion,
    /// A replicated set without a master.
    Master,
    /// Sentinels that watch an address that no pod has.
    Sentinels,
    /// A cluster that is not healthy.
    Cluster,
    /// A Secret with a password.
    Secret(String),
    /// An object beside the custom resources: kind and name.
    Object(String),
    /// A field of the custom resource with the data, or the resource itself by its name.
    Data(String),
    /// The same for the custom resource of the sentinels.
    Watchers(String),
}

const WATCHERS: &str = "RedisSentinel ";
const SECRET: &str = "Secret ";

impl Subject {
    /// What an entry of `repairs` affects.
    pub fn of(entry: &str) -> Subject {
        match entry {
            "rollout" => Subject::Rollout,
            "deletion" => Subject::Deletion,
            "master" => Subject::Master,
            "sentinels" => Subject::Sentinels,
            "cluster" => Subject::Cluster,
            _ => {
                if let Some(path) = entry.strip_prefix(WATCHERS) {
                    Subject::Watchers(path.to_owned())
                } else if let Some(name) = entry.strip_prefix(SECRET) {
                    Subject::Secret(name.to_owned())
                } else if entry.contains(' ') {
                    Subject::Object(entry.to_owned())
                } else {
                    Subject::Data(entry.to_owned())
                }
            }
        }
    }

    /// An object of ours.
    pub fn object(key: &Key) -> Subject {
        Subject::of(&key.to_string())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Rollout => formatter.write_str("rollout"),
            Subject::Deletion => formatter.write_str("deletion"),
            Subject::Master => formatter.write_str("master"),
            Subject::Sentinels => formatter.write_str("sentinels"),
            Subject::Cluster => formatter.write_str("cluster"),
            Subject::Secret(name) => write!(formatter, "{SECRET}{name}"),
            Subject::Object(name) => formatter.write_str(name),
            Subject::Data(path) => formatter.write_str(path),
            Subject::Watchers(path) => write!(formatter, "{WATCHERS}{path}"),
        }
    }
}

impl Repair {
    /// A repair.
    pub fn new(subject: Subject, line: impl Into<String>) -> Repair {
        Repair { subject, line: line.into() }
    }

    /// A repair of a field of a custom resource, or of the custom resource by its name.
    fn of(kind: Kind, path: String, line: String) -> Repair {
        let is_of_sentinels = kind == Kind::RedisSentinel;
        Repair::new(if is_of_sentinels { Subject::Watchers(path) } else { Subject::Data(path) }, line)
    }

    /// A custom resource that does not exist.
    pub fn missing(kind: Kind, instance: &str) -> Repair {
        Repair::of(kind, instance.to_owned(), "is missing".to_owned())
    }

    /// A field of a custom resource that is not as it should be.
    pub fn field(kind: Kind, difference: &Difference) -> Repair {
        let (is, should_be) = (object::shown(&difference.found), object::shown(&difference.wanted));
        Repair::of(kind, difference.path.clone(), format!("is {is}, should be {should_be}"))
    }
}

/// The remains of an apply that was cut off, or of a loss of pods.
pub fn of_what_runs(topology: Topology, instance: &str, picture: &Picture) -> Vec<Repair> {
    let Some(data) = picture.custom_resource(topology.data()) else { return Vec::new() };
    let mut repairs = Vec::new();
    match object::annotation(data, annotation::UNFINISHED) {
        Some("creating" | "created") => {
            repairs.push(Repair::new(Subject::Rollout, "the creation was not finished"))
        }
        Some(_) => repairs.push(Repair::new(Subject::Rollout, "the last change was not rolled out")),
        None => {}
    }
    if set::is_without_master(topology, instance, picture) {
        // A refresh asks no Redis which master the pods follow: it reads no password.
        let line = "all pods are Ready, but none of them is the master; if they follow a Redis elsewhere, as while \
                    data is moved here, the next apply does not end that";
        repairs.push(Repair::new(Subject::Master, line));
    }
    repairs.extend(astray(topology, instance, picture).map(|line| Repair::new(Subject::Sentinels, line)));
    repairs.extend(not_whole(topology, data, picture).map(|line| Repair::new(Subject::Cluster, line)));
    repairs
}

fn astray(topology: Topology, instance: &str, picture: &Picture) -> Option<String> {
    let running = picture.running.as_ref()?;
    let with_data = || topology.parts().iter().filter(|part| part.has_data());
    let has_data = |pod: &&Json| with_data().any(|part| part.has_pod(instance, object::name(pod)));
    let addresses: Vec<&str> = running.pods.iter().filter(has_data).filter_map(address).collect();
    set::astray(&picture.answers.named_masters, &addresses)
}

fn not_whole(topology: Topology, data: &Json, picture: &Picture) -> Option<String> {
    if topology != Topology::Cluster {
        return None;
    }
    let why = match &picture.answers.shards {
        Some(Ok(shards)) => shards.whole().err(),
        Some(Err(_)) | None => None,
    };
    let has_failed = text(data, &["status", "state"]) == Some("Failed");
    let reason = || text(data, &["status", "reason"]).unwrap_or("no reason given");
    why.map(|why| format!("is not healthy: {why}"))
        .or_else(|| has_failed.then(|| format!("has failed: {}", reason())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_its_subject() {
        for entry in [
            "rollout",
            "deletion",
            "master",
            "sentinels",
            "cluster",
            "Secret cache-auth",
            "ConfigMap cache-config-1",
            "NetworkPolicy cache",
            "spec.clusterSize",
            "cache",
            "RedisSentinel spec.clusterSize",
            "RedisSentinel cache",
        ] {
            assert_eq!(Subject::of(entry).to_string(), entry);
        }
        assert_eq!(Subject::of("Secret a"), Subject::Secret("a".to_owned()));
        assert_eq!(Subject::of("RedisSentinel a.b"), Subject::Watchers("a.b".to_owned()));
        assert_eq!(Subject::of("Service a"), Subject::Object("Service a".to_owned()));
    }
}
