//! `ctl shell --share DIR --url URL --peers FILE`: the chapter's client, which brings its own node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use node_wire::PeerUrl;
use tokio::runtime::Handle;

use crate::{
    cli::ShellArgs,
    commands::Context,
    embedded::{EmbeddedNode, EmbeddedOptions},
    error::CtlError,
};

/// Returns the node that the shell is to run, if it is to run one.
pub(super) fn wanted(
    args: &ShellArgs,
    context: &Context,
) -> Result<Option<EmbeddedOptions>, CtlError> {
    let args = &args.node;
    let Some(share) = &args.share else {
        return Ok(None);
    };
    let listen = match (&args.url, args.listen) {
        (Some(url), None) => Some(address_of(url)?),
        (_, given) => given,
    };
    Ok(Some(EmbeddedOptions {
        share: Some(share.clone()),
        plugins: None,
        state: context.given_state(),
        listen,
        url: args.url.clone(),
        peers: Vec::new(),
        peers_file: args.peers.clone(),
    }))
}

/// Returns the listen address of a node under this URL: its port, on loopback alone if it is a loopback URL.
fn address_of(url: &str) -> Result<SocketAddr, CtlError> {
    let parsed = PeerUrl::parse(url)
        .map_err(|error| CtlError::usage(format!("--url: `{url}` is no URL of a peer: {error}")))?;
    let ip = match parsed.ip() {
        Some(ip) if ip.is_loopback() => ip,
        None if parsed.host() == "localhost" => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V6(_)) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    Ok(SocketAddr::new(ip, parsed.port()))
}

/// Starts the node, prompts, and stops it.
pub(super) fn run(
    wanted: EmbeddedOptions,
    context: &Context,
    runtime: &Handle,
) -> Result<(), CtlError> {
    let node = runtime.block_on(context.patience.bound(EmbeddedNode::start(wanted)))?;
    let note = format!("sharing {} as {}", node.share().display(), node.url());
    context.output.note(&note);
    let ended = super::prompt(&context.at(node.state()), runtime);
    runtime.block_on(node.stop());
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_url_is_the_one_to_listen_on() {
        let cases = [
            ("http://127.0.0.1:4242", "127.0.0.1:4242"),
            ("http://localhost:4000/", "127.0.0.1:4000"),
            ("http://servername.example:4242", "0.0.0.0:4242"),
            ("http://192.0.2.1", "0.0.0.0:80"),
            ("http://[::1]:4242", "[::1]:4242"),
            ("http://[2001:db8::1]:4242", "[::]:4242"),
        ];
        for (url, address) in cases {
            assert_eq!(address_of(url).unwrap().to_string(), address, "{url}");
        }
    }

    #[test]
    fn a_bad_url_is_a_matter_of_usage() {
        assert_eq!(address_of("ftp://x").unwrap_err().exit_code(), 2);
    }
}
