//! Repairs that bring a cluster nearer to being healthy, without a doubt and without losing a key.

use std::collections::BTreeSet;

use super::followers_of;
use crate::redis::answers::shards::{Pod, SLOTS, Said, Shards};
use crate::redis::step::Mending;
use crate::redis::talk::Node;

impl Shards {
    /// Slots of an abandoned move. The operator begins nothing before they are closed, but cannot close them.
    /// redis-cli cannot close them either while a failed node is known.
    pub fn left_open(&self) -> Option<Mending> {
        let mut known = self.answers().flat_map(|(_, said)| &said.nodes);
        let is_left = self.is_stalled
            && !self.moving().is_empty()
            && !known.any(|node| node.has("fail") || node.has("noaddr"));
        let (at, _) =
            self.answers().find(|(_, said)| said.myself().is_some_and(|node| !node.slots.is_empty()))?;
        is_left.then(|| Mending::CloseSlots { at: at.address.clone() })
    }

    /// The next repair of the cluster. Only if every pod answers: then a known node that is none of the pods
    /// is certainly gone.
    pub fn mending(&self) -> Option<Mending> {
        self.left_open().or_else(|| self.mending_of_all())
    }

    fn mending_of_all(&self) -> Option<Mending> {
        let said: Vec<&Said> = self.pods.iter().filter_map(|pod| pod.said.as_ref()).collect();
        let is_complete = said.len() == self.size && self.pods.len() == self.size;
        if !is_complete {
            return None;
        }
        let ours: BTreeSet<&str> =
            said.iter().filter_map(|said| said.myself()).map(|node| node.id.as_str()).collect();
        let strangers: Vec<&Node> = said
            .iter()
            .flat_map(|said| &said.nodes)
            .filter(|node| !ours.contains(node.id.as_str()))
            .collect();
        let is_gone = |id: &str| {
            let mut rows = strangers.iter().filter(|node| node.id == id);
            rows.all(|node| (node.has("fail") || node.has("noaddr")) && node.slots.is_empty())
        };
        let gone: BTreeSet<String> =
            strangers.iter().filter(|node| is_gone(&node.id)).map(|node| node.id.clone()).collect();
        if !gone.is_empty() {
            return Some(Mending::Forget { ids: gone.into_iter().collect() });
        }
        if let Some(pod) = self.forgotten() {
            return Some(Mending::Reset { address: pod.address.clone() });
        }
        if !strangers.is_empty() || self.copying().is_some() {
            return None;
        }
        let mut alone = self.answers().filter(|(_, said)| said.nodes.len() < 2).peekable();
        if alone.peek().is_some() {
            return alone.find_map(|(pod, _)| self.met(pod));
        }
        self.drained().or_else(|| self.evened())
    }

    /// The operator adds a pod that knows no other node, because the pod is missing as a leader or a
    /// follower. But if a follower took over from a leader that has lost its volumes, neither is missing.
    fn met(&self, alone: &Pod) -> Option<Mending> {
        let (at, _) = self.serving().next()?;
        let is_all_served = self.serving().count() == self.masters && self.slots_served() == SLOTS;
        let is_superfluous = alone.is_leader && is_all_served;
        is_superfluous.then(|| Mending::Meet { address: alone.address.clone(), at: at.address.clone() })
    }

    /// How many slots the existing masters serve.
    fn slots_served(&self) -> u32 {
        self.serving().filter_map(|(_, said)| said.myself()).map(Node::slot_count).sum()
    }

    /// A pod that knows other nodes, while no other node knows it: it was removed and came back with its
    /// volumes. The operator cannot add the pod, because redis-cli adds only nodes that know no other
    /// node. The pod serves no slot, so nothing is lost; and Redis never resets a master that has keys.
    fn forgotten(&self) -> Option<&Pod> {
        let is_known = |pod: &Pod, id: &str| {
            let at = |node: &Node| node.address.as_ref().is_some_and(|at| at.host == pod.address);
            let others = self.answers().filter(|(other, _)| other.name != pod.name);
            others
                .flat_map(|(_, said)| &said.nodes)
                .any(|node| node.id == id || at(node) || node.has("handshake"))
        };
        // Otherwise the pod may be the last with the keys of a shard.
        if self.slots_served() != SLOTS {
            return None;
        }
        let is_forgotten = |pod: &Pod, said: &Said| {
            let joins = said.nodes.iter().any(|node| node.has("handshake"));
            said.nodes.len() > 1
                && !joins
                && said.myself().is_some_and(|node| node.slots.is_empty() && !is_known(pod, &node.id))
        };
        self.answers().find(|(pod, said)| is_forgotten(pod, said)).map(|(pod, _)| pod)
    }

    /// A leader that is a follower, in a healthy cluster. If there is one when shards are removed, the
    /// operator (v0.26) makes it take over, counts the masters before that is done, and deletes the pods of a
    /// shard with all their slots.
    pub fn leader_that_follows(&self) -> Option<Mending> {
        let follows = |said: &Said| !said.myself().is_some_and(Node::is_master);
        let (pod, _) = self.answers().find(|(pod, said)| pod.is_leader && follows(said))?;
        Some(Mending::TakeOver { address: pod.address.clone() })
    }

    /// All pods exist, and more masters serve slots than there should be shards. redis-cli moves only slots of masters that
    /// the node knows which it asks: one that has come back may take itself for a master for a while.
    fn drained(&self) -> Option<Mending> {
        let is_one_too_many = self.serving().count() > self.masters && self.moving().is_empty();
        let (at, asked) = self.serving().find(|(pod, _)| pod.is_leader).filter(|_| is_one_too_many)?;
        let followers = self.serving().filter(|(pod, _)| !pod.is_leader);
        let (_, said) = followers.min_by_key(|(_, said)| followers_of(said))?;
        let id = said.myself()?.id.clone();
        let is_known = asked.nodes.iter().any(|node| node.id == id && node.is_master());
        is_known.then(|| Mending::Drain { id, at: at.address.clone() })
    }

    /// Pods are removed by their ordinal, whatever master they follow: one master may be left with too few
    /// followers, another with too many. And a pod that came back without its volumes is an empty master, or
    /// follows a node that is now a follower itself.
    fn evened(&self) -> Option<Mending> {
        if self.serving().count() != self.masters {
            return None;
        }
        let wanted = self.followers_each();
        let (_, poor) = self.serving().find(|(_, said)| followers_of(said) < wanted)?;
        let poor = poor.myself()?;
        let is_idle =
            |said: &Said| said.myself().is_some_and(|node| node.is_master() && node.slots.is_empty());
        if let Some((idle, _)) = self.answers().find(|(_, said)| is_idle(said)) {
            return Some(Mending::Follow { address: idle.address.clone(), master: poor.id.clone() });
        }
        let serves =
            |id: &str| self.serving().any(|(_, said)| said.myself().is_some_and(|node| node.id == id));
        let follows_nobody = |said: &Said| {
            let master = said.myself().and_then(|node| node.master.as_deref());
            master.is_some_and(|master| !serves(master))
        };
        if let Some((pod, _)) = self.answers().find(|(_, said)| follows_nobody(said)) {
            return Some(Mending::Follow { address: pod.address.clone(), master: poor.id.clone() });
        }
        let (_, rich) = self.serving().find(|(_, said)| followers_of(said) > wanted)?;
        let rich = rich.myself()?;
        let follows =
            |said: &Said| said.myself().is_some_and(|node| node.master.as_deref() == Some(rich.id.as_str()));
        let (pod, _) = self.answers().filter(|(_, said)| follows(said)).last()?;
        Some(Mending::Follow { address: pod.address.clone(), master: poor.id.clone() })
    }
}
