//! The key of a private network, and the proof of membership.
//!
//! Its holders speak TLS to each other, and each end of a connection shows once that it has the
//! key. A proof is bound to the connection by its [`ChannelBinding`], which only its two ends
//! know, and to the ids of both.
//!
//! # Invariants
//! - The key is read from a file, and is never shown, logged, or part of an error.
//! - A proof is good for one end of one connection. One that was seen, relayed or recorded is
//!   good for nothing.
//! - No clock takes part.
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use node_base::{
    secret::{BadSecret, key_in},
    state::private,
};
use node_wire::{Nonce, node_id::NodeId};
use subtle::ConstantTimeEq;

use crate::stream::ChannelBinding;

/// The context string for the derivation of the key.
const PURPOSE: &str = "sixhop private network 1";

/// Most bytes of a key in its file.
const LENGTH_MAX: u64 = 4_096;

/// The reason why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NetworkKeyError {
    /// The file cannot be read.
    #[error("the network key {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// Others own the file or may read it.
    #[error("others own or can read the network key {}; run `chmod 600` on it, as its owner", .0.display())]
    Exposed(PathBuf),
    /// The file holds no key.
    #[error("the network key {} {reason}; make one with `head -c 32 /dev/urandom | base64`", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// The reason why it is refused.
        reason: BadSecret,
    },
}

/// The key of a private network.
#[derive(Clone)]
pub struct NetworkKey([u8; 32]);

/// The first bytes of what a proof is a hash of.
const STATEMENT: &[u8] = b"sixhop member 2\n";

/// The end of a connection that shows that it has the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberRole {
    /// The end that connected.
    Caller,
    /// The other one.
    Answerer,
}

/// A connection, as both of its ends know it.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// The end that connected.
    pub caller: NodeId,
    /// The other end.
    pub answerer: NodeId,
    /// The binding of the connection.
    pub binding: ChannelBinding,
}

impl NetworkKey {
    /// Reads a key.
    ///
    /// # Errors
    /// Errors if the file cannot be read, others can read it, or it holds no key.
    pub fn load(path: &Path) -> Result<NetworkKey, NetworkKeyError> {
        let failed = |error| NetworkKeyError::File {
            path: path.to_owned(),
            error,
        };
        let bytes = match private::read_bytes(path, LENGTH_MAX).map_err(failed)? {
            Some(Ok(bytes)) => bytes,
            Some(Err(_)) => return Err(NetworkKeyError::Exposed(path.to_owned())),
            None => return Err(failed(io::ErrorKind::NotFound.into())),
        };
        let bad = |reason| NetworkKeyError::Bad {
            path: path.to_owned(),
            reason,
        };
        let key = key_in(&bytes).map_err(bad)?;
        Ok(NetworkKey(blake3::derive_key(PURPOSE, key)))
    }

    /// Returns the proof that this end of a connection is of a member.
    #[must_use]
    pub fn proof(&self, role: MemberRole, channel: &Channel) -> Nonce {
        let role: &[u8] = match role {
            MemberRole::Caller => b"C",
            MemberRole::Answerer => b"A",
        };
        let parts = [
            STATEMENT,
            role,
            &channel.caller.0,
            &channel.answerer.0,
            channel.binding.as_bytes(),
        ];
        Nonce(*blake3::keyed_hash(&self.0, &parts.concat()).as_bytes())
    }

    /// Returns true if `shown` is the proof of this end, in the same time wherever it differs.
    #[must_use]
    pub fn is_shown(&self, role: MemberRole, channel: &Channel, shown: &Nonce) -> bool {
        self.proof(role, channel).0.ct_eq(&shown.0).into()
    }

    #[cfg(test)]
    pub(crate) fn of_test(byte: u8) -> NetworkKey {
        NetworkKey([byte; 32])
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests write the file from outside"
    )]

    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn key(byte: u8) -> NetworkKey {
        NetworkKey::of_test(byte)
    }

    #[test]
    fn a_proof_is_good_for_one_end_of_one_connection() {
        let channel = Channel {
            caller: NodeId([1; 32]),
            answerer: NodeId([2; 32]),
            binding: ChannelBinding::of_test(3),
        };
        let proof = key(1).proof(MemberRole::Caller, &channel);
        assert!(key(1).is_shown(MemberRole::Caller, &channel, &proof));
        assert!(!key(2).is_shown(MemberRole::Caller, &channel, &proof));
        assert!(!key(1).is_shown(MemberRole::Answerer, &channel, &proof));
        let others = [
            Channel {
                caller: NodeId([4; 32]),
                ..channel
            },
            Channel {
                answerer: NodeId([4; 32]),
                ..channel
            },
            Channel {
                caller: channel.answerer,
                answerer: channel.caller,
                ..channel
            },
            Channel {
                binding: ChannelBinding::of_test(4),
                ..channel
            },
        ];
        for other in others {
            assert!(!key(1).is_shown(MemberRole::Caller, &other, &proof));
        }
    }

    #[test]
    fn a_proof_has_the_bytes_that_the_page_says() {
        let channel = Channel {
            caller: NodeId([1; 32]),
            answerer: NodeId([2; 32]),
            binding: ChannelBinding::of_test(3),
        };
        let text = [
            b"sixhop member 2\nC".as_slice(),
            &[1; 32],
            &[2; 32],
            &[3; 32],
        ];
        let expected = blake3::keyed_hash(&[9; 32], &text.concat());
        let proof = key(9).proof(MemberRole::Caller, &channel);
        assert_eq!(proof.0, *expected.as_bytes());
    }

    #[test]
    fn a_key_is_read_from_a_private_file_of_enough_bytes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let write = |text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            NetworkKey::load(&path)
        };
        let one = write(&[b'k'; 32], 0o600).unwrap();
        let same = write(&[&[b'k'; 32], b"\n".as_slice()].concat(), 0o400).unwrap();
        assert_eq!(one.0, same.0);
        assert!(
            !format!("{one:?}").contains("107"),
            "its bytes are not shown"
        );
        fs::remove_file(&path).unwrap();
        let exposed = write(&[b'k'; 32], 0o640);
        assert!(matches!(exposed, Err(NetworkKeyError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let bytes: Vec<u8> = (200..232).collect();
        write(&bytes, 0o600).unwrap();
        let damaged = [[0xff, 0xfe]; 20].concat();
        for (text, word) in [
            (&b""[..], "empty"),
            (&[0; 64], "all zeros"),
            (&[b'0'; 64], "all zeros"),
            (b" \n\n", "empty"),
            (b"short", "shorter than 32"),
            (&damaged, "different bytes"),
            (&[7; 5_000], "longer than"),
        ] {
            let refused = write(text, 0o600).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let refused = NetworkKey::load(&path).unwrap_err().to_string();
        assert!(refused.contains("no regular file"), "{refused}");
        let missing = NetworkKey::load(&home.path().join("none"));
        assert!(matches!(missing, Err(NetworkKeyError::File { .. })));
    }
}
