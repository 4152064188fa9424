//! The tools at work: each asks the node, and makes of what it says items that fit into an answer.
//!
//! A hit has the same names for the same things as in `ctl search --json`; `own` is added, and the lines of one file stand
//! together.

mod find;
mod folder;
mod text;

use std::sync::{Arc, PoisonError};

use node_api::{fetch::FetchState, node::NodeStatus, peer::PeerState};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Tools,
    kept::{self, Finding},
    page::{self, Item, Room},
};
use crate::{
    connection::{Connection, Existing},
    error::CtlError,
    output::json_line,
};

pub(super) use find::{grep, search};
pub(super) use folder::list;
pub(super) use text::read;

/// Times that the end of a fetch is waited for, 20 seconds each.
const WAITS: u32 = 3;

/// Reads the arguments of a tool.
pub(super) fn arguments<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, CtlError> {
    let read = serde_json::from_value(Value::Object(arguments));
    read.map_err(|error| CtlError::usage(format!("the arguments are not right: {error}")))
}

/// The part of the answer that a caller wants, and the room for it.
#[derive(Clone, Copy, Debug)]
struct PageRequest<'a> {
    room: Room,
    cursor: Option<&'a str>,
}

/// The findings and the place that a cursor stands for.
enum GoneOn {
    /// There is none: all is asked for anew.
    Anew,
    /// This page.
    Page(String),
    /// The files behind this one, which were not gathered.
    Behind(String),
}

/// The facts that decide whether a node is of the owner's network.
#[derive(Clone, Debug)]
struct Network {
    /// URL of the node itself.
    url: String,
    /// True if it talks to members of a private network alone.
    is_private: bool,
}

impl Network {
    async fn of(node: &Connection) -> Result<Network, CtlError> {
        Ok(Network::from(&node.status().await?))
    }

    /// Returns whether the node with this URL is the owner's: this one, or a member of the same private network.
    fn is_own(&self, url: &str) -> bool {
        self.is_private || url == self.url
    }
}

impl From<&NodeStatus> for Network {
    fn from(status: &NodeStatus) -> Network {
        Network {
            url: status.url.clone(),
            is_private: status.private,
        }
    }
}

impl Tools {
    /// Returns the next page of a finding that was kept, if there is a cursor.
    fn go_on(&self, wanted: PageRequest<'_>) -> Result<GoneOn, CtlError> {
        let Some(cursor) = wanted.cursor else {
            return Ok(GoneOn::Anew);
        };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, finding, from) = kept.at(cursor)?;
        drop(kept);
        if from >= finding.items.len()
            && let Some(name) = &finding.beyond
        {
            return Ok(GoneOn::Behind(name.clone()));
        }
        let next = |place| kept::cursor(number, place);
        Ok(GoneOn::Page(
            page::page(&finding, from, wanted.room, next)?.0,
        ))
    }

    /// Returns the first page of a finding, and keeps it if there are more.
    fn show(&self, finding: Finding, room: Room) -> Result<String, CtlError> {
        let whole = page::page(&finding, 0, room, |place| kept::cursor(u64::MAX, place))?;
        if whole.1 >= finding.items.len() && finding.beyond.is_none() {
            return Ok(whole.0);
        }
        let finding = Arc::new(finding);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.keep(Arc::clone(&finding));
        drop(kept);
        let next = |place| kept::cursor(number, place);
        Ok(page::page(&finding, 0, room, next)?.0)
    }
}

/// Returns an object of its members.
fn object_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The arguments of `nodes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodesArguments {
    max_bytes: Option<usize>,
    cursor: Option<String>,
}

/// Lists this node and its peers.
pub(super) async fn nodes(tools: &Tools, asked: NodesArguments) -> Result<String, CtlError> {
    let room = Room::of(asked.max_bytes)?;
    let wanted = PageRequest {
        room,
        cursor: asked.cursor.as_deref(),
    };
    if let GoneOn::Page(page) = tools.go_on(wanted)? {
        return Ok(page);
    }
    let node = tools.connect()?;
    let status = node.status().await?;
    let network = Network::from(&status);
    let this = json!({
        "node": status.url,
        "node_name": status.name,
        "own": true,
        "state": "this",
        "files": status.files,
    });
    let mut items = vec![Item {
        of: object_of(this),
        lines: Vec::new(),
    }];
    for peer in node.peers().await? {
        let mut of = json!({
            "node": peer.url,
            "node_name": peer.name,
            "own": network.is_own(&peer.url),
            "state": peer.state,
        });
        if peer.state == PeerState::Failing {
            of["error"] = json!(peer.last_error);
        }
        items.push(Item {
            of: object_of(of),
            lines: Vec::new(),
        });
    }
    let finding = Finding {
        what: "nodes",
        items,
        about: Map::new(),
        beyond: None,
    };
    tools.show(finding, room)
}

/// The arguments of `fetch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FetchArguments {
    name: String,
    digest: Option<String>,
}

/// Brings a file into the share.
pub(super) async fn fetch(tools: &Tools, asked: FetchArguments) -> Result<String, CtlError> {
    let node = tools.connect()?;
    let digest = asked.digest.as_deref().map(bare).map(str::to_owned);
    let mut status = node
        .start_fetch(&asked.name, digest, Existing::Keep)
        .await?;
    for _ in 0..WAITS {
        if status.state.is_over() {
            break;
        }
        status = node.wait_fetch(status.id).await?;
    }
    if let Some(error) = status.error {
        return Err(error.into());
    }
    let mut answer = json!({
        "id": status.id,
        "name": status.name,
        "state": status.state,
        "bytes": status.bytes,
        "size": status.size,
        "digest": status.digest,
    });
    if status.state != FetchState::Done {
        answer["note"] = json!("it goes on in the background; call again to hear of it");
    }
    json_line(&answer)
}

/// Returns a digest without the word before it.
fn bare(digest: &str) -> &str {
    digest.strip_prefix("blake3:").unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Login;

    #[test]
    fn behind_the_last_page_are_the_files_that_were_not_gathered() {
        let login = Login {
            state: "/nowhere".into(),
            token_file: None,
        };
        let tools = Tools::new(login, false);
        let item = |name: &str| Item {
            of: object_of(json!({ "name": name })),
            lines: Vec::new(),
        };
        let finding = Finding {
            what: "entries",
            items: vec![item("a"), item("b")],
            about: Map::new(),
            beyond: Some("b".to_owned()),
        };
        let room = Room::of(None).unwrap();
        let page: Value = serde_json::from_str(&tools.show(finding, room).unwrap()).unwrap();
        let request = |cursor| PageRequest { room, cursor };
        let next = tools.go_on(request(page["next"].as_str())).unwrap();
        assert!(
            matches!(next, GoneOn::Behind(name) if name == "b"),
            "{page}"
        );
        assert!(matches!(tools.go_on(request(None)).unwrap(), GoneOn::Anew));
        assert!(tools.go_on(request(Some("k7.0"))).is_err());
    }
}
