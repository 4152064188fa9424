//! `ctl search`: finds files.

use node_api::search::{Hit, SearchAnswer, SearchEnd};
use serde_json::json;

use super::Context;
use crate::{cli::SearchArgs, error::CtlError, output::Output};

/// Runs the command.
pub(crate) async fn run(args: SearchArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let search = node.search(&args.query, args.limit);
    let answer = context.patience.bound(search).await?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        show_hits(output, &answer.hits)?;
        if args.trace {
            trace(output, &answer);
        }
        output.note(&completeness(&answer));
    }
    if answer.hits.is_empty() {
        return Err(CtlError::not_found(format!(
            "nothing here matches {}",
            args.query
        )));
    }
    Ok(())
}

fn show_hits(output: Output, hits: &[Hit]) -> Result<(), CtlError> {
    if hits.is_empty() {
        return Ok(());
    }
    let row = |hit: &Hit| vec![hit.name.clone(), output.size(hit.size), hit.node.clone()];
    let rows: Vec<_> = hits.iter().map(row).collect();
    output.table(&["name", "size", "node"], &rows)
}

/// How far the answer can be trusted to be all there is.
fn completeness(answer: &SearchAnswer) -> String {
    let counts = format!(
        "asked {}, answered {}, timed out {}",
        answer.asked, answer.answered, answer.timed_out
    );
    match answer.end {
        SearchEnd::Complete => counts,
        SearchEnd::Limit => format!("{counts}; there may be more, see --limit"),
        SearchEnd::Deadline => format!("{counts}; stopped by the deadline"),
        SearchEnd::Failed => format!("{counts}; failed in part"),
    }
}

fn trace(output: Output, answer: &SearchAnswer) {
    for step in &answer.trace {
        let end = json!(step.end);
        output.note(&format!(
            "{} {}: {} hits in {} ms, {}",
            step.node,
            step.handler,
            step.hits,
            step.milliseconds,
            end.as_str().unwrap_or("-")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_complete_it_is() {
        let mut answer = SearchAnswer {
            hits: Vec::new(),
            end: SearchEnd::Complete,
            asked: 3,
            answered: 2,
            timed_out: 1,
            trace: Vec::new(),
        };
        assert_eq!(completeness(&answer), "asked 3, answered 2, timed out 1");
        answer.end = SearchEnd::Limit;
        assert!(completeness(&answer).ends_with("see --limit"));
    }
}
