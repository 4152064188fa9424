//! Links: texts in URLs that let their holders take, or leave, certain files.
//!
//! A link is 160 random bits in 32 letters and digits, so that it fits into a URL and a QR code.
//!
//! # Invariants
//! - The text is never logged or part of an error; what is kept of it is its hash.
//! - A password is kept as a hash with the text of its link, so that who reads what is kept cannot guess it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::token::TokenHash;

/// Letters and digits of a link: 32 that are hard to confuse in either case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Length of a link, in characters.
pub const LINK_LENGTH: usize = 32;

/// Random bytes of a link.
const BYTES: usize = 20;

/// The text of a link, for its holder.
#[derive(Clone, Debug)]
pub struct LinkText(SecretString);

/// The error of a text that is no link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a link has {LINK_LENGTH} letters and digits")]
pub struct BadLink;

impl LinkText {
    /// Makes a new link.
    ///
    /// # Errors
    /// Errors if the system gives no random bytes.
    pub fn generate() -> Result<LinkText, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        let text: String = bytes.as_chunks::<5>().0.iter().flat_map(letters).collect();
        Ok(LinkText(text.into()))
    }

    /// Reads a link that somebody showed.
    ///
    /// # Errors
    /// Errors if it has another form.
    pub fn parse(text: &str) -> Result<LinkText, BadLink> {
        let is_right = text.bytes().all(|byte| LETTERS.contains(&byte));
        if text.len() == LINK_LENGTH && is_right {
            Ok(LinkText(text.to_owned().into()))
        } else {
            Err(BadLink)
        }
    }

    /// Returns its hash.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose().as_bytes())
    }

    /// Returns the hash of a password for this link.
    #[must_use]
    pub fn password(&self, password: &str) -> TokenHash {
        self.with("password", password.as_bytes())
    }

    /// Returns the proof that a browser keeps once it has shown the password of this hash.
    #[must_use]
    pub fn proof(&self, password: &TokenHash) -> TokenHash {
        self.with("proof", password.to_string().as_bytes())
    }

    fn with(&self, purpose: &str, bytes: &[u8]) -> TokenHash {
        let mut hash = Sha256::new();
        for part in [purpose.as_bytes(), self.expose().as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        TokenHash::of(&hash.finalize())
    }

    /// Returns the text itself, to be given to its holder and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Returns the letters of five bytes.
fn letters(bytes: &[u8; 5]) -> [char; 8] {
    let bits = bytes
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    std::array::from_fn(|at| {
        let index = usize::try_from(bits >> (35 - 5 * at) & 31).expect("five bits are an index");
        char::from(LETTERS[index])
    })
}

/// Shows that there is a link, and not which one.
impl fmt::Display for LinkText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a link)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_link_has_160_bits_and_reads_back() {
        let (one, other) = (LinkText::generate().unwrap(), LinkText::generate().unwrap());
        assert_eq!(one.expose().len(), LINK_LENGTH);
        assert!(!one.hash().matches(&other.hash()));
        let read = LinkText::parse(one.expose()).unwrap();
        assert!(read.hash().matches(&one.hash()));
        assert_eq!(letters(&[0xff; 5]), ['7'; 8]);
        assert_eq!(letters(&[0, 0, 0, 0, 1]).last(), Some(&'b'));
    }

    #[test]
    fn a_password_counts_for_its_link_alone() {
        let (one, other) = (LinkText::generate().unwrap(), LinkText::generate().unwrap());
        let kept = one.password("open");
        assert!(one.password("open").matches(&kept));
        assert!(!one.password("opem").matches(&kept));
        assert!(!other.password("open").matches(&kept));
        assert!(!one.proof(&kept).matches(&kept));
    }

    #[test]
    fn a_link_does_not_show_itself() {
        let link = LinkText::generate().unwrap();
        let shown = format!("{link:?} {link}");
        assert!(!shown.contains(link.expose()), "{shown}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn what_is_read_has_the_form_of_a_link(text in "[a-z2-7]{30,34}|[a-z2-7]{31}\\PC|\\PC{0,40}") {
            let has_form = text.len() == LINK_LENGTH
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
            prop_assert_eq!(LinkText::parse(&text).is_ok(), has_form);
        }
    }
}
