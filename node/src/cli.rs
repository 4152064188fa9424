//! The options of `noded`, as they are written.
//!
//! Nothing is read or checked here but the form of each option.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, ValueEnum};
use serde::Deserialize;

use crate::{sandbox::Sandbox, settings::ListenAddress};
use node_base::{schedule::RateSchedule, size::Size};

/// Share a folder with peers and find files among them.
///
/// When the node is ready, it prints one line on standard output:
/// `ready url=URL control=ADDR:PORT`. Everything else goes to standard error.
/// SIGTERM and SIGINT end it.
///
/// Each option can also be given as a variable of the environment or as a key
/// of the configuration file; the option wins over the variable, and the
/// variable over the file.
#[derive(Debug, Parser)]
#[command(name = "noded", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// The options.
    #[command(flatten)]
    pub node: NodeArgs,

    /// Print a configuration file with every key, what it means and its default, and end
    #[arg(long)]
    pub print_config: bool,
}

const AFTER_HELP: &str = "\
Examples:
  noded --share ~/shared
  noded --share ~/shared --listen 192.168.1.5:4242 --peer http://192.168.1.6:4242

Exit codes: 0 ended cleanly, 1 failed, 2 wrong usage.
SIXHOP_LOG sets what is logged: error, warn, info (default), debug, trace; or
target=level, several with commas: warn,node_core::transfer=debug.";

/// Options of a node, for `noded` and programs that embed a node.
#[derive(Args, Clone, Debug, Default)]
pub struct NodeArgs {
    /// Directory to share; files that are fetched are stored there too
    #[arg(long, value_name = "DIR", env = "SIXHOP_SHARE")]
    pub share: Option<PathBuf>,

    /// Address on which to listen for peers, such as 192.168.1.5:4242; `:4242`
    /// is all addresses of this machine [default: 127.0.0.1:4242]
    #[arg(long, value_name = "ADDR:PORT", env = "SIXHOP_LISTEN")]
    pub listen: Option<ListenAddress>,

    /// Address on which people without Sixhop take files by the links of `ctl share
    /// add`, and leave files by those of `ctl ask`, such as :8080 [default: none]
    #[arg(long, value_name = "ADDR:PORT", env = "SIXHOP_WEB")]
    pub web: Option<ListenAddress>,

    /// Begin of the URLs of those links, if a proxy stands before that address,
    /// such as `https://files.example.net`
    #[arg(long, value_name = "URL", env = "SIXHOP_WEB_URL")]
    pub web_url: Option<String>,

    /// URL under which peers reach this node [default: made from the address]
    #[arg(long, value_name = "URL", env = "SIXHOP_URL")]
    pub url: Option<String>,

    /// Name of this machine under which the node answers browsers and other
    /// clients, beside addresses, names of the local network and the host of
    /// --url; may be given more than once
    #[arg(
        long,
        value_name = "NAME",
        env = "SIXHOP_ALLOW_HOST",
        value_delimiter = ','
    )]
    pub allow_host: Vec<String>,

    /// Name under which people see this node, also those at other nodes
    /// [default: the name of this machine]
    #[arg(long, value_name = "NAME", env = "SIXHOP_NAME")]
    pub name: Option<String>,

    /// Loopback address of the control connection [default: 127.0.0.1:4243]
    #[arg(long, value_name = "ADDR:PORT", env = "SIXHOP_CONTROL")]
    pub control: Option<SocketAddr>,

    /// Directory for the secret and the state of the node
    /// [default: $XDG_STATE_HOME/sixhop]
    #[arg(long, value_name = "DIR", env = "SIXHOP_STATE")]
    pub state: Option<PathBuf>,

    /// URL of a peer to begin with; may be given more than once
    #[arg(long, value_name = "URL", env = "SIXHOP_PEER", value_delimiter = ',')]
    pub peer: Vec<String>,

    /// File with the URLs of peers, one a line; text behind a # is passed
    /// over
    #[arg(long, value_name = "FILE", env = "SIXHOP_PEERS")]
    pub peers: Option<PathBuf>,

    /// Directory of scripted handlers: files that end in .rhai, loaded when
    /// they appear or change
    #[arg(long, value_name = "DIR", env = "SIXHOP_PLUGINS")]
    pub plugins: Option<PathBuf>,

    /// File with the key of a private network, at least 32 bytes that only you
    /// can read; nobody without it can search or fetch here
    #[arg(long, value_name = "FILE", env = "SIXHOP_NETWORK_KEY_FILE")]
    pub network_key_file: Option<PathBuf>,

    /// Most disk space for content that passes through, such as 100M or 2G;
    /// 0 keeps none [default: 1G]
    #[arg(long, value_name = "SIZE", env = "SIXHOP_CACHE_SIZE")]
    pub cache_size: Option<Size>,

    /// Most bytes a second of files to others, such as 2M; 0 is no limit. Times
    /// of the day may have rates of their own: "2M; 08:00-18:00 500K" [default: 0]
    #[arg(long, value_name = "RATE", env = "SIXHOP_UPLOAD_RATE")]
    pub upload_rate: Option<RateSchedule>,

    /// Most bytes a second of files from others, in the same form [default: 0]
    #[arg(long, value_name = "RATE", env = "SIXHOP_DOWNLOAD_RATE")]
    pub download_rate: Option<RateSchedule>,

    /// Meet nodes of the local network by mDNS: auto does when the
    /// node listens there, on does also on loopback, off never [default: auto]
    #[arg(
        long,
        value_name = "WHEN",
        env = "SIXHOP_MDNS",
        hide_possible_values = true
    )]
    pub mdns: Option<Mdns>,

    /// Name of a network whose nodes meet through the Mainline DHT, the one of
    /// BitTorrent. Everybody who knows the name then sees the address of this
    /// node; a name that is hard to guess belongs into the configuration file
    #[arg(long, value_name = "NAME", env = "SIXHOP_NETWORK")]
    pub network: Option<String>,

    /// Announce in the DHT which files this node has, so that `ctl fetch
    /// blake3:DIGEST` finds them anywhere. Everybody who knows the digest of a
    /// file then sees that the address of this node has it. What the policy
    /// refuses to strangers is not announced
    #[arg(long, env = "SIXHOP_PUBLISH")]
    pub publish: bool,

    /// Node of a DHT to begin with, for a private one; may be given more than
    /// once [default: those of the Mainline DHT]
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SIXHOP_DHT_BOOTSTRAP",
        value_delimiter = ','
    )]
    pub dht_bootstrap: Vec<String>,

    /// Limits on a node that somebody has broken into: `calls` makes
    /// system calls fail that no node needs; `files` also keeps it, and what programs
    /// of handlers write, to the share and the state, but then a share that was
    /// taken away and came back needs a restart; `off` is no limit [default: calls]
    #[arg(
        long,
        value_name = "WHAT",
        env = "SIXHOP_SANDBOX",
        hide_possible_values = true
    )]
    pub sandbox: Option<Sandbox>,

    /// Find what is in documents (PDF, office files, books, pages of the web):
    /// on or off. Each is read by a process that can do nothing else [default: on]
    #[arg(
        long,
        value_name = "WHEN",
        env = "SIXHOP_DOCUMENTS",
        hide_possible_values = true
    )]
    pub documents: Option<ReadDocuments>,

    /// Form of the log on standard error: text, or json, one object a line
    /// [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SIXHOP_LOG_FORMAT",
        hide_possible_values = true
    )]
    pub log_format: Option<LogFormat>,

    /// Configuration file (TOML) with the other options as keys; see
    /// docs/configuration.md [default: $XDG_CONFIG_HOME/sixhop/config.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "SIXHOP_CONFIG")]
    pub config: Option<PathBuf>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The setting of documents.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ReadDocuments {
    /// Their text is found.
    #[default]
    #[value(alias = "true")]
    On,
    /// They are files like others.
    #[value(alias = "false")]
    Off,
}

/// The setting of mDNS in the local network.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mdns {
    /// On when the node listens in a local network.
    #[default]
    Auto,
    /// Wherever the node listens.
    #[value(alias = "true")]
    On,
    /// Never.
    #[value(alias = "false")]
    Off,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_a_variable_of_its_name() {
        for option in Cli::command().get_arguments().filter(|option| {
            !["help", "version", "print_config"].contains(&option.get_id().as_str())
        }) {
            let variable = format!(
                "SIXHOP_{}",
                option.get_long().unwrap().to_uppercase().replace('-', "_")
            );
            assert_eq!(option.get_env().unwrap(), variable.as_str());
        }
    }

    #[test]
    fn no_option_takes_a_secret() {
        for option in Cli::command().get_arguments() {
            assert!(!option.get_id().as_str().contains("secret"));
        }
    }
}
