//! `Digest`: the name of a file by its content.
//!
//! The BLAKE3 hash of a file's bytes. It names the file under any file name,
//! and with the digest every byte that claims to be of it can be checked.
//!
//! Absent: hashing. That needs the bytes, and this crate has none.

use std::fmt;
use std::str::FromStr;

/// A BLAKE3 hash, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hex digits")]
pub struct DigestError;

impl Digest {
    /// Returns the digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the digest as 64 lower-case hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// Reads 64 hex digits of either case.
    ///
    /// # Errors
    /// [`DigestError`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        crate::hex::decode(text).map(Self).ok_or(DigestError)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::from_hex(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_sixty_four_hex_digits_are_a_digest() {
        for bad in ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert_eq!(Digest::from_hex(bad), Err(DigestError), "{bad:?}");
        }
        assert!(Digest::from_hex(&"é".repeat(32)).is_err());
    }

    proptest! {
        #[test]
        fn hex_reads_back(bytes in any::<[u8; 32]>()) {
            let digest = Digest::from_bytes(bytes);
            prop_assert_eq!(Digest::from_hex(&digest.to_hex()), Ok(digest));
            prop_assert_eq!(digest.to_hex().to_uppercase().parse(), Ok(digest));
        }
    }
}
