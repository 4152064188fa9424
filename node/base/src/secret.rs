//! The secret that proves an owner.
//!
//! 256 random bits, made at the first start, in a file that its owner alone
//! can read. The holder of it drives the node.
//!
//! # Invariants
//! - It is never shown, logged, or part of an error.
//! - Comparing takes the same time wherever two secrets differ.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::state::{StateDir, StateError, private::NotPrivate};

/// Name of the file in the state directory.
pub const SECRET_FILE: &str = "secret";

/// Fewest characters of a secret.
const LENGTH_MIN: usize = 32;

/// Fewest different bytes of a key that is no text.
const DIFFERENT_MIN: usize = 8;

/// The reason why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("the secret cannot be used: {0}")]
    State(#[from] StateError),
    /// Others than the owner may read the file.
    #[error("others can read the secret {}; run `chmod 600` on it, or remove it to have a new one made", .0.display())]
    Exposed(PathBuf),
    /// The file belongs to another user, who can read and change it.
    #[error("the secret {} belongs to another user; remove it to have a new one made", .0.display())]
    Foreign(PathBuf),
    /// The file holds no secret.
    #[error("the secret {} {reason}; remove it to have a new one made", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// The reason why it is refused.
        reason: BadSecret,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The reason why a text is no secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSecret {
    /// It is nothing, as after a full disk or a loss of power.
    #[error("is empty or all zeros")]
    Empty,
    /// A header cannot carry it.
    #[error("is not one line of visible ASCII characters")]
    Line,
    /// It can be guessed.
    #[error("is shorter than {LENGTH_MIN} characters")]
    Short,
    /// It can be guessed: it is what a damaged disk leaves.
    #[error("has fewer than {DIFFERENT_MIN} different bytes and is no text")]
    Uniform,
}

/// Returns the secret in the text of a file, which white space may surround.
///
/// # Errors
/// Errors if it is none.
pub fn secret_in(text: &str) -> Result<&str, BadSecret> {
    let secret = text.trim();
    if secret.chars().all(|c| matches!(c, '0' | '\0')) {
        Err(BadSecret::Empty)
    } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err(BadSecret::Line)
    } else if secret.len() < LENGTH_MIN {
        Err(BadSecret::Short)
    } else {
        Ok(secret)
    }
}

/// Returns the key in the bytes of a file, which white space may surround. A key may be any bytes that cannot be guessed.
///
/// # Errors
/// Errors if it is none.
pub fn key_in(bytes: &[u8]) -> Result<&[u8], BadSecret> {
    let key = bytes.trim_ascii();
    let is_text = key.iter().all(u8::is_ascii_graphic);
    let different: BTreeSet<u8> = key.iter().copied().collect();
    if key.iter().all(|byte| matches!(byte, b'0' | 0)) {
        Err(BadSecret::Empty)
    } else if key.len() < LENGTH_MIN {
        Err(BadSecret::Short)
    } else if !is_text && different.len() < DIFFERENT_MIN {
        Err(BadSecret::Uniform)
    } else {
        Ok(key)
    }
}

/// The secret of a node. Clones are the same one, also after it was renewed.
#[derive(Clone, Debug)]
pub struct Secret(Arc<RwLock<SecretString>>);

impl Secret {
    /// Reads the secret of `state`, making it if there is none.
    ///
    /// # Errors
    /// Errors if it cannot be read or made, or is another user's, or others can read it.
    pub fn load_or_create(state: &StateDir) -> Result<Secret, SecretError> {
        state.create(SECRET_FILE, &format!("{}\n", random_hex()?))?;
        let path = state.file(SECRET_FILE);
        let text = match state.read_private(SECRET_FILE)? {
            Some(Err(NotPrivate::Open)) => return Err(SecretError::Exposed(path)),
            Some(Err(NotPrivate::Owner)) => return Err(SecretError::Foreign(path)),
            Some(Ok(text)) => text,
            None => String::new(),
        };
        let secret = secret_in(&text).map_err(|reason| SecretError::Bad { path, reason })?;
        Ok(Secret::of(secret))
    }

    /// Makes a new secret and writes it to `state`. The old one matches no longer.
    ///
    /// # Errors
    /// Errors if it cannot be made or written; the old one then stays.
    pub fn renew(&self, state: &StateDir) -> Result<(), SecretError> {
        let new = SecretString::from(random_hex()?);
        state.write(SECRET_FILE, &format!("{}\n", new.expose_secret()))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Returns true if `presented` is the secret.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        let secret = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let ours = Sha256::digest(secret.expose_secret().as_bytes());
        let theirs = Sha256::digest(presented);
        ours.ct_eq(&theirs).into()
    }

    fn of(text: &str) -> Secret {
        Secret(Arc::new(RwLock::new(text.into())))
    }
}

/// Returns 256 random bits in hex digits.
pub(crate) fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests look at the file from outside"
    )]

    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        (home, state)
    }

    #[test]
    fn a_new_secret_has_256_bits_is_private_and_stays() {
        let (_home, state) = state();
        Secret::load_or_create(&state).unwrap();
        let text = fs::read_to_string(state.file(SECRET_FILE)).unwrap();
        assert_eq!(text.trim().len(), 64);
        let mode = fs::metadata(state.file(SECRET_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Secret::load_or_create(&state).unwrap();
        assert!(again.matches(text.trim().as_bytes()));
        assert!(!again.matches(b""));
        assert!(!again.matches(&text.trim().as_bytes()[1..]));
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_short_is_refused() {
        let (_home, state) = state();
        Secret::load_or_create(&state).unwrap();
        fs::set_permissions(state.file(SECRET_FILE), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Secret::load_or_create(&state),
            Err(SecretError::Exposed(_))
        ));
        fs::set_permissions(state.file(SECRET_FILE), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(state.file(SECRET_FILE), "short").unwrap();
        assert!(matches!(
            Secret::load_or_create(&state),
            Err(SecretError::Bad {
                reason: BadSecret::Short,
                ..
            })
        ));
    }

    #[test]
    fn an_empty_or_all_zero_secret_is_refused() {
        let (_home, state) = state();
        Secret::load_or_create(&state).unwrap();
        for text in ["", "\n", &"0".repeat(64), &"\0".repeat(64)] {
            fs::write(state.file(SECRET_FILE), text).unwrap();
            let refused = Secret::load_or_create(&state).unwrap_err();
            let is_empty = |error| matches!(error, SecretError::Bad { reason, .. } if reason == BadSecret::Empty);
            assert!(is_empty(refused), "{text:?}");
        }
    }

    #[test]
    fn a_renewed_secret_replaces_the_old_one_everywhere() {
        let (_home, state) = state();
        let secret = Secret::load_or_create(&state).unwrap();
        let clone = secret.clone();
        let old = fs::read_to_string(state.file(SECRET_FILE)).unwrap();
        secret.renew(&state).unwrap();
        let new = fs::read_to_string(state.file(SECRET_FILE)).unwrap();
        for secret in [secret, clone, Secret::load_or_create(&state).unwrap()] {
            assert!(!secret.matches(old.trim().as_bytes()));
            assert!(secret.matches(new.trim().as_bytes()));
        }
    }

    #[test]
    fn a_secret_that_cannot_be_written_leaves_the_old_one() {
        let (_home, state) = state();
        let secret = Secret::load_or_create(&state).unwrap();
        let old = fs::read_to_string(state.file(SECRET_FILE)).unwrap();
        // A directory where the new file would be made.
        fs::create_dir(state.file("secret.new")).unwrap();
        assert!(secret.renew(&state).is_err());
        assert!(secret.matches(old.trim().as_bytes()));
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::of("open sesame, open sesame, open sesame");
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
