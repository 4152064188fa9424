//! A listener that is not a peer: it counts who connects, and says the same to all.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;
use std::time::Duration;

/// Longest time that it reads from a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A listening port of the loopback. Its threads end with the test.
#[derive(Debug)]
pub struct Listener {
    /// Its address.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Listener {
    /// Closes every connection at once.
    pub fn silent() -> Listener {
        Listener::saying(b"")
    }

    /// Sends these bytes to everybody, whatever is asked, and closes.
    ///
    /// # Panics
    /// When the loopback gives no port.
    pub fn saying(answer: &[u8]) -> Listener {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&connections), answer.to_vec());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                spawn(move || drop(say(stream, &answer)));
            }
        });
        Listener {
            address,
            connections,
        }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request, if an answer is wanted, and answers.
fn say(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    if answer.is_empty() {
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let _ = stream.read(&mut [0; 16 << 10])?;
    stream.write_all(answer)
}
