//! The nodes of a Redis Cluster, according to their own answers: whether they agree and serve all slots, and
//! which problems can be repaired without asking a person.
//!
//! `hold`, `labels` and `passwords` are the cluster's place in an apply.
//!
//! The operator asks only its first pod, and counts. A pod that is Ready may still be copying the data of its
//! master, and a removed node stays in the tables of the other nodes forever.

pub mod hold;
pub mod labels;
pub mod passwords;

mod mending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::answers::shards::{Pod, SLOTS, Said, Shards};
use super::object::name;
use super::running::{Running, address};
use super::talk::{Link, Node};
use super::topology::Topology;

/// The pods of a cluster with their answers. `data`: the custom resource, which says how many pods there
/// should be; `said`: the answers by address.
pub fn gathered(
    topology: Topology,
    instance: &str,
    data: &Json,
    running: &Running,
    said: &BTreeMap<String, Said>,
) -> Shards {
    let mut sizes = topology.parts().iter().map(|part| usize::try_from(part.replicas(data)).unwrap_or(0));
    let masters = sizes.next().unwrap_or(0);
    let leaders = topology.parts().first();
    let pod = |pod: &Json| {
        let address = address(pod).unwrap_or_default().to_owned();
        Pod {
            name: name(pod).to_owned(),
            said: said.get(&address).cloned(),
            address,
            is_leader: leaders.is_some_and(|part| part.has_pod(instance, name(pod))),
        }
    };
    let mut pods: Vec<Pod> = running.pods.iter().map(pod).collect();
    pods.sort_by(|left, right| left.name.cmp(&right.name));
    let size = masters + sizes.sum::<usize>();
    Shards { pods, masters, size, ..Shards::default() }
}

impl Shards {
    /// A replica that is copying all data of its master, in words. A copy ends by itself. But the operator
    /// (v0.26) restarts the copy every 15 s, and the next pod that restarts may be the master of the copy.
    pub fn copying(&self) -> Option<String> {
        let answers = || self.pods.iter().filter_map(|pod| Some((pod, pod.said.as_ref()?)));
        answers().find_map(|(pod, said)| {
            let link = said.replication.master.as_ref()?;
            // Until its turn comes, only the master knows that the replica will copy.
            let is_expected = || {
                answers().any(|(_, master)| {
                    master.replication.replicas.iter().any(|one| one.address.host == pod.address)
                })
            };
            let copies = link.is_syncing || (!link.is_up && is_expected());
            let master = self.named_by_address(&link.address.host);
            copies.then(|| format!("{} is copying the data of {master}", pod.name))
        })
    }

    /// Whether all nodes agree, all slots are served, and every master has its followers. `Err` says what is
    /// wrong.
    pub fn whole(&self) -> Result<(), String> {
        if self.pods.len() != self.size {
            return Err(format!("{} of {} pods exist", self.pods.len(), self.size));
        }
        for pod in &self.pods {
            let Some(said) = &pod.said else { return Err(format!("{} does not answer", pod.name)) };
            self.agrees(pod, said)?;
        }
        if let Some(copying) = self.copying() {
            return Err(copying);
        }
        for (pod, said) in self.answers() {
            if said.replication.master.as_ref().is_some_and(|link| !link.is_up) {
                return Err(format!("{} has lost its master", pod.name));
            }
            let followers = followers_of(said);
            let is_master = said.myself().is_some_and(Node::is_master);
            if is_master && followers != self.followers_each() {
                return Err(format!("{} has {followers} of {} followers", pod.name, self.followers_each()));
            }
        }
        Ok(())
    }

    /// Whether the answer of a node is as it should be.
    fn agrees(&self, pod: &Pod, said: &Said) -> Result<(), String> {
        let named = |node: &Node| self.named_by_id(&node.id).unwrap_or_else(|| place(node));
        for node in &said.nodes {
            let wrong = ["fail", "fail?", "handshake", "noaddr"].into_iter().find(|flag| node.has(flag));
            if let Some(flag) = wrong {
                return Err(format!("{} reports {} as {flag}", pod.name, named(node)));
            }
            if node.link == Link::Disconnected && !node.has("myself") {
                return Err(format!("{} has no link to {}", pod.name, named(node)));
            }
            if !node.moving.is_empty() {
                return Err(format!("slots are being moved to or from {}", named(node)));
            }
        }
        if said.nodes.len() != self.size {
            return Err(format!("{} knows {} of {} nodes", pod.name, said.nodes.len(), self.size));
        }
        let slots: u32 = said.nodes.iter().filter(|node| node.is_master()).map(Node::slot_count).sum();
        if slots != SLOTS {
            return Err(format!("{} reports {slots} of {SLOTS} slots as served", pod.name));
        }
        let masters = || said.nodes.iter().filter(|node| node.is_master());
        if masters().count() != self.masters {
            return Err(format!("{} reports {} of {} masters", pod.name, masters().count(), self.masters));
        }
        match masters().find(|node| node.slots.is_empty()) {
            Some(empty) => Err(format!("{} has no slots yet", named(empty))),
            None => Ok(()),
        }
    }

    /// The slots that are being moved, according to the nodes.
    pub fn moving(&self) -> Vec<&str> {
        let nodes = self.answers().filter_map(|(_, said)| said.myself());
        nodes.flat_map(|node| &node.moving).map(String::as_str).collect()
    }

    /// The masters that serve slots.
    fn serving(&self) -> impl Iterator<Item = (&Pod, &Said)> {
        let serves =
            |said: &Said| said.myself().is_some_and(|node| node.is_master() && !node.slots.is_empty());
        self.answers().filter(move |(_, said)| serves(said))
    }

    fn answers(&self) -> impl Iterator<Item = (&Pod, &Said)> {
        self.pods.iter().filter_map(|pod| Some((pod, pod.said.as_ref()?)))
    }

    fn followers_each(&self) -> usize {
        self.size.saturating_sub(self.masters) / self.masters.max(1)
    }

    fn named_by_address<'a>(&'a self, address: &'a str) -> &'a str {
        self.pods.iter().find(|pod| pod.address == address).map_or(address, |pod| &pod.name)
    }

    fn named_by_id(&self, id: &str) -> Option<String> {
        let is_it = |said: &Said| said.myself().is_some_and(|node| node.id == id);
        self.answers().find(|(_, said)| is_it(said)).map(|(pod, _)| pod.name.clone())
    }
}

/// How many nodes follow this master, according to its own answer.
fn followers_of(said: &Said) -> usize {
    let Some(myself) = said.myself() else { return 0 };
    said.nodes.iter().filter(|node| node.master.as_deref() == Some(myself.id.as_str())).count()
}

/// A node that is not a pod, in words.
fn place(node: &Node) -> String {
    match (&node.hostname, &node.address) {
        (Some(host), _) => format!("a former {host}"),
        (None, Some(address)) => format!("a former node at {address}"),
        (None, None) => "a former node".to_owned(),
    }
}
