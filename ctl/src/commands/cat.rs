//! `ctl cat`: prints files of the node or of its peers.
//!
//! The bytes come by `reading`; this turns them into lines.

mod lines;

use node_api::fetch::FetchPlan;
use node_wire::About;

pub(crate) use self::lines::LineRange;
use self::lines::{Printed, Printer};
use super::Context;
use crate::{
    cli::CatArgs, connection::Connection, download::Sink, error::CtlError, output::escaped, reading,
};

/// Runs the command.
pub(crate) async fn run(args: CatArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    for typed in &args.names {
        context.while_read(cat(&node, typed, context)).await?;
    }
    Ok(())
}

/// Prints what was typed: a name with lines or without.
async fn cat(node: &Connection, typed: &str, context: &Context) -> Result<(), CtlError> {
    let Some((name, lines)) = LineRange::split(typed)? else {
        return print(node, typed, LineRange::ALL, context).await;
    };
    // A file of the node whose name ends like that is meant before lines of another one.
    if node.has_file(typed).await? {
        return print(node, typed, LineRange::ALL, context).await;
    }
    print(node, name, lines, context).await
}

/// Prints lines of all files that a typed name means.
async fn print(
    node: &Connection,
    typed: &str,
    lines: LineRange,
    context: &Context,
) -> Result<(), CtlError> {
    let FetchPlan {
        names,
        truncated,
        digest,
        query,
        ..
    } = node.resolve(typed, true).await?;
    if let Some(digest) = digest {
        return print_content(node, typed, &digest, lines, context).await;
    }
    if names.is_empty() {
        return Err(CtlError::not_found(format!(
            "nothing here or at the peers matches {}",
            escaped(&query.unwrap_or_else(|| typed.to_owned()))
        )));
    }
    for name in &names {
        match reading::digest_of(node, name).await? {
            Some(digest) => print_content(node, name, &digest, lines, context).await?,
            None => print_query(node, name, lines, context).await?,
        }
    }
    if truncated {
        let count = names.len();
        let note = format!("more than {count} files match; the rest is left out");
        context.output.note(&note);
    }
    Ok(())
}

async fn print_content(
    node: &Connection,
    name: &str,
    digest: &str,
    lines: LineRange,
    context: &Context,
) -> Result<(), CtlError> {
    let of = Printed {
        name,
        digest: Some(digest),
        output: context.output,
    };
    let mut printer = Printer::new(of, lines);
    reading::content(node, digest, 0, &mut Printing(&mut printer)).await?;
    printer.end()
}

async fn print_query(
    node: &Connection,
    name: &str,
    lines: LineRange,
    context: &Context,
) -> Result<(), CtlError> {
    let of = Printed {
        name,
        digest: None,
        output: context.output,
    };
    let mut printer = Printer::new(of, lines);
    reading::named(node, name, Printing(&mut printer)).await?;
    printer.end()
}

/// A printer as the taker of a download.
struct Printing<'a, 'b>(&'a mut Printer<'b>);

impl Sink for Printing<'_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), CtlError> {
        self.0.push(bytes).await
    }

    fn describe(&mut self, _: About) -> Result<(), CtlError> {
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.0.is_over()
    }
}
