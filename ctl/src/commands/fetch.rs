//! `ctl fetch`: brings files into the share, or to a place of this machine.
//!
//! The node says what each NAME means, see `fetch.resolve`; here it is only done.

mod place;
mod report;

use std::path::Path;

use node_api::fetch::{FetchBatch, FetchPlan, FetchStatus};

use super::Context;
use crate::{
    cli::FetchArgs,
    completeness::away,
    connection::{Connection, content},
    download::{Target, is_standard_output},
    error::CtlError,
    output::{bytes, escaped, plural},
};

/// One thing to bring.
enum Item {
    /// A file, or content by `blake3:` and its digest.
    File(String),
    /// All that match a query, which was typed so.
    Matching { typed: String, query: String },
}

/// Runs the command.
pub(crate) async fn run(args: FetchArgs, context: &Context) -> Result<(), CtlError> {
    for name in &args.names {
        content(name)?;
    }
    if let Some(to) = &args.to {
        return place::run(&args, to, context).await;
    }
    let node = context.connect()?;
    let mut items = Vec::new();
    for typed in &args.names {
        let plan = context.patience.bound(node.resolve(typed, false)).await?;
        items.extend(items_of(typed, plan));
    }
    let several = items.len() > 1;
    let mut failures = Failures::default();
    for item in &items {
        let fetched = match item {
            Item::File(name) if args.detach => detach(&node, name, &args, context).await,
            Item::File(name) => into_share(&node, name, &args, context).await,
            Item::Matching { query, .. } if args.detach => {
                detach_matching(&node, query, &args, context).await
            }
            Item::Matching { typed, query } => matching(&node, typed, query, &args, context).await,
        };
        failures.note(fetched, several, context)?;
    }
    failures.end(items.len())
}

/// Returns the kind of a line of JSON about a fetch.
fn kind(is_over: bool) -> &'static str {
    if is_over { "end" } else { "progress" }
}

fn items_of(typed: &str, plan: FetchPlan) -> Vec<Item> {
    if let Some(digest) = plan.digest {
        return vec![Item::File(format!("blake3:{digest}"))];
    }
    match plan.query {
        Some(query) => vec![Item::Matching {
            typed: typed.to_owned(),
            query,
        }],
        None => plan.names.into_iter().map(Item::File).collect(),
    }
}

/// The errors of several fetches.
#[derive(Default)]
struct Failures(Vec<CtlError>);

impl Failures {
    /// Notes a failure and says it if others go on; an error that ends everything comes back.
    fn note(
        &mut self,
        done: Result<(), CtlError>,
        several: bool,
        context: &Context,
    ) -> Result<(), CtlError> {
        match done {
            Err(error) if error.is_stop() => return Err(error),
            Err(error) => {
                if several {
                    context.output.error(&error);
                }
                self.0.push(error);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Returns the end of all: an error alone as it is, several with the code that they share.
    fn end(mut self, of: usize) -> Result<(), CtlError> {
        if of <= 1 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let code = first.code();
        let is_shared = self.0.iter().all(|error| error.code() == code);
        let text = format!("not fetched: {} of {of}", self.0.len());
        Err(CtlError::of_several(is_shared.then_some(code), text))
    }
}

async fn into_share(
    node: &Connection,
    name: &str,
    args: &FetchArgs,
    context: &Context,
) -> Result<(), CtlError> {
    let output = context.output;
    let progress = output.progress(&format!("fetching {name}"));
    let mut last = None;
    let on_change = |status: &FetchStatus| {
        if last.replace(status.state) != Some(status.state) {
            report::note(output, name, status);
        }
        report::show(&progress, status);
        if output.is_json() {
            output.record(kind(status.state.is_over()), status)
        } else {
            Ok(())
        }
    };
    let fetched = node
        .fetch(name, None, args.existing(), &context.patience, on_change)
        .await;
    drop(progress);
    let status = fetched?;
    if output.is_json() {
        return Ok(());
    }
    if context.at_prompt {
        output.note(&report::done(&status));
        return Ok(());
    }
    output.line(&report::done(&status))
}

/// Starts a fetch and says under which number it goes on.
async fn detach(
    node: &Connection,
    name: &str,
    args: &FetchArgs,
    context: &Context,
) -> Result<(), CtlError> {
    let start = node.start_fetch(name, None, args.existing());
    let status = context.patience.bound(start).await?;
    if context.output.is_json() {
        return context.output.record(kind(status.state.is_over()), &status);
    }
    let (id, name) = (status.id, escaped(&status.name));
    context.output.line(&format!(
        "fetch {id} of {name} goes on; see `ctl transfers`"
    ))
}

async fn detach_matching(
    node: &Connection,
    query: &str,
    args: &FetchArgs,
    context: &Context,
) -> Result<(), CtlError> {
    let start = node.start_matching(query, args.existing());
    let batch = context.patience.bound(start).await?;
    if context.output.is_json() {
        return context.output.record(kind(batch.over), &batch);
    }
    let (id, query) = (batch.id, escaped(&batch.query));
    context.output.line(&format!(
        "fetch {id} of {query} goes on; see `ctl transfers`"
    ))
}

/// Fetches all files that match.
async fn matching(
    node: &Connection,
    typed: &str,
    query: &str,
    args: &FetchArgs,
    context: &Context,
) -> Result<(), CtlError> {
    let output = context.output;
    let progress = output.progress(&format!("fetching {typed}"));
    let on_change = |batch: &FetchBatch| {
        progress.say(format!(
            "{} of {}",
            batch.done,
            plural(batch.found, "file", "files")
        ));
        progress.bytes_of(batch.bytes, batch.size);
        if output.is_json() {
            output.record(kind(batch.over), batch)
        } else {
            Ok(())
        }
    };
    let fetched = node
        .fetch_matching(query, args.existing(), &context.patience, on_change)
        .await;
    drop(progress);
    let batch = fetched?;
    if batch.found == 0 {
        let (typed, asked) = (escaped(typed), batch.asked);
        let away = match batch.unreachable {
            0 => String::new(),
            unreachable => format!("; {}", away(unreachable)),
        };
        return Err(CtlError::not_found(format!(
            "no peer has a file that matches {typed} (asked {asked}{away})"
        )));
    }
    if !output.is_json() {
        output.line(&summary(&batch))?;
    }
    let Some(first) = batch.failures.first() else {
        return Ok(());
    };
    let (name, reason) = (escaped(&first.name), escaped(&first.error.message));
    Err(CtlError::failed(format!(
        "{} of {} not fetched; {name}: {reason}",
        batch.failed,
        plural(batch.found, "file was", "files were")
    )))
}

fn summary(batch: &FetchBatch) -> String {
    let files = plural(batch.done, "file", "files");
    let mut text = format!("fetched {files} ({})", bytes(batch.bytes));
    if batch.existing > 0 {
        let existing = plural(batch.existing, "was", "were");
        text.push_str(&format!(", {existing} here already"));
    }
    if batch.truncated {
        text.push_str(", and there are more");
    }
    text
}

/// Makes sure, before anybody is asked, that a file may be written there.
fn check_target(to: &Path, args: &FetchArgs) -> Result<(), CtlError> {
    if is_standard_output(to) {
        return Ok(());
    }
    Target::check(to, args.existing())
}

#[cfg(test)]
mod tests {
    use node_api::error::ErrorCode;

    use super::*;

    #[test]
    fn several_failures_end_with_the_code_that_they_share() {
        let code = |errors: Vec<CtlError>| Failures(errors).end(3).map_err(|error| error.code());
        let missing = || CtlError::not_found("x");
        assert_eq!(code(vec![]), Ok(()));
        assert_eq!(code(vec![missing()]), Err(ErrorCode::NotFound));
        assert_eq!(code(vec![missing(), missing()]), Err(ErrorCode::NotFound));
        assert_eq!(
            code(vec![missing(), CtlError::usage("y")]),
            Err(ErrorCode::Failed)
        );
        let alone = Failures(vec![missing()]).end(1).unwrap_err();
        assert_eq!(alone.to_string(), "x");
    }
}
