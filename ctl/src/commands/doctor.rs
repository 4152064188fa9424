//! `ctl doctor`: checks the node, and says what to do.
//!
//! The node checks itself. That it answers at all is the first check.

use node_api::{
    error::ErrorCode,
    node::{Check, CheckState},
};
use serde_json::json;

use super::Context;
use crate::{
    error::CtlError,
    output::{Output, plural},
};

/// Runs the command.
pub(crate) async fn run(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let found = context.patience.bound(node.doctor()).await?;
    let answers = Check {
        name: "node".to_owned(),
        state: CheckState::Ok,
        text: "it runs and answers".to_owned(),
        advice: None,
    };
    let checks: Vec<Check> = std::iter::once(answers).chain(found).collect();
    show(&checks, context.output)?;
    match checks
        .iter()
        .filter(|check| check.state == CheckState::Failed)
        .count()
    {
        0 => Ok(()),
        count => Err(CtlError::of_several(
            Some(ErrorCode::Failed),
            format!("{} failed", plural(count as u64, "check", "checks")),
        )),
    }
}

fn show(checks: &[Check], output: Output) -> Result<(), CtlError> {
    if output.is_json() {
        return output.json(&json!({ "checks": checks }));
    }
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            vec![
                check.name.clone(),
                word(check.state).to_owned(),
                check.text.clone(),
                check.advice.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output.table(&["check", "state", "found", "what to do"], &rows)
}

fn word(state: CheckState) -> &'static str {
    match state {
        CheckState::Ok => "ok",
        CheckState::Warning => "warning",
        CheckState::Failed => "failed",
    }
}
