//! The mutual proof of identity of two Sixhop nodes.
//!
//! The caller calls `sixhop.introduce` twice. The answer to its first call proves
//! who answers, the second call proves who calls; each signs both ids, both URLs
//! and both nonces. The caller takes the answerer for who it says only if the URL
//! that is signed is the one that was called: an answer that somebody passes on
//! from elsewhere proves nothing.
//!
//! Two that speak TLS do less: after the first answer in clear the caller expects the id that
//! was said there, and calls over TLS. The connection shows who both are, so one call without
//! a proof is enough, and no token is given. In a private network nothing is said in clear at
//! all: the transport speaks TLS to everybody, and to members only.
//!
//! # Invariants
//! - A proof of identity makes no peer; a `hello` that is answered does.
//! - What a stranger says is not acted upon before it is proved.
//! - No clock takes part in a proof; times only bound how long a nonce waits.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use node_wire::{
    Introduce, Introduced, Introduction, Nonce,
    fault::Fault,
    limits::{FEATURE_LENGTH_MAX, FEATURES_MAX, INTRODUCE_PEERS_MAX},
    messages::TLS_FEATURE,
    methods::PROTOCOL_VERSION,
    node_id::{NodeId, Party, Role, statement},
    peer_url::PeerUrl,
};

use super::{Cause, Overlay, Visitor, active};
use node_base::{clock::now, events::Event, sync::lock};
use node_transport::{
    CallError, Destination,
    identity::{proves, random_nonce},
};

/// Longest time in which a node that does not say that it speaks TLS may show that it does.
const TLS_TRIED: Duration = Duration::from_secs(2);

/// The reason why a peer has not proved its identity.
#[derive(Debug, thiserror::Error)]
pub enum NotProved {
    /// It did not answer, or does not know the call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It says that it lives elsewhere, as this node.
    #[error("it says that its URL is another one")]
    Elsewhere(NodeId),
    /// Its signature is not one of the expected statement.
    #[error("its proof is none")]
    Proof,
    /// It is this node, under another URL.
    #[error("it is this node itself")]
    Ourselves,
}

/// A peer that has proved its identity.
#[derive(Debug)]
pub(super) struct Proved {
    /// The introduction of the other node.
    pub(super) theirs: Introduction,
    /// True if it has called this node back; `None` from older nodes, which do not say.
    pub(super) reached: Option<bool>,
}

/// The result of a meeting in clear.
enum InClear {
    /// The peer has shown who it is.
    Proved(Proved),
    /// It says that it is this node and speaks TLS.
    SpeaksTls(NodeId),
}

/// The part of its introduction that a node gives to a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Telling {
    /// Its identity and its URL: outsiders of a private network learn no
    /// more.
    WhoItIs,
    /// Its name, its handlers and some of its peers too.
    All,
}

impl Overlay {
    /// Meets a Sixhop node: learns its identity and proves that of this node. After the first
    /// answer of a node that speaks TLS, the rest goes over TLS.
    pub(super) async fn prove(
        &self,
        peer: &Destination,
        own: &PeerUrl,
        deadline: Instant,
    ) -> Result<Proved, NotProved> {
        if let Some(id) = self.pinned(peer).or(peer.expected()) {
            return self.prove_by_connection(peer, id, own, deadline).await;
        }
        match self.prove_in_clear(peer, own, deadline).await? {
            InClear::Proved(proved) => Ok(proved),
            InClear::SpeaksTls(id) => self.prove_by_connection(peer, id, own, deadline).await,
        }
    }

    /// Meets a peer in clear, with proofs; or learns that it speaks TLS: then it is pinned,
    /// and its connection shows who it is.
    async fn prove_in_clear(
        &self,
        peer: &Destination,
        own: &PeerUrl,
        deadline: Instant,
    ) -> Result<InClear, NotProved> {
        let from = self.introduction(own, random_nonce(), Telling::All);
        let first = Introduce { from, proof: None };
        let answer = self.client.introduce(peer, &first, deadline).await?;
        let checked = self.check(peer, own, &first.from, &answer);
        let theirs = answer.from;
        let is_hidden = theirs.nonce.has_tls_mark() && !theirs.speaks_tls();
        if let (Ok(_) | Err(NotProved::Elsewhere(_)), Some(pins)) = (&checked, &self.standing.pins)
            && (theirs.speaks_tls() || is_hidden)
        {
            if is_hidden {
                self.tell_hidden_tls(peer, &theirs);
            }
            pins.pin(peer, theirs.id);
            return Ok(InClear::SpeaksTls(theirs.id));
        }
        let url = checked?;
        if self
            .shows_itself_over_tls(peer, theirs.id, own, deadline)
            .await
        {
            self.tell_hidden_tls(peer, &theirs);
            return Ok(InClear::SpeaksTls(theirs.id));
        }
        let caller = self.party(own, first.from.nonce);
        let answerer = Party {
            id: theirs.id,
            url: &url,
            nonce: theirs.nonce,
        };
        let proof = self
            .standing
            .key
            .sign(&statement(Role::Caller, caller, answerer));
        let second = Introduce {
            from: self.introduction(own, first.from.nonce, Telling::All),
            proof: Some((theirs.nonce, proof)),
        };
        let answer = self.client.introduce(peer, &second, deadline).await?;
        if let Some(token) = answer.token {
            self.client.keep_token(peer, token);
            self.client.keep_token(&url, token);
        }
        Ok(InClear::Proved(self.have_proved(
            peer,
            theirs,
            answer.reached,
        )))
    }

    /// Asks the node `id`, which does not say that it speaks TLS, whether it does: the word may have been taken away on
    /// the path, and the nonces of older nodes have no mark.
    async fn shows_itself_over_tls(
        &self,
        peer: &Destination,
        id: NodeId,
        own: &PeerUrl,
        deadline: Instant,
    ) -> bool {
        if self.standing.pins.is_none() {
            return false;
        }
        let peer = peer.clone().expecting(Some(id));
        let asked = Introduce {
            from: self.introduction(own, random_nonce(), Telling::WhoItIs),
            proof: None,
        };
        let deadline = deadline.min(now() + TLS_TRIED);
        let answer = self.client.introduce(&peer, &asked, deadline).await;
        answer.is_ok_and(|answer| answer.from.id == id)
    }

    /// Reports that the answer of a node was changed on the path. Of a private network, an outsider hears no features.
    fn tell_hidden_tls(&self, peer: &PeerUrl, theirs: &Introduction) {
        if theirs.features.is_empty() {
            return;
        }
        let id = theirs.id;
        let error = "somebody on the path hid that it speaks TLS; it is spoken to over TLS";
        tracing::warn!(peer = peer.as_str(), %id, "{error}");
        self.events.emit(&Event::PeerDowngrade {
            url: peer.as_str().to_owned(),
            id: id.to_string(),
            error: error.to_owned(),
        });
    }

    /// Meets the node `id` over TLS, where the connection shows who both are.
    async fn prove_by_connection(
        &self,
        peer: &Destination,
        id: NodeId,
        own: &PeerUrl,
        deadline: Instant,
    ) -> Result<Proved, NotProved> {
        let call = Introduce {
            from: self.introduction(own, random_nonce(), Telling::All),
            proof: None,
        };
        let answer = self.client.introduce(peer, &call, deadline).await?;
        if answer.from.id == self.id() {
            return Err(NotProved::Ourselves);
        }
        if answer.from.id != id {
            return Err(NotProved::Proof);
        }
        if let Some(pins) = &self.standing.pins {
            pins.pin(peer, id);
        }
        Ok(self.have_proved(peer, answer.from, answer.reached))
    }

    fn have_proved(
        &self,
        peer: &Destination,
        theirs: Introduction,
        reached: Option<bool>,
    ) -> Proved {
        let at = peer.address().map(|at| at.get().ip());
        let by = at.or_else(|| peer.ip());
        self.keep_in_reserve(&theirs.peers, by);
        Proved { theirs, reached }
    }

    /// Answers a node that introduces itself to this node at `own`. One whose connection
    /// shows who it is (`by`) needs no proof and gets no token.
    ///
    /// # Errors
    /// Fault -32602 for invalid parameters, fault 200 for an invalid proof, or for one of
    /// another node than the connection shows.
    pub fn introduced(
        &self,
        call: &Introduce,
        own: &PeerUrl,
        by: Cause,
        telling: Telling,
    ) -> Result<Introduced, Fault> {
        let url = PeerUrl::parse(&call.from.url)
            .map_err(|error| Fault::invalid_params(&error.to_string()))?;
        let visitor = Visitor {
            id: call.from.id,
            url,
            nonce: call.from.nonce,
        };
        if by.id.is_some_and(|shown| shown != visitor.id) {
            return Err(Fault::access_denied());
        }
        let from = self.introduction(own, self.nonce(), telling);
        let ours = self.party(own, from.nonce);
        let caller = visitor.party();
        let proof = self
            .standing
            .key
            .sign(&statement(Role::Answerer, caller, ours));
        let (token, reached) = match &call.proof {
            _ if by.id.is_some() => (None, Some(self.has_proved(call, by.address))),
            None => {
                lock(&self.meetings).begin(from.nonce, visitor, now());
                (None, None)
            }
            Some((answering, proof)) => {
                let begun = lock(&self.meetings).end(answering, now());
                let begun = begun.filter(|begun| *begun == visitor);
                let begun = begun.ok_or_else(Fault::access_denied)?;
                let signed = statement(Role::Caller, begun.party(), self.party(own, *answering));
                if !proves(begun.id, &signed, proof) {
                    return Err(Fault::access_denied());
                }
                let reached = self.has_proved(call, by.address);
                (Some(self.give_token(begun.id)), Some(reached))
            }
        };
        Ok(Introduced {
            from,
            proof,
            token,
            reached,
        })
    }

    /// Notes that a caller has proved its identity. Returns whether this node has reached it, and nothing
    /// about others: a stranger must not learn what is at other URLs.
    fn has_proved(&self, call: &Introduce, by: IpAddr) -> bool {
        self.keep_in_reserve(&call.from.peers, Some(by));
        self.peers().has_answered(call.from.id)
    }

    /// Returns the identity that the token was given to.
    #[must_use]
    pub fn who(&self, token: &Nonce) -> Option<NodeId> {
        lock(&self.meetings).who(token, now())
    }

    fn give_token(&self, id: NodeId) -> Nonce {
        let token = random_nonce();
        lock(&self.meetings).prove(token, id, now());
        token
    }

    fn keep_in_reserve(&self, peers: &[String], by: Option<IpAddr>) {
        let Some(by) = by else { return };
        let urls = peers.iter().take(INTRODUCE_PEERS_MAX);
        for url in urls.filter_map(|url| PeerUrl::parse(url).ok()) {
            if self.may_name(&url, by) {
                self.peers().reserve(url, by);
            }
        }
    }

    /// Checks the first answer. Gives the URL that was signed: host and port are those
    /// of `peer`. The path is not compared: the server of one path of a host serves
    /// all.
    fn check(
        &self,
        peer: &PeerUrl,
        own: &PeerUrl,
        ours: &Introduction,
        answer: &Introduced,
    ) -> Result<PeerUrl, NotProved> {
        let theirs = &answer.from;
        if theirs.id == self.id() {
            return Err(NotProved::Ourselves);
        }
        let url = PeerUrl::parse(&theirs.url).map_err(|_| NotProved::Proof)?;
        let answerer = Party {
            id: theirs.id,
            url: &url,
            nonce: theirs.nonce,
        };
        let signed = statement(Role::Answerer, self.party(own, ours.nonce), answerer);
        if !proves(theirs.id, &signed, &answer.proof) {
            Err(NotProved::Proof)
        } else if url.same_host(peer) {
            Ok(url)
        } else {
            Err(NotProved::Elsewhere(theirs.id))
        }
    }

    fn party<'a>(&self, own: &'a PeerUrl, nonce: Nonce) -> Party<'a> {
        Party {
            id: self.id(),
            url: own,
            nonce,
        }
    }

    /// Draws a nonce for an answer. Its signature shows whether this node speaks TLS.
    fn nonce(&self) -> Nonce {
        match self.standing.pins {
            Some(_) => random_nonce().with_tls_mark(),
            None => random_nonce(),
        }
    }

    /// Returns the introduction of this node.
    fn introduction(&self, own: &PeerUrl, nonce: Nonce, telling: Telling) -> Introduction {
        let mut introduction = Introduction {
            id: self.id(),
            name: None,
            version: PROTOCOL_VERSION,
            features: Vec::new(),
            url: own.as_str().to_owned(),
            nonce,
            peers: Vec::new(),
        };
        if telling == Telling::All {
            introduction.name.clone_from(&self.standing.name);
            if self.standing.pins.is_some() {
                introduction.features.push(TLS_FEATURE.to_owned());
            }
            introduction.features.extend(self.features());
            introduction.features.truncate(FEATURES_MAX);
            introduction.peers = self.some_nodes();
        }
        introduction
    }

    fn features(&self) -> Vec<String> {
        let mut features = self.standing.handlers.names();
        features.retain(|feature| feature.len() <= FEATURE_LENGTH_MAX && feature != TLS_FEATURE);
        features
    }

    fn some_nodes(&self) -> Vec<String> {
        let nodes = self.list().into_iter();
        let nodes = nodes.filter(|peer| peer.is_answering_node());
        let peers = active(nodes, below).into_iter();
        peers
            .take(INTRODUCE_PEERS_MAX)
            .map(|peer| peer.url.as_str().to_owned())
            .collect()
    }
}

impl Visitor {
    fn party(&self) -> Party<'_> {
        Party {
            id: self.id,
            url: &self.url,
            nonce: self.nonce,
        }
    }
}

/// Returns a random number below `n`.
fn below(n: usize) -> usize {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    usize::try_from(u64::from_be_bytes(bytes) % n as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
