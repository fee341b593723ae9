//! What we do to the world.

use super::*;
use crate::redis::set::master_of;

impl SetWorld {
    pub(super) fn do_it(&mut self, step: &Step) {
        match step {
            Step::CreateObject(key) => self.secrets.push(key.name.clone()),
            Step::ApplyCustomResource { kind, form, .. } => {
                let mut written = self.desired.written(*kind, form);
                let live = self.live(*kind);
                written["status"] = live["status"].clone();
                for kept in
                    [annotation::UNFINISHED, annotation::NEWS, annotation::PAUSED, kind.skip_reconcile()]
                {
                    if let Some(value) = mark(live, kept) {
                        written["metadata"]["annotations"][kept] = json!(value);
                    }
                }
                if kind.kind() == "RedisReplication" {
                    written["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
                }
                *self.live_mut(*kind) = written;
            }
            Step::LabelPods(kind) => {
                let labels = at(self.desired.custom_resource(*kind), &["metadata", "labels"]);
                let team = text(labels, &["team"]).map(str::to_owned);
                for server in self.servers.iter_mut().filter(|one| one.part.kind == *kind) {
                    server.team = team.clone();
                }
            }
            Step::Watch => self.run.is_watching = true,
            Step::Save => self.run.has_saved = true,
            Step::Talk => {
                self.run.has_talked = true;
                self.run.master = self.seen().answers.set.as_ref().and_then(master_of).map(str::to_owned);
            }
            Step::Reach => self.run.has_reached = true,
            Step::Nudge(news) => {
                self.live_mut(Kind::RedisReplication)["metadata"]["annotations"][annotation::NEWS] =
                    json!(news);
            }
            Step::Unpause(kind) => {
                self.run.proven = None;
                let marks = &mut self.live_mut(*kind)["metadata"]["annotations"];
                (marks[kind.skip_reconcile()], marks[annotation::PAUSED]) = (Json::Null, Json::Null);
            }
            Step::Roll(todo) => self.make(todo),
            Step::DeleteObject(key) => self.secrets.retain(|one| *one != key.name),
            Step::Finish { .. } => {
                let marks = &mut self.live_mut(Kind::RedisReplication)["metadata"]["annotations"];
                marks[annotation::UNFINISHED] = Json::Null;
            }
            other => panic!("{other:?} was not expected"),
        }
        if !step.is_a_look() {
            self.run.has_talked = false;
            self.run.has_reached = false;
        }
    }

    fn make(&mut self, todo: &Move) {
        match todo {
            Move::Pause => {
                let picture = self.picture_of_custom_resources();
                let found = picture.pause(Kind::RedisReplication).and_then(|pause| pause.parse().ok());
                let pause = found.unwrap_or_else(|| {
                    self.pauses += 1;
                    self.pauses
                });
                self.run.proven = Some(pause);
                self.live_mut(Kind::RedisReplication)["metadata"]["annotations"][annotation::UNFINISHED] =
                    json!("updating");
                for kind in self.desired.topology.kinds().iter().copied().rev() {
                    let marks = &mut self.live_mut(kind)["metadata"]["annotations"];
                    (marks[kind.skip_reconcile()], marks[annotation::PAUSED]) =
                        (json!("true"), json!(pause.to_string()));
                }
                // The run goes on once the operator has noticed.
                while !self.clock.may_act(Actor::Operator) {
                    self.time_passes();
                }
            }
            Move::Delete { pod, uid } => {
                let server = self.find(pod).clone();
                assert_eq!(*uid, server.address());
                assert!(
                    !server.part.has_data() || server.master.is_some(),
                    "{pod} is deleted, and is the master"
                );
                // A pod that chance has killed is replaced where it does not come back as it was.
                let is_down = |one: &&Server| {
                    one.part == server.part && !one.is_ready && !(self.has_struck && one.name() == *pod)
                };
                let down = self.servers.iter().filter(is_down).count();
                assert_eq!(down, 0, "{pod} is deleted, and another is not back");
                self.ends(pod);
                if self.clock.may_act(Actor::Controller) {
                    self.controller_makes_pods();
                    self.find(pod).is_ready = false;
                }
            }
            Move::Enlarge { .. } if self.may_not_enlarge => self.run.denied.add(Denial::Enlargement),
            Move::Enlarge { to } => {
                assert!(self.is_paused(Kind::RedisReplication), "the operator would take it back");
                let is_data = |one: &&mut Json| text(one, &["metadata", "name"]) == Some("cache");
                self.stateful_sets.iter_mut().find(is_data).unwrap()["spec"]["replicas"] = json!(to);
            }
            Move::Follow { pod, master } => self.follow(pod, master),
            Move::Promote { pod } if self.is_silent_pod(pod) => {}
            Move::Promote { pod } => {
                let server = self.find(pod);
                (server.master, server.was_up, server.copying_until) = (None, false, None);
                server.role = Some("master");
                server.former = Some(Former { history: server.history.clone(), until: server.offset + 1 });
                server.history = format!("after-{}", server.history);
            }
            Move::Label { pod, role } => {
                let server = self.find(pod);
                (server.role, server.is_mislabelled) = (Some(*role), false);
            }
            Move::Admit { pod } | Move::Expel { pod } if self.is_silent_pod(pod) => {}
            Move::Admit { pod } => {
                let running = self.running();
                let valid: Vec<String> =
                    valid_passwords(&self.desired, &running).into_iter().map(|at| at.secret).collect();
                let server = self.find(pod);
                server.accepts.extend(valid);
            }
            Move::Expel { pod } => {
                let running = self.running();
                let former = former_passwords(&self.desired, &self.picture_without_set(), &running);
                let server = self.find(pod);
                server.accepts.retain(|one| !former.iter().any(|at| at.secret == *one));
            }
            Move::Watch { pod, master } => {
                let server = self.find(pod);
                (server.master, server.epoch) = (Some(master.clone()), 0);
                server.replicas.clear();
                server.peers.clear();
            }
            Move::HandOver { from, to } => {
                let old = self.find(from).clone();
                if self.is_silent(&old) || self.is_silent_pod(to) {
                    return;
                }
                // Redis hands over to nobody who is not in step.
                if self.find(to).copying_until.is_some() || old.master.is_some() {
                    return;
                }
                let server = self.find(to);
                server.was_up = false;
                server.offset = old.offset;
                server.former = Some(Former { history: old.history.clone(), until: old.offset + 1 });
                server.history = format!("taken-{}", old.history);
                server.master = None;
                server.role = Some("master");
                let new = server.address();
                self.follow(from, &new);
                self.find(from).role = Some("slave");
                let epoch = self.servers.iter().map(|one| one.epoch).max().unwrap_or_default() + 10;
                for sentinel in self.servers.iter_mut().filter(|one| !one.part.has_data()) {
                    (sentinel.master, sentinel.epoch) = (Some(new.clone()), epoch);
                    sentinel.replicas.insert(old.address());
                    sentinel.replicas.remove(&new);
                }
            }
        }
    }
}
