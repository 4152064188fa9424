//! The part of a file that a request asks for (RFC 9110, 14).

/// The range that a `Range` header asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RangeWanted {
    /// The whole file: no range, or one that is to be ignored.
    Whole,
    /// These bytes, the last one included.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Bytes that the file does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. One range of bytes is
/// honoured; several, other units and nonsense are ignored, as the standard
/// allows. An empty file is sent whole: clients that resume or read the first
/// bytes ask so without knowing its size.
pub(super) fn wanted(header: Option<&str>, size: u64) -> RangeWanted {
    let range = header.and_then(|text| text.split_once('='));
    let range = range.filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = range.and_then(|(_, range)| range.trim().split_once('-')) else {
        return RangeWanted::Whole;
    };
    if size == 0 {
        return RangeWanted::Whole;
    }
    match (number(first), number(last)) {
        (Number::Absent, Number::Value(0)) => RangeWanted::Unsatisfiable,
        (Number::Absent, Number::Value(count)) => RangeWanted::Part {
            first: size.saturating_sub(count),
            last: size - 1,
        },
        (Number::Value(first), Number::Value(last)) if last < first => RangeWanted::Whole,
        (Number::Value(first), Number::Value(last)) if first < size => RangeWanted::Part {
            first,
            last: last.min(size - 1),
        },
        (Number::Value(first), Number::Absent) if first < size => RangeWanted::Part {
            first,
            last: size - 1,
        },
        (Number::Value(_), Number::Value(_) | Number::Absent) => RangeWanted::Unsatisfiable,
        _ => RangeWanted::Whole,
    }
}

enum Number {
    Absent,
    Value(u64),
    Nonsense,
}

fn number(text: &str) -> Number {
    if text.is_empty() {
        return Number::Absent;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::Nonsense;
    }
    // More digits than fit are more bytes than any file has.
    Number::Value(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_a_file_of_ten_bytes() {
        let part = |first, last| RangeWanted::Part { first, last };
        for (header, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("Bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=9-99", part(9, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=0-99999999999999999999999", part(0, 9)),
            ("bytes=10-", RangeWanted::Unsatisfiable),
            ("bytes=10-12", RangeWanted::Unsatisfiable),
            ("bytes=-0", RangeWanted::Unsatisfiable),
            ("bytes=5-2", RangeWanted::Whole),
            ("bytes=0-1,3-4", RangeWanted::Whole),
            ("bytes=-", RangeWanted::Whole),
            ("bytes=a-b", RangeWanted::Whole),
            ("bytes=+1-2", RangeWanted::Whole),
            ("bytes", RangeWanted::Whole),
            ("lines=1-2", RangeWanted::Whole),
            ("", RangeWanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
        assert_eq!(wanted(None, 10), RangeWanted::Whole);
    }

    #[test]
    fn a_range_of_an_empty_file_is_the_whole_file() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-"] {
            assert_eq!(wanted(Some(header), 0), RangeWanted::Whole, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_inside_the_file(text in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let RangeWanted::Part { first, last } = wanted(Some(&text), size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
