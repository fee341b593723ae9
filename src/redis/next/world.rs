//! A replicated set with everybody who acts on it: the operator, the StatefulSet controller, Redis, the sentinels, and
//! applications that write. A change is applied step by step, once as a whole and then cut off after every step. Whatever
//! is done, what was acknowledged stays, and everybody can log in.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{
    Companion, CompanionKind, Desired, Next, Observed, Step, former_passwords, next, sentinels_are_later,
    valid_passwords,
};
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, at, count, text};
use crate::redis::opstree::Kind;
use crate::redis::password::PasswordAt;
use crate::redis::ready::Running;
use crate::redis::rollout::{Move, Pod, Set, View, ordinal};
use crate::redis::talk::{
    Address, Attached, Flags, Former, Master, MasterLink, Peer, Quorum, Replica, Replication,
};
use crate::redis::topology::{Part, Topology};

/// Redis or a sentinel in a pod.
#[derive(Clone, Debug)]
struct Server {
    part: Part,
    ordinal: usize,
    /// Of the pod; its uid and its address are made of it.
    life: u32,
    revision: String,
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

fn rolled_by_us(custom_resource: &Json) -> Json {
    let mut guarded = custom_resource.clone();
    guarded["spec"]["kubernetesConfig"]["updateStrategy"]["type"] = json!("OnDelete");
    let hash = mark(custom_resource, annotation::SPEC_HASH).unwrap();
    guarded["metadata"]["annotations"][annotation::SPEC_HASH] = json!(format!("{hash}-guarded"));
    guarded
}

fn desired(size: i64, image: &str, secret: &str) -> Desired {
    let custom_resources = custom_resources(size, image, secret);
    Desired {
        topology: Topology::Sentinel,
        name: "cache".to_owned(),
        namespace: "redis".to_owned(),
        guarded: custom_resources.iter().map(rolled_by_us).collect(),
        custom_resources,
        is_guarded: true,
        companions: Vec::new(),
        secret: Some(secret.to_owned()),
        former_password: None,
        creating: false,
        create_namespace: false,
        wait: true,
    }
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

    /// What the operator makes of the custom resources, and of what it finds in Redis.
    fn operator_reconciles(&mut self) {
        for part in Topology::Sentinel.parts() {
            if self.is_paused(part.kind) {
                continue;
            }
            let live = self.live(part.kind);
            let config = at(live, &["spec", "kubernetesConfig"]);
            let (image, secret) =
                (text(config, &["image"]).unwrap(), text(config, &["redisSecret", "name"]).unwrap());
            let revision = format!("{image}-{secret}");
            let made = json!({
                "metadata": { "name": part.name("cache"), "generation": 1 },
                "hash": mark(live, annotation::SPEC_HASH),
                "spec": {
                    "replicas": part.replicas(live),
                    "updateStrategy": { "type": text(config, &["updateStrategy", "type"]) },
                    "template": { "spec": { "containers": [{ "image": image }] } },
                },
                "secret": secret,
                "status": { "observedGeneration": 1, "updateRevision": revision },
            });
            self.stateful_sets.retain(|one| at(one, &["metadata"]) != &made["metadata"]);
            self.stateful_sets.push(made);
        }
        if !self.is_paused(Kind::RedisReplication) && self.data().count() > 0 {
            self.operator_sees_to_the_master();
        }
    }

    fn operator_sees_to_the_master(&mut self) {
        let data = self.live(Kind::RedisReplication);
        let password = text(data, &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap().to_owned();
        let named = text(data, &["status", "masterNode"]).unwrap_or_default().to_owned();
        for server in self.data().filter(|one| one.is_ready) {
            assert!(server.accepts.contains(&password), "the operator cannot log in to {}", server.name());
        }
        let masters: Vec<&Server> = self.data().filter(|one| one.master.is_none()).collect();
        let followed = |one: &&&Server| self.data().any(|other| other.master == Some(one.address()));
        let real = masters.iter().find(followed).or(masters.iter().find(|one| one.name() == named));
        let real = real.or(masters.first()).map(|one| (one.name(), one.address()));
        let Some((name, address)) = real else {
            self.live_mut(Kind::RedisReplication)["status"] = json!({});
            return;
        };
        let names: Vec<String> = self.data().map(Server::name).collect();
        for other in names {
            if other == name {
                self.find(&other).role = Some("master");
            } else {
                self.find(&other).role = Some("slave");
                self.follow(&other, &address);
            }
        }
        self.live_mut(Kind::RedisReplication)["status"] = json!({ "masterNode": name });
    }

    /// Pods that lack are made, those that are too many go; and one that was made has started by now.
    fn controller_makes_pods(&mut self) {
        for server in &mut self.servers {
            server.is_ready = true;
        }
        for part in Topology::Sentinel.parts() {
            let Some(set) = self
                .stateful_sets
                .iter()
                .find(|one| text(one, &["metadata", "name"]) == Some(&part.name("cache")))
            else {
                continue;
            };
            let size = usize::try_from(count(set, &["spec", "replicas"])).unwrap();
            let revision = text(set, &["status", "updateRevision"]).unwrap().to_owned();
            let password = text(set, &["secret"]).unwrap().to_owned();
            let is_ours = |one: &Server| one.part == *part;
            let rolls = text(set, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate");
            let old = self.servers.iter().find(|one| is_ours(one) && one.revision != revision);
            assert!(
                !rolls || old.is_none(),
                "the StatefulSet controller would restart {}",
                old.unwrap().name()
            );
            for gone in self.servers.iter().filter(|one| is_ours(one) && one.ordinal >= size) {
                assert!(!part.has_data() || gone.master.is_some(), "{} goes, and is the master", gone.name());
            }
            self.servers.retain(|one| !is_ours(one) || one.ordinal < size);
            for ordinal in 0..size {
                if self.servers.iter().any(|one| is_ours(one) && one.ordinal == ordinal) {
                    continue;
                }
                self.lives += 1;
                self.servers.push(Server {
                    part: *part,
                    ordinal,
                    life: self.lives,
                    revision: revision.clone(),
                    is_ready: false,
                    role: None,
                    password: password.clone(),
                    accepts: BTreeSet::from([password.clone()]),
                    uses: password.clone(),
                    // Redis comes up as a master of its own, with what was on its disk; a sentinel watches nothing.
                    master: (!part.has_data()).then(|| "0.0.0.0".to_owned()),
                    offset: 50,
                    history: format!("own-{}", self.lives),
                    former: None,
                    replicas: BTreeSet::new(),
                    peers: BTreeSet::new(),
                });
            }
        }
        self.servers.sort_by_key(Server::name);
    }

    /// A replica loses what its master does not have.
    fn follow(&mut self, name: &str, master: &str) {
        let Some(leader) = self.at(master).cloned() else { return };
        let server = self.find(name);
        if server.address() == master {
            return;
        }
        assert!(leader.accepts.contains(&server.uses), "{name} cannot log in to {}", leader.name());
        server.master = Some(master.to_owned());
        server.offset = leader.offset;
        server.history = leader.history;
        server.former = None;
    }

    /// Sentinels hear of each other and of replicas from the master that they watch.
    fn sentinels_look(&mut self) {
        let all = self.servers.clone();
        for server in self.servers.iter_mut().filter(|one| !one.part.has_data()) {
            let Some(master) =
                all.iter().find(|one| Some(one.address()) == server.master && one.part.has_data())
            else {
                continue;
            };
            assert!(
                master.accepts.contains(&server.uses),
                "{} cannot log in to {}",
                server.name(),
                master.name()
            );
            let replicas = all.iter().filter(|one| one.part.has_data() && one.master == server.master);
            server.replicas.extend(replicas.map(Server::address));
            let own = server.address();
            let peers = all.iter().filter(|one| !one.part.has_data() && one.master == server.master);
            server.peers.extend(peers.map(Server::address).filter(|address| *address != own));
        }
    }

    /// Applications write to the pod that is labelled, with either password.
    fn applications_write(&mut self) {
        let valid: Vec<String> = self.secrets.clone();
        let Some(master) =
            self.servers.iter_mut().find(|one| one.role == Some("master") && one.master.is_none())
        else {
            return;
        };
        assert_eq!(master.offset, self.acknowledged, "what was acknowledged is not in {}", master.name());
        if master.accepts.len() > 1 {
            assert!(
                valid.iter().all(|one| master.accepts.contains(one)),
                "{} refuses applications",
                master.name()
            );
        }
        master.offset += 1;
        self.acknowledged += 1;
        let (address, offset) = (master.address(), master.offset);
        let replicas = self.servers.iter_mut().filter(|one| one.part.has_data() && one.is_ready);
        for replica in replicas.filter(|one| one.master.as_ref() == Some(&address)) {
            replica.offset = offset;
        }
    }

    fn time_passes(&mut self) {
        self.operator_reconciles();
        self.controller_makes_pods();
        self.sentinels_look();
        self.applications_write();
    }

    fn observed(&self) -> Observed {
        let running = self.is_watching.then(|| self.running());
        Observed {
            custom_resources: self.custom_resources.clone(),
            secret_exists: self.desired.secret.as_ref().is_none_or(|secret| self.secrets.contains(secret)),
            companions: self
                .secrets
                .iter()
                .map(|name| Companion { kind: CompanionKind::Secret, name: name.clone(), owned: false })
                .collect(),
            reached: self.has_reached.then_some(Ok(())),
            set: running.as_ref().filter(|_| self.has_talked).map(|running| self.set(running)),
            running,
            ..Observed::default()
        }
    }

    fn running(&self) -> Running {
        let stateful_sets = self.stateful_sets.iter().map(|set| {
            let mut set = set.clone();
            let app = text(&set, &["metadata", "name"]).unwrap().to_owned();
            let revision = text(&set, &["status", "updateRevision"]).unwrap().to_owned();
            let pods = || self.servers.iter().filter(|one| one.part.name("cache") == app);
            let old = pods().find(|one| one.revision != revision).map(|one| one.revision.clone());
            set["status"]["currentRevision"] = json!(old.unwrap_or(revision.clone()));
            set["status"]["updatedReplicas"] = json!(pods().filter(|one| one.revision == revision).count());
            set["status"]["readyReplicas"] = json!(pods().filter(|one| one.is_ready).count());
            set
        });
        let services = self.stateful_sets.iter().map(|set| {
            json!({ "metadata": { "name": set["metadata"]["name"], "annotations": { annotation::SPEC_HASH: set["hash"] } } })
        });
        Running {
            stateful_sets: stateful_sets.collect(),
            services: services.collect(),
            pods: self.servers.iter().map(pod).collect(),
            claims: Vec::new(),
        }
    }

    fn set(&self, running: &Running) -> Set {
        let password = |name: &String| PasswordAt { secret: name.clone(), key: "password".to_owned() };
        let of = |part: Part| running.pods.iter().zip(&self.servers).filter(move |(_, one)| one.part == part);
        let revision = |part: Part| {
            text(running.stateful_set(&part.name("cache")).unwrap(), &["status", "updateRevision"]).unwrap()
        };
        let [data, sentinels] = Topology::Sentinel.parts() else { panic!("two parts") };
        let members = of(*data).map(|(json, server)| {
            let said = server.is_ready.then(|| self.replication(server));
            let mut pod = Pod::of(json, revision(*data), said).unwrap();
            pod.accepts = pod.said.is_some().then(|| server.accepts.iter().map(password).collect());
            pod
        });
        let watchers = of(*sentinels).map(|(json, server)| {
            Pod::of(json, revision(*sentinels), server.is_ready.then(|| self.view(server))).unwrap()
        });
        let size = count(running.stateful_set("cache").unwrap(), &["spec", "replicas"]);
        Set {
            size: usize::try_from(size).unwrap(),
            stays: usize::try_from(data.replicas(self.desired.data())).unwrap(),
            members: members.collect(),
            sentinels: 3,
            watchers: watchers.collect(),
            sentinels_are_later: sentinels_are_later(&self.desired, &self.observed_without_set(), running),
            is_paused: self.is_paused(Kind::RedisReplication),
            is_quiet: self.is_quiet,
            valid: valid_passwords(&self.desired, running),
            former: former_passwords(&self.desired, &self.observed_without_set(), running),
        }
    }

    fn observed_without_set(&self) -> Observed {
        World { has_talked: false, ..self.clone() }.observed()
    }

    fn replication(&self, server: &Server) -> Replication {
        let followers = self.data().filter(|one| one.master == Some(server.address()));
        Replication {
            master: server.master.as_ref().map(|host| MasterLink {
                address: redis(host),
                is_up: self.at(host).is_some(),
                is_syncing: false,
                last_io_seconds_ago: Some(0),
                priority: Some(100),
            }),
            replicas: followers
                .map(|one| Attached {
                    address: redis(&one.address()),
                    state: "online".to_owned(),
                    offset: one.offset,
                    lag: 0,
                })
                .collect(),
            history: server.history.clone(),
            former: server.former.clone(),
            offset: server.offset,
            failover_state: None,
        }
    }

    fn view(&self, server: &Server) -> View {
        let master = server.master.clone().unwrap();
        let flags = |well: &str, host: &str| match self.at(host) {
            Some(_) => Flags::of(well),
            None => Flags::of(&format!("{well},s_down")),
        };
        let replica = |host: &String| Replica {
            address: redis(host),
            flags: flags("slave", host),
            is_linked: true,
            master: None,
            priority: 100,
            offset: 0,
        };
        let peer = |host: &String| Peer {
            address: redis(host),
            run_id: host.clone(),
            flags: flags("sentinel", host),
        };
        View {
            replicas: server.replicas.iter().map(replica).collect(),
            peers: server.peers.iter().map(peer).collect(),
            quorum: Quorum::Reached { usable: 3 },
            master: Master {
                name: "mymaster".to_owned(),
                flags: flags("master", &master),
                address: redis(&master),
                config_epoch: 1,
                replicas: 2,
                other_sentinels: 2,
                quorum: 2,
                down_after_milliseconds: 5000,
                failover_timeout: 10000,
                parallel_syncs: 1,
            },
        }
    }

    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::CreateSecret(name) => self.secrets.push(name.clone()),
            Step::ApplyCustomResource { kind, guarded, .. } => {
                let wanted = if *guarded {
                    self.desired.guarded(*kind).unwrap()
                } else {
                    self.desired.custom_resource(*kind)
                };
                let mut written = wanted.clone();
                let live = self.live(*kind);
                written["status"] = live["status"].clone();
                for kept in [annotation::UNFINISHED, annotation::NEWS, kind.skip_reconcile()] {
                    if let Some(value) = mark(live, kept) {
                        written["metadata"]["annotations"][kept] = json!(value);
                    }
                }
                if kind.kind() == "RedisReplication" {
                    written["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
                }
                *self.live_mut(*kind) = written;
            }
            Step::Watch => self.is_watching = true,
            Step::Talk => self.has_talked = true,
            Step::Reach => self.has_reached = true,
            Step::Nudge(news) => {
                self.live_mut(Kind::RedisReplication)["metadata"]["annotations"][annotation::NEWS] =
                    json!(news);
            }
            Step::Unpause(kind) => {
                self.is_quiet = false;
                self.live_mut(*kind)["metadata"]["annotations"][kind.skip_reconcile()] = Json::Null;
            }
            Step::Roll(todo) => self.make(todo),
            Step::DeleteCompanion(gone) => self.secrets.retain(|one| *one != gone.name),
            Step::Finish { .. } => {
                let marks = &mut self.live_mut(Kind::RedisReplication)["metadata"]["annotations"];
                marks[annotation::UNFINISHED] = Json::Null;
            }
            other => panic!("{other:?} was not expected"),
        }
        if !is_a_look(step) {
            self.has_talked = false;
            self.has_reached = false;
        }
    }

    fn make(&mut self, todo: &Move) {
        match todo {
            Move::Pause => {
                self.is_quiet = true;
                self.live_mut(Kind::RedisReplication)["metadata"]["annotations"][annotation::UNFINISHED] =
                    json!("updating");
                for kind in [Kind::RedisSentinel, Kind::RedisReplication] {
                    self.live_mut(kind)["metadata"]["annotations"][kind.skip_reconcile()] = json!("true");
                }
            }
            Move::Delete { pod, uid } => {
                let server = self.find(pod).clone();
                assert_eq!(*uid, server.address());
                assert!(
                    !server.part.has_data() || server.master.is_some(),
                    "{pod} is deleted, and is the master"
                );
                let down = self.servers.iter().filter(|one| one.part == server.part && !one.is_ready).count();
                assert_eq!(down, 0, "{pod} is deleted, and another is not back");
                self.servers.retain(|one| one.name() != *pod);
                self.controller_makes_pods();
                self.find(pod).is_ready = false;
            }
            Move::Follow { pod, master } => self.follow(pod, master),
            Move::Promote { pod } => {
                let server = self.find(pod);
                server.master = None;
                server.role = Some("master");
                server.former = Some(Former { history: server.history.clone(), until: server.offset + 1 });
                server.history = format!("after-{}", server.history);
            }
            Move::Label { pod, role } => self.find(pod).role = Some(role),
            Move::Admit { pod } => {
                let running = self.running();
                let valid: Vec<String> =
                    valid_passwords(&self.desired, &running).into_iter().map(|at| at.secret).collect();
                let server = self.find(pod);
                server.uses = valid[0].clone();
                server.accepts.extend(valid);
            }
            Move::Expel { pod } => {
                let running = self.running();
                let former = former_passwords(&self.desired, &self.observed_without_set(), &running);
                let server = self.find(pod);
                server.accepts.retain(|one| !former.iter().any(|at| at.secret == *one));
            }
            Move::Watch { pod, master } => {
                let server = self.find(pod);
                server.master = Some(master.clone());
                server.replicas.clear();
                server.peers.clear();
            }
            Move::HandOver { from, to } => {
                let old = self.find(from).clone();
                let server = self.find(to);
                server.offset = old.offset;
                server.master = None;
                server.role = Some("master");
                let new = server.address();
                self.follow(from, &new);
                self.find(from).role = Some("slave");
                for sentinel in self.servers.iter_mut().filter(|one| !one.part.has_data()) {
                    sentinel.master = Some(new.clone());
                    sentinel.replicas.insert(old.address());
                    sentinel.replicas.remove(&new);
                }
            }
        }
    }

    /// Runs until it is done, or has done that many things; a look is none.
    fn run(&mut self, deeds: usize) -> (bool, Vec<String>) {
        let mut taken = Vec::new();
        let mut waits = 0;
        while taken.len() < deeds {
            match next(&self.desired, &self.observed()) {
                Next::Done => return (true, taken),
                Next::Do(step) => {
                    if !is_a_look(&step) {
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

fn redis(host: &str) -> Address {
    Address { host: host.to_owned(), port: 6379 }
}

fn pod(server: &Server) -> Json {
    let reference = json!({ "secretKeyRef": { "name": server.password, "key": "password" } });
    let variables = match server.part.has_data() {
        true => json!([{ "name": "REDIS_PASSWORD", "valueFrom": reference }]),
        false => json!([{ "name": "MASTER_PASSWORD", "valueFrom": reference }]),
    };
    json!({
        "metadata": {
            "name": server.name(), "uid": server.address(),
            "labels": {
                "app": server.part.name("cache"),
                "controller-revision-hash": server.revision,
                "redis-role": server.role,
            },
        },
        "spec": { "containers": [{ "name": "redis", "env": variables }] },
        "status": {
            "podIP": server.address(),
            "conditions": [{ "type": "Ready", "status": if server.is_ready { "True" } else { "False" } }],
        },
    })
}

fn is_a_look(step: &Step) -> bool {
    matches!(step, Step::Talk | Step::Reach | Step::Watch)
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
        Step::ApplyCustomResource { kind, guarded, .. } => {
            format!("write {}{}", kind.kind(), if *guarded { " guarded" } else { "" })
        }
        Step::Unpause(kind) => format!("unpause {}", kind.kind()),
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
    steps.into_iter().filter(|step| step != "have the operator look again").collect()
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

#[test]
fn fewer_pods_than_the_masters_number() {
    let steps = ends_well_wherever_it_is_cut_off(&World::new(2, desired(2, "old", "first")));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn all_of_it_at_once() {
    ends_well_wherever_it_is_cut_off(&World::new(2, desired(2, "new", "second")));
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
fn the_number_of_a_pod() {
    assert_eq!((ordinal("cache-2"), ordinal("cache")), (Some(2), None));
}
