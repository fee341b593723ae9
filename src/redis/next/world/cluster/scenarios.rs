//! What may happen to a cluster: each is run as a whole, and cut off after each deed and once more soon after.

use super::*;
use crate::redis::fixture;
use crate::redis::next::next;
use crate::redis::next::world::ends_well_wherever_it_is_cut_off;
use crate::redis::objects::Role;
use crate::redis::step::Next;

pub(super) fn custom_resource(leaders: usize, followers: usize, image: &str, secret: &str) -> Json {
    let kind = Kind::RedisCluster;
    let hash = format!("{leaders}-{followers}-{image}-{secret}");
    json!({
        "kind": kind.kind(),
        "metadata": {
            "name": "cache", "uid": kind.plural(),
            "annotations": { annotation::SPEC_HASH: hash, annotation::CLAIM: "mine" },
            "finalizers": [kind.finalizer()],
        },
        "spec": {
            "clusterSize": leaders,
            "redisLeader": { "replicas": leaders },
            "redisFollower": { "replicas": followers },
            "kubernetesConfig": {
                "image": image,
                "redisSecret": { "name": secret, "key": "password" },
            },
        },
    })
}

fn desired(leaders: usize, followers: usize, image: &str, secret: &str) -> Desired {
    let plain = fixture::desired(Topology::Cluster);
    let mut password = plain.of_role(Role::Password).unwrap().clone();
    (password.key, password.object) = (key_of(secret), made(secret));
    let custom_resources = vec![custom_resource(leaders, followers, image, secret)];
    Desired { custom_resources, objects: vec![password], ..plain }
}

fn three(image: &str, secret: &str) -> ClusterWorld {
    ClusterWorld::made(3, 3, "old", desired(3, 3, image, secret))
}

/// As an operator leaves it that has rolled: some leaders follow.
fn rolled(size: usize, wanted: Desired) -> ClusterWorld {
    let mut world = ClusterWorld::made(size, size, "new", wanted);
    for name in ["cache-follower-0", "cache-follower-2"] {
        let at = world.pod(name).unwrap();
        world.servers[at].takes_over = true;
    }
    world.time_passes();
    world.waits_for(|world| world.whole().is_ok());
    assert!(world.servers.iter().any(|one| one.is_leader() && !one.is_master()));
    world
}

impl ClusterWorld {
    fn waits_for(&mut self, what: impl Fn(&ClusterWorld) -> bool) {
        for _ in 0..60 {
            if what(self) {
                return;
            }
            self.time_passes();
        }
        panic!("it does not come: {}", self.news.join("\n"));
    }

    /// A leader is gone, and its volumes with it.
    fn loses_the_volumes_of(&mut self, name: &str) {
        let at = self.pod(name).unwrap();
        self.goes(at);
        self.volumes.remove(name);
    }
}

/// A leader came back without its volumes, after its follower had taken over.
fn without_volumes() -> ClusterWorld {
    let mut world = three("old", "first");
    world.loses_the_volumes_of("cache-leader-1");
    world.waits_for(|world| {
        let at = world.pod("cache-leader-1");
        at.is_some_and(|at| world.servers[at].is_ready)
            && world
                .servers
                .iter()
                .all(|one| !one.is_master() || !one.me().slots.is_empty() || one.is_leader())
    });
    world
}

/// The operator has given slots to such a leader.
fn a_shard_too_many() -> ClusterWorld {
    let mut world = without_volumes();
    // Somebody has the failed node forgotten, and so the operator counts as many as it expects.
    world.waits_for(|world| world.servers[0].disk.knows.len() == 7);
    let now = world.clock.now();
    let first = &world.servers[0];
    let failed = first.disk.knows.keys().find(|id| first.has_failed(id, now)).unwrap().clone();
    world.forget(&failed);
    world.waits_for(|world| {
        let serving = world.servers.iter().filter(|one| !one.me().slots.is_empty()).count();
        serving == 4 && !world.operator_is_busy()
    });
    world
}

/// Whoever moved slots has given up.
fn left_open() -> ClusterWorld {
    let mut world = three("old", "first");
    let id = |world: &ClusterWorld, at: usize| world.servers[at].disk.id.clone();
    let (from, to) = (id(&world, 0), id(&world, 2));
    world.servers[0].moving.insert(0, (true, to));
    world.servers[2].moving.insert(0, (false, from));
    world
}

fn a_follower_less() -> ClusterWorld {
    ClusterWorld::made(3, 6, "old", desired(3, 3, "old", "first"))
}

/// A pod whose number went and comes back has its volumes still. Only one of them: where several have, each is in the tables
/// of the others, so that none counts as forgotten, and nobody resets them.
fn a_follower_more_again() -> ClusterWorld {
    let mut world = a_follower_less();
    assert!(world.run(usize::MAX).0);
    world.cut_off();
    world.volumes.retain(|name, _| name == "cache-follower-4");
    world.desired = desired(3, 6, "old", "first");
    world
}

/// A world before a change that chance has chosen.
pub(in super::super) fn scenario(which: usize) -> ClusterWorld {
    match which % 10 {
        0 => three("new", "first"),
        1 => three("old", "second"),
        2 => without_volumes(),
        3 => a_shard_too_many(),
        4 => left_open(),
        5 => a_follower_less(),
        6 => a_follower_more_again(),
        7 => rolled(3, desired(4, 4, "new", "first")),
        8 => rolled(3, desired(3, 0, "new", "first")),
        _ => rolled(4, desired(3, 3, "new", "first")),
    }
}

/// Nobody answers for it, and the others say that it has failed; it may come back any moment.
fn a_follower_hangs() -> ClusterWorld {
    let mut world = three("old", "first");
    let at = world.pod("cache-follower-1").unwrap();
    world.servers[at].hangs_until = world.clock.now() + 4 * SILENCE + 1;
    world.waits_for(|world| world.servers[0].finds_failed(world.clock.now()));
    world
}

#[test]
fn a_follower_that_hangs_is_not_forgotten() {
    assert!(ends_well_wherever_it_is_cut_off(&a_follower_hangs()).is_empty(), "it is waited for");
}

#[test]
fn another_image() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&three("new", "first")));
}

#[test]
fn another_password() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&three("old", "second")));
}

#[test]
fn a_leader_without_its_volumes() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&without_volumes()));
}

#[test]
fn one_shard_too_many() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&a_shard_too_many()));
}

#[test]
fn slots_that_are_left_open() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&left_open()));
}

#[test]
fn one_follower_less() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&a_follower_less()));
}

/// Some of those that go are masters.
#[test]
fn no_follower_any_more() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&rolled(
        3,
        desired(3, 0, "new", "first")
    )));
}

#[test]
fn one_follower_more_again() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&a_follower_more_again()));
}

#[test]
fn one_shard_more() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&rolled(
        3,
        desired(4, 4, "new", "first")
    )));
}

#[test]
fn one_shard_less() {
    insta::assert_debug_snapshot!(ends_well_wherever_it_is_cut_off(&rolled(
        4,
        desired(3, 3, "new", "first")
    )));
}

/// Whatever is to be mended or rolled: a pause of somebody else is waited for.
#[test]
fn a_pause_of_somebody_else_stays() {
    for mut world in [three("new", "first"), without_volumes(), a_shard_too_many(), left_open()] {
        world.live["metadata"]["annotations"][Kind::RedisCluster.skip_reconcile()] = json!("true");
        world.excused_until = u32::MAX;
        for _ in 0..20 {
            match next(&world.desired, &world.picture(), &world.memory()) {
                Next::Do(step) => world.carry_out(&step),
                Next::Wait(_) => world.time_passes(),
                other => panic!("{other:?}"),
            }
            assert_eq!(world.hold(), Hold::Others);
        }
    }
}
