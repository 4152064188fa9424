//! Namespace `plugin`: the handlers of the node, built in and the owner's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// A handler, or a script or program that is not one.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Plugin {
    /// The prefix of its queries; absent for the policy and if no version of the
    /// file was right.
    pub prefix: Option<String>,
    /// Name of the script or program in the plugin directory; absent for a built-in handler.
    pub file: Option<String>,
    /// The id that the script or program gives itself.
    pub id: Option<String>,
    /// Its version.
    pub version: Option<u32>,
    /// A description of its results, or the functions of the policy.
    pub description: Option<String>,
    /// Queries with which it can be tried.
    pub examples: Vec<String>,
    /// Its state.
    pub state: PluginState,
    /// URLs of the peers that answer it, if this node does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// The reason why the file as it is now is not used, or the last error.
    pub problem: Option<String>,
}

/// The state of a handler.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// It does.
    Ready,
    /// It failed three times in a row and is switched off until its file changes.
    Disabled,
    /// No version of the file was right.
    Broken,
}

namespace! {
    /// The handlers of the node, built in and the owner's.
    "plugin" => Plugins {
        /// Lists the handlers and the files that are none, built-in ones first, then the policy, then
        /// handlers that only peers have.
        Read fn "list" list() -> [Vec<Plugin>];
    }
}
