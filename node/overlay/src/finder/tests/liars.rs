//! Referrals of peers that lie: the calls that they cause, and that the honest ones
//! beside them are found.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use node_base::sync::lock;
use node_transport::{BodyStream, PeerResponse, Transport};
use node_wire::{
    About, Charset,
    node_id::{NodeId, Nonce},
    scope::Scope,
};
use proptest::prelude::*;

use super::*;
use crate::{Met, planner::Limits};

/// Names and addresses without a network: each address is a node, or a victim that
/// answers as a web server does.
#[derive(Clone, Default)]
struct Wires(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    names: BTreeMap<String, Vec<IpAddr>>,
    nodes: BTreeMap<SocketAddr, Found>,
    called: Vec<SocketAddr>,
}

impl Transport for Wires {
    fn resolve(
        &self,
        peer: &Destination,
    ) -> BoxFuture<'static, Result<Vec<SocketAddr>, TransportError>> {
        let world = lock(&self.0);
        let named = world.names.get(peer.host()).cloned();
        let addresses = peer.ip().map(|ip| vec![ip]).or(named).unwrap_or_default();
        let port = peer.port();
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let addresses: Vec<_> = addresses.collect();
        async move { Ok(addresses) }.boxed()
    }

    fn keep_token(&self, _: &PeerUrl, _: Nonce) {}

    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>> {
        let at = request.at.get();
        let mut world = lock(&self.0);
        world.called.push(at);
        let found = world.nodes.get(&at).cloned();
        async move {
            let found = found.ok_or(TransportError::Status {
                status: 405,
                kind: PeerKind::Sixhop,
            })?;
            let body = Bytes::from(response::value(&found.to_value()));
            let body: BodyStream = Box::pin(futures_util::stream::iter([Ok(body)]));
            Ok(PeerResponse {
                kind: PeerKind::Sixhop,
                status: 200,
                range: None,
                charset: Charset::Unsaid,
                length: None,
                budget_left: None,
                rate: None,
                about: About::default(),
                body,
            })
        }
        .boxed()
    }
}

impl Wires {
    fn node(&self, address: &str, names: &[&str], peers: &[&str]) {
        let found = Found {
            hits: names.iter().map(|name| hit(name)).collect(),
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
            ..Found::default()
        };
        lock(&self.0).nodes.insert(address.parse().unwrap(), found);
    }

    fn name(&self, host: &str, address: &str) {
        let address = address.parse().unwrap();
        lock(&self.0).names.insert(host.to_owned(), vec![address]);
    }

    fn calls(&self, address: &str) -> usize {
        let address: SocketAddr = address.parse().unwrap();
        let world = lock(&self.0);
        world.called.iter().filter(|at| **at == address).count()
    }

    /// Returns a node whose owner named these peers.
    fn overlay(&self, peers: &[&str]) -> Arc<Overlay> {
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(self.clone()), Arc::clone(&counters));
        let own = PeerUrl::parse("http://192.168.1.2:4242/").unwrap();
        let overlay = Overlay::new(own, client, counters, Arc::new(EventLog::default()));
        for peer in peers {
            overlay.add(&PeerUrl::parse(peer).unwrap(), KnownFrom::Owner);
        }
        Arc::new(overlay)
    }
}

async fn holders(overlay: &Arc<Overlay>) -> Vec<String> {
    holders_of(overlay, "a").await
}

async fn holders_of(overlay: &Arc<Overlay>, file: &str) -> Vec<String> {
    let found = all(&mut Finder::begin(overlay, name(file))).await;
    found
        .into_iter()
        .map(|(peer, _)| peer.to_string())
        .collect()
}

const LIAR: &str = "203.0.113.1:4242";
const HONEST: &str = "203.0.114.1:4242";

#[tokio::test(start_paused = true)]
async fn thirty_urls_of_one_victim_are_one_call() {
    let wires = Wires::default();
    let victim = "198.51.100.7:80";
    let urls: Vec<String> = (0..30)
        .map(|n| match n % 3 {
            0 => format!("http://198.51.100.7/path{n}"),
            1 => format!("http://n{n}.example/"),
            _ => format!("http://n{n}.example/path{n}"),
        })
        .collect();
    for n in 0..30 {
        wires.name(&format!("n{n}.example"), "198.51.100.7");
    }
    let mut named: Vec<&str> = urls.iter().map(String::as_str).collect();
    named.push("http://203.0.114.1:4242/");
    wires.node(LIAR, &[], &named);
    wires.node(HONEST, &["a"], &[]);
    let overlay = wires.overlay(&["http://203.0.113.1:4242/"]);
    assert_eq!(holders(&overlay).await, ["http://203.0.114.1:4242/"]);
    assert_eq!(wires.calls(victim), 1);
    for n in 0..20 {
        let none = holders_of(&overlay, &format!("none{n}")).await;
        assert!(none.is_empty());
    }
    assert_eq!(
        wires.calls(victim),
        1,
        "other searches do not call it again"
    );
    assert_eq!(wires.calls(HONEST), 21, "who answers is asked each time");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(holders_of(&overlay, "none").await.is_empty());
    assert_eq!(wires.calls(victim), 2, "once a minute");
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_the_internet_leads_to_nothing_in_the_local_network() {
    let wires = Wires::default();
    let router = "192.168.1.1:80";
    wires.name("router.example", "192.168.1.1");
    wires.name("here.example", "127.0.0.1");
    let named = [
        "http://192.168.1.1/",
        "http://router.example/",
        "http://router/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://here.example/",
        "http://203.0.114.1:4242/",
    ];
    wires.node(LIAR, &[], &named);
    wires.node(HONEST, &["a"], &[]);
    let overlay = wires.overlay(&["http://203.0.113.1:4242/"]);
    assert_eq!(holders(&overlay).await, ["http://203.0.114.1:4242/"]);
    assert_eq!(wires.calls(router) + wires.calls("127.0.0.1:80"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_the_local_network_leads_to_others_in_it() {
    let wires = Wires::default();
    wires.name("nas.example", "192.168.1.8");
    wires.node(
        "192.168.1.7:4242",
        &[],
        &["http://nas.example:4242/", "http://127.0.0.1:4242/"],
    );
    wires.node("192.168.1.8:4242", &["a"], &[]);
    let overlay = wires.overlay(&["http://192.168.1.7:4242/", "http://203.0.113.1:4242/"]);
    // Somebody on the Internet names the same one first, and does not hide it.
    wires.node(LIAR, &[], &["http://nas.example:4242/"]);
    assert_eq!(holders(&overlay).await, ["http://nas.example:4242/"]);
    assert_eq!(wires.calls("127.0.0.1:4242"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_turns_to_the_local_network_is_not_followed() {
    let wires = Wires::default();
    wires.name("evil.example", "203.0.113.1");
    wires.node(LIAR, &["a"], &[]);
    wires.node("192.168.1.1:4242", &["a"], &[]);
    let overlay = wires.overlay(&[]);
    let url = PeerUrl::parse("http://evil.example:4242/").unwrap();
    let heard = overlay.hear(&url, KnownFrom::Hello, [203, 0, 113, 1].into());
    assert!(heard.is_ok());
    let met = Met {
        kind: PeerKind::Sixhop,
        dialect: None,
        latency: Duration::ZERO,
        address: None,
        id: Some(NodeId([1; 32])),
        name: None,
        features: Vec::new(),
    };
    overlay.peers().introduced(&url, met, now());
    assert_eq!(holders(&overlay).await, ["http://evil.example:4242/"]);
    // It is known now as a peer, and as who had it.
    wires.name("evil.example", "192.168.1.1");
    assert!(holders(&overlay).await.is_empty());
    assert_eq!(wires.calls("192.168.1.1:4242"), 0);
    // What the owner names himself may be anywhere.
    overlay.add(&url, KnownFrom::Owner);
    assert_eq!(holders(&overlay).await, ["http://evil.example:4242/"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_referrals_is_bounded_in_what_is_kept_and_called() {
    let wires = Wires::default();
    let address = |n: usize| format!("9.{}.{}.1:4242", n / 250, n % 250);
    // Each of two thousand liars names 32 others, by the longest names that there are.
    let path = "p".repeat(150);
    for n in 0..2_000 {
        let named = (1..=32).map(|k| format!("http://{}/{path}", address(n * 32 + k)));
        let named: Vec<String> = named.filter(|url| PeerUrl::parse(url).is_ok()).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        wires.node(&address(n), &[], &named);
    }
    let overlay = wires.overlay(&[&format!("http://{}/", address(0))]);
    let limits = Limits::of(SearchReach::Sure, 1);
    let mut finder = Finder::with_aim(&overlay, name("none"), Aim::All, limits);
    assert!(finder.next().await.is_none());
    assert!(finder.hosts.len() <= NAMED_MAX, "{}", finder.hosts.len());
    assert_eq!(finder.asked(), limits.budget);
    assert_eq!(lock(&wires.0).called.len(), limits.budget);
}

/// Addresses of all scopes, by number.
fn address(n: usize) -> SocketAddr {
    let last = u8::try_from(n / 3).unwrap() + 1;
    let ip: [u8; 4] = match n % 3 {
        0 => [127, 0, 0, last],
        1 => [192, 168, 1, last],
        _ => [203, 0, 113, last],
    };
    SocketAddr::from((ip, 4242))
}

const ADDRESSES: usize = 30;

/// Returns a URL that leads to an address: by its number, by one of its names, or by a path.
fn spelt(n: usize, spelling: usize) -> String {
    match spelling % 4 {
        0 => format!("http://{}/", address(n)),
        1 => format!("http://{}/p{spelling}", address(n)),
        _ => format!("http://n{n}x{}.example:4242/", spelling % 16),
    }
}

/// The referrals of each node, and the spelling of each; the others are victims.
type Graph = Vec<(bool, Vec<(usize, usize)>)>;

fn graph() -> impl Strategy<Value = Graph> {
    let named = prop::collection::vec((0..ADDRESSES, 0..64_usize), 0..64);
    prop::collection::vec((any::<bool>(), named), ADDRESSES)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_graph_of_referrals_causes_more_or_nearer_calls(
        graph in graph(),
        ours in prop::collection::btree_set(0..ADDRESSES, 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let called = runtime.block_on(search(&graph, &ours));
        let limits = Limits::of(SearchReach::Sure, 1);
        prop_assert!(called.len() <= limits.budget + limits.more);
        let once: BTreeSet<_> = called.iter().collect();
        prop_assert_eq!(once.len(), called.len(), "an address was called twice");
        let allowed = allowed(&graph, &ours);
        for at in &called {
            prop_assert!(allowed.contains(at), "{at} was called");
        }
    }
}

/// Returns the addresses that one search calls.
async fn search(graph: &Graph, ours: &BTreeSet<usize>) -> Vec<SocketAddr> {
    let wires = Wires::default();
    for n in 0..ADDRESSES {
        for spelling in 0..16 {
            let ip = address(n).ip().to_string();
            wires.name(&format!("n{n}x{spelling}.example"), &ip);
        }
    }
    for (n, (is_node, named)) in graph.iter().enumerate() {
        let urls: Vec<String> = named.iter().map(|(n, how)| spelt(*n, *how)).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        if *is_node {
            wires.node(&address(n).to_string(), &[], &urls);
        }
    }
    let ours: Vec<String> = ours.iter().map(|n| spelt(*n, 0)).collect();
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    let overlay = wires.overlay(&ours);
    let limits = Limits {
        reach: SearchReach::Sure,
        ..Limits::of(SearchReach::Sure, 1)
    };
    let mut finder = Finder::with_aim(&overlay, name("none"), Aim::All, limits);
    assert!(finder.next().await.is_none());
    lock(&wires.0).called.clone()
}

/// Returns the addresses that may be called: the owner's peers, and each that is no nearer
/// than an allowed node that names it.
fn allowed(graph: &Graph, ours: &BTreeSet<usize>) -> BTreeSet<SocketAddr> {
    let mut allowed: BTreeSet<usize> = ours.clone();
    loop {
        let before = allowed.len();
        for namer in allowed.clone() {
            let (is_node, named) = &graph[namer];
            let scope = Scope::of_address(address(namer).ip());
            let named = named.iter().filter(|_| *is_node);
            let far = named.filter(|(n, _)| Scope::of_address(address(*n).ip()) >= scope);
            allowed.extend(far.map(|(n, _)| *n));
        }
        if allowed.len() == before {
            return allowed.into_iter().map(address).collect();
        }
    }
}
