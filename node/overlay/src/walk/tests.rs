//! Tests of walks among nodes in memory: real overlays, no sockets.

use std::{collections::HashSet, sync::Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use node_wire::{
    content::{ContentScan, QueryAnswerWriter},
    dialect::Dialect,
    fault::Fault,
    request, response,
};
use tokio::time::sleep;

use super::*;
use crate::KnownFrom;
use node_base::{counters::Counters, events::EventLog};
use node_transport::{
    Client, MemoryAnswer, MemoryTransport, PeerKind, PeerRequest, Purpose, TransportError,
};

const CONTENT: &[u8] = b"content of the file";

/// Nodes in memory that know each other as the test says.
struct Network {
    transport: MemoryTransport,
    nodes: Vec<Arc<Overlay>>,
    counters: Vec<Arc<Counters>>,
    holders: Arc<Mutex<HashSet<usize>>>,
}

fn url(n: usize) -> PeerUrl {
    PeerUrl::parse(&format!("http://127.0.0.1:{}", 10_000 + n)).unwrap()
}

impl Network {
    /// Creates `count` nodes of which nobody knows anybody; node `n` takes `delays[n]`
    /// to answer.
    fn new(count: usize, delays: &[(usize, Duration)]) -> Network {
        let transport = MemoryTransport::default();
        let holders = Arc::new(Mutex::new(HashSet::new()));
        let (mut nodes, mut counters) = (Vec::new(), Vec::new());
        for n in 0..count {
            let counts = Arc::new(Counters::default());
            let client = Client::new(Arc::new(transport.clone()), Arc::clone(&counts));
            let overlay = Arc::new(Overlay::new(
                url(n),
                client,
                Arc::clone(&counts),
                Arc::new(EventLog::default()),
            ));
            let delay = delays
                .iter()
                .find(|(node, _)| *node == n)
                .map_or(Duration::ZERO, |(_, delay)| *delay);
            let (holders, node) = (Arc::clone(&holders), Arc::clone(&overlay));
            transport.add(&url(n), move |request| {
                let (holders, node) = (Arc::clone(&holders), Arc::clone(&node));
                async move {
                    sleep(delay).await;
                    let has = holders.lock().unwrap().contains(&n);
                    Ok(answer(&node, has, &request).await)
                }
                .boxed()
            });
            nodes.push(overlay);
            counters.push(counts);
        }
        Network {
            transport,
            nodes,
            counters,
            holders,
        }
    }

    fn knows(&self, node: usize, peer: usize) {
        self.nodes[node].add(&url(peer), KnownFrom::Settings);
        self.nodes[node].answered(&url(peer), PeerKind::Sixhop, None);
    }

    fn chain(count: usize) -> Network {
        let network = Network::new(count, &[]);
        for n in 1..count {
            network.knows(n - 1, n);
        }
        network
    }

    fn mesh(count: usize) -> Network {
        let network = Network::new(count, &[]);
        for n in 0..count {
            (0..count).for_each(|peer| network.knows(n, peer));
        }
        network
    }

    fn hold(&self, node: usize) {
        self.holders.lock().unwrap().insert(node);
    }

    async fn ask(&self, node: usize) -> Result<Vec<u8>, MissReason> {
        let asked = WalkQuery::here(ShareName::parse("file").unwrap());
        let mut walk = Walk::begin(&self.nodes[node], asked).await;
        match walk.next().await {
            Some(file) => Ok(read(file).await),
            None => Err(walk.verdict()),
        }
    }

    fn queries_sent(&self) -> u64 {
        self.counters
            .iter()
            .map(|counters| counters.queries_sent.get())
            .sum()
    }
}

async fn read(mut file: RemoteFile) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(piece) = file.next().await.unwrap() {
        content.extend_from_slice(&piece);
    }
    content
}

/// Answers a query by the rules of the chapter.
async fn answer(node: &Arc<Overlay>, has: bool, http: &PeerRequest) -> MemoryAnswer {
    let Purpose::Call(body) = &http.purpose else {
        panic!("only calls")
    };
    let query = Query::from_params(&request::read(body).unwrap().params).unwrap();
    if has {
        return found(CONTENT).into();
    }
    let asked = WalkQuery {
        name: ShareName::parse(&query.name).unwrap(),
        history: query.history,
        id: http.walk.as_ref().map(|walk| walk.id),
        asking: http
            .walk
            .as_ref()
            .map(|walk| walk.asking.clone())
            .unwrap_or_default(),
        budget: http
            .walk
            .as_ref()
            .map_or(Budget::UNSAID, |walk| walk.budget),
        for_owner: false,
    };
    let mut walk = Walk::begin(node, asked).await;
    match walk.next().await {
        Some(file) => found(&read(file).await).into(),
        None => MemoryAnswer {
            chunks: vec![response::fault(&Fault::unhandled(walk.verdict())).into()],
            budget_left: Some(walk.budget_left()),
        },
    }
}

fn found(content: &[u8]) -> Vec<Bytes> {
    let mut scan = ContentScan::new();
    scan.push(content);
    let mut writer = QueryAnswerWriter::new(Dialect::Faults, scan.finish().payload);
    let mut bytes = writer.head().as_bytes().to_vec();
    writer.push(content, &mut bytes);
    writer.finish(&mut bytes);
    vec![bytes.into()]
}

#[tokio::test(start_paused = true)]
async fn a_file_five_hops_away_is_found_and_one_further_is_not() {
    let network = Network::chain(7);
    network.hold(6);
    assert_eq!(network.ask(0).await, Err(MissReason::HopLimit));
    network.hold(5);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_miss_in_a_full_mesh_of_ten_costs_one_call_for_each_peer() {
    let network = Network::mesh(10);
    assert_eq!(network.ask(0).await, Err(MissReason::NotFound));
    assert_eq!(network.queries_sent(), 9);
}

/// Creates 200 nodes that each know eight others, drawn by a fixed rule.
fn crowd() -> Network {
    let network = Network::new(200, &[]);
    let mut at = 1_usize;
    for node in 0..200 {
        network.knows(node, (node + 1) % 200);
        for _ in 0..7 {
            at = (at * 137 + 71) % 10_007;
            network.knows(node, at % 200);
        }
    }
    network
}

#[tokio::test(start_paused = true)]
async fn a_walk_makes_no_more_calls_than_its_budget_in_any_graph() {
    let network = crowd();
    assert_eq!(network.ask(0).await, Err(MissReason::Budget));
    let sent = network.queries_sent();
    assert!(sent <= 64, "{sent} calls");
    assert!(sent > 48, "{sent} calls are hardly a walk");
}

#[tokio::test(start_paused = true)]
async fn what_one_branch_does_not_need_another_one_uses() {
    // Of 17 peers 16 know nobody, and the last one knows six.
    let network = Network::new(24, &[]);
    for node in 1..=17 {
        network.knows(0, node);
    }
    for node in 18..24 {
        network.knows(17, node);
    }
    network.hold(23);
    let mut asked = WalkQuery::here(ShareName::parse("file").unwrap());
    // Three others hold their part of the 24 when the last one is asked.
    asked.budget = Budget::of(17 + 24);
    let mut walk = Walk::begin(&network.nodes[0], asked).await;
    let file = walk.next().await.expect("it is found");
    assert_eq!(read(file).await, CONTENT);
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_walked_anew_when_it_is_asked_again() {
    let network = Network::chain(3);
    assert_eq!(network.ask(0).await, Err(MissReason::NotFound));
    network.hold(2);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_ring_ends_and_finds_both_ways_round() {
    let network = Network::chain(8);
    network.knows(7, 0);
    assert_eq!(network.ask(0).await, Err(MissReason::HopLimit));
    network.hold(5);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

/// A long way that is quick and a short way that is slow meet at node 4, with
/// the file two hops behind it: only the short way has the hops to reach it.
#[tokio::test(start_paused = true)]
async fn a_query_that_comes_again_with_more_hops_goes_further() {
    let network = Network::new(8, &[(5, Duration::from_secs(1))]);
    for (node, peer) in [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (0, 5),
        (5, 4),
        (4, 6),
        (6, 7),
    ] {
        network.knows(node, peer);
    }
    network.hold(7);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn peers_that_never_answer_cost_their_own_branch_only() {
    let stalled: Vec<_> = (1..=6).map(|n| (n, Duration::from_secs(3600))).collect();
    let network = Network::new(8, &stalled);
    (1..=7).for_each(|peer| network.knows(0, peer));
    network.hold(7);
    let started = tokio::time::Instant::now();
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_walk_without_answers_ends_at_its_deadline() {
    let network = Network::new(2, &[(1, Duration::from_secs(3600))]);
    network.knows(0, 1);
    let started = tokio::time::Instant::now();
    assert_eq!(network.ask(0).await, Err(MissReason::Deadline));
    assert!(
        started.elapsed() <= WALK + Duration::from_millis(10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(network.nodes[0].list()[0].failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_is_passed_over() {
    let network = Network::new(3, &[]);
    network.knows(0, 1);
    network.knows(0, 2);
    network.transport.remove(&url(1));
    network.hold(2);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_lies_costs_its_own_call_only() {
    let network = Network::new(5, &[]);
    (1..5).for_each(|peer| network.knows(0, peer));
    let lies: [&[u8]; 3] = [
        b"not xml at all",
        b"<?xml version='1.0'?><methodResponse><params><param><value><int>7</int></value></param></params></methodResponse>",
        b"<?xml version='1.0'?><methodResponse><params><param><value><stri",
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        network.transport.add(&url(n + 1), move |_| {
            async move { Ok(vec![Bytes::from_static(lie)]) }.boxed()
        });
    }
    network.hold(4);
    assert_eq!(network.ask(0).await, Ok(CONTENT.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn after_a_file_that_breaks_off_the_next_holder_is_asked() {
    let network = Network::new(3, &[]);
    network.knows(0, 1);
    network.knows(0, 2);
    network.transport.add(&url(1), |_| {
        let cut = &found(CONTENT)[0][..100];
        let cut = Bytes::copy_from_slice(cut);
        async move { Ok::<_, TransportError>(vec![cut]) }.boxed()
    });
    network.hold(2);
    let mut walk = Walk::begin(
        &network.nodes[0],
        WalkQuery::here(ShareName::parse("file").unwrap()),
    )
    .await;
    let mut contents = Vec::new();
    while let Some(mut file) = walk.next().await {
        let mut content = Vec::new();
        let read = loop {
            match file.next().await {
                Ok(Some(piece)) => content.extend_from_slice(&piece),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match read {
            Ok(()) => contents.push(content),
            Err(error) => walk.broke_off(&file, &error),
        }
    }
    assert_eq!(contents, [CONTENT]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_a_node_is_not_asked_for_unchecked_content() {
    let network = Network::new(3, &[(1, Duration::from_secs(1))]);
    for peer in [1, 2] {
        network.nodes[0].add(&url(peer), KnownFrom::Settings);
        network.hold(peer);
    }
    network.nodes[0].answered(&url(1), PeerKind::Book, None);
    let asked = WalkQuery::here(ShareName::parse("file").unwrap());
    let excluded = Excluded {
        peers: Vec::new(),
        nodes: true,
    };
    let mut walk = Walk::begin_without(&network.nodes[0], asked, excluded).await;
    let file = walk.next().await.unwrap();
    assert_eq!(file.peer, url(1));
    // Nothing was known of the second one when the walk began.
    network.nodes[0]
        .peers()
        .answered_as(&url(2), PeerKind::Sixhop);
    walk.broke_off(&file, &CallError::Short);
    assert!(walk.next().await.is_none());
    assert_eq!((walk.asked(), walk.budget_left().calls()), (1, 63));
    assert_eq!(network.queries_sent(), 1);
}
