//! `ctl mcp`: the node as tools for programs that act for people, by the Model Context Protocol on standard input and
//! output.
//!
//! # Participants
//! [`protocol`] reads and writes messages, of revisions with a handshake and of the one without; [`server`] reads lines,
//! makes calls and writes answers; [`tools`] is the table of tools; [`calls`] does what they say; [`page`] fits an answer
//! into the bytes that its caller has room for; [`kept`] has the rest; [`install`] tells clients about it.
//!
//! The protocol is spoken here and not by a library: it is five methods on lines of JSON, and what matters is what
//! libraries leave open, which is the length of lines, and a client that never reads.
//!
//! # Invariants
//! - The text of a tool does not depend on anything that came from a node: names and texts of others are values in
//!   answers.
//! - An answer is no longer than its caller said, envelope included; it says what it leaves out and how to go on.
//! - Memory is bounded, whatever a client sends and however little it reads.
//! - Without `--allow-fetch` no call changes anything.

mod calls;
pub(crate) mod install;
mod kept;
mod page;
mod protocol;
mod server;
mod tools;

use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::{
    connection::{Connection, Login},
    error::CtlError,
};

pub(crate) use server::serve;

use kept::Kept;

/// The tools for one client.
#[derive(Debug)]
pub(crate) struct Tools {
    login: Login,
    allows_fetch: bool,
    kept: Mutex<Kept>,
}

impl Tools {
    /// Creates the tools for the node of this login.
    pub(crate) fn new(login: Login, allows_fetch: bool) -> Tools {
        Tools {
            login,
            allows_fetch,
            kept: Mutex::default(),
        }
    }

    /// Finds the node, which may have ended and begun again since the last call.
    fn connect(&self) -> Result<Connection, CtlError> {
        Connection::find(&self.login)
    }

    /// Returns whether there is a tool of this name.
    fn has(&self, name: &str) -> bool {
        tools::all(self.allows_fetch).any(|tool| tool.name == name)
    }

    /// Calls a tool. Returns the text of the answer.
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Result<String, CtlError> {
        match name {
            "search" => calls::search(self, calls::arguments(arguments)?).await,
            "grep" => calls::grep(self, calls::arguments(arguments)?).await,
            "read" => calls::read(self, calls::arguments(arguments)?).await,
            "list" => calls::list(self, calls::arguments(arguments)?).await,
            "nodes" => calls::nodes(self, calls::arguments(arguments)?).await,
            "fetch" if self.allows_fetch => calls::fetch(self, calls::arguments(arguments)?).await,
            _ => Err(CtlError::usage("there is no such tool")),
        }
    }
}
