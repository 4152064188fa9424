//! The programs under test, and mixed networks of nodes and peers of the book.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::{Ctl, Dialect, Home, NodeOptions, NodeProcess, Pty, PythonPeer, xmlrpc};

/// Returns the path of the node under test: `E2E_NODED`, or the build of this workspace.
///
/// Another build, such as an installed package or an earlier version, can be tested this way.
pub(crate) fn noded_program() -> PathBuf {
    program("E2E_NODED", env!("CARGO_BIN_EXE_e2e-noded"))
}

/// Returns the path of `ctl` under test: `E2E_CTL`, or the build of this workspace.
pub(crate) fn ctl_program() -> PathBuf {
    program("E2E_CTL", env!("CARGO_BIN_EXE_e2e-ctl"))
}

fn program(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

/// Returns options of a node with a home of its own.
///
/// With `E2E_MIXED`, the path of another build, every second node is of that build: a mixed
/// network, in which two nodes speak in clear if one of them knows no TLS.
pub(crate) fn noded() -> NodeOptions {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let is_second = STARTED.fetch_add(1, Ordering::Relaxed) % 2 == 1;
    match std::env::var_os("E2E_MIXED").filter(|_| is_second) {
        Some(other) => NodeOptions::new(PathBuf::from(other)),
        None => NodeOptions::new(noded_program()),
    }
}

/// Returns a run of `ctl` against the state of a home.
pub(crate) fn ctl(home: &Home) -> Ctl {
    Ctl::new(ctl_program(), home)
}

/// Runs `ctl` at a terminal of so many columns.
pub(crate) fn ctl_at_terminal(home: &Home, columns: u16, args: &[&str]) -> Pty {
    Pty::start(env!("CARGO_BIN_EXE_e2e-ctl"), home, columns, args)
}

/// Returns the root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package of the tests lies in the repository")
}

/// One member of a mixed network.
pub(crate) enum Member {
    Ours(NodeProcess),
    Book(PythonPeer),
}

/// A member to be: one of ours, or a peer of the book.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Ours,
    Codes,
    Faults,
}

impl Member {
    /// Starts a member with files in its share.
    pub(crate) fn start(kind: Kind, files: &[(String, &[u8])]) -> Member {
        let book = |dialect| {
            let home = Home::new();
            files.iter().for_each(|(name, bytes)| home.put(name, bytes));
            Member::Book(PythonPeer::start(dialect, home))
        };
        match kind {
            Kind::Ours => {
                let add = |options: NodeOptions, (name, bytes): &(String, &[u8])| {
                    options.file(name, bytes)
                };
                Member::Ours(files.iter().fold(noded(), add).start())
            }
            Kind::Codes => book(Dialect::Codes),
            Kind::Faults => book(Dialect::Faults),
        }
    }

    /// Returns the URL at which a test asks it.
    pub(crate) fn url(&self) -> &str {
        match self {
            Member::Ours(node) => &node.url,
            Member::Book(peer) => &peer.url,
        }
    }

    pub(crate) fn home(&self) -> &Home {
        match self {
            Member::Ours(node) => node.home(),
            Member::Book(peer) => &peer.home,
        }
    }

    /// Returns true if it reads XML as the chapter's Python does, and writes a carriage return as it is.
    pub(crate) fn is_book(&self) -> bool {
        matches!(self, Member::Book(_))
    }

    pub(crate) fn secret(&self) -> String {
        match self {
            Member::Ours(node) => node.home().secret(),
            Member::Book(_) => PythonPeer::SECRET.to_owned(),
        }
    }

    /// Tells this member of another, in the dialect that it speaks.
    pub(crate) fn meet(&self, other: &Member) {
        let url = match (self, other) {
            (Member::Book(book), Member::Ours(node)) => book.url_for(&node.url),
            _ => other.url().to_owned(),
        };
        e2e::introduce(self.url(), &url);
    }

    /// Makes it fetch a file, as its owner; the answer is the chapter's success in either dialect.
    pub(crate) fn fetch(&self, name: &str) -> Result<(), String> {
        let params = [
            xmlrpc::Value::text(name),
            xmlrpc::Value::text(self.secret()),
        ];
        match xmlrpc::call(self.url(), "fetch", &params) {
            Ok(xmlrpc::Value::Int(0)) => Ok(()),
            Ok(xmlrpc::Value::Int(1)) if self.is_book() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

/// Starts members and lets neighbours meet, both ways; in a ring, the ends too.
pub(crate) fn connected(members: &[Member], closed: bool) {
    for pair in members.windows(2) {
        pair[0].meet(&pair[1]);
        pair[1].meet(&pair[0]);
    }
    if let ([first, .., last], true) = (members, closed) {
        first.meet(last);
        last.meet(first);
    }
}
