//! Tests of meetings in memory: real keys, no sockets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use node_wire::{Value, fault, request, response};

use super::*;
use crate::{Added, KnownFrom, LocalHandlers, Meeting, OwnUrls, QueryKeys, Standing};
use node_base::{counters::Counters, events::EventLog};
use node_transport::{Client, MemoryTransport, PeerKind, PeerRequest, Pins, Purpose};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Returns a caller on this machine whose connection shows nothing.
fn by_address() -> Cause {
    Cause {
        address: HERE,
        id: None,
    }
}

fn url(n: usize) -> PeerUrl {
    PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
}

/// A function that may change an answer on its way between two nodes.
type Meddle = fn(&mut Introduced);

struct World {
    transport: MemoryTransport,
    calls: Arc<Mutex<Vec<Introduce>>>,
}

impl World {
    fn new() -> World {
        World {
            transport: MemoryTransport::default(),
            calls: Arc::default(),
        }
    }

    /// Returns a node that lives, and answers, at `url(n)`.
    fn node(&self, n: usize) -> Arc<Overlay> {
        let node = self.caller(n);
        self.serve(n, &node, |_| ());
        node
    }

    /// Returns a node that says that it lives at `url(n)`.
    fn caller(&self, n: usize) -> Arc<Overlay> {
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(self.transport.clone()), Arc::clone(&counters));
        let events = Arc::new(EventLog::default());
        Arc::new(Overlay::new(url(n), client, counters, events))
    }

    /// Returns a node that lives, and answers, at `url(n)`, and speaks TLS.
    fn node_with_tls(&self, n: usize, meddle: Meddle) -> Arc<Overlay> {
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(self.transport.clone()), Arc::clone(&counters));
        let events = Arc::new(EventLog::default());
        let standing = Standing {
            pins: Some(Pins::new(Arc::clone(&events))),
            ..Standing::default()
        };
        let own = OwnUrls::one(url(n));
        let node = Overlay::with_standing(standing, own, client, counters, events);
        let node = Arc::new(node);
        self.serve(n, &node, meddle);
        node
    }

    /// Has `node` answer at `url(n)`, wherever it lives.
    fn serve(&self, n: usize, node: &Arc<Overlay>, meddle: Meddle) {
        let (node, calls) = (Arc::clone(node), Arc::clone(&self.calls));
        self.transport.add(&url(n), move |request| {
            let answer = answer(&node, &calls, &request, meddle);
            async move { Ok(vec![answer]) }.boxed()
        });
    }
}

fn answer(
    node: &Overlay,
    calls: &Mutex<Vec<Introduce>>,
    request: &PeerRequest,
    meddle: Meddle,
) -> Bytes {
    let (Purpose::Find(body) | Purpose::Call(body)) = &request.purpose else {
        return Bytes::new();
    };
    let call = request::read(body).unwrap();
    if call.method == "hello" {
        return response::value(&Value::Int(0)).into();
    }
    let call = Introduce::from_params(&call.params).unwrap();
    calls.lock().unwrap().push(call.clone());
    let answered = node
        .introduced(&call, node.ourselves(), by_address(), Telling::All)
        .map(|mut introduced| {
            meddle(&mut introduced);
            introduced.to_value()
        });
    match answered {
        Ok(value) => response::value(&value).into(),
        Err(fault) => response::fault(&fault).into(),
    }
}

async fn meet(node: &Overlay, n: usize) -> Result<Introduction, NotProved> {
    let deadline = now() + Duration::from_secs(5);
    let peer = Destination::of_owner(url(n));
    let proved = node.prove(&peer, node.ourselves(), deadline).await;
    proved.map(|proved| proved.theirs)
}

#[tokio::test]
async fn two_nodes_show_each_other_who_they_are() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let met = meet(&a, 2).await.unwrap();
    assert_eq!((met.id, met.url), (b.id(), url(2).as_str().to_owned()));
    assert!(b.list().is_empty(), "showing who one is makes no peer");
    assert_ne!(a.id(), b.id());
}

#[tokio::test]
async fn node_whose_word_of_tls_is_taken_away_is_pinned() {
    let world = World::new();
    // Without a word of TLS, as somebody on the path has it.
    let b = world.node_with_tls(2, |answer| {
        answer
            .from
            .features
            .retain(|feature| feature != TLS_FEATURE);
    });
    let a = world.node_with_tls(1, |_| ());
    assert_eq!(meet(&a, 2).await.unwrap().id, b.id());
    assert_eq!(a.standing.pins.as_ref().unwrap().of(&url(2)), Some(b.id()));
    let calls = world.calls.lock().unwrap();
    // It is not tried whether it speaks TLS: the first answer has shown it.
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call.proof.is_none()));
}

#[tokio::test]
async fn nonce_whose_mark_is_taken_away_proves_nothing() {
    let world = World::new();
    let _b = world.node_with_tls(2, |answer| {
        answer.from.features.clear();
        answer.from.nonce.0[31] ^= 1;
    });
    let a = world.node_with_tls(1, |_| ());
    assert!(matches!(meet(&a, 2).await, Err(NotProved::Proof)));
    assert_eq!(a.standing.pins.as_ref().unwrap().of(&url(2)), None);
}

#[tokio::test]
async fn an_answer_that_is_passed_on_from_elsewhere_proves_nothing() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    // Somebody at 3 passes all on to the node at 2.
    world.serve(3, &b, |_| ());
    assert!(matches!(meet(&a, 3).await, Err(NotProved::Elsewhere(id)) if id == b.id()));
    // And says that it is its own answer.
    world.serve(3, &b, |answer| answer.from.url = url(3).as_str().to_owned());
    assert!(matches!(meet(&a, 3).await, Err(NotProved::Proof)));
}

#[tokio::test]
async fn an_answer_that_differs_from_what_it_signs_proves_nothing() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let meddled: [Meddle; 3] = [
        |answer| answer.from.id = NodeId([7; 32]),
        |answer| answer.from.nonce = Nonce([7; 32]),
        |answer| answer.proof.0[5] ^= 1,
    ];
    for meddle in meddled {
        world.serve(2, &b, meddle);
        assert!(matches!(meet(&a, 2).await, Err(NotProved::Proof)));
    }
    world.serve(2, &a, |_| ());
    assert!(matches!(meet(&a, 2).await, Err(NotProved::Ourselves)));
}

#[tokio::test]
async fn a_proof_is_good_for_one_call_to_one_node() {
    let world = World::new();
    let (a, b, c) = (world.node(1), world.node(2), world.node(3));
    meet(&a, 2).await.unwrap();
    let calls = world.calls.lock().unwrap().clone();
    let [first, second] = &calls[..] else {
        panic!("a meeting is two calls");
    };
    let refused = |node: &Overlay, call: &Introduce| {
        let refused = node
            .introduced(call, node.ourselves(), by_address(), Telling::All)
            .unwrap_err();
        assert_eq!(refused.code, fault::ACCESS_DENIED);
    };
    refused(&b, second);
    refused(&c, second);
    // The same nonce of the caller, a new one of the node, the old proof.
    let given = b
        .introduced(first, b.ourselves(), by_address(), Telling::All)
        .unwrap()
        .from
        .nonce;
    let (_, proof) = second.proof.unwrap();
    let stolen = Introduce {
        proof: Some((given, proof)),
        ..second.clone()
    };
    refused(&b, &stolen);
}

#[tokio::test]
async fn who_has_proved_itself_gets_a_token_that_says_who_it_is() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let from = a.introduction(a.ourselves(), random_nonce(), Telling::All);
    let first = Introduce { from, proof: None };
    let answer = b
        .introduced(&first, b.ourselves(), by_address(), Telling::All)
        .unwrap();
    assert_eq!(answer.token, None);
    let (theirs, caller) = (answer.from, a.party(a.ourselves(), first.from.nonce));
    let answerer = b.party(b.ourselves(), theirs.nonce);
    let signed = statement(Role::Caller, caller, answerer);
    let second = Introduce {
        proof: Some((theirs.nonce, a.standing.key.sign(&signed))),
        ..first
    };
    let token = b
        .introduced(&second, b.ourselves(), by_address(), Telling::All)
        .unwrap()
        .token
        .unwrap();
    assert_eq!(b.who(&token), Some(a.id()));
    assert_eq!(b.who(&theirs.nonce), None);
}

#[tokio::test]
async fn peers_that_are_named_are_kept_in_reserve_and_not_called() {
    let world = World::new();
    let (a, b, _c) = (world.node(1), world.node(2), world.node(3));
    b.add(&url(3), KnownFrom::Settings);
    b.answered(&url(3), PeerKind::Sixhop, None);
    meet(&a, 2).await.unwrap();
    assert!(a.list().is_empty());
    assert_eq!(a.peers().draw_on_reserve(now()), Some(url(3)));
}

#[tokio::test]
async fn a_node_with_several_urls_is_one_peer() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let path = PeerUrl::parse(&format!("{}some/path", url(2))).unwrap();
    let served = Arc::clone(&b);
    let calls = Arc::clone(&world.calls);
    world.transport.add(&path, move |request| {
        let answer = answer(&served, &calls, &request, |_| ());
        async move { Ok(vec![answer]) }.boxed()
    });
    a.add(&path, KnownFrom::Owner);
    assert_eq!(a.introduce(&path).await.unwrap(), Meeting::Known(url(2)));
    let peers = a.list();
    assert_eq!((peers.len(), peers[0].url.clone()), (1, url(2)));
    assert!(peers[0].is_chosen && peers[0].id == Some(b.id()));
    // Another address of it, which it does not call its own.
    world.serve(3, &b, |_| ());
    a.add(&url(3), KnownFrom::Settings);
    assert_eq!(a.introduce(&url(3)).await.unwrap(), Meeting::Known(url(2)));
    assert_eq!(a.list().len(), 1);
    assert_eq!(a.add(&url(3), KnownFrom::Settings), Added::Known);
    assert_eq!(a.add(&path, KnownFrom::Hello), Added::Known);
    assert_eq!(a.list().len(), 1);
}

#[tokio::test]
async fn a_node_that_is_met_at_its_own_url_takes_over_its_other_ones() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    world.serve(3, &b, |_| ());
    a.add(&url(3), KnownFrom::Owner);
    assert_eq!(a.introduce(&url(3)).await.unwrap(), Meeting::Met);
    a.add(&url(2), KnownFrom::Hello);
    assert_eq!(a.introduce(&url(2)).await.unwrap(), Meeting::Met);
    let peers = a.list();
    assert_eq!((peers.len(), peers[0].url.clone()), (1, url(2)));
    assert!(peers[0].is_chosen, "the owner named it under the other URL");
}

#[tokio::test]
async fn this_node_itself_is_no_peer() {
    let world = World::new();
    let a = world.node(1);
    world.serve(2, &a, |_| ());
    a.add(&url(2), KnownFrom::Owner);
    assert_eq!(a.introduce(&url(2)).await.unwrap(), Meeting::Ourselves);
    assert!(a.list().is_empty());
}

#[tokio::test]
async fn somebody_else_at_a_known_url_is_said() {
    let world = World::new();
    let a = world.node(1);
    world.node(2);
    a.add(&url(2), KnownFrom::Settings);
    a.introduce(&url(2)).await.unwrap();
    let was = a.list()[0].id.unwrap();
    let other = world.node(2);
    a.introduce(&url(2)).await.unwrap();
    assert_ne!(was, other.id());
    assert_eq!(a.list()[0].id, Some(other.id()));
}

#[tokio::test]
async fn outsiders_of_a_private_network_learn_only_the_identity() {
    let world = World::new();
    let transport = Arc::new(world.transport.clone());
    let client = Client::new(transport, Arc::default());
    let standing = Standing {
        name: "nas".parse().ok(),
        handlers: Arc::new(Names),
        ..Standing::default()
    };
    let own = OwnUrls::one(url(1));
    let events = Arc::new(EventLog::default());
    let private = Overlay::with_standing(standing, own, client, Arc::default(), events);
    private.add(&url(9), KnownFrom::Owner);
    private.answered(&url(9), PeerKind::Sixhop, None);
    let outsider = world.node(2);
    let told = |from: &Introduction| (from.name.is_some(), from.features.len(), from.peers.len());
    let (nothing, all) = ((false, 0, 0), (true, 1, 1));
    let from = outsider.introduction(outsider.ourselves(), random_nonce(), Telling::All);
    let call = Introduce { from, proof: None };
    for (telling, expected) in [(Telling::WhoItIs, nothing), (Telling::All, all)] {
        let answer = private.introduced(&call, private.ourselves(), by_address(), telling);
        let from = answer.unwrap().from;
        assert_eq!(told(&from), expected);
        assert_eq!(from.id, private.id());
    }
}

#[tokio::test]
async fn the_name_of_a_peer_is_the_last_one_that_it_gave() {
    let world = World::new();
    let a = world.node(1);
    let b = world.node(2);
    a.add(&url(2), KnownFrom::Owner);
    for (meddle, name) in [
        (named_nas as Meddle, Some("nas")),
        (named_badly, Some("a\\u{1b}[2J")),
        (|_| (), None),
    ] {
        world.serve(2, &b, meddle);
        a.introduce(&url(2)).await.unwrap();
        let said = a.name_at(&url(2));
        assert_eq!(said.as_ref().map(|name| name.as_str()), name);
    }
}

fn named_nas(introduced: &mut Introduced) {
    introduced.from.name = "nas".parse().ok();
}

fn named_badly(introduced: &mut Introduced) {
    introduced.from.name = node_wire::NodeName::claimed("a\u{1b}[2J");
}

#[tokio::test]
async fn a_caller_proved_by_its_connection_gets_no_token() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let from = a.introduction(a.ourselves(), random_nonce(), Telling::All);
    let call = Introduce { from, proof: None };
    let by = |id| Cause {
        id: Some(id),
        ..by_address()
    };
    let answer = b.introduced(&call, b.ourselves(), by(a.id()), Telling::All);
    let answer = answer.unwrap();
    assert_eq!((answer.token, answer.reached), (None, Some(false)));
    let refused = b.introduced(&call, b.ourselves(), by(b.id()), Telling::All);
    assert_eq!(refused.unwrap_err().code, fault::ACCESS_DENIED);
}

#[tokio::test]
async fn a_node_expected_by_id_is_met_with_one_call_or_not() {
    let world = World::new();
    let (a, b) = (world.node(1), world.node(2));
    let deadline = now() + Duration::from_secs(5);
    let to = |id| Destination::of_owner(url(2)).expecting(Some(id));
    let other = NodeId([7; 32]);
    let wrong = a.prove(&to(other), a.ourselves(), deadline).await;
    assert!(matches!(wrong, Err(NotProved::Proof)));
    world.calls.lock().unwrap().clear();
    let right = a.prove(&to(b.id()), a.ourselves(), deadline).await;
    assert_eq!(right.unwrap().theirs.id, b.id());
    let calls = world.calls.lock().unwrap().clone();
    assert!(matches!(&calls[..], [Introduce { proof: None, .. }]));
}

/// A node with one handler.
#[derive(Debug)]
struct Names;

impl LocalHandlers for Names {
    fn names(&self) -> Vec<String> {
        vec!["secret-handler".to_owned()]
    }

    fn query_keys(&self, _: &str) -> QueryKeys {
        QueryKeys::default()
    }
}
