//! Reproducible dice: one seed, and for each user of it numbers of its own.

use std::time::Duration;

/// Splitmix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for the purpose `name` of a run with `seed`.
    pub(crate) fn new(seed: u64, name: u64) -> Self {
        let mut dice = Self(seed);
        dice.0 = dice.next().wrapping_add(name.wrapping_mul(GOLDEN));
        dice
    }

    /// Any number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `below`; zero if that is.
    pub(crate) const fn below(&mut self, below: u64) -> u64 {
        match below {
            0 => 0,
            below => self.next() % below,
        }
    }

    /// An index below `length`; zero if that is.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// True `percent` times of a hundred.
    pub(crate) const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time from `low` to `high`.
    pub(crate) fn time(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        low + Duration::from_micros(self.below(span.saturating_add(1)))
    }

    /// A number from 1 to `high`, small ones as often as large ones by their number of digits.
    pub(crate) const fn magnitude(&mut self, high: u64) -> u64 {
        let bits = u64::BITS - high.leading_zeros();
        let low = 1_u64 << self.below(bits as u64);
        let number = low + self.below(low);
        if number > high { high } else { number }
    }
}

/// Source: as [`Dice`]; the odd number nearest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
