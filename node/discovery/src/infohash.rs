//! Places in a distributed hash table.
//!
//! An infohash is the first 20 bytes of BLAKE3 in its mode that derives keys,
//! with a context for each purpose: a network never falls together with a file,
//! nor either of them with anything of other programs.

use std::fmt;

use node_wire::Digest;

/// The context of networks.
const NETWORK: &str = "sixhop 1 the nodes of a network";

/// The context of files.
const PROVIDERS: &str = "sixhop 1 the nodes that have a file";

/// A place in a distributed hash table.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Infohash([u8; Infohash::LENGTH]);

impl Infohash {
    /// Its length in bytes.
    pub const LENGTH: usize = 20;

    /// Returns the place where the nodes of a network meet. Without its name nobody
    /// can tell the network from the place.
    #[must_use]
    pub fn of_network(name: &str) -> Infohash {
        Infohash::derive(NETWORK, name.as_bytes())
    }

    /// Returns the place where the holders of a file are found.
    #[must_use]
    pub fn of_file(digest: &Digest) -> Infohash {
        Infohash::derive(PROVIDERS, digest.as_bytes())
    }

    /// Returns its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; Infohash::LENGTH] {
        self.0
    }

    fn derive(context: &str, material: &[u8]) -> Infohash {
        let derived = blake3::derive_key(context, material);
        let mut bytes = [0; Infohash::LENGTH];
        bytes.copy_from_slice(&derived[..Infohash::LENGTH]);
        Infohash(bytes)
    }
}

impl fmt::Display for Infohash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Infohash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Infohash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_those_of_the_protocol() {
        // The same values stand in docs/protocol/discovery.md.
        assert_eq!(
            Infohash::of_network("example").to_string(),
            "c3913e2248cd44306e15e0ca1ef3fade00cb0fca"
        );
        let digest = Digest::from_bytes([0; 32]);
        assert_eq!(
            Infohash::of_file(&digest).to_string(),
            "1407bdf926c8a620daacd4198650c701449f999f"
        );
    }

    #[test]
    fn a_network_is_no_file() {
        let digest = Digest::from_bytes(*b"01234567890123456789012345678901");
        let network = Infohash::of_network("01234567890123456789012345678901");
        assert_ne!(Infohash::of_file(&digest), network);
    }
}
