//! The secret that proves an owner.
//!
//! 256 random bits, made at the first start, in a file that its owner alone
//! can read. Whoever knows it drives the node.
//!
//! # Invariants
//! - It is never shown, logged, or part of an error.
//! - Comparing takes the same time wherever two secrets differ.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::state::{StateDir, StateError};

/// Name of the file in the state directory.
pub const SECRET_FILE: &str = "secret";

/// Fewest characters of a secret.
const LENGTH_MIN: usize = 32;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("the secret cannot be used: {0}")]
    State(#[from] StateError),
    /// Others than the owner may read the file.
    #[error("others can read the secret {}; run `chmod 600` on it, or remove it to have a new one made", .0.display())]
    Exposed(PathBuf),
    /// The file holds no secret.
    #[error("the secret {} is shorter than {LENGTH_MIN} characters; remove it to have a new one made", .0.display())]
    Short(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The secret of a node.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Reads the secret of `state`, making it if there is none.
    ///
    /// # Errors
    /// When it cannot be read or made, or others can read it.
    pub fn load_or_create(state: &StateDir) -> Result<Secret, SecretError> {
        state.create(SECRET_FILE, &format!("{}\n", random_hex()?))?;
        let path = state.file(SECRET_FILE);
        if !state.is_private(SECRET_FILE)? {
            return Err(SecretError::Exposed(path));
        }
        let text = state.read(SECRET_FILE)?.unwrap_or_default();
        if text.trim().len() < LENGTH_MIN {
            return Err(SecretError::Short(path));
        }
        Ok(Secret(text.trim().to_owned().into()))
    }

    /// Whether `presented` is the secret.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        let ours = Sha256::digest(self.0.expose_secret().as_bytes());
        let theirs = Sha256::digest(presented);
        ours.ct_eq(&theirs).into()
    }
}

fn random_hex() -> Result<String, getrandom::Error> {
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
            Err(SecretError::Short(_))
        ));
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret("open sesame, open sesame, open sesame".to_owned().into());
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
