//! A node with its control server and its meeting: starting and stopping them.
//!
//! # Lifecycle
//! Start: the state directory is taken, the secret read or made, the node
//! started, the control server started, its address written to `STATE/lock` and
//! `STATE/control`, and others are met. Stop is the same backwards. A start that fails
//! stops what it has started before it returns; a [`Running`] that is dropped cancels it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use node_api::node::SandboxStatus;
use node_base::{
    secret::{Secret, SecretError},
    state::{CONTROL_SOCKET, StateDir, StateError, StateLock},
};
use node_core::node::{Node, NodeError, NodeOptions};
use node_transport::network::{NetworkKey, NetworkKeyError};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::{
    control::{ControlListeners, ControlServer, Owner, Renewal, Rights, RightsError},
    extensions,
    meeting::{Index, Meeting},
    settings::Settings,
    worker,
};

/// The file in the state directory that says where the control connection is.
pub const CONTROL_FILE: &str = "control";

/// The error of a node that did not start. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error("cannot use the state directory: {0}; choose another one with --state")]
    State(#[from] StateError),
    /// Another node uses the state directory.
    #[error("another node uses the state directory {}; stop it, or choose another one with --state", .0.display())]
    StateTaken(PathBuf),
    /// There is no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// There is no network key where it was said to be.
    #[error(transparent)]
    NetworkKey(#[from] NetworkKeyError),
    /// The node itself did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The control address cannot be listened on.
    #[error(
        "cannot listen on {address} for the control connection: {error}; another node may run here: choose other ports with `--listen 127.0.0.1:0 --control 127.0.0.1:0`"
    )]
    Control {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}

/// A node that runs, with its control server.
#[derive(Debug)]
pub struct Running {
    node: Arc<Node>,
    control: ControlServer,
    meeting: Meeting,
    stop_asked: CancellationToken,
    state: StateDir,
    share: PathBuf,
    lock: StateLock,
}

/// Starts a node and its control server. `sandbox` is what the process has put on.
///
/// # Errors
/// [`StartError`] with one sentence that says what to change.
pub async fn start(settings: Settings, sandbox: SandboxStatus) -> Result<Running, StartError> {
    let state = StateDir::open(&settings.state)?;
    let lock = take(&state)?;
    let secret = Secret::load_or_create(&state)?;
    let rights = Rights::load(secret.clone(), state.clone())?;
    let network_key = settings.network_key_file.as_deref().map(NetworkKey::load);
    let network_key = network_key.transpose()?;
    log_skipped(&settings);
    let listener = listen(settings.control).await?;
    let address = address(&listener)?;
    let share = settings.node.share.clone();
    let index = Index::start(&settings.meeting, settings.node.listen);
    let options = NodeOptions {
        settings: settings.node,
        state: state.clone(),
        secret: secret.clone(),
        extensions: extensions::chosen(
            &state,
            settings.plugins,
            worker::program(settings.documents),
        ),
        network_key,
        providers: index.as_ref().map(Index::providers),
    };
    let node = match Node::start(options).await {
        Ok(node) => Arc::new(node),
        Err(error) => return Err(given_up(None, index, error.into()).await),
    };
    let stop_asked = CancellationToken::new();
    let owner = Owner {
        node: Arc::clone(&node),
        control: address,
        sandbox,
        renewal: Renewal::new(secret, state.clone()),
        rights,
        stop_asked: stop_asked.clone(),
    };
    let listeners = ControlListeners {
        socket: listen_at_socket(&state),
        port: listener,
    };
    let control = match serve(listeners, owner) {
        Ok(control) => control,
        Err(error) => return Err(given_up(Some(&node), index, error).await),
    };
    let running = Running {
        control,
        meeting: Meeting::start(&node, &settings.meeting, index),
        node,
        stop_asked,
        state,
        share,
        lock,
    };
    // The last step: a client that finds the address finds a node that answers.
    if let Err(error) = tell_controllers(&running.state, &running.lock, address) {
        running.stop().await;
        return Err(error.into());
    }
    Ok(running)
}

impl Running {
    /// Returns the URL under which peers reach the node.
    #[must_use]
    pub fn url(&self) -> &str {
        self.node.url().as_str()
    }

    /// Returns the begin of the URLs of links, if there is a port for them.
    #[must_use]
    pub fn web(&self) -> Option<&str> {
        self.node.web().map(|port| port.url.as_str())
    }

    /// Returns the address of the control connection.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.control.address()
    }

    /// Returns the state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// Returns the shared directory.
    #[must_use]
    pub fn share(&self) -> &Path {
        &self.share
    }

    /// Waits until the owner asks over the control connection to stop.
    pub async fn stop_asked(&self) {
        self.stop_asked.cancelled().await;
    }

    /// Stops the control server and the node, and waits until nothing of them
    /// runs any more.
    pub async fn stop(self) {
        for name in [CONTROL_FILE, CONTROL_SOCKET] {
            if let Err(error) = self.state.remove(name) {
                tracing::warn!(%error, "the address of the control connection could not be removed");
            }
        }
        self.meeting.stop().await;
        self.control.stop().await;
        self.node.stop().await;
    }
}

/// Stops the parts that a failed start has started. Returns the error.
async fn given_up(node: Option<&Node>, index: Option<Index>, error: StartError) -> StartError {
    if let Some(node) = node {
        node.stop().await;
    }
    if let Some(index) = index {
        index.stop().await;
    }
    error
}

fn take(state: &StateDir) -> Result<StateLock, StartError> {
    state.lock().map_err(|error| match error.error.kind() {
        io::ErrorKind::WouldBlock => StartError::StateTaken(state.path().to_owned()),
        _ => StartError::State(error),
    })
}

/// Says where the control port is: to controllers in `STATE/control`, and in the lock, so
/// that they can distinguish a node that runs from another program at its port.
fn tell_controllers(
    state: &StateDir,
    lock: &StateLock,
    address: SocketAddr,
) -> Result<(), StateError> {
    lock.tell(address)
        .map_err(|error| state.error("lock", error))?;
    state.write(CONTROL_FILE, &format!("{address}\n"))
}

/// Listens at the socket in the state directory. Without it, controllers use the port.
fn listen_at_socket(state: &StateDir) -> Option<UnixListener> {
    let listening = state.remove(CONTROL_SOCKET).and_then(|()| {
        let bound = UnixListener::bind(state.file(CONTROL_SOCKET));
        bound
            .and_then(|socket| state.close_to_others(CONTROL_SOCKET).map(|()| socket))
            .map_err(|error| state.error(CONTROL_SOCKET, error))
    });
    listening
        .inspect_err(|error| {
            tracing::warn!(%error, "there is no control socket; controllers use the port");
        })
        .ok()
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError::Control { address, error })
}

/// Starts the control server.
fn serve(listeners: ControlListeners, owner: Owner) -> Result<ControlServer, StartError> {
    let address = owner.control;
    ControlServer::start(listeners, owner).map_err(|error| StartError::Control { address, error })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Control {
        address: ([127, 0, 0, 1], 0).into(),
        error,
    })
}

/// Tells the owner of lines of the file of peers that make no sense.
fn log_skipped(settings: &Settings) {
    for line in &settings.skipped {
        tracing::warn!("{line}; the line is passed over");
    }
}
