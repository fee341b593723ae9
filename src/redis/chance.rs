//! Chance, decided by a seed, for tests that let it choose.

use std::ops::Range;

/// Random numbers of a seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// One in so many.
    pub fn strikes(&mut self, in_so_many: usize) -> bool {
        self.below(in_so_many) == 0
    }
}

/// The seeds that are tried: only that of the variable `SEED`, or as many as the variable `SEEDS` says, if one is set.
pub fn seeds(usually: u64) -> Range<u64> {
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(usually),
    }
}

#[test]
fn a_seed_decides() {
    let numbers = |seed| (0..3).scan(Chance(seed), |chance, _| Some(chance.number())).collect::<Vec<_>>();
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
    // The first number that the authors of splitmix64 give for the seed 0.
    assert_eq!(numbers(0)[0], 0xe220_a839_7b1d_cdaf);
}
