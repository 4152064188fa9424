//! Calls with a meaning: `hello`, `query`, `fetch`, `sixhop.introduce`, `sixhop.find`, `sixhop.more`, `sixhop.summary`,
//! `sixhop.watch` and `system.multicall`.
//!
//! A [`MethodCall`] is only well formed; these types also have the right
//! parameters. What does not fit is fault -32602 with a sentence.
//!
//! Non-goals: whether a name is a name in a share, whether a URL is the URL of
//! a peer, whether the secret is right. Those have types of their own
//! ([`ShareName`](crate::name::ShareName), [`PeerUrl`](crate::peer_url::PeerUrl)) and errors of their own.
//!
//! # Invariants
//! - Reading the call of `to_call` gives the same message.
//! - The secret of a [`Fetch`] is in no debug output.

mod find;
mod introduce;
mod multicall;
mod nodes;
mod summary;
mod watch;

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::Fault;
use crate::limits::{HISTORY_ENTRIES_MAX, HISTORY_ENTRY_MAX, URL_MAX};
use crate::methods::{FETCH, HELLO, QUERY};
use crate::node_name::NodeName;
use crate::request::MethodCall;
use crate::value::Value;

pub use find::{Find, FindExcerpt, FindHit, FindPlace, FindWanted, Found, FoundEnd, More};
pub use introduce::{Introduce, Introduced, Introduction, TLS_FEATURE};
pub use multicall::Multicall;
pub use nodes::Nodes;
pub use summary::{Near, Summarize, Summary, Told};
pub use watch::{Watch, WatchNews, WatchTold, Watched};

/// `hello(url)`: a peer introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The URL that it claims; at most [`URL_MAX`] bytes, otherwise unchecked.
    pub url: String,
}

/// `query(name [, history])`: a peer asks for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name as sent, unchecked.
    pub name: String,
    /// The URLs of the nodes that the query has passed, oldest first, as sent.
    /// At most [`HISTORY_ENTRIES_MAX`] entries of [`HISTORY_ENTRY_MAX`] bytes.
    pub history: Vec<String>,
}

/// `fetch(name, secret)`: the owner has a file found and stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The name as sent, unchecked.
    pub name: String,
    /// The secret as sent. Never shown.
    pub secret: String,
}

impl Hello {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [url] = params else {
            return Err(Fault::invalid_params("hello takes one parameter: a URL"));
        };
        let url = text(url, "The URL is not a string")?;
        if url.len() > URL_MAX {
            let message = format!("The URL is longer than {URL_MAX} bytes");
            return Err(Fault::invalid_params(&message));
        }
        Ok(Self { url })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        call(HELLO, vec![self.url.as_str().into()])
    }
}

impl Query {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let (name, history) = match params {
            [name] => (name, Vec::new()),
            [name, history] => (name, read_history(history)?),
            _ => {
                let message = "query takes a name and, if there is one, a history";
                return Err(Fault::invalid_params(message));
            }
        };
        let name = text(name, "The name is not a string")?;
        Ok(Self { name, history })
    }

    /// Returns the XML-RPC call of this message. The history is always sent, even when it is
    /// empty: not every peer has a default for it.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let history = self.history.iter().map(|url| url.as_str().into()).collect();
        call(
            QUERY,
            vec![self.name.as_str().into(), Value::Array(history)],
        )
    }
}

impl Fetch {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [name, secret] = params else {
            let message = "fetch takes two parameters: a name and the secret";
            return Err(Fault::invalid_params(message));
        };
        Ok(Self {
            name: text(name, "The name is not a string")?,
            secret: text(secret, "The secret is not a string")?,
        })
    }

    /// Returns the XML-RPC call of this message; it holds the secret in clear.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let params = vec![self.name.as_str().into(), self.secret.as_str().into()];
        call(FETCH, params)
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("name", &self.name)
            .field("secret", &format_args!("[redacted]"))
            .finish()
    }
}

fn call(method: &str, params: Vec<Value>) -> MethodCall {
    MethodCall {
        method: method.to_owned(),
        params,
    }
}

/// Reads a string, or base64 that is UTF-8: some clients wrap every text in it.
fn text(value: &Value, otherwise: &str) -> Result<String, Fault> {
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Base64(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    text.ok_or_else(|| Fault::invalid_params(otherwise))
}

/// Reads the name that a node gives itself. It is for people, so that a strange one is no error.
fn claimed_name(members: &BTreeMap<String, Value>) -> Option<NodeName> {
    let name = text(members.get("name")?, "").ok()?;
    NodeName::claimed(&name)
}

fn read_history(value: &Value) -> Result<Vec<String>, Fault> {
    let Value::Array(entries) = value else {
        return Err(Fault::invalid_params("The history is not an array"));
    };
    if entries.len() > HISTORY_ENTRIES_MAX {
        let message = format!("The history has more than {HISTORY_ENTRIES_MAX} entries");
        return Err(Fault::invalid_params(&message));
    }
    entries.iter().map(read_history_entry).collect()
}

fn read_history_entry(entry: &Value) -> Result<String, Fault> {
    let url = text(entry, "An entry of the history is not a string")?;
    if url.len() <= HISTORY_ENTRY_MAX {
        return Ok(url);
    }
    let message = format!("An entry of the history is longer than {HISTORY_ENTRY_MAX} bytes");
    Err(Fault::invalid_params(&message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::INVALID_PARAMS;
    use proptest::prelude::*;

    fn strings(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| Value::from(*text)).collect()
    }

    #[test]
    fn history_is_empty_unless_sent() {
        let query = Query::from_params(&strings(&["a.txt"])).unwrap();
        assert_eq!(query.history, Vec::<String>::new());
    }

    #[test]
    fn base64_that_is_utf8_is_a_name() {
        let query = Query::from_params(&[Value::Base64("é.txt".into())]).unwrap();
        assert_eq!(query.name, "é.txt");
        let fault = Query::from_params(&[Value::Base64(vec![0xFF])]).unwrap_err();
        assert_eq!(fault.code, INVALID_PARAMS);
    }

    #[test]
    fn wrong_parameters_are_a_fault_with_a_sentence() {
        let long_url = "x".repeat(URL_MAX + 1);
        let many = Value::Array(strings(&["u"; HISTORY_ENTRIES_MAX + 1]));
        let wide = Value::Array(vec!["x".repeat(HISTORY_ENTRY_MAX + 1).into()]);
        let faults = [
            Hello::from_params(&[]).unwrap_err(),
            Hello::from_params(&[Value::Int(1)]).unwrap_err(),
            Hello::from_params(&[long_url.into()]).unwrap_err(),
            Query::from_params(&[]).unwrap_err(),
            Query::from_params(&strings(&["a", "b"])).unwrap_err(),
            Query::from_params(&["a".into(), Value::Array(vec![Value::Nil])]).unwrap_err(),
            Query::from_params(&["a".into(), many]).unwrap_err(),
            Query::from_params(&["a".into(), wide]).unwrap_err(),
            Fetch::from_params(&strings(&["a"])).unwrap_err(),
            Fetch::from_params(&["a".into(), Value::Bool(true)]).unwrap_err(),
        ];
        for fault in faults {
            assert_eq!(fault.code, INVALID_PARAMS, "{fault}");
        }
    }

    #[test]
    fn secret_is_not_in_debug_output() {
        let fetch = Fetch::from_params(&strings(&["a.txt", "hunter2"])).unwrap();
        let shown = format!("{fetch:?} {fetch:#?} {:?}", fetch.to_call());
        assert!(shown.contains("a.txt") && !shown.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn messages_read_back_from_their_calls(
            name in any::<String>(),
            secret in any::<String>(),
            history in proptest::collection::vec("[ -~]{0,256}", 0..=HISTORY_ENTRIES_MAX),
            url in "[ -~]{0,256}",
        ) {
            let hello = Hello { url };
            prop_assert_eq!(Hello::from_params(&hello.to_call().params), Ok(hello));
            let query = Query { name: name.clone(), history };
            prop_assert_eq!(Query::from_params(&query.to_call().params), Ok(query));
            let fetch = Fetch { name, secret };
            prop_assert_eq!(Fetch::from_params(&fetch.to_call().params), Ok(fetch));
        }
    }
}
