//! Stories that are played on the real cluster, too: `tests/e2e/decided.rs` has the same names, and asserts the same facts.
//! `on_disk/world.rs` and `tests/e2e/on_disk.rs` share a story in the same way.

use super::*;
use crate::redis::next::next;
use crate::redis::next::world::clock::Fault;
use crate::redis::next::world::story::Story;
use crate::redis::next::world::{End, drive};
use crate::redis::step::Next;
use crate::redis::waiting::Cause;

/// Carries out the change, and lets the fault strike once, when it is time to. At the end, all that was acknowledged is on
/// all pods, nobody is paused, and nothing is left to do.
fn played(mut world: SetWorld, is_time: impl Fn(&SetWorld) -> bool, fault: Fault) -> SetWorld {
    let mut story = Story::default();
    let mut has_struck = false;
    let (end, taken) = drive(&mut world, usize::MAX, &mut story, |world| {
        if has_struck || !is_time(world) {
            return None;
        }
        let told = world.suffer(fault);
        has_struck = told.is_some();
        told
    });
    assert_eq!((end, has_struck), (End::Done, true), "{taken:?}");
    world.is_as_wanted();
    world.cut_off();
    let (is_done, again) = world.run(usize::MAX);
    assert!(is_done && again.is_empty(), "{again:?}");
    story.ends_well();
    world
}

fn master(world: &SetWorld) -> Vec<String> {
    world.data().filter(|one| one.master.is_none()).map(Server::name).collect()
}

/// Only the sentinels are rolled, and the master stalls for longer than they bear.
#[test]
fn a_failover_of_the_sentinels_during_a_rollout_stays() {
    let mut wanted = desired(3, "old", "first");
    wanted.custom_resources[1] = custom_resource(Kind::RedisSentinel, 3, "new", "first", "another");
    let first_is_replaced = |world: &SetWorld| {
        world.servers.iter().any(|one| !one.part.has_data() && one.revision.contains("new"))
    };
    let stall = Fault::Silence { pod: 0, ticks: 5 };
    let world = played(SetWorld::new(0, wanted), first_is_replaced, stall);
    assert_eq!(master(&world), ["cache-1"], "the choice of the sentinels");
    assert!(
        world.at("10.0.0.1").is_some_and(|old| old.name() == "cache-0"),
        "nobody has restarted the other"
    );
}

/// The master is evicted while the only other pod has not copied yet, and comes back with everything.
#[test]
fn a_replica_that_is_copying_is_not_promoted() {
    let start = SetWorld::of(2, 0, without_sentinels(desired(2, "new", "first")));
    let start = SetWorld { copies_for: 5, ..start };
    let is_copying = |world: &SetWorld| world.data().any(|one| one.copying_until.is_some());
    played(start, is_copying, Fault::Evict);
}

/// Somebody has changed the text of the Secret, and the pods have the former one still.
#[test]
fn a_password_that_was_changed_in_place_pauses_nobody() {
    let mut world = SetWorld::new(0, desired(3, "new", "first"));
    for server in &mut world.servers {
        server.accepts = BTreeSet::from(["another text".to_owned()]);
    }
    let waiting = loop {
        match next(&world.desired, &world.picture(), &world.memory()) {
            Next::Do(step) => {
                assert!(step.is_a_look(), "{}", step.name());
                world.do_it(&step);
            }
            Next::Wait(waiting) => break waiting,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(waiting.cause, Cause::Login);
    assert!(world.kinds().all(|kind| !world.is_paused(kind)));
}
