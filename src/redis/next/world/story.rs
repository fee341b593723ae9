//! What happened in a world, step by step: printed only if the test fails.

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

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.seed.map(|seed| format!(" of seed {seed}")).unwrap_or_default();
            println!("The story{seed}:\n  {}", self.lines.join("\n  "));
        }
    }
}
