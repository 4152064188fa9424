//! Reading a file of the node or of its peers, past the share: nothing is stored.
//!
//! Content whose digest is known comes in checked pieces, from one holder after the other. A file of peers that give no
//! digests comes by `query`, as for any of their clients.

use node_api::{
    error::ErrorCode,
    search::{SearchNews, SearchReach},
};
use node_wire::{Digest, query};

use crate::{
    connection::Connection,
    download::{self, CheckedContent, ContentTarget, QueryTarget, Sink, TreePass},
    error::CtlError,
};
/// Most holders that are tried one after the other without a new piece.
const HOLDERS_MAX: u32 = 3;

/// Most hits of a name that are looked at for its digest.
const HITS_MAX: u32 = 100;

/// Looks for a file of exactly this name whose digest is known.
pub(crate) async fn digest_of(node: &Connection, name: &str) -> Result<Option<String>, CtlError> {
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

/// Gives the pieces of content from piece `first` on to `sink`, each of them checked, until it is full.
pub(crate) async fn content(
    node: &Connection,
    digest: &str,
    first: u64,
    sink: &mut impl Sink,
) -> Result<(), CtlError> {
    let odd = |error| CtlError::failed(format!("the node says that {digest} is meant: {error}"));
    let content: Digest = digest.parse().map_err(odd)?;
    let (mut next, mut tried) = (first, 0);
    loop {
        let before = next;
        // Ends if nobody has it. A holder that has it no more is one of those below.
        let holder = node.resolve(&format!("blake3:{content}"), true).await?;
        let from = (content, holder.through.as_deref());
        let given = pieces(node, from, &mut next, sink).await;
        if next > before {
            tried = 0;
        }
        tried += 1;
        match given {
            Err(error) if is_of_holder(&error) && tried < HOLDERS_MAX => {}
            given => return given,
        }
    }
}

/// Gives the pieces of content from `next` on, as its holder has them: a peer, or else this node.
async fn pieces(
    node: &Connection,
    (digest, through): (Digest, Option<&str>),
    next: &mut u64,
    sink: &mut impl Sink,
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
    while !sink.is_full() {
        let Some(piece) = content.next().await? else {
            break;
        };
        *next = content.position();
        sink.write(&piece).await?;
    }
    Ok(())
}

/// Gives the bytes of a file without a digest to `sink`, from its begin on, until it is full.
pub(crate) async fn named(node: &Connection, name: &str, sink: impl Sink) -> Result<(), CtlError> {
    let url = download::peer_port(&node.status().await?);
    let pass = node.pass(name).await?;
    let wanted = QueryTarget {
        url: &url,
        name,
        pass: pass.as_deref(),
    };
    download::query(wanted, sink, |_| ()).await.map(drop)
}

/// Returns whether another holder may give what this one did not.
fn is_of_holder(error: &CtlError) -> bool {
    matches!(
        error.code(),
        ErrorCode::Network | ErrorCode::Mismatch | ErrorCode::NotFound
    )
}
