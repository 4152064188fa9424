//! Settings of the ways to meet nodes that nobody named.

use node_wire::escaped;

use super::{ConfigFile, SettingsError};
use crate::cli::{Mdns, NodeArgs};

/// Longest name of a network, in bytes.
pub(super) const NETWORK_MAX: usize = 255;

/// Most nodes of a DHT to begin with.
const BOOTSTRAP_MAX: usize = 64;

/// The ways to meet nodes that nobody named.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The setting of mDNS for the local network.
    pub mdns: Mdns,
    /// The network whose nodes are met through the DHT.
    pub network: Option<String>,
    /// True if the files of the share are announced in the DHT.
    pub publish: bool,
    /// Nodes of the DHT to begin with; none: those that everybody uses.
    pub dht_bootstrap: Vec<String>,
}

impl Meeting {
    pub(super) fn resolve(args: &NodeArgs, file: &ConfigFile) -> Result<Meeting, SettingsError> {
        let network = args.network.as_ref().or(file.network.as_ref()).cloned();
        check_network(network.as_deref())?;
        let dht_bootstrap = if args.dht_bootstrap.is_empty() {
            file.dht_bootstrap.clone()
        } else {
            args.dht_bootstrap.clone()
        };
        check_bootstrap(&dht_bootstrap)?;
        Ok(Meeting {
            mdns: args.mdns.or(file.mdns).unwrap_or_default(),
            network,
            publish: args.publish || file.publish.unwrap_or_default(),
            dht_bootstrap,
        })
    }

    /// Returns true if the node takes part in the DHT.
    #[must_use]
    pub fn uses_dht(&self) -> bool {
        self.network.is_some() || self.publish
    }
}

fn check_network(name: Option<&str>) -> Result<(), SettingsError> {
    match name {
        Some(name) if name.is_empty() || name.len() > NETWORK_MAX => Err(SettingsError::Network),
        _ => Ok(()),
    }
}

fn check_bootstrap(nodes: &[String]) -> Result<(), SettingsError> {
    let is_right = |node: &String| {
        let parts = node.rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let wrong = nodes.iter().find(|node| !is_right(node));
    match wrong.or_else(|| nodes.get(BOOTSTRAP_MAX)) {
        Some(node) => Err(SettingsError::Bootstrap(escaped(node).to_string())),
        None => Ok(()),
    }
}
