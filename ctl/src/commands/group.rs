//! `ctl group`: groups nodes by their ids, for the policy.

use node_api::peer::Group;
use serde_json::json;

use super::Context;
use crate::{
    cli::GroupAction,
    error::CtlError,
    output::{escaped, plural},
};

/// Runs the command.
pub(crate) async fn run(action: Option<GroupAction>, context: &Context) -> Result<(), CtlError> {
    match action {
        None | Some(GroupAction::Ls) => list(context).await,
        Some(GroupAction::Add { name, nodes }) => add(&name, nodes, context).await,
        Some(GroupAction::Rm { name, nodes }) => remove(&name, nodes, context).await,
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let groups = context.patience.bound(node.groups()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "groups": groups }));
    }
    let rows: Vec<_> = groups.iter().flat_map(rows).collect();
    output.table(&["group", "id"], &rows)?;
    if groups.is_empty() {
        output.note("there is no group; make one with `ctl group add NAME ID…`");
    }
    Ok(())
}

/// Returns a row for each node of a group.
fn rows(group: &Group) -> Vec<Vec<String>> {
    let ids = group.ids.iter();
    ids.map(|id| vec![group.name.clone(), id.clone()]).collect()
}

async fn add(name: &str, nodes: Vec<String>, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let group = context.patience.bound(node.group_add(name, nodes)).await?;
    if context.output.is_json() {
        return context.output.json(&group);
    }
    let count = plural(group.ids.len() as u64, "node", "nodes");
    let name = escaped(&group.name);
    context.output.line(&format!("{name} has {count}"))
}

async fn remove(name: &str, nodes: Vec<String>, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let which = (!nodes.is_empty()).then_some(nodes);
    let removed = context
        .patience
        .bound(node.group_remove(name, which))
        .await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "removed": removed }));
    }
    let name = escaped(name);
    if !removed {
        return Err(CtlError::not_found(format!(
            "there is nothing to remove from {name}; `ctl group ls` lists the groups"
        )));
    }
    context.output.line(&format!("{name} is changed"))
}
