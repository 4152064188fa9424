//! The key of a private network: its holders may ask, and are believed.
//!
//! Each request to a peer carries a tag that only a holder of the key can make,
//! and each answer one too. So strangers are kept out without a meeting before,
//! also of nodes that others named.
//!
//! # Non-goals
//! Secrecy. It keeps strangers out, not listeners: who can read what passes can read it,
//! and can repeat a request that it has seen, to the same node.
//!
//! # Invariants
//! - The key is read from a file, and is never shown, logged, or part of an error.
//! - A tag is good for one node, one method, one path, one range and one body: all of
//!   them are in it, and so is a nonce. A tag of an answer is good for that nonce and node.
//! - No clock takes part.
#![allow(
    clippy::disallowed_methods,
    reason = "the owner's own file is read here"
)]

use std::{
    fmt::{self, Display},
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use node_base::state::private;
pub use node_wire::network::HEADER as NETWORK_HEADER;
use node_wire::{Nonce, peer_url::PeerUrl};
use subtle::ConstantTimeEq;

/// The context string for the derivation of the key.
const PURPOSE: &str = "sixhop private network 1";

/// Fewest bytes of a key in its file.
const LENGTH_MIN: usize = 32;

/// Most bytes of it.
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
    /// The file holds too little or too much.
    #[error("the network key {} must have from {LENGTH_MIN} to {LENGTH_MAX} bytes; make one with `head -c 32 /dev/urandom | base64`", .0.display())]
    Length(PathBuf),
}

/// The key of a private network.
#[derive(Clone)]
pub struct NetworkKey([u8; 32]);

/// The request that a tag belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// The node that is asked.
    pub node: &'a PeerUrl,
    /// The HTTP method.
    pub method: &'a str,
    /// The path, with the query if there is one.
    pub path: &'a str,
    /// The header `Range`, if there is one.
    pub range: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// A nonce and a tag, as the header has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag {
    /// The nonce that was drawn for the request.
    pub nonce: Nonce,
    tag: Nonce,
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
        let metadata = fs::metadata(path).map_err(failed)?;
        if private::check(&metadata).is_err() {
            return Err(NetworkKeyError::Exposed(path.to_owned()));
        }
        let wrong = || NetworkKeyError::Length(path.to_owned());
        if metadata.len() > LENGTH_MAX {
            return Err(wrong());
        }
        let bytes = fs::read(path).map_err(failed)?;
        let key = bytes.trim_ascii();
        if key.len() < LENGTH_MIN {
            return Err(wrong());
        }
        Ok(NetworkKey(blake3::derive_key(PURPOSE, key)))
    }

    /// Returns the tag of a request.
    #[must_use]
    pub fn of_request(&self, nonce: Nonce, about: Tagged<'_>) -> Tag {
        // Requests with a range are tagged apart: no body can stand for one.
        let kind = if about.range.is_some() { b"P" } else { b"R" };
        let mut bytes = kind.to_vec();
        bytes.extend(nonce.0);
        let parts = [about.node.authority(), about.method, about.path];
        for part in parts.into_iter().chain(about.range) {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(about.body);
        self.tag(nonce, &bytes)
    }

    /// Returns the tag of an answer of `node`.
    #[must_use]
    pub fn of_answer(&self, nonce: Nonce, node: &PeerUrl) -> Tag {
        let mut bytes = b"A".to_vec();
        bytes.extend(nonce.0);
        bytes.extend(node.authority().as_bytes());
        self.tag(nonce, &bytes)
    }

    fn tag(&self, nonce: Nonce, bytes: &[u8]) -> Tag {
        Tag {
            nonce,
            tag: Nonce(*blake3::keyed_hash(&self.0, bytes).as_bytes()),
        }
    }
}

impl Tag {
    /// Compares two tags in the same time, wherever they differ.
    #[must_use]
    pub fn is(&self, other: &Tag) -> bool {
        self.nonce == other.nonce && bool::from(self.tag.0.ct_eq(&other.tag.0))
    }
}

impl Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.nonce, self.tag)
    }
}

impl FromStr for Tag {
    type Err = ();

    fn from_str(text: &str) -> Result<Tag, ()> {
        let (nonce, tag) = text.split_once(' ').ok_or(())?;
        let read = |text: &str| text.parse().map_err(|_| ());
        Ok(Tag {
            nonce: read(nonce)?,
            tag: read(tag)?,
        })
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn node() -> PeerUrl {
        PeerUrl::parse("http://127.0.0.1:4242/").unwrap()
    }

    fn key(byte: u8) -> NetworkKey {
        NetworkKey([byte; 32])
    }

    fn about<'a>(node: &'a PeerUrl, path: &'a str, body: &'a [u8]) -> Tagged<'a> {
        Tagged {
            node,
            method: "POST",
            path,
            range: None,
            body,
        }
    }

    #[test]
    fn a_tag_is_valid_for_exactly_one_request() {
        let (here, there) = (node(), PeerUrl::parse("http://127.0.0.1:4243/").unwrap());
        let nonce = Nonce([1; 32]);
        let right = key(1).of_request(nonce, about(&here, "/a", b"b"));
        let get = Tagged {
            method: "GET",
            ..about(&here, "/a", b"b")
        };
        let ranged = |range| Tagged {
            range: Some(range),
            ..about(&here, "/a", b"b")
        };
        let part = key(1).of_request(nonce, ranged("bytes=0-9"));
        assert!(!part.is(&key(1).of_request(nonce, ranged("bytes=0-99"))));
        assert!(part.is(&key(1).of_request(nonce, ranged("bytes=0-9"))));
        for wrong in [
            part,
            key(2).of_request(nonce, about(&here, "/a", b"b")),
            key(1).of_request(nonce, about(&there, "/a", b"b")),
            key(1).of_request(nonce, about(&here, "/ab", b"")),
            key(1).of_request(nonce, about(&here, "/a", b"c")),
            key(1).of_request(nonce, get),
            key(1).of_request(Nonce([2; 32]), about(&here, "/a", b"b")),
            key(1).of_answer(nonce, &here),
        ] {
            assert!(!right.is(&wrong));
        }
        assert!(right.is(&key(1).of_request(nonce, about(&here, "/a", b"b"))));
        let answer = key(1).of_answer(nonce, &here);
        assert!(answer.is(&key(1).of_answer(nonce, &here)));
        assert!(!answer.is(&key(1).of_answer(nonce, &there)));
        assert!(!answer.is(&key(2).of_answer(nonce, &here)));
    }

    #[test]
    fn a_key_is_read_from_a_private_file_of_enough_bytes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            NetworkKey::load(&path)
        };
        let one = write(&"k".repeat(32), 0o600).unwrap();
        let same = write(&format!("{}\n", "k".repeat(32)), 0o400).unwrap();
        assert_eq!(one.0, same.0);
        assert!(
            !format!("{one:?}").contains("107"),
            "its bytes are not shown"
        );
        fs::remove_file(&path).unwrap();
        let exposed = write(&"k".repeat(32), 0o640);
        assert!(matches!(exposed, Err(NetworkKeyError::Exposed(_))));
        let short = write("short", 0o600);
        assert!(matches!(short, Err(NetworkKeyError::Length(_))));
        let missing = NetworkKey::load(&home.path().join("none"));
        assert!(matches!(missing, Err(NetworkKeyError::File { .. })));
    }

    proptest! {
        #[test]
        fn a_tag_reads_back(nonce in any::<[u8; 32]>(), path in "/[ -~]{0,20}") {
            let here = node();
            let tag = key(1).of_request(Nonce(nonce), about(&here, &path, b""));
            prop_assert_eq!(tag.to_string().parse(), Ok(tag));
        }

        #[test]
        fn what_is_no_tag_is_none(text in "[0-9a-f ]{0,140}") {
            let tag: Result<Tag, ()> = text.parse();
            prop_assert_eq!(tag.is_ok(), text.len() == 129 && text.find(' ') == Some(64) && text.rfind(' ') == Some(64));
        }
    }
}
