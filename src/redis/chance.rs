//! Chance, decided by a seed, for tests that let it choose.

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

/// How many seeds are tried: those of the variable `SEEDS`, if it is set.
pub fn seeds(usually: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usually)
}

#[test]
fn a_seed_decides() {
    let numbers = |seed| (0..3).scan(Chance(seed), |chance, _| Some(chance.number())).collect::<Vec<_>>();
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
    // The first number that the authors of splitmix64 give for the seed 0.
    assert_eq!(numbers(0)[0], 0xe220_a839_7b1d_cdaf);
}
