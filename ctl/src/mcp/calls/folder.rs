//! The tool `list`.

use std::collections::BTreeMap;

use node_api::share::ShareFile;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GoneOn, Network, PageRequest, object_of};
use crate::{
    connection::{Connection, Folder},
    error::CtlError,
    mcp::{
        Tools,
        kept::Finding,
        page::{Item, Room},
    },
};

/// Most files of a folder that are gathered at a time.
const FILES_MAX: usize = 10_000;

/// Files of one answer of the node.
const OF_NODE: u32 = 2_000;

/// The arguments of `list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ListArguments {
    node: Option<String>,
    folder: Option<String>,
    max_bytes: Option<usize>,
    cursor: Option<String>,
}

/// Lists a folder of this node or of a peer.
pub(in crate::mcp) async fn list(tools: &Tools, asked: ListArguments) -> Result<String, CtlError> {
    let room = Room::of(asked.max_bytes)?;
    let wanted = PageRequest {
        room,
        cursor: asked.cursor.as_deref(),
    };
    let after = match tools.go_on(wanted)? {
        GoneOn::Page(page) => return Ok(page),
        GoneOn::Behind(name) => Some(name),
        GoneOn::Anew => None,
    };
    let node = tools.connect()?;
    let network = Network::of(&node).await?;
    let folder = match &after {
        // The cursor says the folder, too.
        Some(name) => Folder::new(name.rsplit_once('/').map_or("", |(folder, _)| folder)),
        None => Folder::new(asked.folder.as_deref().unwrap_or_default()),
    };
    let peer = asked
        .node
        .filter(|url| *url != network.url && after.is_none());
    let finding = match peer {
        Some(url) => of_peer(&node, &network, &url, &folder).await?,
        None => of_node(&node, &network, &folder, after).await?,
    };
    tools.show(finding, room)
}

async fn of_node(
    node: &Connection,
    network: &Network,
    folder: &Folder,
    mut after: Option<String>,
) -> Result<Finding, CtlError> {
    let mut items = Vec::new();
    let mut files = 0;
    loop {
        let page = node.browse(folder, after, OF_NODE).await?;
        for folder in page.folders {
            items.push(folder_item(&folder.name, folder.files, folder.size));
        }
        files += page.files.len();
        items.extend(page.files.iter().map(file_item));
        after = page.next;
        if after.is_none() || files >= FILES_MAX {
            break;
        }
    }
    Ok(Finding {
        what: "entries",
        items,
        about: about(&network.url, true, folder),
        beyond: after,
    })
}

async fn of_peer(
    node: &Connection,
    network: &Network,
    url: &str,
    folder: &Folder,
) -> Result<Finding, CtlError> {
    let wanted = (!folder.name().is_empty()).then_some(folder);
    let listing = node.files_of_peer(url, wanted, FILES_MAX).await?;
    let mut about = about(url, network.is_own(url), folder);
    if listing.more {
        let note = format!(
            "only the first {FILES_MAX} files in this folder and below it were looked at; list a folder in it, or search"
        );
        about.insert("note".to_owned(), note.into());
    }
    Ok(Finding {
        what: "entries",
        items: entries(&listing.files, folder),
        about,
        beyond: None,
    })
}

/// Returns the folders and files that are in a folder, of all files.
fn entries(files: &[ShareFile], folder: &Folder) -> Vec<Item> {
    let (mut folders, mut inside) = (BTreeMap::new(), Vec::new());
    for file in files.iter().filter(|file| folder.has(&file.name)) {
        let below = file.name.strip_prefix(folder.name()).unwrap_or_default();
        match below.trim_start_matches('/').split_once('/') {
            Some((first, _)) => {
                let begin = file.name.len() - below.trim_start_matches('/').len();
                let name = file.name.get(..begin + first.len()).unwrap_or_default();
                let (count, size) = folders.entry(name).or_insert((0, 0_u64));
                *count += 1;
                *size = size.saturating_add(file.size);
            }
            None => inside.push(file_item(file)),
        }
    }
    let folders = folders.into_iter();
    let folders = folders.map(|(name, (count, size))| folder_item(name, count, size));
    folders.chain(inside).collect()
}

fn folder_item(name: &str, files: u64, size: u64) -> Item {
    let of = json!({ "name": format!("{name}/"), "files": files, "size": size });
    Item {
        of: object_of(of),
        lines: Vec::new(),
    }
}

fn file_item(file: &ShareFile) -> Item {
    let mut of = json!({ "name": file.name, "size": file.size });
    if let Some(modified) = file.modified {
        of["modified"] = json!(modified);
    }
    Item {
        of: object_of(of),
        lines: Vec::new(),
    }
}

fn about(url: &str, is_own: bool, folder: &Folder) -> Map<String, Value> {
    let folder: String = folder.name().chars().take(60).collect();
    object_of(json!({ "node": url, "own": is_own, "folder": folder }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_peer_are_counted() {
        let files = ["a.txt", "b/c/d.txt", "b/e.txt", "b/f.txt", "bb/g.txt"];
        let files = files.map(|name| ShareFile {
            name: name.to_owned(),
            size: 2,
            modified: None,
            digest: None,
        });
        let names = |folder: &str| -> Vec<String> {
            let entries = entries(&files, &Folder::new(folder));
            let shown = entries.iter().map(|entry| {
                let files = entry
                    .of
                    .get("files")
                    .map_or(String::new(), Value::to_string);
                format!("{}{files}", entry.of["name"].as_str().unwrap())
            });
            shown.collect()
        };
        assert_eq!(names(""), ["b/3", "bb/1", "a.txt"]);
        assert_eq!(names("b"), ["b/c/1", "b/e.txt", "b/f.txt"]);
        assert_eq!(names("b/c"), ["b/c/d.txt"]);
        assert!(names("c").is_empty());
    }
}
