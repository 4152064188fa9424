//! `ctl ls`: lists the files that the node, or a peer of it, shares, and those that it does not.

use node_api::share::{ShareFile, SkippedEntry};
use serde_json::json;

use super::Context;
use crate::{
    cli::LsArgs,
    error::CtlError,
    output::{Output, timestamp},
};

/// Runs the command.
pub(crate) async fn run(args: LsArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    if args.skipped {
        let skipped = context.patience.bound(node.skipped()).await?;
        if context.output.is_json() {
            return context.output.json(&json!({ "skipped": skipped }));
        }
        let row = |entry: &SkippedEntry| vec![entry.name.clone(), entry.reason.clone()];
        let rows: Vec<_> = skipped.iter().map(row).collect();
        return context.output.table(&["name", "why"], &rows);
    }
    let Some(peer) = args.peer else {
        let listing = context.patience.bound(node.files()).await?;
        if context.output.is_json() {
            return context.output.json(&listing);
        }
        if listing.skipped > 0 {
            let skipped = listing.skipped;
            let note = format!(
                "{skipped} not shared because of what they are or how they are named: ctl ls --skipped"
            );
            context.output.note(&note);
        }
        return show(context.output, &listing.files);
    };
    let files = context.patience.bound(node.files_of_peer(&peer)).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "files": files }));
    }
    show(context.output, &files)
}

fn show(output: Output, files: &[ShareFile]) -> Result<(), CtlError> {
    let row = |file: &ShareFile| {
        let modified = file.modified.map_or("-".to_owned(), timestamp);
        vec![file.name.clone(), output.size(file.size), modified]
    };
    let rows: Vec<_> = files.iter().map(row).collect();
    output.table(&["name", "size", "changed"], &rows)
}
