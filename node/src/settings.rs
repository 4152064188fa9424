//! The settings of a node: options, variables, file and defaults put together.
#![allow(
    clippy::disallowed_methods,
    reason = "the owner's own files are read here: the configuration and the list of peers"
)]

mod address;
mod keys;
mod meeting;
mod written;

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use node_core::{
    cache,
    node::{NodeSettings, WebSettings},
};
use node_wire::{
    AddressError, NodeName, NodeNameError, PeerAddress, PeerUrl, escaped, peer_url::without_user,
};
use serde::Deserialize;

pub use self::{
    address::{ListenAddress, NoListenAddress},
    keys::example as example_config,
    meeting::Meeting,
};
use crate::{
    cli::{LogFormat, Mdns, NodeArgs, ReadDocuments},
    sandbox::Sandbox,
};
use node_base::{
    home::{HomeError, expanded},
    platform,
    schedule::RateSchedule,
    size::Size,
    state::own::{lies_in, lies_in_state},
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4242);
const CONTROL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4243);

/// The settings of a node and its surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings of the node itself.
    pub node: NodeSettings,
    /// The address of the control connection; loopback.
    pub control: SocketAddr,
    /// The state directory.
    pub state: PathBuf,
    /// Lines of the file of peers that were passed over, each with its error.
    pub skipped: Vec<String>,
    /// Directory of scripted handlers.
    pub plugins: Option<PathBuf>,
    /// File with the key of the private network.
    pub network_key_file: Option<PathBuf>,
    /// The ways to meet nodes that nobody named.
    pub meeting: Meeting,
    /// The wanted layers of the sandbox.
    pub sandbox: Sandbox,
    /// Files of the owner that are read, also later: the configuration, the peers, the key.
    pub read_files: Vec<PathBuf>,
    /// Whether the text of documents is found.
    pub documents: ReadDocuments,
    /// The form of the log.
    pub log_format: LogFormat,
}

/// The error of invalid settings. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No directory to share.
    #[error("say which directory to share: --share DIR")]
    NoShare,
    /// A path that is not a directory.
    #[error("{option} {}: {error}; give a directory that you can read", path.display())]
    NoDirectory {
        /// The option.
        option: &'static str,
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// Nowhere to keep the state.
    #[error("neither XDG_STATE_HOME nor HOME is set: say where to keep the state: --state DIR")]
    NoState,
    /// A name to listen on that has no address.
    #[error("--listen {listen}: {error}; give an address of this machine, such as 127.0.0.1:4242")]
    Listen {
        /// The given address.
        listen: ListenAddress,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// A name to listen on for links that has no address.
    #[error("--web {web}: {error}; give an address of this machine, such as :8080")]
    Web {
        /// The given address.
        web: ListenAddress,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// An invalid begin of links.
    #[error(
        "--web-url {0}: give http:// or https:// and a host, such as https://files.example.net"
    )]
    WebUrl(String),
    /// Something of the owner's would be shared, or could be stored by others.
    #[error("{option} {} lies in the shared directory, where peers could read or write it; choose another place", path.display())]
    InShare {
        /// The option.
        option: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The state directory would hold what is shared.
    #[error("the shared directory {} lies in the state directory, which the node keeps for itself; choose another --share or --state", .0.display())]
    ShareInState(PathBuf),
    /// A path begins with `~` and has no meaning.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A control address that others could reach.
    #[error(
        "--control {0}: the control connection must be on a loopback address, such as 127.0.0.1:4243"
    )]
    ControlNotLoopback(SocketAddr),
    /// An invalid URL.
    #[error("{origin}: `{text}` is no URL of a peer: {error}")]
    Url {
        /// Its place: an option, or a file and a line.
        origin: String,
        /// The text.
        text: String,
        /// The error in it.
        #[source]
        error: AddressError,
    },
    /// An invalid name of the node.
    #[error("--name: `{name}` is no name of a node: {error}")]
    Name {
        /// The name.
        name: String,
        /// The error in it.
        #[source]
        error: NodeNameError,
    },
    /// An invalid name of a network.
    #[error("--network: a name has 1 to {} bytes", meeting::NETWORK_MAX)]
    Network,
    /// An invalid node of the DHT.
    #[error("--dht-bootstrap: `{0}` is no HOST:PORT")]
    Bootstrap(String),
    /// A file that cannot be read.
    #[error("{option} {}: {error}", path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// A configuration file that makes no sense.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The error, and its line.
        #[source]
        error: Box<toml::de::Error>,
    },
    /// A key of the configuration file that there is not.
    #[error("{}:{line}: there is no key `{key}`; {}", path.display(), meant(key))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key as it was written.
        key: String,
    },
}

/// Returns the advice for a key that there is not.
fn meant(key: &str) -> String {
    match keys::nearest(key) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`noded --print-config` prints all that there are".to_owned(),
    }
}

/// The configuration file: the long names of the options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    share: Option<PathBuf>,
    listen: Option<ListenAddress>,
    web: Option<ListenAddress>,
    web_url: Option<String>,
    url: Option<String>,
    #[serde(default, deserialize_with = "written::list")]
    allow_host: Vec<String>,
    name: Option<String>,
    control: Option<SocketAddr>,
    state: Option<PathBuf>,
    #[serde(default, deserialize_with = "written::list")]
    peer: Vec<String>,
    peers: Option<PathBuf>,
    plugins: Option<PathBuf>,
    network_key_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "written::limit")]
    cache_size: Option<Size>,
    upload_rate: Option<RateSchedule>,
    download_rate: Option<RateSchedule>,
    #[serde(default, deserialize_with = "written::mdns")]
    mdns: Option<Mdns>,
    network: Option<String>,
    #[serde(default, deserialize_with = "written::switch")]
    publish: Option<bool>,
    #[serde(default, deserialize_with = "written::list")]
    dht_bootstrap: Vec<String>,
    sandbox: Option<Sandbox>,
    #[serde(default, deserialize_with = "written::documents")]
    documents: Option<ReadDocuments>,
    log_format: Option<LogFormat>,
}

impl Settings {
    /// Puts options and variables, which clap has merged, the configuration
    /// file and the defaults together.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn resolve(mut args: NodeArgs) -> Result<Settings, SettingsError> {
        expand(&mut args)?;
        let file = configuration(&args)?;
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
        let listen = args.listen.or(file.listen).map_or(Ok(LISTEN), resolved)?;
        let web = web(args.web.or(file.web), args.web_url.or(file.web_url))?;
        let state = args.state.or(file.state).or_else(default_state);
        let state = state.ok_or(SettingsError::NoState)?;
        let peers_file = args.peers.or(file.peers);
        let network_key_file = args.network_key_file.or(file.network_key_file);
        let kept = [
            ("--state", Some(&state)),
            ("--plugins", plugins.as_ref()),
            ("--network-key-file", network_key_file.as_ref()),
            ("--peers", peers_file.as_ref()),
            ("--config", args.config.as_ref()),
        ];
        check_apart(&kept, &state, &share)?;
        let url = own_url(args.url.or(file.url))?;
        let mut bad_peers = Vec::new();
        let peers = or_else(args.peer, file.peer);
        let peers = all_peers(&peers, peers_file.as_deref(), &mut bad_peers)?;
        let bytes = |said: Option<Size>, file: Option<Size>| said.or(file).map(Size::bytes);
        let node = NodeSettings {
            configuration: given([&plugins, &args.config, &peers_file, &network_key_file]),
            share,
            listen,
            web,
            url,
            allow_hosts: or_else(args.allow_host, file.allow_host),
            name: node_name(args.name.or(file.name))?,
            peers,
            cache_size: bytes(args.cache_size, file.cache_size).unwrap_or(cache::LIMIT_DEFAULT),
            upload_rate: args.upload_rate.or(file.upload_rate).unwrap_or_default(),
            download_rate: (args.download_rate.or(file.download_rate)).unwrap_or_default(),
        };
        Ok(Settings {
            node,
            control,
            state,
            skipped: bad_peers.iter().map(ToString::to_string).collect(),
            plugins,
            read_files: given([&args.config, &peers_file, &network_key_file]),
            network_key_file,
            meeting,
            sandbox: args.sandbox.or(file.sandbox).unwrap_or_default(),
            documents: args.documents.or(file.documents).unwrap_or_default(),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

/// Reads the configuration file, if one is named.
fn configuration(args: &NodeArgs) -> Result<ConfigFile, SettingsError> {
    let file = args.config.as_deref().map(read_config).transpose()?;
    Ok(file.unwrap_or_default())
}

/// Returns the paths that were given.
fn given<const COUNT: usize>(paths: [&Option<PathBuf>; COUNT]) -> Vec<PathBuf> {
    paths.into_iter().flatten().cloned().collect()
}

impl Settings {
    /// Returns the options whose values differ in `new`.
    #[must_use]
    pub fn differences(&self, new: &Settings) -> Vec<&'static str> {
        let meeting = |settings: &Settings| format!("{:?}", settings.meeting);
        let changed = [
            ("--share", self.node.share != new.node.share),
            ("--listen", self.node.listen != new.node.listen),
            ("--web --web-url", self.node.web != new.node.web),
            ("--url", self.node.url != new.node.url),
            (
                "--allow-host",
                self.node.allow_hosts != new.node.allow_hosts,
            ),
            ("--name", self.node.name != new.node.name),
            ("--control", self.control != new.control),
            ("--state", self.state != new.state),
            ("--peer", self.node.peers != new.node.peers),
            ("--plugins", self.plugins != new.plugins),
            (
                "--network-key-file",
                self.network_key_file != new.network_key_file,
            ),
            ("--cache-size", self.node.cache_size != new.node.cache_size),
            (
                "--upload-rate",
                self.node.upload_rate != new.node.upload_rate,
            ),
            (
                "--download-rate",
                self.node.download_rate != new.node.download_rate,
            ),
            ("--documents", self.documents != new.documents),
            ("--log-format", self.log_format != new.log_format),
            ("--mdns --network --publish", meeting(self) != meeting(new)),
            ("--sandbox", self.sandbox != new.sandbox),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(option, _)| option).collect()
    }
}

/// Returns the name that the owner chose, or that of the machine if it is one.
fn node_name(said: Option<String>) -> Result<Option<NodeName>, SettingsError> {
    match said {
        Some(name) => match name.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => Err(SettingsError::Name {
                name: escaped(&name).to_string(),
                error,
            }),
        },
        None => Ok(platform::host_name().and_then(|name| NodeName::claimed(&name))),
    }
}

/// Returns the given values, or those of the file if none were given.
fn or_else(said: Vec<String>, file: Vec<String>) -> Vec<String> {
    if said.is_empty() { file } else { said }
}

/// Returns the URL under which peers reach the node, if one was given.
fn own_url(text: Option<String>) -> Result<Option<PeerUrl>, SettingsError> {
    let url = text.map(|text| parse_url("--url", &text));
    url.transpose()
}

/// Returns the choices for the port for links, if there is to be one.
fn web(
    web: Option<ListenAddress>,
    url: Option<String>,
) -> Result<Option<WebSettings>, SettingsError> {
    let url = url.map(checked_web_url).transpose()?;
    let Some(web) = web else {
        return Ok(None);
    };
    let address = web.resolve();
    let address = address.map_err(|error| SettingsError::Web { web, error })?;
    Ok(Some(WebSettings { address, url }))
}

/// Returns the begin of the URLs of links, if it is one: a scheme, a host and perhaps a port.
fn checked_web_url(text: String) -> Result<String, SettingsError> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    match host.filter(|host| !host.is_empty() && host.bytes().all(is_of_host)) {
        Some(_) => Ok(url.to_owned()),
        None => Err(SettingsError::WebUrl(text)),
    }
}

fn resolved(listen: ListenAddress) -> Result<SocketAddr, SettingsError> {
    let address = listen.resolve();
    address.map_err(|error| SettingsError::Listen { listen, error })
}

/// Returns `$XDG_STATE_HOME/sixhop`, or the directory below the home directory.
#[must_use]
pub fn default_state() -> Option<PathBuf> {
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("sixhop"))
}

/// Returns the configuration file that is read if none is named: `$XDG_CONFIG_HOME/sixhop/config.toml`, or below the home
/// directory, if it is there.
#[must_use]
pub fn default_config() -> Option<PathBuf> {
    let base = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    let file = base.join("sixhop/config.toml");
    file.is_file().then_some(file)
}

/// Returns the state directory that the configuration file names, if there is one and it does.
///
/// # Errors
/// Errors if the file is not valid.
pub fn configured_state() -> Result<Option<PathBuf>, SettingsError> {
    let named = std::env::var_os("SIXHOP_CONFIG").filter(|path| !path.is_empty());
    match named.map(PathBuf::from).or_else(default_config) {
        Some(path) => Ok(read_config(&path)?.state),
        None => Ok(None),
    }
}

/// Returns the absolute path in a variable of the environment.
fn absolute(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}

/// Expands `~` in the paths of options and variables, which no shell may have seen.
fn expand(args: &mut NodeArgs) -> Result<(), HomeError> {
    let paths = [
        &mut args.share,
        &mut args.state,
        &mut args.config,
        &mut args.peers,
        &mut args.plugins,
        &mut args.network_key_file,
    ];
    for path in paths.into_iter().flatten() {
        *path = expanded(path)?;
    }
    Ok(())
}

fn read_config(path: &Path) -> Result<ConfigFile, SettingsError> {
    let text = fs::read_to_string(path).map_err(|error| SettingsError::File {
        option: "--config",
        path: path.to_owned(),
        error,
    })?;
    let mut file: ConfigFile =
        toml::from_str(&text).map_err(|error| config_error(path, &text, error))?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let paths = [
        &mut file.share,
        &mut file.state,
        &mut file.peers,
        &mut file.plugins,
        &mut file.network_key_file,
    ];
    for named in paths.into_iter().flatten() {
        // Others are relative to the file.
        *named = beside.join(expanded(named)?);
    }
    Ok(file)
}

fn config_error(path: &Path, text: &str, error: toml::de::Error) -> SettingsError {
    let path = path.to_owned();
    let unknown = error.message().strip_prefix("unknown field `");
    let key = unknown.and_then(|rest| Some(rest.split_once('`')?.0.to_owned()));
    match (key, error.span()) {
        (Some(key), Some(span)) => SettingsError::UnknownKey {
            path,
            line: text
                .get(..span.start)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1,
            key: escaped(&key).to_string(),
        },
        _ => SettingsError::Config {
            path,
            error: Box::new(error),
        },
    }
}

/// Reads the URLs that were named, and those in a file; collects invalid lines of the file in `bad`.
fn all_peers(
    named: &[String],
    file: Option<&Path>,
    bad: &mut Vec<SettingsError>,
) -> Result<Vec<PeerAddress>, SettingsError> {
    let peers = named.iter().map(|text| parse_address("--peer", text));
    let mut peers = peers.collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = file {
        peers.extend(read_peers(path, bad)?);
    }
    Ok(peers)
}

/// Reads URLs, one a line. Empty lines and what stands behind a `#` are passed over, and
/// so is a line that is not a URL; its error goes into `bad`.
fn read_peers(
    path: &Path,
    bad: &mut Vec<SettingsError>,
) -> Result<Vec<PeerAddress>, SettingsError> {
    let bytes = fs::read(path).map_err(|error| SettingsError::File {
        option: "--peers",
        path: path.to_owned(),
        error,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut urls = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = without_comment(line);
        if line.is_empty() {
            continue;
        }
        match parse_address(&format!("{}:{}", path.display(), n + 1), line) {
            Ok(url) => urls.push(url),
            Err(error) => bad.push(error),
        }
    }
    Ok(urls)
}

/// Returns a line up to a `#`: no URL of a peer has one.
fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn parse_url(origin: &str, text: &str) -> Result<PeerUrl, SettingsError> {
    PeerUrl::from_person(text).map_err(|error| no_url(origin, text, error.into()))
}

/// Reads how a peer is named: a node by its id needs a place too.
fn parse_address(origin: &str, text: &str) -> Result<PeerAddress, SettingsError> {
    let address = PeerAddress::from_person(text);
    let address = address.map_err(|error| no_url(origin, text, error))?;
    match &address {
        PeerAddress::Node(node) if node.at.is_empty() => {
            Err(no_url(origin, text, AddressError::NoPlace))
        }
        _ => Ok(address),
    }
}

fn no_url(origin: &str, text: &str, error: AddressError) -> SettingsError {
    SettingsError::Url {
        origin: origin.to_owned(),
        text: escaped(&without_user(text)).to_string(),
        error,
    }
}

fn check_directory(option: &'static str, path: &Path) -> Result<(), SettingsError> {
    let readable = fs::read_dir(path).map(drop);
    readable.map_err(|error| SettingsError::NoDirectory {
        option,
        path: path.to_owned(),
        error,
    })
}

/// Makes sure that nothing that the owner keeps lies in the share, and the share
/// not in the state.
fn check_apart(
    kept: &[(&'static str, Option<&PathBuf>)],
    state: &Path,
    share: &Path,
) -> Result<(), SettingsError> {
    for (option, path) in kept {
        check_outside(option, path.map(PathBuf::as_path), share)?;
    }
    if really(share).starts_with(really(state)) || lies_in_state(share, state) {
        return Err(SettingsError::ShareInState(share.to_owned()));
    }
    Ok(())
}

/// Makes sure that the owner's file at `path` does not lie in the share,
/// through whatever links the paths lead.
fn check_outside(
    option: &'static str,
    path: Option<&Path>,
    share: &Path,
) -> Result<(), SettingsError> {
    match path {
        Some(path) if really(path).starts_with(really(share)) || lies_in(path, share) => {
            Err(SettingsError::InShare {
                option,
                path: path.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// Returns the path of `path` without links, as far as it is there.
fn really(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut existing = absolute.as_path();
    let mut missing = Vec::new();
    loop {
        match (
            existing.canonicalize(),
            existing.parent(),
            existing.file_name(),
        ) {
            (Ok(really), _, _) => {
                return missing
                    .iter()
                    .rev()
                    .fold(really, |path, part| path.join(part));
            }
            (Err(_), Some(parent), Some(last)) => {
                missing.push(last.to_owned());
                existing = parent;
            }
            (Err(_), _, _) => return absolute,
        }
    }
}

#[cfg(test)]
mod tests;
