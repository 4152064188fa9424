//! Numbers that look random and are the same each time: SplitMix64.

/// A source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.next()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Returns a number from 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        part(self.next())
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// Returns a number from 0 to 1 that belongs to these three.
pub(crate) fn part_of(a: u64, b: u64, c: u64) -> f64 {
    part(number_of(a, b, c))
}

/// Returns a number that belongs to these three.
pub(crate) fn number_of(a: u64, b: u64, c: u64) -> u64 {
    mixed(mixed(mixed(a).wrapping_add(b)).wrapping_add(c))
}

fn part(number: u64) -> f64 {
    let bits = u32::try_from(number >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
