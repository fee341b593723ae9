//! What we see of the world: objects, and what Redis and the sentinels say.

use super::*;

impl SetWorld {
    pub(super) fn seen(&self) -> Picture {
        let running = self.run.is_watching.then(|| self.running());
        let wanted = PasswordAt::of_custom_resource(self.desired.data());
        let is_missing = |at: &PasswordAt| !self.secrets.contains(&at.secret);
        let missing_password = wanted.clone().filter(|at| self.run.has_talked && is_missing(at));
        // A Secret that the user keeps is no object of ours.
        let is_kept = |name: &&String| {
            !self.desired.objects.is_empty() || wanted.as_ref().is_none_or(|at| at.secret != **name)
        };
        let set = running.as_ref().filter(|_| self.run.has_talked && missing_password.is_none());
        let mut picture = Picture {
            custom_resources: self.custom_resources.clone(),
            answers: Answers {
                reached: self.run.has_reached.then_some(Ok(())),
                set: set.map(|running| self.set(running)),
                missing_password,
                ..Answers::default()
            },
            running,
            ..Picture::default()
        };
        for secret in self.secrets.iter().filter(is_kept) {
            picture.set_object(&key_of(secret), Some(made(secret)));
        }
        picture
    }

    pub(super) fn running(&self) -> Running {
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
            let of_data = set["metadata"]["name"] == "cache";
            let kind = if of_data { Kind::RedisReplication } else { Kind::RedisSentinel };
            json!({
                "metadata": {
                    "name": set["metadata"]["name"],
                    "ownerReferences": [{ "kind": kind.kind(), "name": "cache" }],
                    "annotations": { annotation::SPEC_HASH: set["hash"] },
                },
                "spec": { "selector": { "team": set["team"] } },
            })
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
        let (data, sentinels) = self.desired.topology.parts().split_first().unwrap();
        let members = of(*data).map(|(json, server)| {
            let said = (server.is_ready && !self.is_silent(server)).then(|| self.replication(server));
            let mut pod = Pod::of(json, revision(*data), said).unwrap();
            // It is asked with the password that it was started with.
            if !server.accepts.contains(&server.password) {
                (pod.said, pod.refuses) = (None, Some("WRONGPASS".to_owned()));
            }
            pod.accepts = pod.said.is_some().then(|| server.accepts.iter().map(password).collect());
            pod
        });
        let watchers = sentinels.iter().flat_map(|part| of(*part).map(|found| (*part, found))).map(
            |(part, (json, server))| {
                Pod::of(json, revision(part), server.is_ready.then(|| self.view(server))).unwrap()
            },
        );
        let size = count(running.stateful_set("cache").unwrap(), &["spec", "replicas"]);
        Set {
            size: usize::try_from(size).unwrap(),
            is_to_grow: growth::is_ours(&self.desired, &self.picture_without_set(), &self.memory()),
            known: usize::try_from(data.replicas(self.live(Kind::RedisReplication))).unwrap(),
            stays: usize::try_from(data.replicas(self.desired.data())).unwrap(),
            members: members.collect(),
            sentinels: 3 * sentinels.len(),
            watchers: watchers.collect(),
            sentinels_are_later: sentinels_are_later(&self.desired, &self.picture_without_set(), running),
            is_paused: self.is_paused(Kind::RedisReplication),
            is_quiet: self.is_quiet(),
            valid: valid_passwords(&self.desired, running),
            former: former_passwords(&self.desired, &self.picture_without_set(), running),
        }
    }

    pub(super) fn picture_without_set(&self) -> Picture {
        let run = Run { has_talked: false, ..self.run.clone() };
        SetWorld { run, ..self.clone() }.seen()
    }

    fn replication(&self, server: &Server) -> Replication {
        let followers = self.data().filter(|one| one.master == Some(server.address()));
        Replication {
            master: server.master.as_ref().map(|host| MasterLink {
                address: redis(host),
                is_up: server.copying_until.is_none()
                    && self.at(host).is_some_and(|one| !self.is_silent(one)),
                was_up: server.was_up,
                is_syncing: server.copying_until.is_some() && self.at(host).is_some(),
                last_io_seconds_ago: Some(0),
                priority: Some(100),
            }),
            replicas: followers
                .map(|one| Attached {
                    address: redis(&one.address()),
                    state: if one.copying_until.is_some() { "wait_bgsave" } else { "online" }.to_owned(),
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
            Some(one) if !self.is_silent(one) => Flags::of(well),
            _ => Flags::of(&format!("{well},s_down")),
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
                config_epoch: server.epoch,
                replicas: 2,
                other_sentinels: 2,
                quorum: 2,
                down_after_milliseconds: 5000,
                failover_timeout: 10000,
                parallel_syncs: 1,
            },
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
                "team": server.team,
            },
        },
        "spec": { "containers": [{ "name": "redis", "env": variables }] },
        "status": {
            "podIP": server.address(),
            "conditions": [{ "type": "Ready", "status": if server.is_ready { "True" } else { "False" } }],
        },
    })
}
