//! What is meant: options, variables, file and defaults put together.
#![allow(
    clippy::disallowed_methods,
    reason = "the owner's own files are read here: the configuration and the list of peers"
)]

mod meeting;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use node_core::cache;
use node_wire::{PeerUrl, UrlError, escaped, peer_url::without_user};
use serde::Deserialize;

pub use self::meeting::Meeting;
use crate::cli::{Mdns, NodeArgs};
use node_base::size::Size;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4242);
const CONTROL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4243);

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory to share.
    pub share: PathBuf,
    /// The address on which to listen for peers.
    pub listen: SocketAddr,
    /// The URL under which peers reach the node, if it is not the address.
    pub url: Option<PeerUrl>,
    /// The address of the control connection; loopback.
    pub control: SocketAddr,
    /// The state directory.
    pub state: PathBuf,
    /// Peers to begin with.
    pub peers: Vec<PeerUrl>,
    /// Directory of scripted handlers.
    pub plugins: Option<PathBuf>,
    /// File with the key of the private network.
    pub network_key_file: Option<PathBuf>,
    /// Most bytes of content that passes to keep; 0 keeps none.
    pub cache_size: u64,
    /// Most bytes a second of content to others; 0 is no limit.
    pub upload_rate: u64,
    /// Most bytes a second of content from others; 0 is no limit.
    pub download_rate: u64,
    /// How nodes are met that nobody named.
    pub meeting: Meeting,
}

/// Why the settings make no sense. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No directory to share.
    #[error("say which directory to share: --share DIR")]
    NoShare,
    /// A directory that is none.
    #[error("{option} {}: {error}; give a directory that you can read", path.display())]
    NoDirectory {
        /// The option.
        option: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Nowhere to keep the state.
    #[error("neither XDG_STATE_HOME nor HOME is set: say where to keep the state: --state DIR")]
    NoState,
    /// The state would be shared.
    #[error("the state directory {} lies in the shared directory, where peers could read the secret; choose another --state", .0.display())]
    StateInShare(PathBuf),
    /// A control address that others could reach.
    #[error(
        "--control {0}: the control connection must be on a loopback address, such as 127.0.0.1:4243"
    )]
    ControlNotLoopback(SocketAddr),
    /// A URL that is none.
    #[error("{origin}: `{text}` is no URL of a peer: {error}")]
    Url {
        /// Where it stands: an option, or a file and a line.
        origin: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        #[source]
        error: UrlError,
    },
    /// A name that is none.
    #[error("--network: a name has 1 to {} bytes", meeting::NETWORK_MAX)]
    Network,
    /// A node of the DHT that is none.
    #[error("--dht-bootstrap: `{0}` is no HOST:PORT")]
    Bootstrap(String),
    /// A file that cannot be read.
    #[error("{option} {}: {error}", path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A configuration file that makes no sense.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and on which line.
        #[source]
        error: Box<toml::de::Error>,
    },
}

/// The configuration file: the long names of the options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    share: Option<PathBuf>,
    listen: Option<SocketAddr>,
    url: Option<String>,
    control: Option<SocketAddr>,
    state: Option<PathBuf>,
    #[serde(default)]
    peer: Vec<String>,
    peers: Option<PathBuf>,
    plugins: Option<PathBuf>,
    network_key_file: Option<PathBuf>,
    cache_size: Option<Size>,
    upload_rate: Option<Size>,
    download_rate: Option<Size>,
    mdns: Option<Mdns>,
    network: Option<String>,
    publish: Option<bool>,
    #[serde(default)]
    dht_bootstrap: Vec<String>,
}

impl Settings {
    /// Puts options and variables, which clap has merged, the configuration
    /// file and the defaults together.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn resolve(args: NodeArgs) -> Result<Settings, SettingsError> {
        let file = args
            .config
            .as_deref()
            .map(read_config)
            .transpose()?
            .unwrap_or_default();
        let meeting = Meeting::resolve(&args, &file)?;
        let share = args.share.or(file.share).ok_or(SettingsError::NoShare)?;
        check_directory("--share", &share)?;
        let plugins = args.plugins.or(file.plugins);
        if let Some(plugins) = &plugins {
            check_directory("--plugins", plugins)?;
        }
        let control = args.control.or(file.control).unwrap_or(CONTROL);
        if !control.ip().is_loopback() {
            return Err(SettingsError::ControlNotLoopback(control));
        }
        let state = args
            .state
            .or(file.state)
            .or_else(default_state)
            .ok_or(SettingsError::NoState)?;
        check_apart(&state, &share)?;
        let url = args
            .url
            .or(file.url)
            .map(|text| parse_url("--url", &text))
            .transpose()?;
        let peers = if args.peer.is_empty() {
            file.peer
        } else {
            args.peer
        };
        let mut peers = peers
            .iter()
            .map(|text| parse_url("--peer", text))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = args.peers.or(file.peers) {
            peers.extend(read_peers(&path)?);
        }
        Ok(Settings {
            share,
            listen: args.listen.or(file.listen).unwrap_or(LISTEN),
            url,
            control,
            state,
            peers,
            plugins,
            network_key_file: args.network_key_file.or(file.network_key_file),
            cache_size: args
                .cache_size
                .or(file.cache_size)
                .map_or(cache::LIMIT_DEFAULT, Size::bytes),
            upload_rate: args.upload_rate.or(file.upload_rate).map_or(0, Size::bytes),
            download_rate: args
                .download_rate
                .or(file.download_rate)
                .map_or(0, Size::bytes),
            meeting,
        })
    }
}

/// `$XDG_STATE_HOME/sixhop`, or below the home directory.
#[must_use]
pub fn default_state() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("sixhop"))
}

fn read_config(path: &Path) -> Result<ConfigFile, SettingsError> {
    let text = fs::read_to_string(path).map_err(|error| SettingsError::File {
        option: "--config",
        path: path.to_owned(),
        error,
    })?;
    toml::from_str(&text).map_err(|error| SettingsError::Config {
        path: path.to_owned(),
        error: Box::new(error),
    })
}

/// Reads URLs, one a line. Empty lines and lines that start with `#` are
/// passed over.
fn read_peers(path: &Path) -> Result<Vec<PeerUrl>, SettingsError> {
    let text = fs::read_to_string(path).map_err(|error| SettingsError::File {
        option: "--peers",
        path: path.to_owned(),
        error,
    })?;
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| parse_url(&format!("{}:{n}", path.display()), line))
        .collect()
}

fn parse_url(origin: &str, text: &str) -> Result<PeerUrl, SettingsError> {
    PeerUrl::parse(text).map_err(|error| SettingsError::Url {
        origin: origin.to_owned(),
        text: escaped(&without_user(text)).to_string(),
        error,
    })
}

fn check_directory(option: &'static str, path: &Path) -> Result<(), SettingsError> {
    let readable = fs::read_dir(path).map(drop);
    readable.map_err(|error| SettingsError::NoDirectory {
        option,
        path: path.to_owned(),
        error,
    })
}

/// The secret must not be in the share, through whatever links the paths lead.
fn check_apart(state: &Path, share: &Path) -> Result<(), SettingsError> {
    let mut existing = state;
    let state_really = loop {
        match (existing.canonicalize(), existing.parent()) {
            (Ok(really), _) => break really,
            (Err(_), Some(parent)) if !parent.as_os_str().is_empty() => existing = parent,
            (Err(_), _) => break std::env::current_dir().unwrap_or_default(),
        }
    };
    match share.canonicalize() {
        Ok(share) if state_really.starts_with(&share) => {
            Err(SettingsError::StateInShare(state.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
