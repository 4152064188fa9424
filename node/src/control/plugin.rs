//! Namespace `plugin`.

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::plugin::{Plugin, PluginState, PluginsServer};
use node_wire::PeerUrl;
use plugin_api::{Handler, PluginFile, PolicyState};

use super::Owner;

#[async_trait]
impl PluginsServer for Owner {
    async fn list(&self) -> RpcResult<Vec<Plugin>> {
        let handlers = self.node.handlers();
        let built_in = handlers.built_in().iter();
        let mut list: Vec<Plugin> = built_in
            .map(|handler| of_handler(handler.as_ref()))
            .collect();
        let plugins = handlers
            .plugins()
            .into_iter()
            .flat_map(|plugins| plugins.list());
        list.extend(plugins.map(of_file));
        if let Some(source) = self.node.policy() {
            let policy = source.state();
            list.extend(policy.map(|policy| of_policy(source.file(), policy)));
        }
        let of_peers = self.node.overlay().handlers_of_peers().into_iter();
        let own = handlers.names();
        list.extend(
            of_peers
                .filter(|(name, _)| !own.contains(name))
                .map(|(name, peers)| of_peers_alone(name, &peers)),
        );
        Ok(list)
    }
}

fn of_handler(handler: &dyn Handler) -> Plugin {
    let examples = handler.examples().into_iter();
    Plugin {
        prefix: Some(handler.name().to_owned()),
        file: None,
        id: None,
        version: None,
        description: Some(handler.description().to_owned()),
        examples: examples.map(|example| example.text).collect(),
        state: PluginState::Ready,
        peers: Vec::new(),
        problem: None,
    }
}

/// Returns a handler that this node does not have.
fn of_peers_alone(name: String, peers: &[PeerUrl]) -> Plugin {
    Plugin {
        prefix: Some(name),
        file: None,
        id: None,
        version: None,
        description: None,
        examples: Vec::new(),
        state: PluginState::Ready,
        peers: peers.iter().map(|peer| peer.as_str().to_owned()).collect(),
        problem: None,
    }
}

fn of_file(plugin: PluginFile) -> Plugin {
    let state = match &plugin.handler {
        None => PluginState::Broken,
        Some(_) if plugin.is_disabled => PluginState::Disabled,
        Some(_) => PluginState::Ready,
    };
    let answers = plugin.handler.as_deref().map(of_handler);
    Plugin {
        prefix: answers.as_ref().and_then(|answers| answers.prefix.clone()),
        file: Some(plugin.file),
        id: plugin.id,
        version: plugin.version,
        description: answers
            .as_ref()
            .and_then(|answers| answers.description.clone()),
        examples: answers.map_or_else(Vec::new, |answers| answers.examples),
        state,
        peers: Vec::new(),
        problem: plugin.problem,
    }
}

fn of_policy(file: &str, policy: PolicyState) -> Plugin {
    let (state, does) = match policy.rules {
        Some(rules) => {
            let names: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
            (PluginState::Ready, names.join(", "))
        }
        None => (PluginState::Broken, "refuses everything".to_owned()),
    };
    Plugin {
        prefix: None,
        file: Some(file.to_owned()),
        id: None,
        version: None,
        description: Some(format!("the policy: {does}")),
        examples: Vec::new(),
        state,
        peers: Vec::new(),
        problem: policy.problem.or(policy.failure),
    }
}
