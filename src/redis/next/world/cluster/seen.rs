//! What we see of the world: objects, and what the nodes say when they are asked.

use super::*;
use crate::redis::answers::Answers;
use crate::redis::answers::set::Pod;
use crate::redis::answers::shards::{SLOTS, Said};
use crate::redis::password::PasswordAt;
use crate::redis::passwords::{former_passwords, valid_passwords};
use crate::redis::picture::Picture;
use crate::redis::running::Running;
use crate::redis::shards::gathered;
use crate::redis::talk::{Address, Attached, Link as Linked, MasterLink, Node, Replication, SlotRange};

/// For how many ticks slots must be on the move as they are before whoever moves them is taken to have given up.
const STALLED: u32 = 4;

impl ClusterWorld {
    pub(super) fn seen(&self) -> Picture {
        let wanted = PasswordAt::of_custom_resource(self.desired.data());
        let mut picture = Picture {
            custom_resources: vec![self.live.clone()],
            running: self.run.is_watching.then(|| self.running()),
            answers: Answers {
                reached: self.run.has_reached.clone(),
                // Answers from before somebody has ended the pause do not count.
                shards: self.run.shards.clone().filter(|one| !one.is_quiet || self.is_quiet()).map(Ok),
                set: self.run.set.clone().filter(|one| !one.is_quiet || self.is_quiet()),
                missing_password: wanted
                    .filter(|at| self.run.set.is_some() && !self.secrets.contains(&at.secret)),
                ..Answers::default()
            },
            ..Picture::default()
        };
        for secret in &self.secrets {
            picture.set_object(&key_of(secret), Some(made(secret)));
        }
        picture
    }

    pub(super) fn running(&self) -> Running {
        let part_of = |name: &str| parts().into_iter().find(|part| part.name("cache") == name).unwrap();
        let services = self.hashes.iter().map(|(name, hash)| {
            json!({ "metadata": { "name": name, "annotations": { annotation::SPEC_HASH: hash } } })
        });
        Running {
            stateful_sets: self
                .stateful_sets
                .iter()
                .map(|(name, made)| self.with_status(part_of(name), made))
                .collect(),
            services: services.collect(),
            pods: self.servers.iter().map(pod).collect(),
            claims: Vec::new(),
        }
    }

    pub(super) fn with_status(&self, part: Part, made: &Json) -> Json {
        let mut set = made.clone();
        let revision = text(&set, &["status", "updateRevision"]).unwrap().to_owned();
        let old = self.pods_of(part).find(|one| one.revision != revision).map(|one| one.revision.clone());
        let updated = self.pods_of(part).filter(|one| one.revision == revision).count();
        set["status"]["currentRevision"] = json!(old.unwrap_or(revision));
        set["status"]["updatedReplicas"] = json!(updated);
        set["status"]["readyReplicas"] = json!(self.pods_of(part).filter(|one| one.is_ready).count());
        set
    }

    fn shards(&self, is_silent: impl Fn(&Server) -> bool) -> Shards {
        let answers = self.servers.iter().filter(|one| one.is_up() && !is_silent(one));
        let said = answers.map(|one| (one.address(), self.said(one))).collect();
        gathered(Topology::Cluster, "cache", &self.live, &self.running(), &said)
    }

    /// Whether all nodes agree, whoever may not answer at the moment.
    pub(super) fn whole(&self) -> Result<(), String> {
        self.shards(|_| false).whole()
    }

    /// The mark of our pause, if there is one.
    pub(super) fn pause(&self) -> Option<u32> {
        let picture = Picture { custom_resources: vec![self.live.clone()], ..Picture::default() };
        picture.pause(Kind::RedisCluster).and_then(|pause| pause.parse().ok())
    }

    /// Whether it is proven that the operator leaves the cluster alone.
    pub(super) fn is_quiet(&self) -> bool {
        self.run.proven.is_some() && self.pause() == self.run.proven
    }

    pub(super) fn asks_nodes(&mut self) {
        let now = self.clock.now();
        let mut shards = self.shards(|one| one.silent_until > now);
        let moving: Vec<String> = shards.moving().into_iter().map(str::to_owned).collect();
        if moving != self.run.moving.0 {
            self.run.moving = (moving.clone(), now);
        }
        shards.is_stalled = !moving.is_empty() && now >= self.run.moving.1 + STALLED;
        shards.is_quiet = self.is_quiet();
        self.run.shards = Some(shards);
    }

    fn said(&self, server: &Server) -> Said {
        let nodes = server.disk.knows.iter().map(|(id, entry)| self.node(server, id, entry)).collect();
        Said { nodes, replication: self.replication(server) }
    }

    fn node(&self, server: &Server, id: &str, entry: &Entry) -> Node {
        let is_own = server.disk.id == id;
        let now = self.clock.now();
        let has_failed = server.has_failed(id, now);
        let flags = [
            is_own.then_some("myself"),
            Some(if entry.master.is_none() { "master" } else { "slave" }),
            has_failed.then_some("fail"),
            (!is_own && !has_failed && entry.heard < now).then_some("fail?"),
        ];
        let moving = server.moving.iter().filter(|_| is_own).map(|(chunk, (leaves, other))| {
            format!("[{}{}{other}]", range(*chunk).first, if *leaves { "->-" } else { "-<-" })
        });
        Node {
            id: id.to_owned(),
            address: Some(redis(&entry.address)),
            hostname: Some(entry.name.clone()),
            flags: flags.into_iter().flatten().map(str::to_owned).collect(),
            master: entry.master.clone(),
            config_epoch: entry.epoch,
            link: if has_failed { Linked::Disconnected } else { Linked::Connected },
            slots: entry.slots.iter().copied().map(range).collect(),
            moving: moving.collect(),
        }
    }

    fn replication(&self, server: &Server) -> Replication {
        let id = &server.disk.id;
        let follows = |one: &&Server| {
            one.is_up()
                && one.me().master.as_ref() == Some(id)
                && matches!(one.link, Link::Up | Link::Copying(_))
        };
        let attached = |one: &Server| Attached {
            address: redis(&one.address()),
            state: if one.link == Link::Up { "online" } else { "send_bulk" }.to_owned(),
            offset: 0,
            lag: 0,
        };
        let host = |master: &String| {
            server.disk.knows.get(master).map(|one| one.address.clone()).unwrap_or_default()
        };
        Replication {
            master: server.me().master.as_ref().map(|master| MasterLink {
                address: redis(&host(master)),
                is_up: server.link == Link::Up,
                was_up: server.link == Link::Up,
                is_syncing: matches!(server.link, Link::Copying(_)),
                last_io_seconds_ago: None,
                priority: None,
            }),
            replicas: self.servers.iter().filter(follows).map(attached).collect(),
            history: "history".to_owned(),
            former: None,
            offset: 0,
            failover_state: None,
        }
    }

    pub(super) fn asks_for_passwords(&mut self) {
        let running = self.running();
        let picture = self.seen();
        let (valid, former) =
            (valid_passwords(&self.desired, &running), former_passwords(&self.desired, &picture, &running));
        let is_known = |at: &PasswordAt| self.secrets.contains(&at.secret);
        let (valid, former): (Vec<_>, Vec<_>) =
            (valid.into_iter().filter(is_known).collect(), former.into_iter().filter(is_known).collect());
        let now = self.clock.now();
        let members = running.pods.iter().zip(&self.servers).map(|(json, server)| {
            let answers = server.is_up() && server.silent_until <= now;
            let mut pod = Pod::of(json, "", answers.then(|| self.replication(server))).unwrap();
            let accepts = |at: &&PasswordAt| server.accepts.contains(&at.secret);
            pod.accepts = answers.then(|| valid.iter().chain(&former).filter(accepts).cloned().collect());
            pod
        });
        self.run.set = Some(Set {
            known: 0,
            is_to_grow: false,
            size: self.servers.len(),
            stays: self.servers.len(),
            members: members.collect(),
            sentinels: 0,
            watchers: Vec::new(),
            sentinels_are_later: false,
            is_paused: self.hold() != Hold::Nobody,
            is_quiet: self.is_quiet(),
            valid,
            former,
        });
    }
}

fn range(chunk: usize) -> SlotRange {
    let first = |chunk: usize| u32::try_from(chunk).unwrap() * SLOTS / u32::try_from(CHUNKS).unwrap();
    let slot = |number: u32| u16::try_from(number).unwrap();
    SlotRange { first: slot(first(chunk)), last: slot(first(chunk + 1) - 1) }
}

fn redis(host: &str) -> Address {
    Address { host: host.to_owned(), port: 6379 }
}

fn pod(server: &Server) -> Json {
    let reference = json!({ "secretKeyRef": { "name": server.password, "key": "password" } });
    json!({
        "metadata": {
            "name": server.name(), "uid": server.address(),
            "labels": { "app": server.part.name("cache"), "controller-revision-hash": server.revision },
        },
        "spec": { "containers": [{
            "name": "redis", "env": [{ "name": "REDIS_PASSWORD", "valueFrom": reference }],
        }] },
        "status": {
            "podIP": server.address(),
            "conditions": [{ "type": "Ready", "status": if server.is_ready { "True" } else { "False" } }],
        },
    })
}
