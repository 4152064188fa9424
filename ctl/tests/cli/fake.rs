//! A control server with canned answers, and a peer port with one file.

mod answers;
mod gate;
mod peer_port;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use jsonrpsee::server::{Server, ServerHandle};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) use peer_port::CONTENT;

use crate::program::Program;

/// The secret of the fake node.
pub(crate) const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75e";

/// The requests that the fake node got.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) cancelled: Vec<u64>,
    pub(crate) replaced: Vec<String>,
}

/// A running fake node with a state directory, gone at drop.
pub(crate) struct Fake {
    state: TempDir,
    /// The lock that shows that the node runs.
    _lock: fs::File,
    seen: Arc<Mutex<Seen>>,
    _server: ServerHandle,
    _runtime: Runtime,
}

impl Fake {
    pub(crate) fn start() -> Fake {
        let runtime = Runtime::new().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let peer_port = peer_port::start();
        let answers = answers::all(Arc::clone(&seen), peer_port);
        let (server, address) = runtime.block_on(async {
            let server = Server::builder()
                .set_http_middleware(tower::ServiceBuilder::new().layer(gate::BearerLayer))
                .build("127.0.0.1:0")
                .await
                .unwrap();
            let address = server.local_addr().unwrap();
            (server.start(answers), address)
        });
        let state = tempfile::tempdir().unwrap();
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let lock = fs::File::create(state.path().join("lock")).unwrap();
        lock.lock().unwrap();
        let fake = Fake {
            state,
            _lock: lock,
            seen,
            _server: server,
            _runtime: runtime,
        };
        fake.write_state(address);
        fake
    }

    fn write_state(&self, address: SocketAddr) {
        self.set_address(address);
        self.set_secret(SECRET, 0o600);
    }

    /// Says that the node has this port.
    pub(crate) fn set_address(&self, address: SocketAddr) {
        for name in ["control", "lock"] {
            fs::write(self.file(name), format!("{address}\n")).unwrap();
        }
    }

    /// Writes another secret into the state directory.
    pub(crate) fn set_secret(&self, secret: &str, mode: u32) {
        let file = self.file("secret");
        fs::write(&file, secret).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Returns the path of a file of the state directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    /// Returns the state directory.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Returns the requests that the node got so far.
    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Returns a run of `ctl` with these arguments for this node.
    pub(crate) fn ctl<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(args).state(self.state())
    }
}
