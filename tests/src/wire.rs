//! The wire between nodes: passes bytes on, keeps what it saw, and can become a man in the middle.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::spawn;

/// The first byte of TLS.
const TLS: u8 = 0x16;

/// The answer of a server that speaks HTTP only.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The treatment of a connection by the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tapping {
    /// Passes everything on.
    #[default]
    Passes,
    /// Passes requests in clear on, and answers TLS as a server without TLS.
    StripsTls,
    /// Takes the word that a node speaks TLS out of what it says in clear, and passes TLS on.
    HidesTls,
    /// Takes that word out, and answers TLS as a server without TLS.
    DeniesTls,
    /// Flips a bit of what comes back over TLS, behind the first flight.
    Tampers,
}

/// A wire in front of a node. Its threads end with the test.
#[derive(Debug)]
pub struct Wire {
    /// Its URL, which is to be that of the node.
    pub url: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    behind: Mutex<Option<SocketAddr>>,
    tapping: Mutex<Tapping>,
    seen: Mutex<Vec<u8>>,
    /// The bytes of the callers over TLS, by connection.
    calls: Mutex<Vec<Vec<u8>>>,
    in_clear: AtomicUsize,
    over_tls: AtomicUsize,
    /// Both ends of the connections that passed.
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    /// Creates a wire that leads nowhere yet.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn new() -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                spawn(move || state.pass(stream));
            }
        });
        Wire {
            url: format!("http://{address}/"),
            state,
        }
    }

    /// Leads to this address from now on, and cuts what led elsewhere.
    pub fn lead_to(&self, address: SocketAddr) {
        *lock(&self.state.behind) = Some(address);
        self.cut();
    }

    /// Does this with connections from now on, and cuts those of before.
    pub fn tap(&self, tapping: Tapping) {
        *lock(&self.state.tapping) = tapping;
        self.cut();
    }

    fn cut(&self) {
        for stream in lock(&self.state.open).drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Returns whether these bytes passed by, in either direction.
    pub fn has_seen(&self, bytes: &[u8]) -> bool {
        lock(&self.state.seen)
            .windows(bytes.len())
            .any(|part| part == bytes)
    }

    /// Forgets what passed by, and returns how much that was.
    pub fn forget(&self) -> usize {
        std::mem::take(&mut *lock(&self.state.seen)).len()
    }

    /// Returns all that callers have sent over TLS, by connection.
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        lock(&self.state.calls).clone()
    }

    /// Returns the number of connections that began with something else than TLS.
    pub fn in_clear(&self) -> usize {
        self.state.in_clear.load(Ordering::Acquire)
    }

    /// Returns the number of connections that began with TLS.
    pub fn over_tls(&self) -> usize {
        self.state.over_tls.load(Ordering::Acquire)
    }
}

impl Default for Wire {
    fn default() -> Wire {
        Wire::new()
    }
}

impl State {
    fn pass(&self, mut here: TcpStream) -> Option<()> {
        let mut first = [0];
        if here.peek(&mut first).ok()? == 0 {
            return None;
        }
        let is_tls = first == [TLS];
        let count = if is_tls {
            &self.over_tls
        } else {
            &self.in_clear
        };
        count.fetch_add(1, Ordering::AcqRel);
        let tapping = *lock(&self.tapping);
        if is_tls && matches!(tapping, Tapping::StripsTls | Tapping::DeniesTls) {
            return here.write_all(NO_TLS).ok();
        }
        let behind = (*lock(&self.behind))?;
        let there = TcpStream::connect(behind).ok()?;
        let (from, to) = (there.try_clone().ok()?, here.try_clone().ok()?);
        lock(&self.open).extend([there.try_clone().ok()?, here.try_clone().ok()?]);
        let back = match tapping {
            Tapping::Tampers if is_tls => tapping,
            Tapping::HidesTls | Tapping::DeniesTls if !is_tls => tapping,
            _ => Tapping::Passes,
        };
        let call = is_tls.then(|| {
            let mut calls = lock(&self.calls);
            calls.push(Vec::new());
            calls.len() - 1
        });
        std::thread::scope(|threads| {
            threads.spawn(|| self.copy(from, to, back, None));
            self.copy(here, there, Tapping::Passes, call);
        });
        Some(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, tapping: Tapping, call: Option<usize>) {
        let (mut buffer, mut parts) = (vec![0; 64 * 1024], 0);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let part = &mut buffer[..count];
            lock(&self.seen).extend_from_slice(part);
            if let Some(call) = call {
                lock(&self.calls)[call].extend_from_slice(part);
            }
            match tapping {
                Tapping::Tampers if parts > 0 => part[count / 2] ^= 1,
                Tapping::HidesTls | Tapping::DeniesTls => hide(part, b"<string>tls</string>"),
                _ => {}
            }
            parts += 1;
            if to.write_all(part).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }
}

/// Writes another word of the same length in place of a text that is in one part.
fn hide(part: &mut [u8], text: &[u8]) {
    let found = part.windows(text.len()).position(|window| window == text);
    if let Some(at) = found {
        part[at + text.len() / 2] = b'x';
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
