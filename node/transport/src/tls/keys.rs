//! The key of a node in the forms of rustls.

use std::sync::Arc;

use node_wire::node_id::{NodeId, Proof};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{
        AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
        SubjectPublicKeyInfoDer, alg_id,
    },
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, Signer, SigningKey, public_key_to_spki},
};

use crate::identity::{NodeKey, is_key, proves};

/// The only signatures that are made and checked.
pub(super) static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Strict],
    mapping: &[(SignatureScheme::ED25519, &[&Strict])],
};

/// Ed25519 as [`proves`] checks it.
#[derive(Debug)]
struct Strict;

/// Shows the key of this node to callers that ask for one.
#[derive(Debug)]
pub(super) struct OwnKey(Arc<CertifiedKey>);

/// Signs handshakes with the key of the node.
#[derive(Clone, Debug)]
struct HandshakeKey(Arc<NodeKey>);

/// Returns the id in the public key that somebody shows: the one encoding of an ed25519
/// key that is not weak.
pub(crate) fn id_of(shown: &CertificateDer<'_>) -> Option<NodeId> {
    let start = shown.len().checked_sub(32)?;
    let id = NodeId(shown.get(start..)?.try_into().ok()?);
    (public_key(id).as_ref() == shown.as_ref() && is_key(id)).then_some(id)
}

fn public_key(id: NodeId) -> SubjectPublicKeyInfoDer<'static> {
    public_key_to_spki(&alg_id::ED25519, id.0)
}

impl SignatureVerificationAlgorithm for Strict {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let id = NodeId(public_key.try_into().map_err(|_| InvalidSignature)?);
        let proof = Proof(signature.try_into().map_err(|_| InvalidSignature)?);
        if proves(id, message, &proof) {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

impl OwnKey {
    pub(super) fn new(key: &Arc<NodeKey>) -> OwnKey {
        let shown = CertificateDer::from(public_key(key.id()).as_ref().to_vec());
        let signing = Arc::new(HandshakeKey(Arc::clone(key)));
        OwnKey(Arc::new(CertifiedKey::new(vec![shown], signing)))
    }
}

impl ResolvesClientCert for OwnKey {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for OwnKey {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

impl SigningKey for HandshakeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ED25519);
        is_offered.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key(self.0.id()))
    }
}

impl Signer for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign(message).0.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
