//! Nodes of a distributed hash table that answer with other people's addresses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use e2e::{NodeProcess, eventually};

use super::peers;
use crate::world::{ctl, noded};

/// The number of victims that the liar names, on addresses of their own.
const VICTIMS: u8 = 60;

/// Longest pause of a thread before it looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(20);

/// Listeners that count the connections to them, and say nothing.
struct Victims {
    addresses: Vec<SocketAddr>,
    counts: Arc<Vec<AtomicUsize>>,
    threads: Threads,
}

impl Victims {
    fn start() -> Victims {
        let listeners: Vec<TcpListener> = (1..=VICTIMS)
            .map(|n| TcpListener::bind((Ipv4Addr::new(127, 1, 0, n), 0)).unwrap())
            .collect();
        let addresses = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        let counts: Arc<Vec<AtomicUsize>> =
            Arc::new(listeners.iter().map(|_| AtomicUsize::new(0)).collect());
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
        }
        let counted = Arc::clone(&counts);
        let threads = Threads::run(move || {
            for (listener, count) in listeners.iter().zip(counted.iter()) {
                while listener.accept().is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
            std::thread::sleep(PAUSE);
        });
        Victims {
            addresses,
            counts,
            threads,
        }
    }

    fn connections(&self) -> Vec<usize> {
        self.counts
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .collect()
    }

    fn total(&self) -> usize {
        self.connections().iter().sum()
    }
}

/// A thread that does one thing again and again until it is dropped.
struct Threads {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    fn run(mut step: impl FnMut() + Send + 'static) -> Threads {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                step();
            }
        });
        Threads {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A node of a hash table that says of everything that the victims have it.
struct Liar {
    address: SocketAddr,
    _thread: Threads,
}

impl Liar {
    fn start(named: &[SocketAddr]) -> Liar {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PAUSE)).unwrap();
        let address = socket.local_addr().unwrap();
        let named = compact(named);
        let thread = Threads::run(move || {
            let mut buffer = [0; 2048];
            if let Ok((length, asker)) = socket.recv_from(&mut buffer)
                && let Some(answer) = answer(&buffer[..length], &named)
            {
                drop(socket.send_to(&answer, asker));
            }
        });
        Liar {
            address,
            _thread: thread,
        }
    }
}

/// Addresses as the protocol has them: a list of strings of six bytes.
fn compact(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut list = Vec::new();
    for address in addresses {
        let SocketAddr::V4(v4) = address else {
            continue;
        };
        list.extend_from_slice(b"6:");
        list.extend_from_slice(&v4.ip().octets());
        list.extend_from_slice(&v4.port().to_be_bytes());
    }
    list
}

/// Returns the answer to a question: its number, our id, and to those that ask for peers, the victims.
fn answer(question: &[u8], named: &[u8]) -> Option<Vec<u8>> {
    let number = after(question, b"1:t")?;
    let asks_for_peers = after(question, b"1:q9:get_peers").is_some();
    let mut answer = b"d1:rd2:id20:liarliarliarliarliar".to_vec();
    if asks_for_peers {
        answer.extend_from_slice(b"5:token4:lies6:valuesl");
        answer.extend_from_slice(named);
        answer.push(b'e');
    }
    answer.extend_from_slice(b"e1:t4:");
    answer.extend_from_slice(number.get(2..6)?);
    answer.extend_from_slice(b"1:y1:re");
    Some(answer)
}

/// Returns the text behind the last `mark`.
fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = text
        .windows(mark.len())
        .rposition(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

fn node_among_liars(victims: &Victims) -> (Liar, NodeProcess) {
    let liar = Liar::start(&victims.addresses);
    let bootstrap = liar.address.to_string();
    let node = noded()
        .args(["--network", "home", "--dht-bootstrap", &bootstrap])
        .start();
    (liar, node)
}

#[test]
fn candidates_that_are_no_nodes_are_called_once() {
    let victims = Victims::start();
    let (liar, node) = node_among_liars(&victims);
    eventually("the node has called thirty of those who were named", || {
        victims.total() >= 30
    });
    eventually("none of them is a peer", || peers(&node).is_empty());
    // Several more looks of the node bring the same names again.
    let until = Instant::now() + Duration::from_secs(8);
    eventually("some time has passed", || Instant::now() >= until);
    let connections = victims.connections();
    println!("connections: {} to {} people", victims.total(), VICTIMS);
    assert!(
        connections.iter().all(|count| *count <= 1),
        "{connections:?}"
    );
    assert_eq!(victims.total(), 30, "the limit of a minute");
    assert!(peers(&node).is_empty());
    node.stop();
    drop((liar, victims.threads));
}

#[test]
fn a_fetch_asks_sixteen_named_holders_and_ends_in_time() {
    let victims = Victims::start();
    let liar = Liar::start(&victims.addresses);
    let bootstrap = liar.address.to_string();
    // Publishing makes it take part in the hash table without a network to meet.
    let node = noded()
        .args(["--publish", "--dht-bootstrap", &bootstrap])
        .start();
    let fetch = || {
        ctl(node.home())
            .args(["fetch", &format!("blake3:{}", "0".repeat(64))])
            .run()
    };
    let begun = Instant::now();
    let run = fetch();
    assert_eq!(run.code, 3, "{}", run.stderr);
    println!("{} connections, {:?}", victims.total(), begun.elapsed());
    let first = victims.total();
    assert!((1..=16).contains(&first), "{first}");
    assert!(begun.elapsed() < Duration::from_secs(25));
    // Those who did not have it are left alone for a minute.
    assert_eq!(fetch().code, 3);
    assert_eq!(victims.total(), first);
    assert!(peers(&node).is_empty());
    node.stop();
    drop((liar, victims.threads));
}
