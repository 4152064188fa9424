//! Namespace `plugin`.

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::plugin::{Plugin, PluginState, PluginsServer};
use node_core::{
    handlers::{Handlers, POLICY_FILE, PolicyState, ScriptState},
    plugin::Handler,
};

use super::Owner;

#[async_trait]
impl PluginsServer for Owner {
    async fn list(&self) -> RpcResult<Vec<Plugin>> {
        let handlers = &self.node.context().handlers;
        let built_in = handlers.built_in().iter();
        let mut list: Vec<Plugin> = built_in
            .map(|handler| of_handler(handler.as_ref()))
            .collect();
        list.extend(scripts(handlers).iter().map(of_script));
        let gate = &self.node.context().policy;
        list.extend(gate.state().map(of_policy));
        Ok(list)
    }
}

fn scripts(handlers: &Handlers) -> Vec<ScriptState> {
    let scripts = handlers.scripts();
    scripts.map_or_else(Vec::new, |scripts| scripts.list_loaded())
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
        problem: None,
    }
}

fn of_script(script: &ScriptState) -> Plugin {
    let handler = script.handler.as_deref();
    let failure = handler.and_then(|handler| handler.last_failure());
    let state = match handler {
        None => PluginState::Broken,
        Some(handler) if handler.is_disabled() => PluginState::Disabled,
        Some(_) => PluginState::Ready,
    };
    let answers = handler.map(|handler| of_handler(handler));
    Plugin {
        file: Some(script.file.clone()),
        id: handler.map(|handler| handler.id().to_owned()),
        version: handler.map(|handler| handler.version()),
        state,
        problem: script.problem.clone().or(failure),
        prefix: answers.as_ref().and_then(|answers| answers.prefix.clone()),
        description: answers
            .as_ref()
            .and_then(|answers| answers.description.clone()),
        examples: answers.map_or_else(Vec::new, |answers| answers.examples),
    }
}

fn of_policy(policy: PolicyState) -> Plugin {
    let (state, does) = match policy.rules {
        Some(rules) => {
            let names: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
            (PluginState::Ready, names.join(", "))
        }
        None => (PluginState::Broken, "refuses everything".to_owned()),
    };
    Plugin {
        prefix: None,
        file: Some(POLICY_FILE.to_owned()),
        id: None,
        version: None,
        description: Some(format!("the policy: {does}")),
        examples: Vec::new(),
        state,
        problem: policy.problem.or(policy.failure),
    }
}
