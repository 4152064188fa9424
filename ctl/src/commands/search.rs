//! `ctl search`: finds files.

use std::collections::HashMap;

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
            "nothing here or at the peers matches {}",
            args.query
        )));
    }
    Ok(())
}

fn show_hits(output: Output, hits: &[Hit]) -> Result<(), CtlError> {
    if hits.is_empty() {
        return Ok(());
    }
    let row = |found: &Found<'_>| {
        let hit = found.hit;
        let node = match found.others {
            0 => hit.node.clone(),
            others => format!("{} and {others} more", hit.node),
        };
        vec![hit.name.clone(), output.size(hit.size), node]
    };
    let rows: Vec<_> = grouped(hits).iter().map(row).collect();
    output.table(&["name", "size", "node"], &rows)
}

/// A file, and how many nodes have it beside the first.
struct Found<'a> {
    hit: &'a Hit,
    others: usize,
}

/// The hits with those of one name and content together, where the first is.
fn grouped(hits: &[Hit]) -> Vec<Found<'_>> {
    let (mut found, mut places) = (Vec::<Found<'_>>::new(), HashMap::new());
    for hit in hits {
        let same = hit.digest.as_ref().map(|digest| (&hit.name, digest));
        if let Some(place) = same.and_then(|same| places.get(&same)) {
            let earlier: &mut Found<'_> = &mut found[*place];
            earlier.others += 1;
            continue;
        }
        if let Some(same) = same {
            places.insert(same, found.len());
        }
        found.push(Found { hit, others: 0 });
    }
    found
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
        SearchEnd::Partial => {
            format!(
                "{counts}; not everything could be looked at, or not yet: files are still being read"
            )
        }
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
    fn the_same_file_at_several_nodes_is_one_line() {
        let hit = |name: &str, digest: Option<&str>, node: &str| Hit {
            name: name.to_owned(),
            size: 1,
            modified: None,
            digest: digest.map(str::to_owned),
            node: node.to_owned(),
            handler: "name".to_owned(),
        };
        let hits = [
            hit("a", Some("1"), "x"),
            hit("b", None, "x"),
            hit("a", Some("2"), "y"),
            hit("a", Some("1"), "z"),
            hit("b", None, "y"),
        ];
        let lines: Vec<_> = grouped(&hits)
            .iter()
            .map(|found| (found.hit.node.as_str(), found.others))
            .collect();
        assert_eq!(lines, [("x", 1), ("x", 0), ("y", 0), ("y", 0)]);
    }

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
