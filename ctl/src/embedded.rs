//! A node inside this program, for the shell and for scripts.
//!
//! It is driven over its control connection like any other node, so that what works here works there.
//!
//! # Invariants
//! - Variables of the environment do not change it: it is what was said and nothing else.
//! - Its temporary directories live as long as it does.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use node::{Running, Settings, cli::NodeArgs};
use node_api::node::SandboxStatus;
use tempfile::TempDir;

use crate::error::CtlError;

/// Longest time for a clean end.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A free port of the loopback address.
const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The options of an embedded node. A missing one is temporary or free.
#[derive(Clone, Debug, Default)]
pub(crate) struct EmbeddedOptions {
    /// The directory to share.
    pub(crate) share: Option<PathBuf>,
    /// Directory of scripted handlers.
    pub(crate) plugins: Option<PathBuf>,
    /// The state directory.
    pub(crate) state: Option<PathBuf>,
    /// The address to listen on for peers.
    pub(crate) listen: Option<SocketAddr>,
    /// The URL for peers.
    pub(crate) url: Option<String>,
    /// URLs of peers.
    pub(crate) peers: Vec<String>,
    /// A file with URLs of peers.
    pub(crate) peers_file: Option<PathBuf>,
}

/// A node that runs inside this program.
#[derive(Debug)]
pub(crate) struct EmbeddedNode {
    running: Running,
    _temporary: Vec<TempDir>,
}

impl EmbeddedNode {
    /// Starts a node; it is ready when this returns. Needs to run inside a runtime.
    pub(crate) async fn start(wanted: EmbeddedOptions) -> Result<EmbeddedNode, CtlError> {
        let mut temporary = Vec::new();
        let args = NodeArgs {
            share: Some(or_temporary(wanted.share, &mut temporary)?),
            state: Some(or_temporary(wanted.state, &mut temporary)?),
            listen: Some(wanted.listen.unwrap_or(ANY_PORT).into()),
            control: Some(ANY_PORT),
            url: wanted.url,
            peer: wanted.peers,
            peers: wanted.peers_file,
            plugins: wanted.plugins,
            ..NodeArgs::default()
        };
        let settings =
            Settings::resolve(args).map_err(|error| CtlError::usage(error.to_string()))?;
        let running = node::start(settings, SandboxStatus::default())
            .await
            .map_err(|error| CtlError::failed(error.to_string()))?;
        Ok(EmbeddedNode {
            running,
            _temporary: temporary,
        })
    }

    /// Returns the URL under which peers reach it.
    pub(crate) fn url(&self) -> &str {
        self.running.url()
    }

    /// Returns the directory that it shares.
    pub(crate) fn share(&self) -> &Path {
        self.running.share()
    }

    /// Returns its state directory.
    pub(crate) fn state(&self) -> &Path {
        self.running.state()
    }

    /// Ends it, as cleanly as time allows.
    pub(crate) async fn stop(self) {
        // What has not ended by then ends with the program.
        let _ = tokio::time::timeout(STOP_TIME, self.running.stop()).await;
    }
}

fn or_temporary(
    wanted: Option<PathBuf>,
    temporary: &mut Vec<TempDir>,
) -> Result<PathBuf, CtlError> {
    if let Some(directory) = wanted {
        return Ok(directory);
    }
    let made = TempDir::with_prefix("sixhop-")
        .map_err(|error| CtlError::file("make a directory in", &std::env::temp_dir(), error))?;
    let path = made.path().to_owned();
    temporary.push(made);
    Ok(path)
}
