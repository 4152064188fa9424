//! Parts of content: ranges of bytes that have no byte in common.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most parts that are kept apart.
pub(crate) const PARTS_MAX: usize = 64;

/// Ranges of bytes, in order and apart.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Parts(Vec<Range<u64>>);

impl Parts {
    /// Adds the bytes of a range.
    pub(crate) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        self.0.retain(|part| {
            let is_apart = part.end < start || part.start > end;
            if !is_apart {
                start = start.min(part.start);
                end = end.max(part.end);
            }
            is_apart
        });
        let at = self.0.partition_point(|part| part.start < start);
        self.0.insert(at, start..end);
    }

    /// Returns whether it has all bytes of a range.
    pub(crate) fn has(&self, range: &Range<u64>) -> bool {
        let within = |part: &Range<u64>| part.start <= range.start && range.end <= part.end;
        range.is_empty() || self.0.iter().any(within)
    }

    /// Returns how many ranges it has.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_have_the_bytes_that_were_added(ranges in prop::collection::vec((0..60_u64, 0..12_u64), 0..20)) {
            let (mut parts, mut bytes) = (Parts::default(), BTreeSet::new());
            for (start, length) in ranges {
                parts.add(start..start + length);
                bytes.extend(start..start + length);
            }
            for start in 0..72 {
                for end in start..72 {
                    let expected = (start..end).all(|byte| bytes.contains(&byte));
                    prop_assert_eq!(parts.has(&(start..end)), expected);
                }
            }
            let apart = parts.0.windows(2).all(|pair| pair[0].end < pair[1].start);
            prop_assert!(apart, "{:?}", parts);
        }
    }
}
