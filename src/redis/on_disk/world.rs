//! A Redis with a memory, two files and a disk that may be slow or full, under clients that write all the time. A seed
//! chooses the files before and after the change, the faults, and the moments at which the provider is killed. A restart
//! that the provider begins must read every acknowledged write; if Redis is killed instead of told to end, every write that
//! was acknowledged before the apply.

use super::*;
use crate::redis::chance::{Chance, seeds};

/// How many changes are tried, unless the variable `SEEDS` says otherwise.
const SEEDS: u64 = 2000;
/// For how long a run may last.
const PATIENCE: usize = 2000;

/// The append-only file of a running Redis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Log {
    Off,
    /// Switched on, and not complete yet: what is on disk is of another time.
    Waiting,
    On,
}

/// A process of Redis that writes a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Child {
    Snapshot,
    Rewrite,
}

/// Each number counts the acknowledged writes that a place holds.
struct Server {
    memory: u64,
    snapshot: u64,
    log: u64,
    is_logging: Log,
    points: String,
    /// What is being written, with what it held when it was begun, and for how long.
    child: Option<(Child, u64, usize)>,
    is_rewrite_scheduled: bool,
    last_save_succeeded: bool,
    last_rewrite_succeeded: bool,
    /// For how many ticks the disk is full.
    is_full_for: usize,
}

impl Server {
    fn persistence(&self) -> Persistence {
        Persistence {
            saving: matches!(self.child, Some((Child::Snapshot, ..))),
            rewriting: matches!(self.child, Some((Child::Rewrite, ..))),
            rewrite_scheduled: self.is_rewrite_scheduled,
            append_only: self.is_logging != Log::Off,
            last_save_succeeded: self.last_save_succeeded,
            last_rewrite_succeeded: self.last_rewrite_succeeded,
            last_append_succeeded: self.is_full_for == 0 || self.is_logging != Log::On,
            ..Persistence::default()
        }
    }

    /// Whether it accepts that.
    fn told(&mut self, deed: &Deed, chance: &mut Chance) -> bool {
        match deed {
            Deed::SwitchOn if self.is_logging == Log::Off => {
                self.is_logging = Log::Waiting;
                match self.child {
                    Some(_) => self.is_rewrite_scheduled = true,
                    None => self.begin(Child::Rewrite, chance),
                }
            }
            Deed::SwitchOn => {}
            Deed::SwitchOff => {
                self.is_logging = Log::Off;
                self.is_rewrite_scheduled = false;
                self.child.take_if(|(child, ..)| *child == Child::Rewrite);
            }
            Deed::SavePoints(points) => self.points = points.clone(),
            Deed::Snapshot if self.child.is_some() => return false,
            Deed::Snapshot => self.begin(Child::Snapshot, chance),
        }
        true
    }

    fn begin(&mut self, child: Child, chance: &mut Chance) {
        self.child = Some((child, self.memory, 1 + chance.below(6)));
        if child == Child::Rewrite {
            self.is_rewrite_scheduled = false;
        }
    }

    fn tick(&mut self, chance: &mut Chance) {
        let is_full = self.is_full_for > 0;
        self.is_full_for = self.is_full_for.saturating_sub(1);
        // A log that cannot be written makes Redis refuse writes, and so does a snapshot that has failed.
        let refuses =
            is_full && self.is_logging == Log::On || !self.last_save_succeeded && !self.points.is_empty();
        if !refuses {
            self.memory += 1;
            if self.is_logging == Log::On {
                self.log = self.memory;
            }
        }
        match self.child {
            Some((child, held, 0)) => {
                self.child = None;
                match child {
                    Child::Snapshot => {
                        self.last_save_succeeded = !is_full;
                        if !is_full {
                            self.snapshot = held;
                        }
                    }
                    Child::Rewrite => {
                        self.last_rewrite_succeeded = !is_full;
                        if !is_full {
                            // With what was written meanwhile.
                            (self.is_logging, self.log) = (Log::On, self.memory);
                        }
                        self.is_rewrite_scheduled = is_full && self.is_logging == Log::Waiting;
                    }
                }
            }
            Some((child, held, left)) => self.child = Some((child, held, left - 1)),
            None if self.is_rewrite_scheduled => self.begin(Child::Rewrite, chance),
            // Redis does both by itself.
            None if !self.points.is_empty() && chance.strikes(20) => self.begin(Child::Snapshot, chance),
            None if self.is_logging == Log::On && chance.strikes(30) => self.begin(Child::Rewrite, chance),
            None => {}
        }
    }

    /// It is told to end, and saves what its own configuration says.
    fn ends(&mut self) {
        if !self.points.is_empty() && self.is_full_for == 0 {
            self.snapshot = self.memory;
        }
    }

    fn reads(&self, next: &Disk) -> u64 {
        if next.append_only { self.log } else { self.snapshot }
    }
}

fn points(chance: &mut Chance) -> String {
    let has_points = chance.strikes(2);
    if has_points { "900 1".to_owned() } else { String::new() }
}

/// A change, from a start of the provider to the next: whether the data can be read by a restart.
fn saves(
    server: &mut Server,
    next: Option<&Disk>,
    chance: &mut Chance,
    story: &mut Vec<String>,
    until: usize,
) -> Option<bool> {
    let (mut told, in_force) = (Told::default(), server.points.clone());
    for _ in 0..until {
        if chance.strikes(25) {
            server.is_full_for = 1 + chance.below(10);
            story.push(format!("FAULT: the disk is full for {} ticks", server.is_full_for));
        }
        if chance.strikes(60) && server.is_logging == Log::Off {
            story.push("FAULT: somebody switches the append-only file on".to_owned());
            server.told(&Deed::SwitchOn, chance);
        }
        let act = act(next, &server.persistence(), &in_force, &told);
        story.push(format!("{act:?}"));
        match act {
            Act::Done => return Some(true),
            Act::Failed(_) => return Some(false),
            Act::Look => server.tick(chance),
            Act::Tell(deed) => {
                // The answer of what was done may be lost on its way.
                if server.told(&deed, chance) && !chance.strikes(10) {
                    told.note(deed);
                }
                if chance.strikes(2) {
                    server.tick(chance);
                }
            }
        }
    }
    None
}

/// What a restart loses: none, or so many acknowledged writes.
fn lost(seed: u64, story: &mut Vec<String>) -> u64 {
    let mut chance = Chance(seed);
    let is_logging = if chance.strikes(2) { Log::On } else { Log::Off };
    let mut server = Server {
        memory: 100,
        snapshot: chance.number() % 100,
        log: if is_logging == Log::On { 100 } else { chance.number() % 100 },
        is_logging,
        points: points(&mut chance),
        child: None,
        is_rewrite_scheduled: false,
        last_save_succeeded: true,
        last_rewrite_succeeded: true,
        is_full_for: 0,
    };
    let save = Some(points(&mut chance)).filter(|points| !points.is_empty());
    let next = Disk { append_only: save.is_none() || chance.strikes(2), save };
    let is_known = !chance.strikes(5);
    story.push(format!("from {is_logging:?} with points {:?} to {next:?}", server.points));
    let known = is_known.then_some(&next);
    for _ in 0..chance.below(4) {
        let until = chance.below(8);
        if saves(&mut server, known, &mut chance, story, until) == Some(true) {
            break;
        }
        story.push("killed".to_owned());
        (0..chance.below(4)).for_each(|_| server.tick(&mut chance));
    }
    let begun = loop {
        let held = server.memory;
        match saves(&mut server, known, &mut chance, story, PATIENCE) {
            Some(true) => break held,
            // The user makes room, and applies again.
            Some(false) => {
                server.is_full_for = 0;
                (0..10).for_each(|_| server.tick(&mut chance));
            }
            None => panic!("goes on for ever"),
        }
    };
    // A disk that is full from now on is Redis' own hazard if it has a snapshot to write at its end.
    server.is_full_for = 0;
    (0..chance.below(3)).for_each(|_| server.tick(&mut chance));
    if chance.strikes(2) {
        // Its node is lost, or its time to end is too short: what was written before the apply is on disk.
        story.push("it ends at once".to_owned());
        return begun.saturating_sub(server.reads(&next));
    }
    server.ends();
    server.memory - server.reads(&next)
}

#[test]
fn whatever_a_seed_chooses_a_restart_reads_every_write() {
    let mut losses = Vec::new();
    for seed in seeds(SEEDS) {
        let mut story = Vec::new();
        let lost = lost(seed, &mut story);
        if lost > 0 {
            losses.push((seed, lost, story));
        }
    }
    if let Some((seed, lost, story)) = losses.first() {
        panic!("{} seeds lose; {seed} loses {lost}:\n  {}", losses.len(), story.join("\n  "));
    }
}
