//! The clock that everybody in a world goes by, and what can hold them up.

use std::collections::BTreeMap;

/// Who can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    Operator,
    Controller,
}

/// What goes wrong. A pod is meant by its place among those that can be meant, counted round.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Somebody does nothing for so many ticks.
    Stall(Actor, u32),
    /// A replica is killed while all is well, and comes back with its volumes.
    Kill { pod: usize },
    /// The master is told to end while all is well, and comes back with its volumes.
    Evict,
    /// The node of a master is lost, while others have what it holds: the pod comes back with volumes of an earlier time.
    Lose,
    /// Somebody ends our pause of the operator.
    Unpause,
    /// For so many ticks we may not reach into pods.
    Forbid(u32),
    /// A pod answers nobody who asks from outside for so many ticks.
    Silence { pod: usize, ticks: u32 },
}

/// Time in ticks, each of some seconds.
#[derive(Clone, Default)]
pub(super) struct Clock {
    now: u32,
    stalled: BTreeMap<Actor, u32>,
}

impl Clock {
    pub(super) fn now(&self) -> u32 {
        self.now
    }

    pub(super) fn ticks(&mut self) {
        self.now += 1;
    }

    pub(super) fn stall(&mut self, actor: Actor, ticks: u32) {
        self.stalled.insert(actor, self.now + ticks);
    }

    pub(super) fn may_act(&self, actor: Actor) -> bool {
        self.stalled.get(&actor).is_none_or(|until| *until <= self.now)
    }
}
