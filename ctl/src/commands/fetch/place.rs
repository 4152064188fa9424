//! `ctl fetch --to PATH`: files to a place of this machine, past the share.

use std::path::Path;

use node_api::fetch::FetchPlan;
use node_wire::Digest;
use serde_json::json;

use super::{Failures, check_target};
use crate::{
    cli::FetchArgs,
    commands::Context,
    connection::Connection,
    download::{self, Target, is_standard_output},
    error::CtlError,
    output::{bytes, escaped},
};

/// A file, and where it goes.
struct PlannedFile {
    /// Its name; content is called by its digest.
    name: String,
    content: Option<PlannedContent>,
    /// True if the directory takes it under its whole name, because a query found it.
    is_whole: bool,
}

/// Content that is wanted whatever its name.
struct PlannedContent {
    digest: Digest,
    /// The peer that has it, if the node does not.
    through: Option<String>,
}

/// Runs `ctl fetch NAME… --to PATH`.
pub(super) async fn run(args: &FetchArgs, to: &Path, context: &Context) -> Result<(), CtlError> {
    check_target(to, args)?;
    let node = context.connect()?;
    let mut wanted = Vec::new();
    for typed in &args.names {
        let plan = context.patience.bound(node.resolve(typed, true)).await?;
        wanted.extend(files_of(typed, plan, context)?);
    }
    let several = wanted.len() > 1;
    if several && !Target::is_directory(to) {
        return Err(CtlError::usage(format!(
            "{} files do not fit into {}; give a directory that is there: --to DIR",
            wanted.len(),
            to.display()
        )));
    }
    let mut failures = Failures::default();
    for file in &wanted {
        let done = bring(&node, file, to, args, context).await;
        failures.note(done, several, context)?;
    }
    failures.end(wanted.len())
}

fn files_of(typed: &str, plan: FetchPlan, context: &Context) -> Result<Vec<PlannedFile>, CtlError> {
    if let Some(digest) = &plan.digest {
        let odd =
            |error| CtlError::failed(format!("the node says that {digest} is meant: {error}"));
        let content = PlannedContent {
            digest: digest.parse().map_err(odd)?,
            through: plan.through,
        };
        return Ok(vec![PlannedFile {
            name: digest.clone(),
            content: Some(content),
            is_whole: false,
        }]);
    }
    let is_whole = plan.query.is_some();
    if is_whole && plan.names.is_empty() {
        return Err(CtlError::not_found(format!(
            "nothing here or at the peers matches {}",
            escaped(typed)
        )));
    }
    if plan.truncated {
        let count = plan.names.len();
        context.output.note(&format!(
            "more than {count} files match; the rest is left out"
        ));
    }
    let names = plan.names.into_iter();
    let file = |name| PlannedFile {
        name,
        content: None,
        is_whole,
    };
    Ok(names.map(file).collect())
}

async fn bring(
    node: &Connection,
    file: &PlannedFile,
    to: &Path,
    args: &FetchArgs,
    context: &Context,
) -> Result<(), CtlError> {
    let target = if file.is_whole && Target::is_directory(to) {
        Target::below(to, &file.name, args.existing())?
    } else {
        Target::choose(to, &file.name, args.existing())?
    };
    let (output, name) = (context.output, &file.name);
    let status = context.patience.bound(node.status()).await?;
    let asked = match &file.content {
        Some(_) => format!("blake3:{name}"),
        None => name.clone(),
    };
    let pass = context.patience.bound(node.pass(&asked)).await?;
    let progress = output.progress(&format!("fetching {name}"));
    let port = download::peer_port(&status);
    let pass = pass.as_deref();
    let on_bytes = |count| progress.bytes(count);
    let downloaded = match &file.content {
        None => {
            let wanted = download::QueryTarget {
                url: &port,
                name,
                pass,
            };
            let download = download::query(wanted, &target, on_bytes);
            context.patience.bound(download).await
        }
        Some(content) => {
            let wanted = download::ContentTarget {
                url: &port,
                digest: content.digest,
                through: content.through.as_deref(),
                pass,
            };
            let download = download::content(wanted, &target, on_bytes);
            context.patience.bound(download).await
        }
    };
    drop(progress);
    let size = downloaded?;
    let path = target.place()?;
    if is_standard_output(to) {
        return Ok(());
    }
    if output.is_json() {
        let done = json!({ "name": name, "state": "done", "bytes": size, "path": path });
        return output.record("end", &done);
    }
    let (name, path) = (escaped(name), escaped(&path.display().to_string()));
    output.line(&format!("fetched {name} ({}) to {path}", bytes(size)))
}
