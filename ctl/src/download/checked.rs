//! Content of which nothing is used before it was checked: its tree first, then piece by piece.
//!
//! # Invariants
//! - A piece comes out only if it fits the tree, and the tree only if it makes the digest.
//! - At most one piece and one tree are held in memory.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, StatusCode,
    body::Incoming,
    header::{HeaderValue, RANGE},
};
use node_wire::{
    network::{own_blob_path, own_tree_path},
    pieces::{CONTENT_MAX, PIECE_SIZE, PieceTree},
};

use super::{ContentTarget, PeerPort};
use crate::error::CtlError;

/// The pass for the tree of content, if the node is of a private network.
#[derive(Clone, Debug)]
pub(crate) struct TreePass(pub(crate) Option<String>);

/// The pieces of content, one after the other.
#[derive(Debug)]
pub(crate) struct CheckedContent {
    port: PeerPort,
    tree: PieceTree,
    body: Incoming,
    /// The piece that comes next.
    next: u64,
    /// Bytes of the body in front of that piece.
    skip: u64,
    /// Bytes that came and are not used yet.
    rest: Bytes,
}

impl CheckedContent {
    /// Asks the peer port for the tree of content and then for its bytes from piece `first` on.
    ///
    /// # Errors
    /// If the peer port gives neither, or the tree is that of other content.
    pub(crate) async fn open(
        wanted: ContentTarget<'_>,
        pass: &TreePass,
        first: u64,
    ) -> Result<CheckedContent, CtlError> {
        let port = PeerPort::parse(wanted.url)?;
        let tree = read_tree(&port, &wanted, pass).await?;
        let first = first.min(tree.count() - 1);
        let start = tree.range(first).start;
        let mut headers = port.headers_for(&wanted, wanted.pass)?;
        if start > 0 {
            let range = HeaderValue::from_str(&format!("bytes={start}-"));
            headers.insert(RANGE, range.expect("digits are ASCII"));
        }
        let path = own_blob_path(&wanted.digest);
        let response = port.send(Method::GET, &path, headers, Bytes::new()).await?;
        port.require_content(&response, &wanted.digest)?;
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        Ok(CheckedContent {
            port,
            tree,
            body: response.into_body(),
            next: first,
            skip: if is_part { 0 } else { start },
            rest: Bytes::new(),
        })
    }

    /// Returns the number of the piece that comes next.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// Returns the next piece, `None` behind the last one.
    ///
    /// # Errors
    /// If the content ends early, or is not that of the digest.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, CtlError> {
        if self.next >= self.tree.count() {
            return Ok(None);
        }
        self.skip_to_piece().await?;
        let range = self.tree.range(self.next);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut piece = Vec::with_capacity(length.min(PIECE_SIZE as usize));
        while piece.len() < length {
            let bytes = self.bytes(length - piece.len()).await?;
            piece.extend_from_slice(&bytes);
        }
        let mut check = self.tree.check(self.next);
        check.push(&piece);
        if !check.is_right() {
            return Err(CtlError::mismatch(format!(
                "what came is not blake3:{}; it is not shown",
                self.tree.digest()
            )));
        }
        self.next += 1;
        Ok(Some(piece))
    }

    async fn skip_to_piece(&mut self) -> Result<(), CtlError> {
        while self.skip > 0 {
            let most = usize::try_from(self.skip).unwrap_or(usize::MAX);
            self.skip -= self.bytes(most).await?.len() as u64;
        }
        Ok(())
    }

    /// Returns some of the bytes that come next, at most `most`.
    async fn bytes(&mut self, most: usize) -> Result<Bytes, CtlError> {
        while self.rest.is_empty() {
            let next = self.port.next(&mut self.body).await?;
            self.rest = next.ok_or_else(|| self.port.broken("the content ended early"))?;
        }
        Ok(self.rest.split_to(most.min(self.rest.len())))
    }
}

async fn read_tree(
    port: &PeerPort,
    wanted: &ContentTarget<'_>,
    pass: &TreePass,
) -> Result<PieceTree, CtlError> {
    let headers = port.headers_for(wanted, pass.0.as_deref())?;
    let path = own_tree_path(&wanted.digest);
    let response = port.send(Method::GET, &path, headers, Bytes::new()).await?;
    port.require_content(&response, &wanted.digest)?;
    let most = usize::try_from(PieceTree::bytes_len(CONTENT_MAX)).unwrap_or(usize::MAX);
    let body = http_body_util::Limited::new(response.into_body(), most).collect();
    let bytes = port.silence_over(body).await?;
    let bytes = bytes.map_err(|error| port.broken(&error.to_string()))?;
    PieceTree::from_bytes(wanted.digest, &bytes.to_bytes())
        .map_err(|error| CtlError::mismatch(format!("blake3:{}: {error}", wanted.digest)))
}
