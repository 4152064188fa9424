//! The key of a node: its identity, and its proof.
//!
//! An ed25519 key, made at the first start, in a file that its owner alone can
//! read. The public half is the id of the node. What is signed is a
//! [`statement`](node_wire::node_id::statement).
//!
//! # Invariants
//! - The private half is never shown, logged, or part of an error.
//! - A proof is checked strictly: keys of small order and other spellings of a
//!   signature prove nothing.

use std::{path::PathBuf, str::FromStr};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use node_wire::node_id::{NodeId, Nonce, Proof};

use node_base::state::{StateDir, StateError};

/// Name of the file in the state directory.
pub const KEY_FILE: &str = "node-key";

/// The reason why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the key of the node cannot be used: {0}")]
    State(#[from] StateError),
    /// Others own the file or may read it.
    #[error("others own or can read the key of the node {}; run `chmod 600` on it, or remove it to be a new node", .0.display())]
    Exposed(PathBuf),
    /// The file holds no key.
    #[error("{} holds no key; remove it to be a new node", .0.display())]
    Broken(PathBuf),
}

/// The key of this node.
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// Reads the key of `state`, making it if there is none.
    ///
    /// # Errors
    /// Errors if it cannot be read or made, or others can read it.
    pub fn load_or_create(state: &StateDir) -> Result<NodeKey, KeyError> {
        state.create(KEY_FILE, &format!("{}\n", random_nonce()))?;
        let path = state.file(KEY_FILE);
        let text = match state.read_private(KEY_FILE)? {
            Some(Ok(text)) => text,
            Some(Err(_)) => return Err(KeyError::Exposed(path)),
            None => String::new(),
        };
        let seed = Nonce::from_str(text.trim()).map_err(|_| KeyError::Broken(path))?;
        Ok(NodeKey(SigningKey::from_bytes(&seed.0)))
    }

    /// Returns a key that is kept nowhere.
    #[must_use]
    pub fn random() -> NodeKey {
        NodeKey(SigningKey::from_bytes(&random_nonce().0))
    }

    /// Returns the id of the node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Proof {
        Proof(self.0.sign(statement).to_bytes())
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeKey").field(&self.id()).finish()
    }
}

/// Returns true if the node `id` signed this statement.
#[must_use]
pub fn proves(id: NodeId, statement: &[u8], proof: &Proof) -> bool {
    let signature = Signature::from_bytes(&proof.0);
    VerifyingKey::from_bytes(&id.0)
        .is_ok_and(|key| key.verify_strict(statement, &signature).is_ok())
}

/// Returns whether an id is a key with which its node can show who it is.
#[must_use]
pub fn is_key(id: NodeId) -> bool {
    VerifyingKey::from_bytes(&id.0).is_ok_and(|key| !key.is_weak())
}

/// Returns 32 random bytes.
///
/// # Panics
/// When the system gives no random bytes.
#[must_use]
pub fn random_nonce() -> Nonce {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    Nonce(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests look at the file from outside"
    )]

    use std::{fs, os::unix::fs::PermissionsExt};

    use proptest::prelude::*;

    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        (home, state)
    }

    #[test]
    fn a_node_keeps_its_id_and_its_key_is_private() {
        let (_home, state) = state();
        let id = NodeKey::load_or_create(&state).unwrap().id();
        assert_eq!(NodeKey::load_or_create(&state).unwrap().id(), id);
        let metadata = fs::metadata(state.file(KEY_FILE)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_ne!(NodeKey::random().id(), id);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let (_home, state) = state();
        NodeKey::load_or_create(&state).unwrap();
        let path = state.file(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = NodeKey::load_or_create(&state);
        assert!(matches!(exposed, Err(KeyError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "no key").unwrap();
        let broken = NodeKey::load_or_create(&state);
        assert!(matches!(broken, Err(KeyError::Broken(_))));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = NodeKey::random();
        let seed = Nonce(key.0.to_bytes()).to_string();
        assert!(!format!("{key:?}").contains(&seed));
    }

    #[test]
    fn a_key_of_small_order_proves_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        for id in [[0; 32], identity] {
            assert!(!proves(NodeId(id), b"anything", &Proof([0; 64])));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn only_the_signer_proves_and_only_what_it_signed(
            statement in any::<Vec<u8>>(),
            flipped in 0..512_usize,
        ) {
            let (key, other) = (NodeKey::random(), NodeKey::random());
            let proof = key.sign(&statement);
            prop_assert!(proves(key.id(), &statement, &proof));
            prop_assert!(!proves(other.id(), &statement, &proof));
            prop_assert!(!proves(key.id(), &[&statement[..], b"x"].concat(), &proof));
            let mut wrong = proof;
            wrong.0[flipped / 8] ^= 1 << (flipped % 8);
            prop_assert!(!proves(key.id(), &statement, &wrong));
        }
    }
}
