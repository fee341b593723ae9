//! A replicated set with everybody who acts on it: the operator, the StatefulSet controller, Redis, the sentinels, and
//! applications that write. A change is applied step by step, once as a whole and then cut off after every step. Whatever
//! is done, what was acknowledged stays, and everybody can log in.

mod actors;
mod copying;
mod deeds;
mod forbidden;
mod frame;
mod scenarios;
mod seen;
mod sentinels;
mod stories;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use self::copying::Disk;
use super::clock::{Actor, Clock};
use super::{World, ends_well_wherever_it_is_cut_off, key_of, made};
use crate::redis::answers::Answers;
use crate::redis::answers::set::{Pod, Set, View};
use crate::redis::desired::Desired;
use crate::redis::fixture;
use crate::redis::memory::{Denial, Denied};
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, count, text};
use crate::redis::objects::Role;
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::passwords::{former_passwords, valid_passwords};
use crate::redis::picture::Picture;
use crate::redis::running::Running;
use crate::redis::set::growth;
use crate::redis::set::guarded::sentinels_are_later;
use crate::redis::step::{Move, Step};
use crate::redis::talk::{
    Address, Attached, Flags, Former, Master, MasterLink, Peer, Quorum, Replica, Replication,
};
use crate::redis::topology::{Part, Topology};

pub(super) use self::scenarios::scenario;

/// Redis or a sentinel in a pod.
#[derive(Clone, Debug)]
struct Server {
    part: Part,
    ordinal: usize,
    /// Of the pod; its uid and its address are made of it.
    life: u32,
    revision: String,
    /// What users put on everything.
    team: Option<String>,
    is_ready: bool,
    role: Option<&'static str>,
    /// Whether its label as a master leads astray: the sentinels have replaced it, or the operator has labelled it because it
    /// had just come back, by chance, and said so.
    is_mislabelled: bool,
    /// The password that it was started with, and all that it accepts.
    password: String,
    accepts: BTreeSet<String>,
    /// By which it logs in to its master.
    uses: String,
    /// Whom it follows, or watches.
    master: Option<String>,
    offset: i64,
    history: String,
    former: Option<Former>,
    /// Whether its link to a master was ever up since its start.
    was_up: bool,
    /// When it will have copied everything from its master, if nothing comes between.
    copying_until: Option<u32>,
    /// Until when it answers nobody: its node is short of something.
    silent_until: u32,
    /// What a sentinel knows, and the failover by which it knows the master.
    epoch: u64,
    replicas: BTreeSet<String>,
    peers: BTreeSet<String>,
}

impl Server {
    fn name(&self) -> String {
        format!("{}-{}", self.part.name("cache"), self.ordinal)
    }

    fn address(&self) -> String {
        format!("10.0.0.{}", self.life)
    }
}

/// What only a run knows.
#[derive(Clone, Default)]
struct Run {
    denied: Denied,
    waited: u32,
    is_watching: bool,
    /// The pause during which the operator was seen to skip the set.
    proven: Option<u32>,
    has_saved: bool,
    has_talked: bool,
    has_reached: bool,
    /// The master, as far as it was asked.
    master: Option<String>,
    has_failed: bool,
}

#[derive(Clone)]
pub(super) struct SetWorld {
    desired: Desired,
    custom_resources: Vec<Json>,
    stateful_sets: Vec<Json>,
    servers: Vec<Server>,
    secrets: Vec<String>,
    lives: u32,
    clock: Clock,
    /// For how many ticks a replica copies that begins anew.
    copies_for: u32,
    /// What pods that ended have left on their volumes, by name.
    disks: BTreeMap<String, Disk>,
    /// Whether chance has killed a pod.
    has_struck: bool,
    /// What applications were told is written, by the master that the sentinels name.
    acknowledged: i64,
    news: Vec<String>,
    /// Since when the sentinels miss the master.
    missed_since: Option<u32>,
    /// Whether somebody has forgotten to grant the right to scale.
    may_not_enlarge: bool,
    /// How often the operator was paused.
    pauses: u32,
    /// Until when we may not reach into pods, and whether the operator was left to restart them for that reason.
    forbidden_until: u32,
    is_left_to_operator: bool,
    /// Whether somebody has unpaused the operator: it may remove pods that it does not know, a master among them.
    has_unpaused: bool,
    run: Run,
    /// Another apply at the same time.
    other_run: Run,
}

fn custom_resource(kind: Kind, size: i64, image: &str, secret: &str, hash: &str) -> Json {
    json!({
        "kind": kind.kind(),
        "metadata": {
            "name": "cache", "uid": kind.plural(),
            "annotations": { annotation::SPEC_HASH: hash, annotation::CLAIM: "mine" },
            "labels": { "team": "a" },
            "finalizers": [kind.finalizer()],
        },
        "spec": {
            "clusterSize": size,
            "kubernetesConfig": {
                "image": image,
                "redisSecret": { "name": secret, "key": "password" },
                "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": null },
            },
        },
    })
}

fn custom_resources(size: i64, image: &str, secret: &str) -> Vec<Json> {
    let hash = format!("{size}{image}{secret}");
    vec![
        custom_resource(Kind::RedisReplication, size, image, secret, &hash),
        custom_resource(Kind::RedisSentinel, 3, image, secret, &hash),
    ]
}

/// The same, without sentinels.
fn without_sentinels(mut desired: Desired) -> Desired {
    desired.topology = Topology::Replication;
    desired.custom_resources.truncate(1);
    desired
}

/// The same, of that team.
fn of_team(team: &str, mut desired: Desired) -> Desired {
    for custom_resource in &mut desired.custom_resources {
        custom_resource["metadata"]["labels"]["team"] = json!(team);
        let hash = mark(custom_resource, annotation::SPEC_HASH).unwrap().to_owned();
        custom_resource["metadata"]["annotations"][annotation::SPEC_HASH] = json!(format!("{hash}-{team}"));
    }
    desired
}

fn desired(size: i64, image: &str, secret: &str) -> Desired {
    let plain = fixture::desired(Topology::Sentinel);
    let mut password = plain.of_role(Role::Password).unwrap().clone();
    (password.key, password.object) = (key_of(secret), made(secret));
    Desired { custom_resources: custom_resources(size, image, secret), objects: vec![password], ..plain }
}

impl SetWorld {
    /// A set of three and three sentinels, of which `master` is the master, before anything is changed.
    fn new(master: usize, desired: Desired) -> SetWorld {
        SetWorld::of(3, master, desired)
    }

    /// The same, with so many pods.
    fn of(size: i64, master: usize, desired: Desired) -> SetWorld {
        let mut before = custom_resources(size, "old", "first");
        before.truncate(desired.custom_resources.len());
        let mut world = SetWorld {
            custom_resources: before,
            stateful_sets: Vec::new(),
            servers: Vec::new(),
            secrets: vec!["first".to_owned()],
            lives: 0,
            clock: Clock::default(),
            copies_for: 0,
            disks: BTreeMap::new(),
            has_struck: false,
            acknowledged: 100,
            missed_since: None,
            news: Vec::new(),
            may_not_enlarge: false,
            pauses: 0,
            has_unpaused: false,
            forbidden_until: 0,
            is_left_to_operator: false,
            run: Run::default(),
            other_run: Run::default(),
            desired,
        };
        world.operator_reconciles();
        (0..size.max(3)).for_each(|_| world.controller_makes_pods());
        let host =
            world.servers.iter().find(|one| one.part.has_data() && one.ordinal == master).unwrap().address();
        for server in &mut world.servers {
            server.is_ready = true;
            server.offset = 100;
            server.history = "first".to_owned();
            (server.former, server.was_up) = (None, true);
            let is_master = server.part.has_data() && server.ordinal == master;
            server.master = Some(host.clone()).filter(|_| !is_master);
            server.role = server.part.has_data().then_some(if is_master { "master" } else { "slave" });
        }
        world.sentinels_look();
        world.custom_resources[0]["status"] = json!({ "masterNode": format!("cache-{master}") });
        world
    }

    fn data(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|one| one.part.has_data())
    }

    fn is_silent(&self, server: &Server) -> bool {
        server.silent_until > self.clock.now()
    }

    fn is_silent_pod(&self, name: &str) -> bool {
        self.servers.iter().any(|one| one.name() == name && self.is_silent(one))
    }

    fn find(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|one| one.name() == name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn at(&self, address: &str) -> Option<&Server> {
        self.servers.iter().find(|one| one.address() == address)
    }

    fn live(&self, kind: Kind) -> &Json {
        self.custom_resources.iter().find(|one| Kind::of(one) == Some(kind)).unwrap()
    }

    fn live_mut(&mut self, kind: Kind) -> &mut Json {
        self.custom_resources.iter_mut().find(|one| Kind::of(one) == Some(kind)).unwrap()
    }

    /// Whether it is proven that the operator leaves the set alone.
    fn is_quiet(&self) -> bool {
        let pause = |kind| self.picture_of_custom_resources().pause(kind).map(str::to_owned);
        let proven = self.run.proven.map(|pause| pause.to_string());
        proven.is_some() && self.kinds().all(|kind| pause(kind) == proven)
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        self.desired.topology.kinds().iter().copied()
    }

    fn picture_of_custom_resources(&self) -> Picture {
        Picture { custom_resources: self.custom_resources.clone(), ..Picture::default() }
    }

    fn is_paused(&self, kind: Kind) -> bool {
        mark(self.live(kind), kind.skip_reconcile()) == Some("true")
    }
}
