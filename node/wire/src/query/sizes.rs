//! Sizes as people write them in queries: `10M`, `>1.5M`, `1M..2G`, `..4K`.
//!
//! Units are of 1024 bytes. A size by itself means about that: whatever is shown as it
//! when it is rounded to as many digits. So `1M` is from half a mebibyte to one and a
//! half, `1.5M` from 1.45 to 1.55; a number of bytes is exactly that.

use std::ops::RangeInclusive;

/// A number with its unit.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: u64,
    /// Half of the last digit, in bytes.
    half: u64,
}

/// Reads a range of sizes.
pub(super) fn parse(value: &str) -> Result<RangeInclusive<u64>, String> {
    let size = |text: &str| {
        size(text).ok_or_else(|| {
            format!("`{text}` is no size: write a number of bytes, or one with K, M, G or T, like size:>1.5M, size:10M or size:1K..2M")
        })
    };
    let range = if let Some(least) = value.strip_prefix(">=") {
        size(least)?.bytes..=u64::MAX
    } else if let Some(least) = value.strip_prefix('>') {
        size(least)?.bytes.saturating_add(1)..=u64::MAX
    } else if let Some(most) = value.strip_prefix("<=") {
        0..=size(most)?.bytes
    } else if let Some(most) = value.strip_prefix('<') {
        let most = size(most)?.bytes.checked_sub(1);
        0..=most.ok_or_else(|| "no file is smaller than `size:<0`".to_owned())?
    } else if let Some((least, most)) = value.split_once("..") {
        match (least, most) {
            ("", "") => return Err("`size:..` has neither a least nor a greatest size".to_owned()),
            ("", most) => 0..=size(most)?.bytes,
            (least, "") => size(least)?.bytes..=u64::MAX,
            (least, most) => size(least)?.bytes..=size(most)?.bytes,
        }
    } else {
        let about = size(value)?;
        let most = about.bytes.saturating_add(about.half.saturating_sub(1));
        about.bytes.saturating_sub(about.half)..=most.max(about.bytes)
    };
    if range.is_empty() {
        return Err(format!("`size:{value}` ends before it begins"));
    }
    Ok(range)
}

/// Reads a number with or without a unit.
fn size(text: &str) -> Option<Size> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
        .count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, ""));
    let has_point = whole.len() < number.len();
    if whole.is_empty() && part.is_empty() || has_point && (part.is_empty() || unit == 1) {
        return None;
    }
    let tens = 10_u64.checked_pow(u32::try_from(part.len()).ok().filter(|count| *count <= 9)?)?;
    let parse = |digits: &str| {
        if digits.is_empty() {
            Some(0)
        } else {
            digits.parse::<u64>().ok()
        }
    };
    let bytes = parse(whole)?.checked_mul(unit)?;
    let rest = u128::from(parse(part)?) * u128::from(unit) / u128::from(tens);
    Some(Size {
        bytes: bytes.checked_add(u64::try_from(rest).ok()?)?,
        half: if unit == 1 { 0 } else { unit / tens / 2 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    #[test]
    fn a_size_means_what_rounds_to_it() {
        for (text, range) in [
            ("1M", M / 2..=M + M / 2 - 1),
            ("10m", 10 * M - M / 2..=10 * M + M / 2 - 1),
            ("0", 0..=0),
            ("4096", 4096..=4096),
            (">1.5M", M + M / 2 + 1..=u64::MAX),
            (">=1,5MiB", M + M / 2..=u64::MAX),
            ("<2KB", 0..=2047),
            ("<=2K", 0..=2048),
            ("1M..", M..=u64::MAX),
            ("..1M", 0..=M),
            ("1..2K", 1..=2048),
        ] {
            assert_eq!(parse(text), Ok(range), "{text}");
        }
        let about = parse("1.5M").unwrap();
        assert!(about.contains(&(M * 146 / 100)) && !about.contains(&(M * 156 / 100)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "M",
            "-1",
            "1.5",
            "1.M",
            "1.2.3M",
            "lots",
            "..",
            "2M..1M",
            "<0",
            "99999999T",
            "1P",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
