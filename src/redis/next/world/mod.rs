//! A replicated set with everybody who acts on it: the operator, the StatefulSet controller, Redis, the sentinels, and
//! applications that write. A change is applied step by step, once as a whole and then cut off after every step. Whatever
//! is done, what was acknowledged stays, and everybody can log in.

mod actors;
mod deeds;
mod seen;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::next;
use crate::redis::answers::Answers;
use crate::redis::answers::set::{Pod, Set, View};
use crate::redis::desired::{Desired, Form};
use crate::redis::fixture;
use crate::redis::memory::Memory;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, count, text};
use crate::redis::objects::{Key, Role};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::passwords::{former_passwords, valid_passwords};
use crate::redis::picture::Picture;
use crate::redis::running::Running;
use crate::redis::set::guarded::sentinels_are_later;
use crate::redis::set::ordinal;
use crate::redis::step::{Move, Next, Step};
use crate::redis::talk::{
    Address, Attached, Flags, Former, Master, MasterLink, Peer, Quorum, Replica, Replication,
};
use crate::redis::topology::{Part, Topology};
use crate::redis::waiting::Cause;

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
    /// What a sentinel knows.
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

#[derive(Clone)]
struct World {
    desired: Desired,
    custom_resources: Vec<Json>,
    stateful_sets: Vec<Json>,
    servers: Vec<Server>,
    secrets: Vec<String>,
    lives: u32,
    /// What applications were told is written.
    acknowledged: i64,
    // What only this run knows.
    is_watching: bool,
    is_quiet: bool,
    has_talked: bool,
    has_reached: bool,
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

/// A Secret of ours.
fn key_of(secret: &str) -> Key {
    let (namespace, name) = ("redis".to_owned(), secret.to_owned());
    Key { role: Role::Password, kind: "Secret", namespace, name }
}

fn made(secret: &str) -> Json {
    let mut object = fixture::claimed("mine");
    object["metadata"]["name"] = json!(secret);
    object
}

impl World {
    /// A set of three and three sentinels, of which `master` is the master, before anything is changed.
    fn new(master: usize, desired: Desired) -> World {
        let mut world = World {
            custom_resources: custom_resources(3, "old", "first"),
            stateful_sets: Vec::new(),
            servers: Vec::new(),
            secrets: vec!["first".to_owned()],
            lives: 0,
            acknowledged: 100,
            is_watching: false,
            is_quiet: false,
            has_talked: false,
            has_reached: false,
            desired,
        };
        world.operator_reconciles();
        world.controller_makes_pods();
        let host =
            world.servers.iter().find(|one| one.part.has_data() && one.ordinal == master).unwrap().address();
        for server in &mut world.servers {
            server.is_ready = true;
            server.offset = 100;
            server.history = "first".to_owned();
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

    fn is_paused(&self, kind: Kind) -> bool {
        mark(self.live(kind), kind.skip_reconcile()) == Some("true")
    }

    /// Runs until it is done, or has done that many things; a look is none.
    fn run(&mut self, deeds: usize) -> (bool, Vec<String>) {
        let mut taken = Vec::new();
        let mut waits = 0;
        while taken.len() < deeds {
            match next(&self.desired, &self.picture(), &Memory::default()) {
                Next::Done => return (true, taken),
                Next::Do(step) => {
                    if !step.is_a_look() {
                        taken.push(shown(&step));
                    }
                    self.carry_out(&step);
                    self.applications_write();
                }
                Next::Wait(waiting) => {
                    waits += 1;
                    assert!(waits < 300, "waits for ever: {waiting:?} after {taken:#?}");
                    self.has_talked = false;
                    self.has_reached = false;
                    self.time_passes();
                }
                Next::Stuck(waiting) => panic!("stuck: {waiting:?} after {taken:#?}"),
            }
            assert!(taken.len() < 300, "goes on for ever: {taken:#?}");
        }
        (false, taken)
    }

    /// The provider is killed: what only the run knew is lost.
    fn cut_off(&mut self) {
        self.is_watching = false;
        self.is_quiet = false;
        self.has_talked = false;
        self.has_reached = false;
    }

    fn is_as_wanted(&mut self) {
        self.time_passes();
        let wanted = text(self.desired.data(), &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap();
        for server in &self.servers {
            assert_eq!(server.accepts, BTreeSet::from([wanted.to_owned()]), "{}", server.name());
            assert!(server.is_ready && server.password == wanted);
        }
        assert_eq!(self.secrets, [wanted]);
        assert_eq!(self.data().filter(|one| one.master.is_none()).count(), 1);
        assert!(self.data().all(|one| one.offset == self.acknowledged));
        for live in &self.custom_resources {
            let marks = at(live, &["metadata", "annotations"]).to_string();
            assert!(!marks.contains("\"true\"") && !marks.contains("updating"), "{marks}");
        }
    }
}

fn shown(step: &Step) -> String {
    match step {
        Step::Roll(Move::Delete { pod, .. }) => format!("delete {pod}"),
        Step::Roll(Move::Follow { pod, .. }) => format!("{pod} follows"),
        Step::Roll(Move::Promote { pod }) => format!("promote {pod}"),
        Step::Roll(Move::Label { pod, role }) => format!("{pod} is {role}"),
        Step::Roll(Move::Admit { pod }) => format!("{pod} accepts both"),
        Step::Roll(Move::Expel { pod }) => format!("{pod} accepts one"),
        Step::Roll(Move::Watch { pod, .. }) => format!("{pod} watches"),
        Step::Roll(Move::HandOver { from, to }) => format!("{from} hands over to {to}"),
        Step::ApplyCustomResource { kind, form, .. } => {
            let form = match form {
                Form::Final => "",
                Form::Rolled => " guarded",
                Form::Without(_) => " unlabelled",
            };
            format!("write {}{form}", kind.kind())
        }
        Step::CreateObject(key) => format!("create {key}"),
        Step::DeleteObject(key) => format!("delete {key}"),
        Step::Unpause(kind) => format!("unpause {}", kind.kind()),
        Step::LabelPods(kind) => format!("label the pods of {}", kind.kind()),
        step => step.name().to_owned(),
    }
}

/// As a whole, and cut off after each deed and once more soon after: it ends well.
fn ends_well_wherever_it_is_cut_off(start: &World) -> Vec<String> {
    let mut whole = start.clone();
    let (is_done, steps) = whole.run(usize::MAX);
    assert!(is_done);
    whole.is_as_wanted();
    for first in 1..=steps.len() {
        let mut world = start.clone();
        for deeds in [first, first % 3] {
            world.run(deeds);
            world.cut_off();
            world.time_passes();
        }
        assert!(world.run(usize::MAX).0, "cut off after {first}");
        world.is_as_wanted();
    }
    steps.into_iter().filter(|step| step != "make the operator look again").collect()
}

#[test]
fn another_image() {
    let steps = ends_well_wherever_it_is_cut_off(&World::new(0, desired(3, "new", "first")));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn another_password() {
    let steps = ends_well_wherever_it_is_cut_off(&World::new(1, desired(3, "old", "second")));
    insta::assert_debug_snapshot!(steps);
}

/// A Secret that the user keeps comes later than the change that refers to it.
#[test]
fn another_password_that_is_not_there_yet() {
    let mut world = World::new(1, Desired { objects: Vec::new(), ..desired(3, "old", "second") });
    for _ in 0..2 {
        let mut taken = Vec::new();
        let waiting = loop {
            match next(&world.desired, &world.picture(), &Memory::default()) {
                Next::Do(step) => {
                    taken.push(shown(&step));
                    assert!(step.is_a_look(), "{taken:?}");
                    world.carry_out(&step);
                }
                Next::Wait(waiting) => break waiting,
                other => panic!("{other:?} after {taken:?}"),
            }
        };
        assert_eq!(waiting.cause, Cause::Reference);
        assert_eq!(waiting.why, "there is no key password of Secret second, which should hold the password");
        // It is looked for again, and nothing else is done.
        world.has_talked = false;
        world.time_passes();
    }
    world.secrets.push("second".to_owned());
    ends_well_wherever_it_is_cut_off(&world);
}

#[test]
fn fewer_pods_than_the_masters_number() {
    let steps = ends_well_wherever_it_is_cut_off(&World::new(2, desired(2, "old", "first")));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn another_label() {
    let steps = ends_well_wherever_it_is_cut_off(&World::new(0, of_team("b", desired(3, "old", "first"))));
    insta::assert_debug_snapshot!(steps);
}

/// The label that a run was cut off with is not the one that is asked for next.
#[test]
fn another_label_after_another() {
    let start = World::new(0, of_team("b", desired(3, "old", "first")));
    let (_, steps) = start.clone().run(usize::MAX);
    for first in 1..=steps.len() {
        let mut world = start.clone();
        world.run(first);
        world.cut_off();
        world.desired = of_team(["a", "c"][first % 2], desired(3, "old", "first"));
        assert!(world.run(usize::MAX).0, "cut off after {first}");
        world.is_as_wanted();
    }
}

#[test]
fn all_of_it_at_once() {
    let desired = desired(2, "new", "second");
    ends_well_wherever_it_is_cut_off(&World::new(2, desired.clone()));
    ends_well_wherever_it_is_cut_off(&World::new(2, of_team("b", desired)));
}

/// Two pods restarted within a second of each other, the master among them (facts: the operator does not handle it).
#[test]
fn no_master_is_left() {
    let mut world = World::new(0, desired(3, "old", "first"));
    for server in &mut world.servers {
        server.master = Some("10.9.9.9".to_owned());
        server.role = server.part.has_data().then_some("slave");
        server.replicas.clear();
    }
    world.find("cache-1").offset = 101;
    world.acknowledged = 101;
    world.operator_reconciles();
    let steps = ends_well_wherever_it_is_cut_off(&world);
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn a_pause_of_somebody_else_stays() {
    for is_guarded in [true, false] {
        let mut world = World::new(0, Desired { is_guarded, ..desired(3, "new", "first") });
        for kind in [Kind::RedisReplication, Kind::RedisSentinel] {
            world.live_mut(kind)["metadata"]["annotations"][kind.skip_reconcile()] = json!("true");
        }
        let waiting = loop {
            match next(&world.desired, &world.picture(), &Memory::default()) {
                Next::Do(step) => world.carry_out(&step),
                Next::Wait(waiting) => break waiting,
                other => panic!("{other:?}"),
            }
            assert!(world.is_paused(Kind::RedisReplication) && world.is_paused(Kind::RedisSentinel));
        };
        assert_eq!(waiting.cause, Cause::SkipReconcile);
    }
}

#[test]
fn the_number_of_a_pod() {
    assert_eq!((ordinal("cache-2"), ordinal("cache")), (Some(2), None));
}
