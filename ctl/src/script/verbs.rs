//! What a script can ask of a node. Each verb is a function, for the owner's node, and a method of the nodes that
//! the script started.

use std::sync::Arc;

use node_api::{fetch::FetchStatus, search::SearchReach};
use rhai::{
    Dynamic, Engine, EvalAltResult, Map,
    serde::{from_dynamic, to_dynamic},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    calling::CALL,
    hooks::{NodeKey, Origin},
    session::Session,
};
use crate::{
    connection::{Connection, Existing},
    error::CtlError,
};

/// A node and the run that it is asked in.
#[derive(Clone)]
pub(super) struct Callee {
    pub(super) connection: Connection,
    pub(super) session: Arc<Session>,
    #[cfg(feature = "embedded")]
    pub(super) home: Option<Arc<Home>>,
}

/// What is known of a node that the script started.
#[cfg(feature = "embedded")]
pub(super) struct Home {
    pub(super) url: String,
    pub(super) share: std::path::PathBuf,
    /// Its number in the session.
    pub(super) number: usize,
}

/// What a verb gives back: plain data of rhai.
type Answer = Result<Dynamic, CtlError>;

type Fallible = Result<Dynamic, Box<EvalAltResult>>;

/// Registers all verbs for the owner's node and for [`Callee`]s.
pub(super) fn register(engine: &mut Engine, session: &Arc<Session>) {
    engine.register_type_with_name::<Callee>("Node");
    register_without_argument(engine, session, "peers", Callee::peers);
    register_without_argument(engine, session, "ls", Callee::ls);
    register_without_argument(engine, session, "status", Callee::status);
    register_without_argument(engine, session, "rescan", |node| node.rescan(None));
    register_with_text(engine, session, "fetch", |node, name| {
        node.fetch(name, Existing::Keep)
    });
    register_with_text(engine, session, "rescan", |node, name| {
        node.rescan(Some(name.to_owned()))
    });
    register_with_text(engine, session, "hello", Callee::hello);
    register_with_text(engine, session, "search", Callee::search);
    register_with_text(engine, session, "ls", Callee::ls_of_peer);
    register_with_text(engine, session, CALL, |node, method| {
        node.call(method, Map::new())
    });
    register_with_map(engine, session, CALL, Callee::call);
    register_with_map(engine, session, "fetch", Callee::fetch_with_options);
}

fn register_without_argument(
    engine: &mut Engine,
    session: &Arc<Session>,
    name: &str,
    verb: fn(&Callee) -> Answer,
) {
    let owner = Arc::clone(session);
    engine.register_fn(name, move || answer(&owner, verb));
    engine.register_fn(name, move |node: &mut Callee| answer_of(node, verb));
}

fn register_with_text(
    engine: &mut Engine,
    session: &Arc<Session>,
    name: &str,
    verb: fn(&Callee, &str) -> Answer,
) {
    let owner = Arc::clone(session);
    engine.register_fn(name, move |text: &str| {
        answer(&owner, |node| verb(node, text))
    });
    engine.register_fn(name, move |node: &mut Callee, text: &str| {
        answer_of(node, |node| verb(node, text))
    });
}

fn register_with_map(
    engine: &mut Engine,
    session: &Arc<Session>,
    name: &str,
    verb: fn(&Callee, &str, Map) -> Answer,
) {
    let owner = Arc::clone(session);
    engine.register_fn(name, move |text: &str, map: Map| {
        answer(&owner, |node| verb(node, text, map))
    });
    engine.register_fn(name, move |node: &mut Callee, text: &str, map: Map| {
        answer_of(node, |node| verb(node, text, map))
    });
}

/// The owner's node does something.
fn answer(session: &Arc<Session>, verb: impl FnOnce(&Callee) -> Answer) -> Fallible {
    answer_of(&owner(session)?, verb)
}

/// The owner's node, as a script asks it.
pub(super) fn owner(session: &Arc<Session>) -> Result<Callee, Box<EvalAltResult>> {
    let connected = session.owner().map(|connection| Callee {
        connection,
        session: Arc::clone(session),
        #[cfg(feature = "embedded")]
        home: None,
    });
    connected.map_err(|error| session.raise(error))
}

/// A node does something.
pub(super) fn answer_of<T>(
    node: &Callee,
    verb: impl FnOnce(&Callee) -> Result<T, CtlError>,
) -> Result<T, Box<EvalAltResult>> {
    verb(node).map_err(|error| node.session.raise(error))
}

impl Callee {
    #[cfg(feature = "embedded")]
    pub(super) fn home(&self) -> Result<&Home, CtlError> {
        let foreign = || CtlError::usage("only a node that this script started can do that");
        self.home.as_deref().ok_or_else(foreign)
    }

    /// Which node it is.
    pub(super) fn key(&self) -> NodeKey {
        #[cfg(feature = "embedded")]
        if let Some(home) = &self.home {
            return NodeKey::Own(home.number);
        }
        NodeKey::Owner
    }

    /// Where it is found when the connection was lost.
    pub(super) fn origin(&self) -> Result<Origin, CtlError> {
        #[cfg(feature = "embedded")]
        if self.home.is_some() {
            return Ok(Origin::Own(self.connection.clone()));
        }
        Ok(Origin::State(self.session.context().state()?))
    }

    fn peers(&self) -> Answer {
        plain(&self.session.wait(self.connection.peers())?)
    }

    fn ls(&self) -> Answer {
        plain(&self.session.wait(self.connection.files())?.files)
    }

    fn ls_of_peer(&self, peer: &str) -> Answer {
        plain(&self.session.wait(self.connection.files_of_peer(peer))?)
    }

    fn status(&self) -> Answer {
        plain(&self.session.wait(self.connection.status())?)
    }

    fn rescan(&self, name: Option<String>) -> Answer {
        plain(&self.session.wait(self.connection.rescan(name))?)
    }

    fn hello(&self, url: &str) -> Answer {
        let peer = self.session.wait(self.connection.hello(url))?;
        Connection::require_answer(&peer)?;
        plain(&peer)
    }

    fn search(&self, query: &str) -> Answer {
        plain(
            &self
                .session
                .wait(self.connection.search(query, None, SearchReach::Normal))?
                .hits,
        )
    }

    fn fetch(&self, name: &str, existing: Existing) -> Answer {
        let patience = &self.session.context().patience;
        let ignore = |_: &FetchStatus| self.session.check();
        let fetch = self.connection.fetch(name, existing, patience, ignore);
        plain(&self.session.wait_patiently(fetch)?)
    }

    /// `fetch(name, #{replace: true})`.
    fn fetch_with_options(&self, name: &str, options: Map) -> Answer {
        let mut existing = Existing::Keep;
        for (option, value) in options {
            match (option.as_str(), value.as_bool()) {
                ("replace", Ok(true)) => existing = Existing::Replace,
                ("replace", Ok(false)) => existing = Existing::Keep,
                _ => {
                    let message = format!(
                        "fetch takes the option replace: true or false, not {option}: {value}"
                    );
                    return Err(CtlError::usage(message));
                }
            }
        }
        self.fetch(name, existing)
    }

    fn call(&self, method: &str, params: Map) -> Answer {
        let Ok(Value::Object(params)) = from_dynamic(&params.into()) else {
            let message = "the parameters of a call are numbers, strings, arrays and maps";
            return Err(CtlError::usage(message));
        };
        plain(&self.session.wait(self.connection.call(method, &params))?)
    }
}

fn plain(value: &impl Serialize) -> Answer {
    to_dynamic(value).map_err(|error| {
        CtlError::failed(format!("the answer does not fit into a script: {error}"))
    })
}
