//! A cluster with everybody who acts on it: the operator, the StatefulSet controller, the nodes among themselves, and
//! applications that write to all slots. After every tick and deed, all that was acknowledged is in the master of its slots,
//! and no slots are without a master for longer than it takes a follower to take over.
//!
//! A tick is about five seconds.

mod controller;
mod deeds;
mod frame;
mod gossip;
mod operator;
mod replication;
mod scenarios;
mod seen;
mod slots;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value as Json, json};

use self::scenarios::custom_resource;
use super::clock::{Actor, Clock, Fault};
use super::{World, key_of, made};
use crate::redis::answers::set::Set;
use crate::redis::answers::shards::Shards;
use crate::redis::desired::Desired;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, text};
use crate::redis::opstree::{Hold, Kind};
use crate::redis::topology::{Part, Topology};

pub(super) use self::scenarios::scenario;

/// Slots go in parts, which three and four shards can share evenly.
const CHUNKS: usize = 12;
/// From when a pod is gone until the next of its name is Ready.
const START: u32 = 3;
/// For how long a node may be silent before the others say that it has failed.
const SILENCE: u32 = 2;
/// For how long a replica copies: longer than the operator's patience.
const COPY: u32 = 4;
/// How often the operator looks if nobody wakes it.
const PERIOD: u32 = 3;
/// For how long a node does not listen to what others say of one that it has forgotten.
const FORGOTTEN: u32 = 12;
/// For how long slots may be without a master: it is silent, a follower is elected, and the next write finds it.
const WITHOUT_MASTER: u32 = SILENCE + 1;

/// How often each part of the slots was written to.
type Data = [u64; CHUNKS];

/// What a node knows of one: a line of its nodes.conf.
#[derive(Clone, Debug)]
struct Entry {
    /// The host name that it announces.
    name: String,
    address: String,
    master: Option<String>,
    slots: BTreeSet<usize>,
    epoch: u64,
    /// When it was last heard of.
    heard: u32,
}

/// What is on the volumes of a pod.
#[derive(Clone, Debug)]
struct Disk {
    id: String,
    /// By id, itself among them.
    knows: BTreeMap<String, Entry>,
    data: Data,
}

/// The link of a replica to its master.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    Down,
    /// It has so many ticks to go.
    Copying(u32),
    Up,
    /// It had all of its master's data when the master went: it may take over.
    Lost,
}

/// Redis in a pod.
#[derive(Clone, Debug)]
struct Server {
    part: Part,
    ordinal: usize,
    /// Of the pod; its uid and its address are made of it.
    life: u32,
    revision: String,
    is_ready: bool,
    ready_at: u32,
    /// The password that it was started with, and all that it accepts; by which it logs in to its master.
    password: String,
    accepts: BTreeSet<String>,
    uses: String,
    disk: Disk,
    link: Link,
    /// Whether it has had its present data since it was started, so that it could go on from there.
    has_history: bool,
    /// Whether it has heard of the others since it was started; before that it serves nothing.
    has_heard: bool,
    /// Until when it knows nothing of those ids.
    forgotten: BTreeMap<String, u32>,
    /// The addresses that it was told to meet, and whom it is to follow then.
    meets: Vec<String>,
    follows: Option<String>,
    takes_over: bool,
    /// Slots on the move: whether they leave, and the other node.
    moving: BTreeMap<usize, (bool, String)>,
    silent_until: u32,
    /// It does nothing at all until then, and Kubernetes has not noticed.
    hangs_until: u32,
    hangs: bool,
}

impl Server {
    fn name(&self) -> String {
        format!("{}-{}", self.part.name("cache"), self.ordinal)
    }

    fn address(&self) -> String {
        format!("10.0.0.{}", self.life)
    }

    fn is_up(&self) -> bool {
        self.is_ready && !self.hangs
    }

    fn is_leader(&self) -> bool {
        self.part == leaders()
    }

    fn me(&self) -> &Entry {
        &self.disk.knows[&self.disk.id]
    }

    fn me_mut(&mut self) -> &mut Entry {
        let id = self.disk.id.clone();
        self.disk.knows.get_mut(&id).unwrap()
    }

    fn is_master(&self) -> bool {
        self.me().master.is_none()
    }

    /// Whether it would take a write for that part of the slots.
    fn serves(&self, chunk: usize) -> bool {
        self.is_up() && self.has_heard && self.is_master() && self.me().slots.contains(&chunk)
    }

    fn has_failed(&self, id: &str, now: u32) -> bool {
        self.disk.knows.get(id).is_some_and(|one| now >= one.heard + SILENCE) && id != self.disk.id
    }

    fn finds_failed(&self, now: u32) -> bool {
        self.disk.knows.keys().any(|id| self.has_failed(id, now))
    }
}

fn leaders() -> Part {
    Topology::Cluster.parts()[0]
}

fn parts() -> [Part; 2] {
    Topology::Cluster.parts().try_into().unwrap()
}

/// What only a run knows.
#[derive(Clone, Default)]
struct Run {
    is_watching: bool,
    /// The pause during which the operator was seen to skip the cluster.
    proven: Option<u32>,
    has_saved: bool,
    has_reached: Option<Result<(), String>>,
    shards: Option<Shards>,
    set: Option<Set>,
    silences: u64,
    /// Slots on the move, and since when as they are now.
    moving: (Vec<String>, u32),
}

#[derive(Clone)]
pub(super) struct ClusterWorld {
    desired: Desired,
    live: Json,
    stateful_sets: BTreeMap<String, Json>,
    /// Hashes on Services, by app.
    hashes: BTreeMap<String, String>,
    servers: Vec<Server>,
    /// Of pods that are gone.
    volumes: BTreeMap<String, Disk>,
    secrets: Vec<String>,
    clock: Clock,
    lives: u32,
    epoch: u64,
    operator: operator::Operator,
    /// What applications were told is written, and for how long they could not write.
    acknowledged: Data,
    unserved: [u32; CHUNKS],
    /// Until then a pod that chance has killed may be missing where another was about to restart.
    excused_until: u32,
    /// For how long a replica copies: not at all while there is nothing yet.
    copying_takes: u32,
    news: Vec<String>,
    /// How often the operator was paused.
    pauses: u32,
    run: Run,
    /// Another apply at the same time.
    other_run: Run,
}

impl ClusterWorld {
    /// As the operator has made it of that custom resource, before anything else is asked for.
    fn made(leaders: usize, followers: usize, image: &str, desired: Desired) -> ClusterWorld {
        let mut world = ClusterWorld {
            desired,
            live: custom_resource(leaders, followers, image, "first"),
            stateful_sets: BTreeMap::new(),
            hashes: BTreeMap::new(),
            servers: Vec::new(),
            volumes: BTreeMap::new(),
            secrets: vec!["first".to_owned()],
            clock: Clock::default(),
            lives: 0,
            epoch: 0,
            operator: operator::Operator::default(),
            acknowledged: [0; CHUNKS],
            unserved: [0; CHUNKS],
            excused_until: u32::MAX,
            copying_takes: 1,
            news: Vec::new(),
            pauses: 0,
            run: Run::default(),
            other_run: Run::default(),
        };
        for _ in 0..200 {
            world.time_passes();
            if text(&world.live, &["status", "state"]) == Some("Ready") && world.whole().is_ok() {
                (world.excused_until, world.copying_takes) = (0, COPY);
                world.news.clear();
                return world;
            }
        }
        panic!("the operator makes no cluster: {:?}\n{}", world.whole(), world.news.join("\n"));
    }

    fn tell(&mut self, news: impl Into<String>) {
        let now = self.clock.now();
        self.news.push(format!("  {now}: {}", news.into()));
    }

    fn hold(&self) -> Hold {
        Hold::of(&self.live)
    }

    fn wanted(&self, part: Part) -> usize {
        usize::try_from(part.replicas(&self.live)).unwrap()
    }

    fn pods_of(&self, part: Part) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |one| one.part == part)
    }

    fn pod(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|one| one.name() == name)
    }

    fn by_address(&self, address: &str) -> Option<usize> {
        self.servers.iter().position(|one| one.is_up() && one.address() == address)
    }

    fn by_id(&self, id: &str) -> Option<usize> {
        self.servers.iter().position(|one| one.is_up() && one.disk.id == id)
    }

    fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }
}
