//! A cluster's place in an apply: the operator puts it together and rolls it, and we see to it that it does not go on while
//! a replica copies its master's data.
//!
//! What can be mended is mended while it is kept off, too: it counts nodes, and acts on what it has counted.
//!
//! It asks only whether pods are Ready. A pod is, long before it has copied everything: restarted then, its master would
//! leave the shard without anybody who could take over. And until the copy is done, the operator (v0.26) has it begin anew
//! every 15 s, so that a copy that takes longer never ends. So it is kept off from when pods restart until all have copied:
//! once between leaders and followers, and once after the followers. Nothing else of it is needed for that time.

use serde_json::Value as Json;

use super::passwords::has_two_passwords;
use super::{Cause, Desired, Next, Observed, Step, Waiting, wait};
use crate::redis::diagnose;
use crate::redis::names::annotation;
use crate::redis::object::{annotation as mark, count, name};
use crate::redis::ready::{self, Running};
use crate::redis::rollout::Move;
use crate::redis::shards::{Mending, Shards};
use crate::redis::topology::{Part, Topology};

/// Before shards go. The operator moves their slots to others only if it counts as many masters as it expects, and each leader
/// is one; otherwise it shrinks the StatefulSet all the same, and the slots are lost with their keys. So it is given the
/// smaller number only when all that holds.
pub(super) fn fewer(desired: &Desired, observed: &Observed) -> Option<Next> {
    let leaders = desired.topology.parts().first()?;
    let data = observed.custom_resource(desired.topology.data())?;
    if desired.topology != Topology::Cluster || leaders.replicas(desired.data()) >= leaders.replicas(data) {
        return None;
    }
    let Some(running) = &observed.running else { return Some(Next::Do(Step::Watch)) };
    // None has served: there is nothing to lose, and nobody to ask.
    if !running.pods.iter().any(ready::is_ready) {
        return None;
    }
    match &observed.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(why)) => {
            let why = format!(
                "no shard is removed before all nodes are known to agree, and they cannot be asked: {why}"
            );
            Some(Next::Stuck(Waiting { cause: Cause::Nodes, why }))
        }
        Some(Ok(shards)) => match shards.whole() {
            Ok(()) => shards.leader_that_follows().map(|todo| Next::Do(Step::MendNodes(todo))),
            Err(why) => Some(mend(shards, running, desired, data).unwrap_or_else(|| {
                // What is left is the operator's to mend.
                let is_ours = is_paused(desired, data) && mark(data, annotation::PAUSED).is_some();
                match is_ours && shards.copying().is_none() {
                    true => let_go(desired),
                    false => wait(Cause::Nodes, format!("no shard is removed before this is over: {why}")),
                }
            })),
        },
    }
}

/// Keeps the operator off, waits, and lets it go on; `None` where it is to go on as it does.
pub(super) fn hold(desired: &Desired, observed: &Observed, running: &Running) -> Option<Next> {
    if desired.topology != Topology::Cluster {
        return None;
    }
    let data = observed.custom_resource(desired.topology.data())?;
    if is_kept_off(desired, data) {
        return None;
    }
    let is_paused = is_paused(desired, data);
    let release = || is_paused.then(|| let_go(desired));
    let leaders = desired.topology.parts().first()?;
    if ready::seen_by_operator(*leaders, data, running).is_err() {
        if is_paused && observed.shards.is_none() {
            return Some(Next::Do(Step::AskNodes));
        }
        return left_open(observed).or_else(release).or_else(|| moving(*leaders, data, running, observed));
    }
    // A pod cannot copy from one that has another password: only the operator's going on helps.
    let keeps_off = desired.is_guarded && !(observed.passwords_are_apart && has_two_passwords(running));
    // The pods of a new cluster start for the first time: nobody can take over from them.
    let parts = desired.topology.parts().iter().filter(|_| keeps_off && !desired.creating);
    if let Some(why) = parts.filter_map(|part| restarting(*part, desired, running)).next() {
        if !is_paused {
            return Some(Next::Do(Step::KeepOff));
        }
        let starting = Waiting { cause: Cause::Starting, why };
        return Some(Next::Wait(diagnose::pods(&running.pods, &running.claims).unwrap_or(starting)));
    }
    let is_to_ask = match ready::ready(desired.topology, &observed.custom_resources, running) {
        Ok(()) => is_paused,
        Err(waiting) => is_paused || !desired.creating || waiting.cause == Cause::Assembling,
    };
    if !is_to_ask {
        return None;
    }
    match &observed.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(_)) => release(),
        Some(Ok(shards)) => match shards.copying().filter(|_| keeps_off) {
            Some(_) if !is_paused => Some(Next::Do(Step::KeepOff)),
            Some(why) => Some(wait(Cause::Nodes, why)),
            None => mend(shards, running, desired, data).or_else(release),
        },
    }
}

/// The operator acts on a smaller number last, once it has moved all slots; with much data that takes long.
fn moving(leaders: Part, data: &Json, running: &Running, observed: &Observed) -> Option<Next> {
    let stateful_set = running.stateful_set(&leaders.name(name(data)))?;
    let (is, wanted) = (count(stateful_set, &["spec", "replicas"]), leaders.replicas(data));
    if is <= wanted {
        return None;
    }
    Some(match &observed.shards {
        None => Next::Do(Step::AskNodes),
        Some(_) => wait(
            Cause::Nodes,
            format!("the operator moves the slots of {} shards to the others", is - wanted),
        ),
    })
}

/// Where the operator has broken off the moving of slots, it does not take it up again.
fn left_open(observed: &Observed) -> Option<Next> {
    let Some(Ok(shards)) = &observed.shards else { return None };
    Some(quietly(shards, shards.left_open()?))
}

/// What an earlier run has left, where this one is not to wait.
pub(super) fn left_paused(desired: &Desired, observed: &Observed) -> Option<Next> {
    let data = observed.custom_resource(desired.topology.data())?;
    let is_ours = desired.topology == Topology::Cluster && mark(data, annotation::PAUSED).is_some();
    (is_ours && is_paused(desired, data)).then(|| let_go(desired))
}

/// All that can be watched is as it should be: whether the nodes agree is asked.
pub(super) fn whole(desired: &Desired, observed: &Observed, running: &Running) -> Option<Next> {
    if desired.topology != Topology::Cluster {
        return None;
    }
    match &observed.shards {
        None => Some(Next::Do(Step::AskNodes)),
        Some(Err(_)) => None,
        Some(Ok(shards)) => {
            let why = shards.whole().err()?;
            let data = observed.custom_resource(desired.topology.data())?;
            Some(mend(shards, running, desired, data).unwrap_or_else(|| wait(Cause::Nodes, why)))
        }
    }
}

/// Only once no pod comes or goes any more: until then a node that is gone may come back.
fn mend(shards: &Shards, running: &Running, desired: &Desired, data: &Json) -> Option<Next> {
    if is_kept_off(desired, data) {
        return None;
    }
    let is_settled = |part: &Part| {
        let replicas = i64::try_from(if part.section == Some("redisLeader") {
            shards.masters
        } else {
            shards.size.saturating_sub(shards.masters)
        })
        .unwrap_or(0);
        let stateful_set = running.stateful_set(&part.name(&desired.name));
        stateful_set.map_or(replicas == 0, |one| ready::rolled_out(one, replicas).is_ok())
    };
    if !desired.topology.parts().iter().all(is_settled) {
        return None;
    }
    shards.mending().map(|mending| quietly(shards, mending))
}

/// The operator gives slots to a master that has none, and adds whom it does not find: not in the middle of this.
fn quietly(shards: &Shards, mending: Mending) -> Next {
    Next::Do(if shards.is_quiet { Step::MendNodes(mending) } else { Step::Roll(Move::Pause) })
}

fn let_go(desired: &Desired) -> Next {
    Next::Do(Step::Unpause(desired.topology.data()))
}

/// Somebody keeps the operator off on purpose.
pub(super) fn is_kept_off(desired: &Desired, data: &Json) -> bool {
    is_paused(desired, data) && mark(data, annotation::PAUSED).is_none()
}

fn is_paused(desired: &Desired, data: &Json) -> bool {
    mark(data, desired.topology.data().skip_reconcile()) == Some("true")
}

/// Why the pods of a part are not all as its StatefulSet has them; those that it has not been told of yet are no matter.
fn restarting(part: Part, desired: &Desired, running: &Running) -> Option<String> {
    let stateful_set = running.stateful_set(&part.name(&desired.name))?;
    let replicas = count(stateful_set, &["spec", "replicas"]);
    ready::rolled_out(stateful_set, replicas).err().map(|why| format!("{}: {why}", name(stateful_set)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::desired;
    use super::super::next;
    use super::*;
    use crate::redis::fixture::{custom_resources, serving};
    use crate::redis::next::Observed;
    use crate::redis::shards::{Mending, Pod, Said};
    use crate::redis::talk::{Address, MasterLink, Replication, cluster_nodes};

    /// Three shards, and an apply that has just written its change.
    fn changed() -> (Desired, Observed) {
        let mut desired = desired(Topology::Cluster, custom_resources(Topology::Cluster));
        desired.guarded.clear();
        desired.custom_resources[0]["spec"]["redisFollower"] = json!({ "replicas": 3 });
        let mut found = desired.custom_resources.clone();
        found[0]["metadata"]["annotations"][annotation::UNFINISHED] = json!("updating");
        let running = Some(serving(Topology::Cluster));
        (desired, Observed { custom_resources: found, running, ..Observed::default() })
    }

    fn pause(observed: &mut Observed) {
        let marks = &mut observed.custom_resources[0]["metadata"]["annotations"];
        marks["rediscluster.opstreelabs.in/skip-reconcile"] = json!("true");
        marks[annotation::PAUSED] = json!("true");
    }

    fn restart(observed: &mut Observed, stateful_set: usize) {
        observed.running.as_mut().unwrap().stateful_sets[stateful_set]["status"]["readyReplicas"] = json!(2);
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
        let link = MasterLink {
            address: Address { host: "ip0".to_owned(), port: 6379 },
            is_up: !copying,
            is_syncing: copying,
            last_io_seconds_ago: None,
            priority: None,
        };
        let pods = vec![pod(0, None), pod(1, Some(link))];
        Some(Ok(Shards { pods, masters: 1, size: 2, ..Shards::default() }))
    }

    #[test]
    fn the_operator_is_kept_off_while_pods_restart_and_copy() {
        let (desired, mut observed) = changed();
        restart(&mut observed, 0);
        assert_eq!(next(&desired, &observed), Next::Do(Step::KeepOff));
        pause(&mut observed);
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Starting, .. })));
        // The leaders have restarted, and the followers are of the old kind still.
        observed.running = Some(serving(Topology::Cluster));
        observed.running.as_mut().unwrap().services[1]["metadata"]["annotations"] = json!({});
        assert_eq!(next(&desired, &observed), Next::Do(Step::AskNodes));
        observed.shards = nodes(true);
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
        observed.shards = nodes(false);
        assert_eq!(next(&desired, &observed), Next::Do(Step::Unpause(desired.topology.data())));
        observed.shards = Some(Err("no right to".to_owned()));
        assert_eq!(next(&desired, &observed), Next::Do(Step::Unpause(desired.topology.data())));
    }

    /// Also in a new cluster, as a master may let its followers wait before it begins.
    #[test]
    fn a_new_cluster_is_left_to_the_operator_until_somebody_copies() {
        let (mut desired, mut observed) = changed();
        desired.creating = true;
        let mut starting = observed.clone();
        restart(&mut starting, 0);
        assert!(matches!(next(&desired, &starting), Next::Wait(Waiting { cause: Cause::Starting, .. })));
        observed.custom_resources[0]["status"]["state"] = json!("Bootstrap");
        desired.custom_resources[0]["status"] = observed.custom_resources[0]["status"].clone();
        assert_eq!(next(&desired, &observed), Next::Do(Step::AskNodes));
        observed.shards = nodes(false);
        assert!(matches!(next(&desired, &observed), Next::Do(Step::Nudge(_))));
        observed.shards = nodes(true);
        assert_eq!(next(&desired, &observed), Next::Do(Step::KeepOff));
    }

    #[test]
    fn it_is_let_go_where_it_has_something_to_do_first() {
        let (desired, mut observed) = changed();
        restart(&mut observed, 0);
        pause(&mut observed);
        let let_go = Next::Do(Step::Unpause(desired.topology.data()));
        let mut unseen = Observed { shards: nodes(false), ..observed.clone() };
        unseen.running.as_mut().unwrap().services[0]["metadata"]["annotations"] = json!({});
        assert_eq!(next(&desired, &unseen), let_go, "it has not read the change yet");
        let mut two_passwords = observed.clone();
        let with = |secret: &str| {
            let source = json!({ "secretKeyRef": { "name": secret, "key": "password" } });
            json!([{ "env": [{ "name": "REDIS_PASSWORD", "valueFrom": source }] }])
        };
        let pods = &mut two_passwords.running.as_mut().unwrap().pods;
        (pods[0]["spec"]["containers"], pods[1]["spec"]["containers"]) = (with("new"), with("old"));
        two_passwords.passwords_are_apart = true;
        two_passwords.shards = nodes(true);
        assert_eq!(next(&desired, &two_passwords), let_go, "no pod can copy from one with another password");
        let mut left_to_it = Observed { shards: nodes(true), ..observed.clone() };
        let unguarded = Desired { is_guarded: false, ..desired.clone() };
        assert_eq!(next(&unguarded, &left_to_it), let_go, "update_strategy.guarded = false");
        left_to_it.shards = nodes(true);
        assert_ne!(next(&desired, &left_to_it), let_go);
        let careless = Desired { wait: false, ..desired.clone() };
        assert_eq!(next(&careless, &observed), let_go, "nobody would wait for the end of it");
        // What somebody else has paused stays so.
        let annotations = &mut observed.custom_resources[0]["metadata"]["annotations"];
        annotations.as_object_mut().unwrap().remove(annotation::PAUSED);
        assert_ne!(next(&desired, &observed), let_go);
    }

    /// Plays the operator and the nodes, of which the second has slots that nobody moves, until they are mended.
    fn steps_to_close_slots(desired: &Desired, mut observed: Observed) -> Vec<&'static str> {
        let mut steps = Vec::new();
        let mut is_quiet = false;
        for _ in 0..8 {
            let Next::Do(step) = next(desired, &observed) else { panic!("{steps:?}, then nothing") };
            steps.push(step.name());
            match step {
                Step::AskNodes => {
                    let mut asked = nodes(false);
                    let Some(Ok(shards)) = &mut asked else { panic!() };
                    (shards.is_quiet, shards.is_stalled) = (is_quiet, true);
                    (shards.masters, shards.size) = (3, 6);
                    let said = shards.pods[0].said.as_mut().unwrap();
                    said.nodes[0].moving.push("[7->-b]".to_owned());
                    observed.shards = asked;
                    continue;
                }
                Step::Roll(Move::Pause) => {
                    pause(&mut observed);
                    is_quiet = true;
                }
                Step::MendNodes(Mending::CloseSlots { .. }) => return steps,
                other => panic!("{steps:?}, then {other:?}"),
            }
            // As after every move.
            observed.shards = None;
        }
        panic!("{steps:?}");
    }

    #[test]
    fn slots_that_are_left_open_are_closed_while_the_operator_is_kept_off() {
        let (mut desired, observed) = changed();
        let steps = ["ask the nodes", "keep the operator off", "ask the nodes"];
        let steps = [&steps[..], &["close slots whose move was broken off"]].concat();
        assert_eq!(steps_to_close_slots(&desired, observed.clone()), steps);
        // In the middle of giving up a shard, of which the operator says nothing before it is done.
        let mut giving_up = observed;
        giving_up.running.as_mut().unwrap().services[0]["metadata"]["annotations"] = json!({});
        giving_up.running.as_mut().unwrap().stateful_sets[0]["spec"]["replicas"] = json!(4);
        desired.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        giving_up.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        assert_eq!(steps_to_close_slots(&desired, giving_up), steps);
    }

    #[test]
    fn before_shards_go_the_operator_is_let_go_where_only_it_can_mend() {
        let (mut desired, mut observed) = changed();
        observed.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 4 });
        desired.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        observed.shards = nodes(false);
        let Some(Ok(shards)) = &mut observed.shards else { panic!() };
        shards.pods[1].said.as_mut().unwrap().replication.master.as_mut().unwrap().is_up = false;
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
        pause(&mut observed);
        assert_eq!(next(&desired, &observed), Next::Do(Step::Unpause(desired.topology.data())));
    }

    #[test]
    fn shards_go_only_once_every_leader_is_a_master_and_all_agree() {
        let (mut desired, mut observed) = changed();
        observed.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 4 });
        desired.custom_resources[0]["spec"]["redisLeader"] = json!({ "replicas": 3 });
        assert_eq!(next(&desired, &observed), Next::Do(Step::AskNodes));
        observed.shards = nodes(true);
        assert!(matches!(next(&desired, &observed), Next::Wait(Waiting { cause: Cause::Nodes, .. })));
        observed.shards = nodes(false);
        let Some(Ok(shards)) = &mut observed.shards else { panic!() };
        (shards.pods[0].is_leader, shards.pods[1].is_leader) = (false, true);
        let take_over = Mending::TakeOver { address: "ip1".to_owned() };
        assert_eq!(next(&desired, &observed), Next::Do(Step::MendNodes(take_over)));
        observed.shards = nodes(false);
        assert!(matches!(next(&desired, &observed), Next::Do(Step::ApplyCustomResource { .. })));
        observed.shards = Some(Err("no right to".to_owned()));
        assert!(matches!(next(&desired, &observed), Next::Stuck(_)));
    }

    /// The operator is not shown a password that is not there yet: its pods could not start.
    #[test]
    fn a_password_that_is_yet_to_come_is_waited_for() {
        let (mut desired, mut observed) = changed();
        desired.custom_resources[0]["spec"]["kubernetesConfig"] =
            json!({ "redisSecret": { "name": "new", "key": "password" } });
        assert_eq!(next(&desired, &observed), Next::Do(Step::Talk));
        observed.missing_password = crate::redis::password::PasswordAt::of_custom_resource(desired.data());
        let found = next(&desired, &observed);
        assert!(matches!(&found, Next::Wait(Waiting { cause: Cause::Reference, .. })), "{found:?}");
    }
}
