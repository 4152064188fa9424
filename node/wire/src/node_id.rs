//! `NodeId`, `Nonce` and `Proof`: the identity of a node, and its proof.
//!
//! A node has an ed25519 key; its id is the public half. Two nodes that meet sign
//! a [`statement`] for each other, which names both of them, where they live, and
//! a nonce of each. So what one signed is good for nobody else, nowhere else, and
//! not again. No clock takes part.
//!
//! Absent: keys, signing and checking. Those need a library and a secret.
//!
//! # Invariants
//! - Two statements are the same bytes only if all that is in them is the same.

use std::fmt;
use std::str::FromStr;

use crate::peer_url::PeerUrl;

/// The first bytes of every statement.
pub const STATEMENT_PREFIX: &[u8] = b"sixhop introduce 1\n";

/// The last bytes of the nonces of a node that speaks TLS. What signs a nonce signs this too, so that nobody on the path
/// can hide it.
const TLS_MARK: [u8; 8] = *b"sixh-tls";

/// Name of the HTTP request header that shows a token of `sixhop.introduce`.
pub const TOKEN_HEADER: &str = "sixhop-token";

/// Declares bytes that are written as hex digits.
macro_rules! hex_bytes {
    ($(#[doc = $doc:literal])+ $name:ident, $length:literal, $what:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                crate::hex::decode(text).map(Self).ok_or(HexError($what))
            }
        }
    };
}

/// The text is not so many hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HexError(&'static str);

hex_bytes!(
    /// The identity of a node: its ed25519 public key, written as 64 lower-case hex digits.
    NodeId,
    32,
    "an id of a node is 64 hex digits"
);
hex_bytes!(
    /// 32 random bytes that are used once, written as 64 lower-case hex digits.
    Nonce,
    32,
    "a nonce is 64 hex digits"
);
hex_bytes!(
    /// An ed25519 signature of a statement, written as 128 lower-case hex digits.
    Proof,
    64,
    "a proof is 128 hex digits"
);

impl Nonce {
    /// Returns the nonce with the mark of a node that speaks TLS.
    #[must_use]
    pub fn with_tls_mark(mut self) -> Nonce {
        let (_, mark) = self.0.split_at_mut(32 - TLS_MARK.len());
        mark.copy_from_slice(&TLS_MARK);
        self
    }

    /// Returns true if a node that speaks TLS drew the nonce.
    #[must_use]
    pub fn has_tls_mark(&self) -> bool {
        self.0.ends_with(&TLS_MARK)
    }
}

/// One of the two nodes that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<'a> {
    /// Its identity.
    pub id: NodeId,
    /// The URL that it claims.
    pub url: &'a PeerUrl,
    /// The nonce that it drew for this meeting.
    pub nonce: Nonce,
}

/// The role of the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The node that called.
    Caller,
    /// The node that was called.
    Answerer,
}

/// Returns the bytes that `role` signs when `caller` meets `answerer`: the prefix, one
/// byte `C` or `A` for the role, both ids, both nonces, and both URLs, each after
/// its length in two bytes, the highest first; the caller's always before.
#[must_use]
pub fn statement(role: Role, caller: Party<'_>, answerer: Party<'_>) -> Vec<u8> {
    let mut bytes = STATEMENT_PREFIX.to_vec();
    bytes.push(match role {
        Role::Caller => b'C',
        Role::Answerer => b'A',
    });
    bytes.extend(caller.id.0);
    bytes.extend(answerer.id.0);
    bytes.extend(caller.nonce.0);
    bytes.extend(answerer.nonce.0);
    for party in [caller, answerer] {
        let url = party.url.as_str().as_bytes();
        let length = u16::try_from(url.len()).expect("a checked URL has at most 256 bytes");
        bytes.extend(length.to_be_bytes());
        bytes.extend(url);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_has_these_bytes() {
        let (ours, theirs) = ("http://127.0.0.1:1/", "http://h/");
        let (ours, theirs) = (
            PeerUrl::parse(ours).unwrap(),
            PeerUrl::parse(theirs).unwrap(),
        );
        let party = |byte: u8, url| Party {
            id: NodeId([byte; 32]),
            url,
            nonce: Nonce([byte + 1; 32]),
        };
        let bytes = statement(Role::Answerer, party(1, &ours), party(3, &theirs));
        let mut expected = b"sixhop introduce 1\nA".to_vec();
        for byte in [1, 3, 2, 4] {
            expected.extend([byte; 32]);
        }
        expected.extend(b"\0\x13http://127.0.0.1:1/\0\x09http://h/");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn only_hex_digits_of_the_right_number_are_read() {
        assert!(NodeId::from_str(&"0".repeat(63)).is_err());
        assert!(Nonce::from_str(&"g".repeat(64)).is_err());
        assert!(Proof::from_str(&"0".repeat(64)).is_err());
    }

    /// All that is in a statement.
    type Parts = (bool, [u8; 32], [u8; 32], [u8; 32], [u8; 32], String, String);

    fn parts() -> impl Strategy<Value = Parts> {
        let bytes = || prop_oneof![Just([0; 32]), Just([1; 32]), any::<[u8; 32]>()];
        let url = || "http://[a-c]{1,3}/[a-c]{0,3}";
        (
            any::<bool>(),
            bytes(),
            bytes(),
            bytes(),
            bytes(),
            url(),
            url(),
        )
    }

    fn written(parts: &Parts) -> Vec<u8> {
        let (role, a, b, c, d, ours, theirs) = parts;
        let (ours, theirs) = (
            PeerUrl::parse(ours).unwrap(),
            PeerUrl::parse(theirs).unwrap(),
        );
        let role = if *role { Role::Caller } else { Role::Answerer };
        let caller = Party {
            id: NodeId(*a),
            url: &ours,
            nonce: Nonce(*b),
        };
        let answerer = Party {
            id: NodeId(*c),
            url: &theirs,
            nonce: Nonce(*d),
        };
        statement(role, caller, answerer)
    }

    proptest! {
        #[test]
        fn ids_nonces_and_proofs_read_back(
            id in any::<[u8; 32]>(),
            half in any::<[u8; 32]>(),
        ) {
            prop_assert_eq!(NodeId(id).to_string().to_uppercase().parse(), Ok(NodeId(id)));
            prop_assert_eq!(Nonce(id).to_string().parse(), Ok(Nonce(id)));
            let mut proof = [0; 64];
            proof[..32].copy_from_slice(&id);
            proof[32..].copy_from_slice(&half);
            prop_assert_eq!(Proof(proof).to_string().parse(), Ok(Proof(proof)));
        }

        #[test]
        fn two_statements_are_the_same_only_if_all_in_them_is(a in parts(), b in parts()) {
            prop_assert_eq!(written(&a) == written(&b), a == b);
        }
    }
}
