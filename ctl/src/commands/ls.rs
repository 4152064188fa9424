//! `ctl ls`: lists the files that the node, or a peer of it, shares, and those that it does not.

use node_api::share::{ShareFile, SkippedEntry};
use serde_json::json;

use super::Context;
use crate::{
    cli::LsArgs,
    connection::{Connection, Folder, PEER_FILES_MAX, is_peer},
    error::CtlError,
    output::{Output, escaped, plural},
};

/// The peer and the folder to list.
struct LsTarget {
    /// The peer that is asked; this node if there is none.
    peer: Option<String>,
    /// The folder or file; everything if there is none.
    folder: Option<Folder>,
}

/// Runs the command.
pub(crate) async fn run(args: LsArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let wanted = wanted(&args.what)?;
    if args.skipped && wanted.peer.is_some() {
        return Err(CtlError::usage(
            "--skipped is about this node; a peer does not say what it leaves out",
        ));
    }
    context
        .patience
        .bound(list(&args, &wanted, &node, context.output))
        .await
}

/// Parses a target: a peer is named by its URL or by `HOST:PORT`; everything else is a folder.
fn wanted(what: &[String]) -> Result<LsTarget, CtlError> {
    let folder = |text: &String| Some(Folder::new(text));
    match what {
        [] => Ok(LsTarget {
            peer: None,
            folder: None,
        }),
        [one] if is_peer(one) => Ok(LsTarget {
            peer: Some(one.clone()),
            folder: None,
        }),
        [one] => Ok(LsTarget {
            peer: None,
            folder: folder(one),
        }),
        [peer, below] if is_peer(peer) => Ok(LsTarget {
            peer: Some(peer.clone()),
            folder: folder(below),
        }),
        [first, ..] => Err(CtlError::usage(format!(
            "{} is no peer; give its URL or HOST:PORT, then a folder",
            escaped(first)
        ))),
    }
}

async fn list(
    args: &LsArgs,
    wanted: &LsTarget,
    node: &Connection,
    output: Output,
) -> Result<(), CtlError> {
    let is_wanted = |name: &str| wanted.folder.as_ref().is_none_or(|folder| folder.has(name));
    if args.skipped {
        let mut skipped = node.skipped().await?;
        skipped.retain(|entry| is_wanted(&entry.name));
        if output.is_json() {
            return output.json(&json!({ "skipped": skipped }));
        }
        let row = |entry: &SkippedEntry| vec![entry.name.clone(), entry.reason.clone()];
        let rows: Vec<_> = skipped.iter().map(row).collect();
        if rows.is_empty() {
            output.note(
                "nothing is left out because of its name or kind; what .sixhopignore hides is not listed",
            );
            return Ok(());
        }
        return output.table(&["name", "why"], &rows);
    }
    if let Some(peer) = &wanted.peer {
        let listing = node
            .files_of_peer(peer, wanted.folder.as_ref(), PEER_FILES_MAX)
            .await?;
        if listing.more {
            output.note(&format!(
                "only the first {PEER_FILES_MAX} files are listed: name a folder of the peer"
            ));
        }
        found_some(&listing.files, wanted)?;
        if output.is_json() {
            return output.json(&json!({ "files": listing.files }));
        }
        return show(output, &listing.files);
    }
    let listing = node.files(wanted.folder.as_ref()).await?;
    found_some(&listing.files, wanted)?;
    if output.is_json() {
        return output.json(&listing);
    }
    if listing.skipped > 0 {
        let skipped = plural(listing.skipped, "entry is", "entries are");
        output.note(&format!(
            "{skipped} not shared, because of what it is or how it is named: ctl ls --skipped"
        ));
    }
    show(output, &listing.files)
}

/// Errors if a folder has nothing in it: only files are shared, so it is not there.
fn found_some(files: &[ShareFile], wanted: &LsTarget) -> Result<(), CtlError> {
    match &wanted.folder {
        Some(folder) if files.is_empty() => Err(CtlError::not_found(format!(
            "no shared file is called {} or in a folder of this name; a peer is named by its URL",
            escaped(folder.name())
        ))),
        _ => Ok(()),
    }
}

fn show(output: Output, files: &[ShareFile]) -> Result<(), CtlError> {
    let row = |file: &ShareFile| {
        let modified = file
            .modified
            .map_or("-".to_owned(), |time| output.moment(time));
        vec![file.name.clone(), output.size(file.size), modified]
    };
    let rows: Vec<_> = files.iter().map(row).collect();
    output.table(&["name", "size", "changed"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_port_makes_a_peer_and_all_else_is_a_folder() {
        for peer in [
            "http://192.0.2.7:4242",
            "sixhop://id/",
            "localhost:4242",
            "[::1]:4242",
        ] {
            assert!(is_peer(peer), "{peer}");
        }
        for folder in ["photos", "photos/2013", "10:30 notes", "a/b:1", "C:", ":1"] {
            assert!(!is_peer(folder), "{folder}");
        }
    }

    #[test]
    fn a_folder_and_a_peer_have_one_order() {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(wanted(&words(&["h:1", "photos"])).is_ok());
        let refused = wanted(&words(&["photos", "h:1"])).err();
        assert_eq!(refused.map(|error| error.exit_code()), Some(2));
    }
}
