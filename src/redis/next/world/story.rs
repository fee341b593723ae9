//! What happened in a world, step by step: printed if the test fails, or if somebody asks for that one seed.

use std::fmt;

#[derive(Default)]
pub(super) struct Story {
    seed: Option<u64>,
    lines: Vec<String>,
}

impl Story {
    pub(super) fn of(seed: u64) -> Story {
        Story { seed: Some(seed), lines: Vec::new() }
    }

    pub(super) fn tell(&mut self, line: String) {
        // What is waited for, looking again and again, is told once.
        if !self.lines.iter().rev().take(4).any(|told| *told == line) {
            self.lines.push(line);
        }
    }

    pub(super) fn ends_well(mut self) {
        self.lines.clear();
    }
}

impl Story {
    /// Nobody could decide: whoever asks for that one seed wants to know why.
    pub(super) fn ends_in_doubt(self) {
        if std::env::var_os("SEED").is_some() {
            println!("{self}");
        }
        self.ends_well();
    }
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed.map(|seed| format!(" of seed {seed}")).unwrap_or_default();
        write!(formatter, "The story{seed}:\n  {}", self.lines.join("\n  "))
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{self}");
        }
    }
}
