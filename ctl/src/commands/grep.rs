//! `ctl grep`: finds lines, here and at the peers.

mod lines;

use node_api::search::{Hit, SearchAnswer, SearchNews, SearchReach};
use serde_json::json;

use self::lines::Lines;
use super::Context;
use crate::{
    cli::GrepArgs,
    completeness::{self, Trace},
    connection::Connection,
    error::CtlError,
    output::Output,
};

/// Most lines that are shown if nobody says otherwise.
const LIMIT: u32 = 10_000;

/// Runs the command.
pub(crate) async fn run(args: GrepArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let shown = show_as_they_come(&args, &node, output);
    let (found, answer) = context.patience.bound(shown).await?;
    if output.is_json() {
        output.json(&summary(&answer))?;
    } else {
        completeness::tell(output, &answer, Trace::wanted(args.trace));
    }
    if found == 0 {
        return Err(CtlError::not_found(format!(
            "no line here or at the peers matches {}",
            args.pattern
        )));
    }
    Ok(())
}

async fn show_as_they_come(
    args: &GrepArgs,
    node: &Connection,
    output: Output,
) -> Result<(usize, SearchAnswer), CtlError> {
    let limit = args.limit.unwrap_or(LIMIT);
    let mut stream = node
        .search_stream(&query(args), Some(limit), SearchReach::Normal)
        .await?;
    let (mut lines, mut found) = (Lines::new(args.context), 0);
    loop {
        match stream.next().await? {
            SearchNews::Hits(hits) => {
                found += hits.len();
                hits.iter()
                    .try_for_each(|hit| show(output, &mut lines, hit))?;
            }
            SearchNews::Done(answer) => {
                print(output, &lines.end())?;
                return Ok((found, answer));
            }
            SearchNews::Failed(error) => return Err(error.into()),
        }
    }
}

fn show(output: Output, lines: &mut Lines, hit: &Hit) -> Result<(), CtlError> {
    if output.is_json() {
        output.json(hit)
    } else {
        print(output, &lines.hit(hit))
    }
}

fn print(output: Output, lines: &[String]) -> Result<(), CtlError> {
    lines.iter().try_for_each(|line| output.line(line))
}

/// The query that says the same.
fn query(args: &GrepArgs) -> String {
    let mut pattern = if args.fixed_strings {
        literally(&args.pattern)
    } else {
        args.pattern.clone()
    };
    if args.word_regexp {
        pattern = format!(r"\b(?:{pattern})\b");
    }
    if args.ignore_case {
        pattern = format!("(?i){pattern}");
    }
    let quoted = pattern.replace('\\', "\\\\").replace('"', "\\\"");
    let mut query = format!("grep:\"{quoted}\"");
    if args.context > 0 {
        query += &format!(" context:{}", args.context);
    }
    for filter in &args.filters {
        query += " ";
        query += filter;
    }
    query
}

/// A regular expression for exactly this text.
fn literally(text: &str) -> String {
    let special = |c: &char| r"\.+*?()|[]{}^$#&-~".contains(*c);
    let escape = |c: char| special(&c).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escape).collect()
}

/// The last line of JSON: how complete the others are.
fn summary(answer: &SearchAnswer) -> serde_json::Value {
    json!({
        "end": answer.end,
        "asked": answer.asked,
        "answered": answer.answered,
        "timed_out": answer.timed_out,
        "passed_over": answer.passed_over,
        "trace": answer.trace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(pattern: &str) -> GrepArgs {
        GrepArgs {
            pattern: pattern.to_owned(),
            filters: Vec::new(),
            ignore_case: false,
            fixed_strings: false,
            word_regexp: false,
            context: 0,
            limit: None,
            trace: false,
        }
    }

    #[test]
    fn a_pattern_is_one_quoted_part_of_the_query() {
        assert_eq!(query(&args(r#"a "b\""#)), r#"grep:"a \"b\\\"""#);
        let all = GrepArgs {
            filters: vec!["ext:rs".to_owned(), "size:<1M".to_owned()],
            ignore_case: true,
            fixed_strings: true,
            word_regexp: true,
            context: 2,
            ..args("a.b")
        };
        assert_eq!(
            query(&all),
            r#"grep:"(?i)\\b(?:a\\.b)\\b" context:2 ext:rs size:<1M"#
        );
    }
}
