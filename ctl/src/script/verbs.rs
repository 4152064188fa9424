//! The requests of a script to a node. Each verb is a function, for the owner's node, and a method of the nodes that
//! the script started.

use std::sync::Arc;

use node_api::{
    fetch::{FetchPlan, FetchStatus},
    search::SearchReach,
};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, Map,
    serde::{from_dynamic, to_dynamic},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    calling::CALL,
    hooks::{NodeKey, Origin},
    options,
    session::Session,
};
use crate::{
    cli::Command,
    commands::grep,
    connection::{Connection, Existing, Folder, PEER_FILES_MAX, Stopped, is_peer},
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

/// The place of a node that the script started.
#[cfg(feature = "embedded")]
pub(super) struct Home {
    pub(super) url: String,
    pub(super) share: std::path::PathBuf,
    /// Its number in the session.
    pub(super) number: usize,
}

/// The result of a verb: plain data of rhai.
type Answer = Result<Dynamic, CtlError>;

type Fallible = Result<Dynamic, Box<EvalAltResult>>;

/// Registers all verbs for the owner's node and for [`Callee`]s.
pub(super) fn register(engine: &mut Engine, session: &Arc<Session>) {
    engine.register_type_with_name::<Callee>("Node");
    register_without_argument(engine, session, "peers", Callee::peers);
    register_without_argument(engine, session, "ls", Callee::ls);
    register_without_argument(engine, session, "status", Callee::status);
    register_without_argument(engine, session, "rescan", |node| node.rescan(None));
    register_without_argument(engine, session, "transfers", Callee::transfers);
    register_without_argument(engine, session, "cache_ls", Callee::cache_ls);
    register_without_argument(engine, session, "cache_clear", Callee::cache_clear);
    register_without_argument(engine, session, "plugin_ls", Callee::plugin_ls);
    register_with_text(engine, session, "fetch", |node, name| {
        node.fetch(name, Map::new())
    });
    register_with_text(engine, session, "rescan", |node, name| {
        node.rescan(Some(name.to_owned()))
    });
    register_with_text(engine, session, "hello", Callee::hello);
    register_with_text(engine, session, "peers_rm", Callee::peers_rm);
    register_with_text(engine, session, "search", |node, query| {
        node.search(query, &Map::new())
    });
    register_with_text(engine, session, "grep", |node, pattern| {
        node.grep(pattern, &Map::new())
    });
    register_with_text(engine, session, "ls", Callee::ls_of);
    register_with_number(
        engine,
        session,
        "transfers_cancel",
        Callee::transfers_cancel,
    );
    register_with_number(engine, session, "transfers_drop", Callee::transfers_drop);
    register_with_text(engine, session, CALL, |node, method| {
        node.call(method, Map::new())
    });
    register_with_map(engine, session, CALL, Callee::call);
    register_with_map(engine, session, "fetch", Callee::fetch);
    register_with_map(engine, session, "search", |node, query, options| {
        node.search(query, &options)
    });
    register_with_map(engine, session, "grep", |node, pattern, options| {
        node.grep(pattern, &options)
    });
}

fn register_with_number(
    engine: &mut Engine,
    session: &Arc<Session>,
    name: &str,
    verb: fn(&Callee, u64) -> Answer,
) {
    let checked = move |node: &Callee, number: i64| {
        let bad = |_| CtlError::usage(format!("{number} is not the number of a fetch"));
        verb(node, u64::try_from(number).map_err(bad)?)
    };
    let owner = Arc::clone(session);
    engine.register_fn(name, move |number: i64| {
        answer(&owner, |node| checked(node, number))
    });
    engine.register_fn(name, move |node: &mut Callee, number: i64| {
        answer_of(node, |node| checked(node, number))
    });
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

/// Asks the owner's node.
fn answer(session: &Arc<Session>, verb: impl FnOnce(&Callee) -> Answer) -> Fallible {
    answer_of(&owner(session)?, verb)
}

/// Returns the owner's node, as a script asks it.
pub(super) fn owner(session: &Arc<Session>) -> Result<Callee, Box<EvalAltResult>> {
    let connected = session.owner().map(|connection| Callee {
        connection,
        session: Arc::clone(session),
        #[cfg(feature = "embedded")]
        home: None,
    });
    connected.map_err(|error| session.raise(error))
}

/// Asks a node.
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

    /// Returns the key of the node.
    pub(super) fn key(&self) -> NodeKey {
        #[cfg(feature = "embedded")]
        if let Some(home) = &self.home {
            return NodeKey::Own(home.number);
        }
        NodeKey::Owner
    }

    /// Returns the place where it is found when the connection was lost.
    pub(super) fn origin(&self) -> Result<Origin, CtlError> {
        #[cfg(feature = "embedded")]
        if self.home.is_some() {
            return Ok(Origin::Own(self.connection.clone()));
        }
        Ok(Origin::Login(self.session.context().login()?))
    }

    fn peers(&self) -> Answer {
        let peers = plain(&self.session.wait(self.connection.peers())?)?;
        Ok(with_keys(peers, &["notice"]))
    }

    fn peers_rm(&self, url: &str) -> Answer {
        let known = self.session.wait(self.connection.forget(url))?;
        Ok(known.into())
    }

    fn ls(&self) -> Answer {
        plain(&self.session.wait(self.connection.files(None))?.files)
    }

    /// Returns the files of a peer, or those of a folder of this node.
    fn ls_of(&self, what: &str) -> Answer {
        if is_peer(what) {
            let listing = self.connection.files_of_peer(what, None, PEER_FILES_MAX);
            let listing = self.session.wait(listing)?;
            if listing.more {
                return Err(CtlError::usage(format!(
                    "{what} shares more than {PEER_FILES_MAX} files"
                )));
            }
            return plain(&listing.files);
        }
        let folder = Folder::new(what);
        plain(
            &self
                .session
                .wait(self.connection.files(Some(&folder)))?
                .files,
        )
    }

    fn status(&self) -> Answer {
        let status = plain(&self.session.wait(self.connection.status())?)?;
        let keys = ["share_trouble", "unwatched", "reach"];
        Ok(with_keys(status, &keys))
    }

    fn transfers(&self) -> Answer {
        plain(&self.session.wait(self.connection.transfers())?)
    }

    fn transfers_cancel(&self, id: u64) -> Answer {
        match self.session.wait(self.connection.stop_transfer(id))? {
            Stopped::File(status) => plain(&status),
            Stopped::Batch(batch) => plain(&batch),
        }
    }

    fn transfers_drop(&self, id: u64) -> Answer {
        plain(&self.session.wait(self.connection.drop_transfer(id))?)
    }

    fn cache_ls(&self) -> Answer {
        plain(&self.session.wait(self.connection.cached())?)
    }

    fn cache_clear(&self) -> Answer {
        plain(&self.session.wait(self.connection.clear_cache())?)
    }

    fn plugin_ls(&self) -> Answer {
        plain(&self.session.wait(self.connection.plugins())?)
    }

    fn rescan(&self, name: Option<String>) -> Answer {
        plain(&self.session.wait(self.connection.rescan(name))?)
    }

    fn hello(&self, url: &str) -> Answer {
        let peer = self.session.wait(self.connection.hello(url))?;
        Connection::require_answer(&peer)?;
        Ok(with_keys(plain(&peer)?, &["notice"]))
    }

    fn search(&self, query: &str, options: &Map) -> Answer {
        let Command::Search(args) = options::command("search", &[query], options)? else {
            return Err(CtlError::failed("search is no search"));
        };
        self.hits(query, args.limit, args.reach())
    }

    fn grep(&self, pattern: &str, options: &Map) -> Answer {
        let Command::Grep(args) = options::command("grep", &[pattern], options)? else {
            return Err(CtlError::failed("grep is no grep"));
        };
        self.hits(&grep::query(&args)?, args.limit, SearchReach::Normal)
    }

    /// Returns hits, each with all its properties; the missing ones are `()`.
    fn hits(&self, query: &str, limit: Option<u32>, reach: SearchReach) -> Answer {
        let found = self
            .session
            .wait(self.connection.search(query, limit, reach))?;
        let hits = with_keys(plain(&found.hits)?, &["score", "excerpt"]);
        let hits = hits.into_typed_array::<Map>().unwrap_or_default();
        let hits = hits.into_iter().map(|mut hit| {
            if let Some(excerpt) = hit.get_mut("excerpt") {
                let whole = with_keys(excerpt.take(), &["line", "column", "before", "after"]);
                *excerpt = whole;
            }
            Dynamic::from(hit)
        });
        Ok(hits.collect::<Array>().into())
    }

    /// Fetches the files of a name, with the options of `ctl fetch`, or content of a `digest` under this name.
    fn fetch(&self, name: &str, mut options: Map) -> Answer {
        let digest = options.remove("digest").filter(|digest| !digest.is_unit());
        let Command::Fetch(args) = options::command("fetch", &[name], &options)? else {
            return Err(CtlError::failed("fetch is no fetch"));
        };
        if args.to.is_some() {
            return Err(CtlError::usage(
                "a script fetches into the share; it has no other place for files",
            ));
        }
        let existing = args.existing();
        if let Some(digest) = digest {
            let bad = |kind| CtlError::usage(format!("digest is a string, not of type {kind}"));
            let digest = digest.into_string().map_err(bad)?;
            return self.fetch_one(name, Some(digest), existing, args.detach);
        }
        let plan = self.session.wait(self.connection.resolve(name, false))?;
        match plan {
            FetchPlan {
                query: Some(query), ..
            } => self.fetch_all(&query, existing, args.detach),
            FetchPlan {
                digest: Some(_), ..
            } => self.fetch_one(name, None, existing, args.detach),
            FetchPlan { names, .. } => {
                let mut done = Dynamic::UNIT;
                for name in names {
                    done = self.fetch_one(&name, None, existing, args.detach)?;
                }
                Ok(done)
            }
        }
    }

    fn fetch_one(
        &self,
        name: &str,
        digest: Option<String>,
        existing: Existing,
        is_detached: bool,
    ) -> Answer {
        let (session, connection) = (&self.session, &self.connection);
        if is_detached {
            return plain(&session.wait(connection.start_fetch(name, digest, existing))?);
        }
        let ignore = |_: &FetchStatus| session.check();
        let patience = &session.context().patience;
        let fetch = connection.fetch(name, digest, existing, patience, ignore);
        plain(&session.wait_patiently(fetch)?)
    }

    fn fetch_all(&self, query: &str, existing: Existing, is_detached: bool) -> Answer {
        let (session, connection) = (&self.session, &self.connection);
        if is_detached {
            return plain(&session.wait(connection.start_matching(query, existing))?);
        }
        let patience = &session.context().patience;
        let fetch = connection.fetch_matching(query, existing, patience, |_| session.check());
        let batch = session.wait_patiently(fetch)?;
        if batch.found == 0 {
            let text = format!("no peer has a file that matches {query}");
            return Err(CtlError::not_found(text));
        }
        plain(&batch)
    }

    fn call(&self, method: &str, params: Map) -> Answer {
        let Ok(Value::Object(params)) = from_dynamic(&params.into()) else {
            let message = "the parameters of a call are numbers, strings, arrays and maps";
            return Err(CtlError::usage(message));
        };
        plain(&self.session.wait(self.connection.call(method, &params))?)
    }
}

/// Returns a map, or each map of an array, with these keys: one that the node leaves out is `()`.
fn with_keys(value: Dynamic, keys: &[&str]) -> Dynamic {
    match value.try_cast_result::<Map>() {
        Ok(mut map) => {
            for key in keys {
                map.entry((*key).into()).or_insert(Dynamic::UNIT);
            }
            map.into()
        }
        Err(other) => match other.try_cast_result::<Array>() {
            Ok(array) => {
                let whole = array.into_iter().map(|item| with_keys(item, keys));
                whole.collect::<Array>().into()
            }
            Err(other) => other,
        },
    }
}

fn plain(value: &impl Serialize) -> Answer {
    to_dynamic(value).map_err(|error| {
        CtlError::failed(format!("the answer does not fit into a script: {error}"))
    })
}
