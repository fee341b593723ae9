//! Chance, decided by a seed, and the tests that let it choose: which change is asked for, where the run is cut off, and what
//! goes wrong meanwhile. The story of a seed that fails is printed.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::{Actor, Fault};
use super::story::Story;
use super::{End, World, cluster, drive, set};
use crate::redis::chance::{Chance, seeds};

/// How many seeds are tried, half of them with a cluster, unless the variable `SEEDS` says otherwise.
const SEEDS: u64 = 60;

/// How many more applies it may take when nothing goes wrong any more.
const LAST_APPLIES: usize = 1;

impl Chance {
    /// Only what the code must bear today.
    fn fault(&mut self) -> Fault {
        let ticks = u32::try_from(1 + self.below(4)).unwrap();
        match self.below(8) {
            0 => Fault::Stall(Actor::Operator, ticks),
            1 => Fault::Stall(Actor::Controller, ticks),
            2 => Fault::Silence { pod: self.below(8), ticks },
            3 => Fault::Evict,
            4 => Fault::Lose,
            5 => Fault::Unpause,
            6 => Fault::Forbid(ticks),
            _ => Fault::Kill { pod: self.below(8) },
        }
    }
}

/// A run that is cut off up to three times, with up to two faults in each part of it, and sometimes another one beside it. Deeds take no time in a world, so chance
/// also says when some passes between two of them. Whether a person had to be asked.
fn lives_through(seed: u64, mut world: impl World) -> bool {
    let mut chance = Chance(seed);
    let mut story = Story::of(seed);
    for _ in 0..chance.below(4) {
        let deeds = 1 + chance.below(12);
        let mut faults = 2;
        let are_two = chance.strikes(4);
        let (end, _) = drive(&mut world, deeds, &mut story, |world| {
            if chance.strikes(4) {
                world.time_passes();
            }
            if are_two && chance.strikes(5) {
                world.take_turns();
                return Some("another apply acts".to_owned());
            }
            (faults > 0 && chance.strikes(6)).then(|| {
                faults -= 1;
                world.suffer(chance.fault())
            })?
        });
        if end == End::InDoubt {
            story.ends_in_doubt();
            return true;
        }
        story.tell("we are cut off".to_owned());
        world.cut_off();
        for _ in 0..chance.below(3) {
            world.time_passes();
            world.news().into_iter().for_each(|one| story.tell(one));
        }
    }
    let more = |world: &mut _| {
        if chance.strikes(4) {
            World::time_passes(world);
        }
        None
    };
    let (mut end, _) = drive(&mut world, usize::MAX, &mut story, more);
    // What a right is missing for is done by an apply that comes when the right is back.
    for _ in 0..LAST_APPLIES {
        if end == End::CutOff {
            world.cut_off();
            (0..4).for_each(|_| world.time_passes());
            (end, _) = drive(&mut world, usize::MAX, &mut story, |_| None);
        }
    }
    assert_ne!(end, End::CutOff);
    if end == End::Done {
        world.is_as_wanted();
    }
    match end {
        End::InDoubt => story.ends_in_doubt(),
        _ => story.ends_well(),
    }
    end == End::InDoubt
}

/// Whether a person had to be asked.
fn is_in_doubt(seed: u64) -> bool {
    let which = Chance(seed ^ 0x5eed).below(80);
    match seed % 2 {
        0 => lives_through(seed, cluster::scenario(which)),
        _ => lives_through(seed, set::scenario(which)),
    }
}

#[test]
fn whatever_a_seed_chooses_it_ends_well() {
    let all = seeds(SEEDS);
    let many = (all.end - all.start).max(100);
    let next = AtomicU64::new(all.start);
    let work = || {
        let seeds = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < all.end);
        std::iter::from_fn(seeds).filter(|seed| is_in_doubt(*seed)).collect::<Vec<u64>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let in_doubt: Vec<u64> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    println!("a person was asked with the seeds {in_doubt:?}");
    assert!(in_doubt.len() as u64 <= many / 100, "too often: {in_doubt:?}");
}
