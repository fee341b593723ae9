//! Everybody but us and the sentinels: the operator, the StatefulSet controller and applications.

use super::*;

impl SetWorld {
    /// What the operator makes of the custom resources, and of what it finds in Redis.
    pub(super) fn operator_reconciles(&mut self) {
        for part in self.desired.topology.parts() {
            if self.is_paused(part.kind) || (!part.has_data() && self.data_is_of_two_revisions()) {
                continue;
            }
            let live = self.live(part.kind);
            let config = at(live, &["spec", "kubernetesConfig"]);
            let (image, secret) =
                (text(config, &["image"]).unwrap(), text(config, &["redisSecret", "name"]).unwrap());
            let team = at(live, &["metadata", "labels", "team"]);
            let revision = format!("{image}-{secret}-{team}");
            let made = json!({
                "metadata": { "name": part.name("cache"), "generation": 1 },
                "hash": mark(live, annotation::SPEC_HASH),
                "spec": {
                    "replicas": part.replicas(live),
                    "updateStrategy": { "type": text(config, &["updateStrategy", "type"]) },
                    "template": { "spec": { "containers": [{ "image": image }] } },
                },
                "secret": secret,
                "team": team,
                "status": { "observedGeneration": 1, "updateRevision": revision },
            });
            self.stateful_sets.retain(|one| at(one, &["metadata"]) != &made["metadata"]);
            self.stateful_sets.push(made);
        }
        if !self.is_paused(Kind::RedisReplication) && self.data().count() > 0 {
            self.operator_sees_to_the_master();
        }
    }

    /// Until it is not, the operator puts the sentinels off.
    fn data_is_of_two_revisions(&self) -> bool {
        let made = self.stateful_sets.iter().find(|one| text(one, &["metadata", "name"]) == Some("cache"));
        let revision = made.and_then(|made| text(made, &["status", "updateRevision"]));
        self.data().any(|one| Some(one.revision.as_str()) != revision)
    }

    fn operator_sees_to_the_master(&mut self) {
        // It leaves all as it is while a pod does not answer.
        if self.data().any(|one| self.is_silent(one)) {
            return;
        }
        let data = self.live(Kind::RedisReplication);
        let password = text(data, &["spec", "kubernetesConfig", "redisSecret", "name"]).unwrap().to_owned();
        let named = text(data, &["status", "masterNode"]).unwrap_or_default().to_owned();
        let refuses = |one: &&Server| one.is_ready && !one.accepts.contains(&password);
        if let Some(server) = self.data().find(refuses) {
            // A pod that chance has killed may start with the former password once more, after all were asked.
            assert!(self.has_struck, "the operator cannot log in to {}", server.name());
            return;
        }
        let size = self.live(Kind::RedisReplication)["spec"]["clusterSize"].as_i64().unwrap();
        if i64::try_from(self.data().filter(|one| one.is_ready).count()).unwrap() < size {
            self.operator_labels_what_it_finds();
            return;
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
            self.find(&other).is_mislabelled = false;
            if other == name {
                self.find(&other).role = Some("master");
            } else {
                self.find(&other).role = Some("slave");
                self.follow(&other, &address);
            }
        }
        self.live_mut(Kind::RedisReplication)["status"] = json!({ "masterNode": name });
        // Without us it chooses the master that it knows, even if sentinels have elected another one: what is lost by
        // that is not ours to keep.
        let offset = self.find(&name).offset;
        if offset < self.acknowledged {
            self.news.push(format!("OPERATOR: {} writes are lost", self.acknowledged - offset));
            self.acknowledged = offset;
        }
    }

    /// While a pod is missing, each pod is what it says.
    fn operator_labels_what_it_finds(&mut self) {
        let acknowledged = self.acknowledged;
        for server in self.servers.iter_mut().filter(|one| one.part.has_data() && one.is_ready) {
            server.role = Some(if server.master.is_none() { "master" } else { "slave" });
            server.is_mislabelled = self.has_struck && server.offset < acknowledged;
        }
        let masters: Vec<String> =
            self.data().filter(|one| one.role == Some("master")).map(Server::name).collect();
        let real = masters.first().filter(|_| masters.len() == 1);
        self.live_mut(Kind::RedisReplication)["status"] = json!({ "masterNode": real });
    }

    /// Pods that lack are made, one after the other as each becomes Ready; those that are too many go; and one that was made has started by now.
    pub(super) fn controller_makes_pods(&mut self) {
        for server in &mut self.servers {
            server.is_ready = true;
        }
        for part in self.desired.topology.parts() {
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
            let team = text(set, &["team"]).map(str::to_owned);
            let is_ours = |one: &Server| one.part == *part;
            let rolls = text(set, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate");
            if rolls && self.is_left_to_operator {
                self.controller_replaces_pods(*part, &revision);
            }
            let old = self.servers.iter().find(|one| is_ours(one) && one.revision != revision);
            assert!(
                !rolls || old.is_none() || self.is_left_to_operator,
                "the StatefulSet controller would restart {}",
                old.unwrap().name()
            );
            for gone in self.servers.iter().filter(|one| is_ours(one) && one.ordinal >= size) {
                assert!(
                    !part.has_data()
                        || gone.master.is_some()
                        || self.is_left_to_operator
                        || self.has_unpaused,
                    "{} goes, and is the master",
                    gone.name()
                );
            }
            self.servers.retain(|one| !is_ours(one) || one.ordinal < size);
            for ordinal in 0..size {
                match self.servers.iter().find(|one| is_ours(one) && one.ordinal == ordinal) {
                    Some(server) if server.is_ready => continue,
                    Some(_) => break,
                    None => {}
                }
                assert!(
                    self.secrets.contains(&password),
                    "the Secret {password} is gone, and a pod cannot start"
                );
                self.lives += 1;
                let disk =
                    self.disks.remove(&format!("{}-{ordinal}", part.name("cache"))).unwrap_or_default();
                self.servers.push(Server {
                    part: *part,
                    ordinal,
                    life: self.lives,
                    revision: revision.clone(),
                    team: team.clone(),
                    is_ready: false,
                    role: None,
                    is_mislabelled: false,
                    password: password.clone(),
                    accepts: BTreeSet::from([password.clone()]),
                    uses: password.clone(),
                    // Redis comes up as a master of its own, with what was on its disk; a sentinel watches nothing.
                    master: (!part.has_data()).then(|| "0.0.0.0".to_owned()),
                    offset: disk.offset,
                    history: format!("own-{}", self.lives),
                    former: Some(Former { history: disk.history, until: disk.offset + 1 }),
                    was_up: false,
                    copying_until: None,
                    silent_until: 0,
                    epoch: 0,
                    replicas: BTreeSet::new(),
                    peers: BTreeSet::new(),
                });
                break;
            }
        }
        self.servers.sort_by_key(Server::name);
    }

    /// Applications write to the pod that is labelled, with either password; no pod falls out of its Services.
    pub(super) fn applications_write(&mut self) {
        for server in &self.servers {
            let app = server.part.name("cache");
            let set = self.stateful_sets.iter().find(|one| text(one, &["metadata", "name"]) == Some(&app));
            let selected = set.and_then(|set| text(set, &["team"]));
            // A pod that chance has ended after it was labelled starts without the label, and gets it when it is replaced.
            let is_selected = selected.is_none() || selected == server.team.as_deref() || self.has_struck;
            assert!(is_selected, "{} is in no Service: {selected:?}, {:?}", server.name(), server.team);
        }
        let Some(target) = self.written_to() else { return };
        self.misled_applications_write(&target);
        let valid: Vec<String> = self.secrets.clone();
        if self.is_left_to_operator {
            self.acknowledged = self.find(&target).offset;
        }
        let acknowledged = self.acknowledged;
        let master = self.find(&target);
        assert_eq!(master.offset, acknowledged, "what was acknowledged is not in {}", master.name());
        if master.accepts.len() > 1 {
            assert!(
                valid.iter().all(|one| master.accepts.contains(one)),
                "{} refuses applications",
                master.name()
            );
        }
        master.offset += 1;
        let (address, offset) = (master.address(), master.offset);
        self.acknowledged += 1;
        let now = self.clock.now();
        let replicas = self.servers.iter_mut().filter(|one| one.part.has_data() && one.is_ready);
        let in_step = replicas.filter(|one| {
            one.master.as_ref() == Some(&address) && one.silent_until <= now && one.copying_until.is_none()
        });
        in_step.for_each(|replica| replica.offset = offset);
    }

    /// The pod that applications write to: they ask the sentinels, and those that know of the last failover count.
    pub(super) fn written_to(&self) -> Option<String> {
        let is_live = |one: &&Server| one.part.has_data() && one.master.is_none() && !self.is_silent(one);
        let sentinels = self.servers.iter().filter(|one| !one.part.has_data());
        let named = sentinels.max_by_key(|one| one.epoch).and_then(|one| self.at(one.master.as_deref()?));
        let labelled = self.data().find(|one| one.role == Some("master") && !one.is_mislabelled);
        match named.filter(|one| one.part.has_data()) {
            Some(named) => Some(named).filter(is_live).map(Server::name),
            None => labelled.filter(is_live).map(Server::name),
        }
    }

    /// Applications that go by the Service write to a master that the sentinels have replaced: Redis loses that. If nobody
    /// has replaced one, the Service leads to one master only.
    fn misled_applications_write(&mut self, target: &str) {
        let now = self.clock.now();
        let has_failed_over = self.servers.iter().any(|one| one.epoch > 0) || self.has_struck;
        let misled = |one: &&mut Server| {
            one.role == Some("master")
                && one.master.is_none()
                && one.silent_until <= now
                && one.name() != target
        };
        for server in self.servers.iter_mut().filter(misled) {
            assert!(has_failed_over, "applications write to {}, too", server.name());
            server.offset += 1;
        }
    }
}
