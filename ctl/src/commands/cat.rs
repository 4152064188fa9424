//! `ctl cat`: prints files of the node or of its peers.
//!
//! Content whose digest is known is printed by checked pieces, from one holder after the other. A file of peers that
//! give no digests comes by `query`, as for any of their clients.

mod lines;

use node_api::{
    fetch::FetchPlan,
    search::{SearchNews, SearchReach},
};
use node_wire::{About, Digest, query};

use self::lines::{LineRange, Printed, Printer, is_of_holder};
use super::Context;
use crate::{
    cli::CatArgs,
    connection::Connection,
    download::{self, CheckedContent, ContentTarget, QueryTarget, Sink, TreePass},
    error::CtlError,
    output::escaped,
};

/// Most holders that are tried one after the other without a new piece.
const HOLDERS_MAX: u32 = 3;

/// Most hits of a name that are looked at for its digest.
const HITS_MAX: u32 = 100;

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
        match digest_of(node, name).await? {
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

/// Looks for a file of exactly this name whose digest is known.
async fn digest_of(node: &Connection, name: &str) -> Result<Option<String>, CtlError> {
    let exact = format!("{}:{}", query::DEFAULT_HANDLER, query::quoted(name));
    let mut search = node
        .search_stream(&exact, Some(HITS_MAX), SearchReach::Sure)
        .await?;
    while let SearchNews::Hits(hits) = search.next().await? {
        let mut named = hits.into_iter().filter(|hit| hit.name == name);
        if let Some(digest) = named.find_map(|hit| hit.digest) {
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

async fn print_content(
    node: &Connection,
    name: &str,
    digest: &str,
    lines: LineRange,
    context: &Context,
) -> Result<(), CtlError> {
    let odd = |error| CtlError::failed(format!("the node says that {digest} is meant: {error}"));
    let content: Digest = digest.parse().map_err(odd)?;
    let mut printer = Printer::new(
        Printed {
            name,
            digest: Some(digest),
            output: context.output,
        },
        lines,
    );
    let (mut next, mut tried) = (0, 0);
    loop {
        let before = next;
        // Ends if nobody has it. A holder that has it no more is one of those below.
        let holder = node.resolve(&format!("blake3:{content}"), true).await?;
        let from = (content, holder.through.as_deref());
        let printed = print_pieces(node, from, &mut next, &mut printer).await;
        if next > before {
            tried = 0;
        }
        tried += 1;
        match printed {
            Err(error) if is_of_holder(&error) && tried < HOLDERS_MAX => {}
            Err(error) => return Err(error),
            Ok(()) => return printer.end(),
        }
    }
}

/// Prints the pieces of content from `next` on, as its holder gives them: a peer, or else this node.
async fn print_pieces(
    node: &Connection,
    (digest, through): (Digest, Option<&str>),
    next: &mut u64,
    printer: &mut Printer<'_>,
) -> Result<(), CtlError> {
    let name = format!("blake3:{digest}");
    let url = download::peer_port(&node.status().await?);
    let pass = node.pass(&name).await?;
    let tree_pass = TreePass(node.pass_of_tree(&digest).await?);
    let wanted = ContentTarget {
        url: &url,
        digest,
        through,
        pass: pass.as_deref(),
    };
    let mut content = CheckedContent::open(wanted, &tree_pass, *next).await?;
    while !printer.is_over() {
        let Some(piece) = content.next().await? else {
            break;
        };
        *next = content.position();
        printer.push(&piece).await?;
    }
    Ok(())
}

async fn print_query(
    node: &Connection,
    name: &str,
    lines: LineRange,
    context: &Context,
) -> Result<(), CtlError> {
    let url = download::peer_port(&node.status().await?);
    let pass = node.pass(name).await?;
    let wanted = QueryTarget {
        url: &url,
        name,
        pass: pass.as_deref(),
    };
    let of = Printed {
        name,
        digest: None,
        output: context.output,
    };
    let mut printer = Printer::new(of, lines);
    download::query(wanted, Printing(&mut printer), |_| ()).await?;
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
