//! The commands, one file each.
//!
//! A command takes what was said, calls the node, and writes the result. It neither finds the node nor decides what
//! an error means.

pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod events;
pub(crate) mod fetch;
pub(crate) mod grep;
pub(crate) mod hello;
pub(crate) mod ls;
pub(crate) mod peers;
pub(crate) mod plugin;
pub(crate) mod rescan;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod ui;
#[cfg(feature = "embedded")]
pub(crate) mod up;

use std::path::PathBuf;

use crate::{
    cli::GlobalArgs,
    connection::{Connection, default_state},
    error::CtlError,
    output::Output,
    patience::Patience,
};

/// What every command works with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    state: Option<PathBuf>,
    pub(crate) output: Output,
    pub(crate) patience: Patience,
}

impl Context {
    /// The context that the options of every command describe.
    pub(crate) fn new(global: &GlobalArgs, patience: Patience) -> Context {
        Context {
            state: global.state.clone(),
            output: global.output(),
            patience,
        }
    }

    /// The state directory of the owner's node.
    pub(crate) fn state(&self) -> Result<PathBuf, CtlError> {
        self.state.clone().map_or_else(default_state, Ok)
    }

    /// The owner's node.
    pub(crate) fn connect(&self) -> Result<Connection, CtlError> {
        Connection::find(&self.state()?)
    }

    /// The state directory, if one was given.
    #[cfg(feature = "embedded")]
    pub(crate) fn given_state(&self) -> Option<PathBuf> {
        self.state.clone()
    }

    /// The same for a node with another state directory.
    #[cfg(feature = "embedded")]
    pub(crate) fn at(&self, state: &std::path::Path) -> Context {
        Context {
            state: Some(state.to_owned()),
            ..self.clone()
        }
    }

    /// The same with other patience.
    pub(crate) fn with_patience(&self, patience: Patience) -> Context {
        Context {
            patience,
            ..self.clone()
        }
    }
}
