//! What may be asked of a replicated set: each is run as a whole, and cut off after each deed and once more soon after.

use super::*;
use crate::redis::memory::Memory;
use crate::redis::next::next;
use crate::redis::next::world::shown;
use crate::redis::set::ordinal;
use crate::redis::step::Next;
use crate::redis::waiting::Cause;

/// A world before a change that chance has chosen.
pub(in super::super) fn scenario(which: usize) -> SetWorld {
    let mut world = match which % 10 {
        0 => SetWorld::new(0, desired(3, "new", "first")),
        1 => SetWorld::new(1, desired(3, "old", "second")),
        2 => SetWorld::new(2, desired(2, "old", "first")),
        3 => SetWorld::new(0, of_team("b", desired(3, "old", "first"))),
        4 => SetWorld::new(2, of_team("b", desired(2, "new", "second"))),
        5 => SetWorld::of(1, 0, desired(3, "old", "first")),
        6 => SetWorld::of(2, 1, of_team("b", desired(4, "new", "second"))),
        7 => SetWorld::new(0, without_sentinels(desired(3, "new", "first"))),
        8 => SetWorld::of(2, 1, without_sentinels(desired(4, "old", "second"))),
        _ => SetWorld::new(2, without_sentinels(of_team("b", desired(2, "new", "second")))),
    };
    world.copies_for = u32::try_from(which / 10 % 4).unwrap();
    world
}

#[test]
fn another_image() {
    let steps = ends_well_wherever_it_is_cut_off(&SetWorld::new(0, desired(3, "new", "first")));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn another_image_without_sentinels() {
    let steps =
        ends_well_wherever_it_is_cut_off(&SetWorld::new(0, without_sentinels(desired(3, "new", "first"))));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn another_password() {
    let steps = ends_well_wherever_it_is_cut_off(&SetWorld::new(1, desired(3, "old", "second")));
    insta::assert_debug_snapshot!(steps);
}

/// A Secret that the user keeps comes later than the change that refers to it.
#[test]
fn another_password_that_is_not_there_yet() {
    let mut world = SetWorld::new(1, Desired { objects: Vec::new(), ..desired(3, "old", "second") });
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
        world.time_passes();
    }
    world.secrets.push("second".to_owned());
    ends_well_wherever_it_is_cut_off(&world);
}

#[test]
fn fewer_pods_than_the_masters_number() {
    let steps = ends_well_wherever_it_is_cut_off(&SetWorld::new(2, desired(2, "old", "first")));
    insta::assert_debug_snapshot!(steps);
}

#[test]
fn more_pods() {
    let start = SetWorld::of(1, 0, desired(3, "old", "first"));
    let steps = ends_well_wherever_it_is_cut_off(&start);
    insta::assert_debug_snapshot!(steps);
    for copies_for in 1..4 {
        ends_well_wherever_it_is_cut_off(&SetWorld { copies_for, ..start.clone() });
    }
    // Whoever leaves the pods to the operator gets one after the other, too.
    let mut left = start;
    left.desired.is_guarded = false;
    ends_well_wherever_it_is_cut_off(&left);
    // So does whoever may not enlarge the StatefulSet, also after the master has handed over.
    let mut refused = SetWorld::of(2, 0, desired(4, "new", "first"));
    refused.may_not_enlarge = true;
    ends_well_wherever_it_is_cut_off(&refused);
}

#[test]
fn another_label() {
    let steps = ends_well_wherever_it_is_cut_off(&SetWorld::new(0, of_team("b", desired(3, "old", "first"))));
    insta::assert_debug_snapshot!(steps);
}

/// The label that a run was cut off with is not the one that is asked for next.
#[test]
fn another_label_after_another() {
    let start = SetWorld::new(0, of_team("b", desired(3, "old", "first")));
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
    ends_well_wherever_it_is_cut_off(&SetWorld::new(2, desired.clone()));
    ends_well_wherever_it_is_cut_off(&SetWorld::new(2, of_team("b", desired)));
    ends_well_wherever_it_is_cut_off(&SetWorld::of(2, 1, of_team("b", self::desired(4, "new", "second"))));
}

/// Two pods restarted within a second of each other, the master among them (facts: the operator does not handle it).
#[test]
fn no_master_is_left() {
    let mut world = SetWorld::new(0, desired(3, "old", "first"));
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
        let mut world = SetWorld::new(0, Desired { is_guarded, ..desired(3, "new", "first") });
        for kind in [Kind::RedisReplication, Kind::RedisSentinel] {
            world.live_mut(kind)["metadata"]["annotations"][kind.skip_reconcile()] = json!("true");
        }
        let waiting = loop {
            match next(&world.desired, &world.picture(), &world.memory()) {
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
