//! Tokens: texts that give others than the owner a right on the control connection.
//!
//! A token is 256 random bits behind a prefix, by which people and scanners for leaked secrets know it.
//!
//! # Invariants
//! - The text is never logged or part of an error; what is kept of it is its hash.
//! - Comparing takes the same time wherever two hashes differ.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::random_hex;

/// The begin of every token.
pub const PREFIX: &str = "sixhop_";

/// The text of a token, for its holder.
#[derive(Debug)]
pub struct TokenText(SecretString);

/// The hash of the text of a token: SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenHash([u8; 32]);

/// The error of a text that is no hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the hash of a token is 64 hex digits")]
pub struct BadTokenHash;

impl TokenText {
    /// Makes a new token.
    ///
    /// # Errors
    /// Errors if the system gives no random bytes.
    pub fn generate() -> Result<TokenText, getrandom::Error> {
        let random = SecretString::from(random_hex()?);
        let text = format!("{PREFIX}{}", random.expose_secret());
        Ok(TokenText(text.into()))
    }

    /// Returns its hash.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose().as_bytes())
    }

    /// Returns the text itself, to be given to its holder and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TokenHash {
    /// Returns the hash of a text that somebody showed.
    #[must_use]
    pub fn of(presented: &[u8]) -> TokenHash {
        TokenHash(Sha256::digest(presented).into())
    }

    /// Returns whether both are the same.
    #[must_use]
    pub fn matches(&self, other: &TokenHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for TokenHash {
    type Err = BadTokenHash;

    fn from_str(text: &str) -> Result<TokenHash, BadTokenHash> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(BadTokenHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(BadTokenHash);
            let value = digit(pair[0])? << 4 | digit(pair[1])?;
            *byte = u8::try_from(value).map_err(|_| BadTokenHash)?;
        }
        Ok(TokenHash(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_has_256_bits_and_is_new() {
        let (one, other) = (
            TokenText::generate().unwrap(),
            TokenText::generate().unwrap(),
        );
        assert_eq!(one.expose().len(), PREFIX.len() + 64);
        assert!(one.expose().starts_with(PREFIX));
        assert!(!one.hash().matches(&other.hash()));
        assert!(one.hash().matches(&TokenHash::of(one.expose().as_bytes())));
    }

    #[test]
    fn a_hash_reads_back_and_nothing_else_is_one() {
        let hash = TokenHash::of(b"abc");
        let text = hash.to_string();
        assert_eq!(
            text,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        for wrong in [
            "",
            "00",
            &text[1..],
            &format!("{text}0"),
            &text.replace('b', "g"),
        ] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(BadTokenHash), "{wrong}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = TokenText::generate().unwrap();
        let shown = format!("{token:?}");
        assert!(!shown.contains(PREFIX), "{shown}");
    }
}
