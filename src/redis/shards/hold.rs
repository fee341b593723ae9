//! A cluster's place in an apply: the operator assembles the cluster and rolls its pods, and we pause the
//! operator while a replica copies the data of its master.
//!
//! Repairs also happen while the operator is paused, because the operator counts nodes and acts on the count.
//!
//! The operator asks only whether pods are Ready. A pod is Ready long before it has copied everything. If its
//! master restarted then, nobody in the shard could take over. And until the copy is complete, the operator
//! (v0.26) restarts the copy every 15 s, so that a copy that takes longer never ends. So the operator is paused
//! from when pods restart until all have copied: once between leaders and followers, and once after the
//! followers. Nothing else needs the operator during that time.

use serde_json::Value as Json;

use crate::redis::answers::shards::{Pod, SLOTS, Said, Shards};
use crate::redis::desired::Desired;
use crate::redis::diagnose;
use crate::redis::memory::{Denial, Memory};
use crate::redis::object::{count, name};
use crate::redis::opstree::Hold;
use crate::redis::passwords::has_two_passwords;
use crate::redis::picture::Picture;
use crate::redis::ready;
use crate::redis::running::{Running, is_ready};
use crate::redis::step::{Mending, Move, Next, Step};
use crate::redis::talk::Node;
use crate::redis::topology::{Part, Topology};
use crate::redis::waiting::{Cause, Waiting};

/// Before shards or followers are removed. The operator moves the slots of shards only if it counts as many
/// masters as it expects, and if each leader is a master. Otherwise it shrinks the StatefulSet all the same,
/// and the slots are lost with their keys. A follower that goes may be the master of its shard since a failover, or
/// the only pod with all data while the leader copies. So the operator gets the smaller number only when all these
/// conditions hold.
pub fn fewer(desired: &Desired, picture: &Picture, _: &Memory) -> Option<Next> {
    let data = picture.custom_resource(desired.topology.data())?;
    let shrinks = |part: &Part| part.replicas(desired.data()) < part.replicas(data);
    if desired.topology != Topology::Cluster || !desired.topology.parts().iter().any(shrinks) {
        return None;
    }
    let Some(running) = &picture.running else { return Some(Next::Do(Step::Watch)) };
    // No pod has served: there is nothing to lose, and nobody to ask.
    if !running.pods.iter().any(is_ready) {
        return None;
    }
    match &picture.answers.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(why)) => {
            let why =
                format!("no pod is removed until all nodes agree, and the nodes cannot be asked: {why}");
            Some(Next::stuck(Cause::Nodes, why))
        }
        Some(Ok(shards)) => match shards.whole() {
            Ok(()) => shards.leader_that_follows().map(|todo| Next::Do(Step::MendNodes(todo))),
            Err(_)
                if !desired.topology.parts().first().is_some_and(shrinks)
                    && hold_nothing(shards, desired, running) =>
            {
                None
            }
            Err(why) => Some(mend(shards, running, desired, data).unwrap_or_else(|| {
                match (Hold::of(data), shards.copying().is_some()) {
                    // The operator would restart the copy again and again.
                    (Hold::Nobody, true) if desired.is_guarded => Next::Do(Step::KeepOff),
                    // The operator repairs the rest.
                    (Hold::Ours, false) => let_go(desired),
                    _ => Next::wait(Cause::Nodes, format!("no pod is removed until this is resolved: {why}")),
                }
            })),
        },
    }
}

/// Whether only followers go, none of which has started: every leader is a master with slots, and all leaders together
/// have all of them. So a follower that cannot start can be given up.
fn hold_nothing(shards: &Shards, desired: &Desired, running: &Running) -> bool {
    let Some(followers) = desired.topology.parts().get(1) else { return false };
    let stay = followers.replicas(desired.data());
    let goes = |pod: &Json| {
        let number = name(pod).rsplit('-').next().and_then(|number| number.parse::<i64>().ok());
        followers.has_pod(&desired.name, name(pod)) && number.is_some_and(|number| number >= stay)
    };
    let leaders = || shards.pods.iter().filter(|pod| pod.is_leader);
    let slots = |pod: &Pod| pod.said.as_ref().and_then(Said::myself).map_or(0, Node::slot_count);
    !running.pods.iter().any(|pod| goes(pod) && is_ready(pod))
        && leaders().count() == shards.masters
        && leaders().all(|pod| pod.said.as_ref().and_then(Said::myself).is_some_and(Node::is_master))
        && leaders().map(slots).sum::<u32>() == SLOTS
        && shards.copying().is_none()
}

/// Pauses the operator, waits, and unpauses it; `None` if the operator may continue as it is.
pub fn hold(desired: &Desired, picture: &Picture, memory: &Memory, running: &Running) -> Option<Next> {
    if desired.topology != Topology::Cluster {
        return None;
    }
    let data = picture.custom_resource(desired.topology.data())?;
    if Hold::of(data) == Hold::Others {
        return None;
    }
    let is_paused = Hold::of(data) == Hold::Ours;
    let release = || is_paused.then(|| let_go(desired));
    let leaders = desired.topology.parts().first()?;
    if ready::seen_by_operator(*leaders, data, running).is_err() {
        if is_paused && picture.answers.shards.is_none() {
            return Some(Next::Do(Step::AskNodes));
        }
        return left_open(picture).or_else(release).or_else(|| moving(*leaders, data, running, picture));
    }
    // A pod cannot copy from a pod with another password, and only the operator can replace the pods, so it
    // must continue.
    let keeps_off =
        desired.is_guarded && !(memory.denied.has(&Denial::BothPasswords) && has_two_passwords(running));
    // The pods of a new cluster start for the first time: nobody can take over from them.
    let parts = desired.topology.parts().iter().filter(|_| keeps_off && !desired.creating);
    if let Some(why) = parts.filter_map(|part| restarting(*part, desired, running)).next() {
        if !is_paused {
            return Some(Next::Do(Step::KeepOff));
        }
        let starting = Waiting::new(Cause::Starting, why);
        return Some(Next::Wait(diagnose::pods(&running.pods, &running.claims).unwrap_or(starting)));
    }
    let is_to_ask = match ready::ready(desired.topology, &picture.custom_resources, running) {
        Ok(()) => is_paused,
        Err(waiting) => is_paused || !desired.creating || waiting.cause == Cause::Assembling,
    };
    if !is_to_ask {
        return None;
    }
    match &picture.answers.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(_)) => release(),
        Some(Ok(shards)) => match shards.copying().filter(|_| keeps_off) {
            Some(_) if !is_paused => Some(Next::Do(Step::KeepOff)),
            Some(why) => Some(Next::wait(Cause::Nodes, why)),
            None => mend(shards, running, desired, data).or_else(release),
        },
    }
}

/// The operator shrinks the StatefulSet last, once it has moved all slots; with much data that takes long.
fn moving(leaders: Part, data: &Json, running: &Running, picture: &Picture) -> Option<Next> {
    let stateful_set = running.stateful_set(&leaders.name(name(data)))?;
    let (is, wanted) = (count(stateful_set, &["spec", "replicas"]), leaders.replicas(data));
    if is <= wanted {
        return None;
    }
    Some(match &picture.answers.shards {
        None => Next::Do(Step::AskNodes),
        Some(_) => Next::wait(
            Cause::Nodes,
            format!("the operator is moving the slots of {} shards to the other shards", is - wanted),
        ),
    })
}

/// If the operator has abandoned a move of slots, it does not resume the move.
fn left_open(picture: &Picture) -> Option<Next> {
    let Some(Ok(shards)) = &picture.answers.shards else { return None };
    Some(quietly(shards, shards.left_open()?))
}

/// Unpauses the operator after an earlier run, if this run does not wait.
pub fn left_paused(desired: &Desired, picture: &Picture) -> Option<Next> {
    let data = picture.custom_resource(desired.topology.data())?;
    let is_ours = desired.topology == Topology::Cluster && Hold::of(data) == Hold::Ours;
    is_ours.then(|| let_go(desired))
}

/// Everything that can be watched is as it should be; whether the nodes agree must be asked.
pub fn whole(desired: &Desired, picture: &Picture, running: &Running) -> Option<Next> {
    if desired.topology != Topology::Cluster {
        return None;
    }
    match &picture.answers.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(_)) => None,
        Some(Ok(shards)) => {
            let why = shards.whole().err()?;
            let data = picture.custom_resource(desired.topology.data())?;
            Some(mend(shards, running, desired, data).unwrap_or_else(|| Next::wait(Cause::Nodes, why)))
        }
    }
}

/// Only once all pods are settled: until then a node that is gone may come back.
fn mend(shards: &Shards, running: &Running, desired: &Desired, data: &Json) -> Option<Next> {
    if Hold::of(data) == Hold::Others {
        return None;
    }
    let is_settled = |part: &Part| {
        let is_leaders = Some(*part) == desired.topology.parts().first().copied();
        let size = if is_leaders { shards.masters } else { shards.size.saturating_sub(shards.masters) };
        let replicas = i64::try_from(size).unwrap_or(0);
        running.at_rest(*part, &desired.name, replicas).is_ok()
    };
    if !desired.topology.parts().iter().all(is_settled) {
        return None;
    }
    shards.mending().map(|mending| quietly(shards, mending))
}

/// Repairs need a paused operator. Otherwise the operator may give slots to an empty master, or add nodes, in
/// the middle of the repair.
fn quietly(shards: &Shards, mending: Mending) -> Next {
    Next::Do(if shards.is_quiet { Step::MendNodes(mending) } else { Step::Roll(Move::Pause) })
}

fn let_go(desired: &Desired) -> Next {
    Next::Do(Step::Unpause(desired.topology.data()))
}

/// Why the pods of a part differ from what its StatefulSet asks for. Pods that the StatefulSet does not ask
/// for yet do not count.
fn restarting(part: Part, desired: &Desired, running: &Running) -> Option<String> {
    let stateful_set = running.stateful_set(&part.name(&desired.name))?;
    let replicas = count(stateful_set, &["spec", "replicas"]);
    let why = running.at_rest(part, &desired.name, replicas).err()?;
    Some(format!("{}: {why}", name(stateful_set)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, Scene, link, serving};
    use crate::redis::names::annotation;
    use crate::redis::talk::{MasterLink, Replication, cluster_nodes};

    /// Three shards, and an apply that has just written its change.
    fn changed() -> (Desired, Scene) {
        let mut desired = Desired { objects: Vec::new(), ..fixture::desired(Topology::Cluster) };
        desired.custom_resources[0]["spec"]["redisFollower"] = json!({ "replicas": 3 });
        let mut found = desired.custom_resources.clone();
        found[0]["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
        let running = Some(serving(Topology::Cluster));
        let picture = Picture { custom_resources: found, running, ..Picture::default() };
        (desired, Scene { picture, memory: Memory::default() })
    }

    fn pause(scene: &mut Scene) {
        let marks = &mut scene.picture.custom_resources[0]["metadata"]["annotations"];
        marks["rediscluster.opstreelabs.in/skip-reconcile"] = json!("true");
        marks[annotation::PAUSED] = json!("true");
    }

    fn restart(scene: &mut Scene, stateful_set: usize) {
        scene.picture.running.as_mut().unwrap().stateful_sets[stateful_set]["status"]["readyReplicas"] =
            json!(2);
    }

    /// A cluster of which the second pod copies from the first, or not.
    fn nodes(copying: bool) -> Option<Result<Shards, String>> {
        let pod = |ordinal: usize, link: Option<MasterLink>| {
            Pod {
            name: format!("pod-{ordinal}"),
            address: format!("ip{ordinal}"),
            is_leader: ordinal == 0,
            said: Some(Said {
                nodes: cluster_nodes(&crate::redis::talk::Reply::Bytes(
                    format!(
                        "a ip0:6379@1 {}master - 0 0 1 connected 0-16383\nb ip1:6379@1 {}slave a 0 0 1 connected\n",
                        if ordinal == 0 { "myself," } else { "" },
                        if ordinal == 1 { "myself," } else { "" }
                    )
                    .into_bytes(),
                ))
                .unwrap(),
                replication: Replication {
                    master: link,
                    replicas: Vec::new(),
                    history: "h".to_owned(),
                    former: None,
                    offset: 1,
                    failover_state: None,
                },
            }),
        }
        };
        let pods = vec![pod(0, None), pod(1, Some(link("ip0", copying)))];
        Some(Ok(Shards { pods, masters: 1, size: 2, ..Shards::default() }))
    }

    #[test]
    fn the_operator_is_kept_off_while_pods_restart_and_copy() {
        let (desired, mut scene) = changed();
        restart(&mut scene, 0);
        assert_eq!(scene.next(&desired), Next::Do(Step::KeepOff));
        pause(&mut scene);
        assert!(matches!(scene.next(&desired), Next::Wait(Waiting { cause: Cause::Starting, .. })));
        // The leaders have restarted, and the followers are of the old kind still.
        scene.picture.running = Some(serving(Topology::Cluster));
        scene.picture.running.as_mut().unwrap().services[1]["metadata"]["annotations"] = json!({});
        assert_eq!(scene.next(&desired), Next::Do(Step::AskNodes));
        scene.picture.answers.shards = nodes(true);
        assert!(matches!(scene.next(&desired), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
        scene.picture.answers.shards = nodes(false);
        assert_eq!(scene.next(&desired), Next::Do(Step::Unpause(desired.topology.data())));
        scene.picture.answers.shards = Some(Err("no right to".to_owned()));
        assert_eq!(scene.next(&desired), Next::Do(Step::Unpause(desired.topology.data())));
    }

    /// Also in a new cluster, as a master may let its followers wait before it begins.
    #[test]
    fn a_new_cluster_is_left_to_the_operator_until_somebody_copies() {
        let (mut desired, mut scene) = changed();
        desired.creating = true;
        let mut starting = scene.clone();
        restart(&mut starting, 0);
        assert!(matches!(starting.next(&desired), Next::Wait(Waiting { cause: Cause::Starting, .. })));
        scene.picture.custom_resources[0]["status"]["state"] = json!("Bootstrap");
        desired.custom_resources[0]["status"] = scene.picture.custom_resources[0]["status"].clone();
        assert_eq!(scene.next(&desired), Next::Do(Step::AskNodes));
        scene.picture.answers.shards = nodes(false);
        assert!(matches!(scene.next(&desired), Next::Do(Step::Nudge(_))));
        scene.picture.answers.shards = nodes(true);
        assert_eq!(scene.next(&desired), Next::Do(Step::KeepOff));
    }

    #[test]
    fn it_is_let_go_where_it_has_something_to_do_first() {
        let (desired, mut scene) = changed();
        restart(&mut scene, 0);
        pause(&mut scene);
        let let_go = Next::Do(Step::Unpause(desired.topology.data()));
        let asked = |copying| {
            let mut scene = scene.clone();
            scene.picture.answers.shards = nodes(copying);
            scene
        };
        let mut unseen = asked(false);
        unseen.picture.running.as_mut().unwrap().services[0]["metadata"]["annotations"] = json!({});
        assert_eq!(unseen.next(&desired), let_go, "it has not read the change yet");
        let mut two_passwords = scene.clone();
        let with = |secret: &str| {
            let source = json!({ "secretKeyRef": { "name": secret, "key": "password" } });
            json!([{ "env": [{ "name": "REDIS_PASSWORD", "valueFrom": source }] }])
        };
        let pods = &mut two_passwords.picture.running.as_mut().unwrap().pods;
        (pods[0]["spec"]["containers"], pods[1]["spec"]["containers"]) = (with("new"), with("old"));
        two_passwords.memory.denied = [Denial::BothPasswords].into();
        two_passwords.picture.answers.shards = nodes(true);
        assert_eq!(two_passwords.next(&desired), let_go, "no pod can copy from one with another password");
        let mut left_to_it = asked(true);
        let unguarded = Desired { is_guarded: false, ..desired.clone() };
        assert_eq!(left_to_it.next(&unguarded), let_go, "update_strategy.guarded = false");
        left_to_it.picture.answers.shards = nodes(true);
        assert_ne!(left_to_it.next(&desired), let_go);
        let careless = Desired { wait: false, ..desired.clone() };
        assert_eq!(scene.next(&careless), let_go, "nobody would wait for the end of it");
        // What somebody else has paused stays so.
        let annotations = &mut scene.picture.custom_resources[0]["metadata"]["annotations"];
        annotations.as_object_mut().unwrap().remove(annotation::PAUSED);
        assert_ne!(scene.next(&desired), let_go);
    }

    /// Plays the operator and the nodes, of which the second has slots that nobody moves, until they are mended.
    fn steps_to_close_slots(desired: &Desired, mut scene: Scene) -> Vec<&'static str> {
        let mut steps = Vec::new();
        let mut is_quiet = false;
        for _ in 0..8 {
            let Next::Do(step) = scene.next(desired) else { panic!("{steps:?}, then nothing") };
            steps.push(step.name());
            match step {
                Step::AskNodes => {
                    let mut asked = nodes(false);
                    let Some(Ok(shards)) = &mut asked else { panic!() };
                    (shards.is_quiet, shards.is_stalled) = (is_quiet, true);
                    (shards.masters, shards.size) = (3, 6);
                    let said = shards.pods[0].said.as_mut().unwrap();
                    said.nodes[0].moving.push("[7->-b]".to_owned());
                    scene.picture.answers.shards = asked;
                    continue;
                }
                Step::Roll(Move::Pause) => {
                    pause(&mut scene);
                    is_quiet = true;
                }
                Step::MendNodes(Mending::CloseSlots { .. }) => return steps,
                other => panic!("{steps:?}, then {other:?}"),
            }
            // As after every move.
            scene.picture.answers.shards = None;
        }
        panic!("{steps:?}");
    }

    #[test]
    fn slots_that_are_left_open_are_closed_while_the_operator_is_kept_off() {
        let (mut desired, scene) = changed();
        let steps = ["ask the nodes", "pause the operator", "ask the nodes"];
        let steps = [&steps[..], &["close slots whose move was abandoned"]].concat();
        assert_eq!(steps_to_close_slots(&desired, scene.clone()), steps);
        // In the middle of giving up a shard, of which the operator says nothing before it is done.
        let mut giving_up = scene;
        giving_up.picture.running.as_mut().unwrap().services[0]["metadata"]["annotations"] = json!({});
        giving_up.picture.running.as_mut().unwrap().stateful_sets[0]["spec"]["replicas"] = json!(4);
        desired.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        giving_up.picture.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        assert_eq!(steps_to_close_slots(&desired, giving_up), steps);
    }

    #[test]
    fn before_shards_go_the_operator_is_let_go_where_only_it_can_mend() {
        let (mut desired, mut scene) = changed();
        scene.picture.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 4 });
        desired.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        scene.picture.answers.shards = nodes(false);
        let Some(Ok(shards)) = &mut scene.picture.answers.shards else { panic!() };
        shards.pods[1].said.as_mut().unwrap().replication.master.as_mut().unwrap().is_up = false;
        assert!(matches!(scene.next(&desired), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
        pause(&mut scene);
        assert_eq!(scene.next(&desired), Next::Do(Step::Unpause(desired.topology.data())));
    }

    /// The way back from followers that no node takes.
    #[test]
    fn followers_that_never_started_may_go() {
        let (desired, mut scene) = changed();
        scene.picture.custom_resources[0]["spec"]["redisFollower"] = json!({ "replicas": 6 });
        let mut shards = nodes(false).unwrap().unwrap();
        shards.size = 3;
        scene.picture.answers.shards = Some(Ok(shards.clone()));
        assert!(matches!(scene.next(&desired), Next::Do(Step::ApplyCustomResource { .. })));
        // The leader has lost its slots to a follower.
        shards.pods[0].is_leader = false;
        scene.picture.answers.shards = Some(Ok(shards));
        assert!(!matches!(scene.next(&desired), Next::Do(Step::ApplyCustomResource { .. })));
    }

    #[test]
    fn pods_go_only_once_every_leader_is_a_master_and_all_agree() {
        for (section, more) in [("redisLeader", 4), ("redisFollower", 6)] {
            let (mut desired, mut scene) = changed();
            scene.picture.custom_resources[0]["spec"][section] = json!({ "replicas": more });
            desired.custom_resources[0]["spec"][section] = json!({ "replicas": 3 });
            assert_eq!(scene.next(&desired), Next::Do(Step::AskNodes), "{section}");
            scene.picture.answers.shards = nodes(true);
            assert_eq!(scene.next(&desired), Next::Do(Step::KeepOff), "{section}");
            let mut paused = scene.clone();
            pause(&mut paused);
            assert!(matches!(paused.next(&desired), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
            scene.picture.answers.shards = nodes(false);
            let Some(Ok(shards)) = &mut scene.picture.answers.shards else { panic!() };
            (shards.pods[0].is_leader, shards.pods[1].is_leader) = (false, true);
            let take_over = Mending::TakeOver { address: "ip1".to_owned() };
            assert_eq!(scene.next(&desired), Next::Do(Step::MendNodes(take_over)), "{section}");
            scene.picture.answers.shards = nodes(false);
            assert!(matches!(scene.next(&desired), Next::Do(Step::ApplyCustomResource { .. })));
            scene.picture.answers.shards = Some(Err("no right to".to_owned()));
            assert!(matches!(scene.next(&desired), Next::Stuck(_)), "{section}");
        }
    }

    /// The operator is not shown a password that is not there yet: its pods could not start.
    #[test]
    fn a_password_that_is_yet_to_come_is_waited_for() {
        let (mut desired, mut scene) = changed();
        desired.custom_resources[0]["spec"]["kubernetesConfig"] =
            json!({ "redisSecret": { "name": "new", "key": "password" } });
        assert_eq!(scene.next(&desired), Next::Do(Step::Talk));
        scene.picture.answers.missing_password =
            crate::redis::password::PasswordAt::of_custom_resource(desired.data());
        let found = scene.next(&desired);
        assert!(matches!(&found, Next::Wait(Waiting { cause: Cause::Reference, .. })), "{found:?}");
    }
}
