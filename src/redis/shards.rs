//! The nodes of a Redis Cluster, as each of them tells: whether they agree and serve all slots, and what keeps them from
//! it that can be mended without asking.
//!
//! The operator asks its first pod alone, and counts. A pod that is Ready may still be copying its master's data, and a node
//! that is gone stays in the tables of the others for ever.

use std::collections::BTreeSet;

use super::talk::{Link, Node, Replication};

/// All slots of a cluster.
pub const SLOTS: u32 = 16384;

/// What the pods of a cluster tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shards {
    /// All pods.
    pub pods: Vec<Pod>,
    /// How many masters there are to be.
    pub masters: usize,
    /// How many pods in all.
    pub size: usize,
    /// Whether the operator is proven to leave it alone.
    pub is_quiet: bool,
    /// Whether the same slots have been on the move for so long that whoever moved them has given up.
    pub is_stalled: bool,
}

/// A pod of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Whether it is one of the operator's leaders. It need not be a master: followers take over when it restarts.
    pub is_leader: bool,
    /// What it tells; `None`: it does not answer.
    pub said: Option<Said>,
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which nodes it knows, itself among them.
    pub nodes: Vec<Node>,
    /// Whom it follows, or who follows it.
    pub replication: Replication,
}

/// What mends a cluster without a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mending {
    /// Every pod forgets nodes that are gone.
    Forget {
        /// Their ids.
        ids: Vec<String>,
    },
    /// A follower of a master that has too many follows one that has too few.
    Follow {
        /// The follower's address.
        address: String,
        /// The id of its new master.
        master: String,
    },
    /// A leader that came back without its volumes, and is not needed as a master any more, joins the cluster again.
    Meet {
        /// The pod's address.
        address: String,
        /// The address of one that is in the cluster.
        at: String,
    },
    /// Slots whose move was broken off are where they belong again.
    CloseSlots {
        /// The address of one that is in the cluster.
        at: String,
    },
    /// A master too many gives its slots to the others: met by the operator, a leader that came back without its volumes was
    /// given slots beside the follower that had taken its place.
    Drain {
        /// The master's id.
        id: String,
        /// The address of one that is in the cluster.
        at: String,
    },
    /// A pod that came back with what it knew before it was forgotten begins anew, so that it can be added again.
    Reset {
        /// Its address.
        address: String,
    },
    /// A follower takes over from its master, which agrees to it: no write is lost.
    TakeOver {
        /// The follower's address.
        address: String,
    },
}

impl Said {
    fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.has("myself"))
    }
}

impl Shards {
    /// A replica that is copying all of its master's data, in words. Left alone it ends; but the operator (v0.26) makes it
    /// begin anew every 15 s, and the next pod that restarts may be the master that it copies from.
    pub fn copying(&self) -> Option<String> {
        let answers = || self.pods.iter().filter_map(|pod| Some((pod, pod.said.as_ref()?)));
        answers().find_map(|(pod, said)| {
            let link = said.replication.master.as_ref()?;
            // Until its turn comes, only the master knows that it wants to copy.
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

    /// Whether all nodes agree, all slots are served, and every master has its followers. `Err` says what is not so.
    pub fn whole(&self) -> Result<(), String> {
        if self.pods.len() != self.size {
            return Err(format!("{} of {} pods are there", self.pods.len(), self.size));
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

    /// Whether what a node tells is as it should be.
    fn agrees(&self, pod: &Pod, said: &Said) -> Result<(), String> {
        let named = |node: &Node| self.named_by_id(&node.id).unwrap_or_else(|| place(node));
        for node in &said.nodes {
            let wrong = ["fail", "fail?", "handshake", "noaddr"].into_iter().find(|flag| node.has(flag));
            if let Some(flag) = wrong {
                return Err(format!("{} finds {} {flag}", pod.name, named(node)));
            }
            if node.link == Link::Disconnected && !node.has("myself") {
                return Err(format!("{} has no link to {}", pod.name, named(node)));
            }
            if !node.moving.is_empty() {
                return Err(format!("slots are moved to or from {}", named(node)));
            }
        }
        if said.nodes.len() != self.size {
            return Err(format!("{} knows {} of {} nodes", pod.name, said.nodes.len(), self.size));
        }
        let slots: u32 = said.nodes.iter().filter(|node| node.is_master()).map(Node::slot_count).sum();
        if slots != SLOTS {
            return Err(format!("{} finds {slots} of {SLOTS} slots served", pod.name));
        }
        let masters = || said.nodes.iter().filter(|node| node.is_master());
        if masters().count() != self.masters {
            return Err(format!("{} finds {} of {} masters", pod.name, masters().count(), self.masters));
        }
        match masters().find(|node| node.slots.is_empty()) {
            Some(empty) => Err(format!("{} has no slots yet", named(empty))),
            None => Ok(()),
        }
    }

    /// The slots that are on the move, as the nodes tell it.
    pub fn moving(&self) -> Vec<&str> {
        let nodes = self.answers().filter_map(|(_, said)| said.myself());
        nodes.flat_map(|node| &node.moving).map(String::as_str).collect()
    }

    /// Slots that nobody goes on moving: the operator begins nothing before they are closed, and cannot close them. Nor can
    /// redis-cli while a node is known that has failed.
    pub fn left_open(&self) -> Option<Mending> {
        let mut known = self.answers().flat_map(|(_, said)| &said.nodes);
        let is_left = (self.is_quiet || self.is_stalled)
            && !self.moving().is_empty()
            && !known.any(|node| node.has("fail") || node.has("noaddr"));
        let (at, _) =
            self.answers().find(|(_, said)| said.myself().is_some_and(|node| !node.slots.is_empty()))?;
        is_left.then(|| Mending::CloseSlots { at: at.address.clone() })
    }

    /// What would bring the cluster nearer to being whole. Only where every pod answers: a node that is known and is none of
    /// them is certainly gone then.
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

    /// A pod that has met nobody is the operator's to add, as it lacks a leader or followers. But where a follower took over
    /// from a leader that has lost its volumes, it lacks neither.
    fn met(&self, alone: &Pod) -> Option<Mending> {
        let (at, said) = self.serving().next()?;
        let slots: u32 = said.nodes.iter().map(Node::slot_count).sum();
        let is_superfluous = alone.is_leader && self.serving().count() == self.masters && slots == SLOTS;
        is_superfluous.then(|| Mending::Meet { address: alone.address.clone(), at: at.address.clone() })
    }

    /// A pod that knows others, and is known to none: one whose number went and came back with its volumes. The operator
    /// cannot add it, as redis-cli adds only nodes that know nobody. It serves no slot, so nothing is lost; and Redis resets no
    /// master that has keys.
    fn forgotten(&self) -> Option<&Pod> {
        let is_known = |pod: &Pod, id: &str| {
            let at = |node: &Node| node.address.as_ref().is_some_and(|at| at.host == pod.address);
            let others = self.answers().filter(|(other, _)| other.name != pod.name);
            others
                .flat_map(|(_, said)| &said.nodes)
                .any(|node| node.id == id || at(node) || node.has("handshake"))
        };
        let is_forgotten = |pod: &Pod, said: &Said| {
            let joins = said.nodes.iter().any(|node| node.has("handshake"));
            said.nodes.len() > 1
                && !joins
                && said.myself().is_some_and(|node| node.slots.is_empty() && !is_known(pod, &node.id))
        };
        self.answers().find(|(pod, said)| is_forgotten(pod, said)).map(|(pod, _)| pod)
    }

    /// A leader that follows, in a cluster that is whole. Where one does, the operator (v0.26) has it take over when shards
    /// are to go, counts the masters before that is done, and deletes the pods of a shard with all their slots.
    pub fn leader_that_follows(&self) -> Option<Mending> {
        let follows = |said: &Said| !said.myself().is_some_and(Node::is_master);
        let (pod, _) = self.answers().find(|(pod, said)| pod.is_leader && follows(said))?;
        Some(Mending::TakeOver { address: pod.address.clone() })
    }

    /// All pods are there, and more of them serve than there are to be shards.
    fn drained(&self) -> Option<Mending> {
        let is_one_too_many = self.serving().count() > self.masters && self.moving().is_empty();
        let (at, _) = self.serving().find(|(pod, _)| pod.is_leader).filter(|_| is_one_too_many)?;
        let followers = self.serving().filter(|(pod, _)| !pod.is_leader);
        let (_, said) = followers.min_by_key(|(_, said)| followers_of(said))?;
        Some(Mending::Drain { id: said.myself()?.id.clone(), at: at.address.clone() })
    }

    /// Pods go by their number, whoever they follow: one master may be left with too few, another with too many. And one that
    /// came back without its volumes is a master of nothing, or follows one that follows by now.
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

/// How many follow this master, as it knows itself.
fn followers_of(said: &Said) -> usize {
    let Some(myself) = said.myself() else { return 0 };
    said.nodes.iter().filter(|node| node.master.as_deref() == Some(myself.id.as_str())).count()
}

/// A node that is no pod, in words.
fn place(node: &Node) -> String {
    match (&node.hostname, &node.address) {
        (Some(host), _) => format!("a former {host}"),
        (None, Some(address)) => format!("a former node at {address}"),
        (None, None) => "a former node".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{Address, Attached, MasterLink, SlotRange};
    use super::*;

    fn address(host: &str) -> Address {
        Address { host: host.to_owned(), port: 6379 }
    }

    /// Three masters and three replicas, `n0`…`n5`: `n3` follows `n0`.
    fn cluster() -> Shards {
        shards(&[0, 1, 2])
    }

    /// As above, with other masters for the three replicas.
    fn shards(masters: &[usize]) -> Shards {
        let first = [0, 5461, 10923];
        let last = [5460, 10922, 16383];
        let node = |index: usize, myself: usize| {
            let role = if index < 3 { "master" } else { "slave" };
            let flags = if index == myself { vec!["myself", role] } else { vec![role] };
            Node {
                id: format!("id{index}"),
                address: Some(address(&format!("ip{index}"))),
                hostname: Some(format!("n{index}")),
                flags: flags.into_iter().map(str::to_owned).collect(),
                master: (index >= 3).then(|| format!("id{}", masters[index - 3])),
                config_epoch: 1,
                link: Link::Connected,
                slots: (index < 3)
                    .then(|| SlotRange { first: first[index], last: last[index] })
                    .into_iter()
                    .collect(),
                moving: Vec::new(),
            }
        };
        let replication = |index: usize| Replication {
            master: (index >= 3).then(|| MasterLink {
                address: address(&format!("ip{}", masters[index - 3])),
                is_up: true,
                is_syncing: false,
                last_io_seconds_ago: Some(0),
                priority: Some(100),
            }),
            replicas: (3..6)
                .filter(|replica| masters[replica - 3] == index)
                .map(|replica| Attached {
                    address: address(&format!("ip{replica}")),
                    state: "online".to_owned(),
                    offset: 7,
                    lag: 0,
                })
                .collect(),
            history: "h".to_owned(),
            former: None,
            offset: 7,
            failover_state: None,
        };
        let pod = |index: usize| Pod {
            name: format!("n{index}"),
            address: format!("ip{index}"),
            is_leader: index < 3,
            said: Some(Said {
                nodes: (0..6).map(|other| node(other, index)).collect(),
                replication: replication(index),
            }),
        };
        Shards { pods: (0..6).map(pod).collect(), masters: 3, size: 6, ..Shards::default() }
    }

    fn link(shards: &mut Shards, index: usize) -> &mut MasterLink {
        shards.pods[index].said.as_mut().unwrap().replication.master.as_mut().unwrap()
    }

    /// A node that all know, and that is none of the pods.
    fn with_stranger(mut shards: Shards, flags: &[&str], slots: Vec<SlotRange>) -> Shards {
        for said in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
            let mut stranger = said.nodes[5].clone();
            stranger.id = "gone".to_owned();
            stranger.hostname = Some("n6".to_owned());
            stranger.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
            stranger.slots = slots.clone();
            said.nodes.push(stranger);
        }
        shards
    }

    #[test]
    fn a_whole_cluster() {
        assert_eq!(cluster().whole(), Ok(()));
        assert_eq!((cluster().copying(), cluster().mending()), (None, None));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_pod_that_says_it() {
        let wrong = |change: &dyn Fn(&mut Said)| {
            let mut shards = cluster();
            change(shards.pods[1].said.as_mut().unwrap());
            shards.whole().unwrap_err()
        };
        assert_eq!(wrong(&|said| said.nodes[4].flags.push("fail?".to_owned())), "n1 finds n4 fail?");
        assert_eq!(wrong(&|said| said.nodes[4].link = Link::Disconnected), "n1 has no link to n4");
        assert_eq!(wrong(&|said| drop(said.nodes.pop())), "n1 knows 5 of 6 nodes");
        assert_eq!(
            wrong(&|said| said.nodes[1].moving.push("[7-<-id0]".to_owned())),
            "slots are moved to or from n1"
        );
        assert_eq!(wrong(&|said| said.nodes[0].slots[0].first = 1), "n1 finds 16383 of 16384 slots served");
        let mut shards = cluster();
        shards.pods[2].said = None;
        assert_eq!(shards.whole().unwrap_err(), "n2 does not answer");
        shards.pods.pop();
        assert_eq!(shards.whole().unwrap_err(), "5 of 6 pods are there");
        let mut shards = cluster();
        link(&mut shards, 4).is_up = false;
        shards.pods[1].said.as_mut().unwrap().replication.replicas.clear();
        assert_eq!(shards.whole().unwrap_err(), "n4 has lost its master");
    }

    /// Before its turn, and while it copies: the operator must not interrupt it. A link to an address that is no more is
    /// the operator's to mend.
    #[test]
    fn a_replica_that_copies() {
        let mut shards = cluster();
        (link(&mut shards, 4).is_up, link(&mut shards, 4).is_syncing) = (false, true);
        assert_eq!(shards.copying().as_deref(), Some("n4 is copying the data of n1"));
        assert!(shards.whole().is_err());
        link(&mut shards, 4).is_syncing = false;
        assert!(shards.copying().is_some(), "the master lists it");
        shards.pods[1].said.as_mut().unwrap().replication.replicas.clear();
        assert_eq!(shards.copying(), None);
    }

    #[test]
    fn a_node_that_is_gone_is_forgotten() {
        let forget = Some(Mending::Forget { ids: vec!["gone".to_owned()] });
        for flags in [["slave", "fail"], ["slave", "noaddr"], ["master", "fail"]] {
            let shards = with_stranger(cluster(), &flags, Vec::new());
            assert!(shards.whole().is_err());
            assert_eq!(shards.mending(), forget, "{flags:?}");
        }
        let serves = vec![SlotRange { first: 1, last: 1 }];
        assert_eq!(with_stranger(cluster(), &["master", "fail"], serves).mending(), None, "it has slots");
        assert_eq!(with_stranger(cluster(), &["slave"], Vec::new()).mending(), None, "it is well");
        let mut shards = with_stranger(cluster(), &["slave", "fail"], Vec::new());
        shards.pods[0].said = None;
        assert_eq!(shards.mending(), None, "it may be the pod that does not answer");
    }

    #[test]
    fn followers_are_evened_out() {
        let shards = shards(&[0, 0, 2]);
        assert_eq!(shards.whole().unwrap_err(), "n0 has 2 of 1 followers");
        let follow = Mending::Follow { address: "ip4".to_owned(), master: "id1".to_owned() };
        assert_eq!(shards.mending(), Some(follow));
    }

    #[test]
    fn who_follows_a_follower_follows_a_master() {
        let mut chained = cluster();
        for said in chained.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
            said.nodes[4].master = Some("id3".to_owned());
        }
        let follow = Mending::Follow { address: "ip4".to_owned(), master: "id1".to_owned() };
        assert_eq!(chained.mending(), Some(follow));
    }

    #[test]
    fn a_pod_that_has_met_nobody_is_the_operators_to_add() {
        let mut shards = shards(&[0, 0, 2]);
        shards.pods[5].said.as_mut().unwrap().nodes.retain(|node| node.has("myself"));
        assert_eq!(shards.mending(), None);
    }

    /// A follower has taken its place, so the operator lacks nobody: it would give slots to one it has met, or leave it alone.
    #[test]
    fn a_leader_without_its_volumes_becomes_a_follower() {
        // `n3` has taken over from `n0`, which knows itself alone, by another id.
        let mut shards = cluster();
        let slots = vec![SlotRange { first: 0, last: 5460 }];
        for said in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
            said.nodes[3].flags.retain(|flag| flag != "slave");
            said.nodes[3].flags.push("master".to_owned());
            said.nodes[3].slots.clone_from(&slots);
            said.nodes[3].master = None;
            (said.nodes[0].id, said.nodes[0].slots) = ("new".to_owned(), Vec::new());
        }
        let apart = |mut shards: Shards| {
            for (index, said) in shards.pods.iter_mut().filter_map(|pod| pod.said.as_mut()).enumerate() {
                said.nodes.retain(|node| (node.id == "new") == (index == 0));
            }
            shards
        };
        let alone = apart(shards.clone());
        let meet = Mending::Meet { address: "ip0".to_owned(), at: "ip1".to_owned() };
        assert_eq!(alone.mending(), Some(meet));
        let follow = Mending::Follow { address: "ip0".to_owned(), master: "id3".to_owned() };
        assert_eq!(shards.mending(), Some(follow), "the others know it by now");
        let mut given_slots = shards.clone();
        for said in given_slots.pods.iter_mut().filter_map(|pod| pod.said.as_mut()) {
            said.nodes[0].slots = vec![SlotRange { first: 0, last: 1364 }];
            said.nodes[3].slots = vec![SlotRange { first: 1365, last: 5460 }];
        }
        let drain = Mending::Drain { id: "id3".to_owned(), at: "ip0".to_owned() };
        assert_eq!(given_slots.mending(), Some(drain), "the operator was first");
        let growing = Shards { masters: 4, size: 6, ..alone.clone() };
        assert_eq!(growing.mending(), None, "the operator is to make it the fourth master");
        let mut follower = alone;
        follower.pods[0].is_leader = false;
        assert_eq!(follower.mending(), None, "the operator is to make it a follower");
    }

    #[test]
    fn slots_that_nobody_moves_any_more_are_closed() {
        let mut shards = cluster();
        shards.pods[1].said.as_mut().unwrap().nodes[1].moving.push("[7-<-id0]".to_owned());
        assert_eq!((shards.moving(), shards.mending()), (vec!["[7-<-id0]"], None));
        let close = Some(Mending::CloseSlots { at: "ip0".to_owned() });
        let stalled = Shards { is_stalled: true, ..shards.clone() };
        assert_eq!(stalled.mending(), close);
        // While a shard more or less is under way there are more or fewer pods than are wanted.
        let quiet = Shards { is_quiet: true, size: 8, ..shards };
        assert_eq!(quiet.mending(), close);
        assert_eq!(Shards { is_quiet: true, ..cluster() }.mending(), None);
        let failed = with_stranger(stalled, &["master", "fail"], Vec::new());
        assert_eq!(failed.mending(), Some(Mending::Forget { ids: vec!["gone".to_owned()] }), "that first");
    }

    #[test]
    fn a_pod_that_came_back_and_is_known_to_none_begins_anew() {
        let mut forgotten = cluster();
        for said in forgotten.pods.iter_mut().take(5).filter_map(|pod| pod.said.as_mut()) {
            said.nodes.retain(|node| node.id != "id5");
        }
        assert_eq!(forgotten.mending(), Some(Mending::Reset { address: "ip5".to_owned() }));
        let mut joining = forgotten.clone();
        joining.pods[0].said.as_mut().unwrap().nodes[1].flags.push("handshake".to_owned());
        assert_eq!(joining.mending(), None, "the operator is adding one");
        forgotten.pods[5].said.as_mut().unwrap().nodes[5].slots = vec![SlotRange { first: 1, last: 1 }];
        assert_eq!(forgotten.mending(), None, "it thinks that it serves");
    }

    #[test]
    fn a_leader_that_follows_takes_over_before_shards_go() {
        let mut shards = cluster();
        assert_eq!(shards.leader_that_follows(), None);
        shards.pods[4].is_leader = true;
        assert_eq!(shards.leader_that_follows(), Some(Mending::TakeOver { address: "ip4".to_owned() }));
    }
}
