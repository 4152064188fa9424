//! A door in front of a node that lets one process through: to all others the node cannot be reached.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::spawn;

/// A listening port of the loopback. Its threads end with the test.
#[derive(Debug)]
pub struct Gate {
    /// Its URL, which is to be that of the node.
    pub url: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The address on which the node listens.
    behind: OnceLock<SocketAddr>,
    /// The process that is let through.
    guest: AtomicU32,
    turned_away: AtomicUsize,
    /// True if others hear nothing, instead of that nobody is there.
    is_silent: bool,
    /// Connections of others that hear nothing.
    waiting: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// Closes the connections of others at once.
    pub fn closing() -> Gate {
        Gate::new(State::default())
    }

    /// Lets others wait, as a network does that carries nothing there.
    pub fn silent() -> Gate {
        Gate::new(State {
            is_silent: true,
            ..State::default()
        })
    }

    fn new(state: State) -> Gate {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                spawn(move || state.meet(stream));
            }
        });
        Gate {
            url: format!("http://{address}/"),
            state,
        }
    }

    /// Stands in front of this node from now on.
    ///
    /// # Panics
    /// When it stands in front of another node.
    pub fn lead_to(&self, url: &str) {
        let address = crate::http::address(url);
        let first = self.state.behind.set(address);
        first.expect("a gate leads to one node");
    }

    /// Lets this process through, and no other.
    pub fn let_in(&self, process: u32) {
        self.state.guest.store(process, Ordering::Release);
    }

    /// Returns the number of connections of others.
    pub fn turned_away(&self) -> usize {
        self.state.turned_away.load(Ordering::Acquire)
    }
}

impl State {
    fn waiting(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(&self, stream: TcpStream) {
        let guest = self.guest.load(Ordering::Acquire);
        let is_guest = stream
            .peer_addr()
            .ok()
            .and_then(|from| socket_of(from.port()))
            .is_some_and(|socket| has_open(guest, &socket));
        if !is_guest {
            self.turned_away.fetch_add(1, Ordering::AcqRel);
            if self.is_silent {
                self.waiting().push(stream);
            }
            return;
        }
        if let Some(behind) = self.behind.get() {
            drop(join(stream, *behind));
        }
    }
}

/// Passes bytes on, both ways, until both sides are done.
fn join(here: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let there = TcpStream::connect(behind)?;
    let (mut from, mut to) = (there.try_clone()?, here.try_clone()?);
    let back = spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        drop(to.shutdown(Shutdown::Write));
        copied
    });
    let (mut from, mut to) = (here, there);
    let copied = io::copy(&mut from, &mut to);
    drop(to.shutdown(Shutdown::Write));
    drop(back.join());
    copied.map(drop)
}

/// Returns the name that the file of the process has for the socket on this port of the loopback.
fn socket_of(port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let local = format!("0100007F:{port:04X}");
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let is_it = columns.nth(1)? == local;
        let inode = columns.nth(7)?;
        is_it.then(|| format!("socket:[{inode}]"))
    })
}

fn has_open(process: u32, file: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut links = files
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.to_str() == Some(file))
}
