//! Many small files on their way from a peer, in one answer.
//!
//! Files come in the order in which they were asked for. Whether their bytes are right, the caller finds out.
//!
//! # Invariants
//! - No more bytes are taken than the files have, as the caller knows their sizes.
//! - No file is handed on before its bytes passed the download rate.

use std::time::Instant;

use bytes::{Buf, Bytes};
use node_wire::{
    Digest,
    bundle::{BundleError, BundlePart, BundleReader, write_digests},
};

use super::{
    calls::{CallError, Client},
    content::{ContentBody, Intake},
    destination::Destination,
    transport::Purpose,
};

/// A file of a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BundleFile {
    /// The peer does not give it.
    Absent,
    /// All its bytes.
    Whole(Bytes),
}

/// A bundle as it arrives.
pub struct BundleBody {
    body: ContentBody,
    reader: BundleReader,
    intake: Intake,
    /// Bytes that arrived and were not read.
    chunk: Bytes,
    /// Bytes of the file that is arriving.
    file: Vec<u8>,
}

impl Client {
    /// Asks `peer` for small files by their digests, with their sizes. The head of the answer comes until
    /// `deadline`, the files at their own pace.
    ///
    /// # Errors
    /// Errors if it does not answer.
    pub async fn bundle(
        &self,
        peer: &Destination,
        files: &[(Digest, u64)],
        deadline: Instant,
    ) -> Result<BundleBody, CallError> {
        self.counters.bundles_asked.one();
        let digests: Vec<Digest> = files.iter().map(|(digest, _)| *digest).collect();
        let purpose = Purpose::Bundle(write_digests(&digests).into());
        let response = self.ask(peer, purpose, deadline).await?;
        Ok(BundleBody {
            body: ContentBody::of(response),
            reader: BundleReader::new(files.iter().map(|(_, size)| *size).collect()),
            intake: Intake::new(self, peer),
            chunk: Bytes::new(),
            file: Vec::new(),
        })
    }
}

impl BundleBody {
    /// Returns the next file; `None` after the last one. If this is dropped while it waits, the bundle is of no
    /// more use.
    ///
    /// # Errors
    /// Errors if the peer breaks off, falls silent, crawls, or sends no bundle of these files.
    pub async fn next(&mut self) -> Result<Option<BundleFile>, CallError> {
        loop {
            if let Some(file) = self.read()? {
                if let BundleFile::Whole(bytes) = &file {
                    self.intake.pass(bytes.len()).await;
                }
                return Ok(Some(file));
            }
            match self.body.next().await? {
                Some(chunk) => self.chunk = chunk,
                None if self.reader.is_whole() => return Ok(None),
                None => return Err(CallError::Short),
            }
        }
    }

    /// Reads the bytes that arrived, up to the end of a file.
    fn read(&mut self) -> Result<Option<BundleFile>, BundleError> {
        loop {
            let mut rest = &self.chunk[..];
            let part = self.reader.next(&mut rest)?;
            let file = match part {
                Some(BundlePart::Absent) => Some(BundleFile::Absent),
                Some(BundlePart::Content { bytes, is_last }) => {
                    self.file.extend_from_slice(bytes);
                    is_last.then(|| BundleFile::Whole(std::mem::take(&mut self.file).into()))
                }
                None => {
                    self.chunk.clear();
                    return Ok(None);
                }
            };
            let read = self.chunk.len() - rest.len();
            self.chunk.advance(read);
            if file.is_some() {
                return Ok(file);
            }
        }
    }
}

impl std::fmt::Debug for BundleBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleBody")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::FutureExt;
    use node_base::{clock::now, counters::Counters};
    use node_wire::{
        bundle::{write_file, write_mark},
        peer_url::PeerUrl,
    };

    use super::*;
    use crate::{MemoryTransport, TransportError};

    const DIGEST: Digest = Digest::from_bytes([1; 32]);

    /// Asks a peer that answers with these chunks for files of these sizes.
    async fn asked(chunks: Vec<Bytes>, sizes: &[u64]) -> (BundleBody, Arc<Counters>) {
        let (transport, counters) = (MemoryTransport::default(), Arc::new(Counters::default()));
        let peer = PeerUrl::parse("http://127.0.0.1:1/").unwrap();
        transport.add(&peer, move |_| {
            let chunks = chunks.clone();
            async move { Ok::<_, TransportError>(chunks) }.boxed()
        });
        let client = Client::new(Arc::new(transport), Arc::clone(&counters));
        let files: Vec<(Digest, u64)> = sizes.iter().map(|size| (DIGEST, *size)).collect();
        let peer = Destination::of_owner(peer);
        let body = client
            .bundle(&peer, &files, now() + Duration::from_secs(1))
            .await;
        (body.unwrap(), counters)
    }

    fn written(files: &[Option<&[u8]>]) -> Vec<u8> {
        let mut out = Vec::new();
        write_mark(&mut out);
        files.iter().for_each(|file| write_file(*file, &mut out));
        out
    }

    #[tokio::test]
    async fn files_of_a_bundle_come_in_their_order_and_are_counted() {
        let out = written(&[Some(b"one"), None, Some(b""), Some(b"four")]);
        for at in [1, 3, 1_000] {
            let chunks = out.chunks(at).map(Bytes::copy_from_slice).collect();
            let (mut body, counters) = asked(chunks, &[3, 9, 0, 4]).await;
            let mut files = Vec::new();
            while let Some(file) = body.next().await.unwrap() {
                files.push(file);
            }
            let whole = |bytes: &'static [u8]| BundleFile::Whole(Bytes::from_static(bytes));
            let right = [
                whole(b"one"),
                BundleFile::Absent,
                whole(b""),
                whole(b"four"),
            ];
            assert_eq!(files, right, "{at}");
            assert_eq!(counters.bytes_received.get(), 7, "{at}");
        }
    }

    #[tokio::test]
    async fn a_bundle_that_breaks_off_keeps_its_whole_files() {
        let mut out = written(&[Some(b"one"), Some(b"two")]);
        out.pop();
        let (mut body, _) = asked(vec![out.into()], &[3, 3]).await;
        let first = body.next().await.unwrap();
        assert_eq!(first, Some(BundleFile::Whole(Bytes::from_static(b"one"))));
        assert!(matches!(body.next().await, Err(CallError::Short)));
    }

    #[tokio::test]
    async fn an_answer_of_another_kind_is_an_error() {
        let fault = Bytes::from_static(b"<?xml version=\"1.0\"?>");
        let (mut body, _) = asked(vec![fault], &[3]).await;
        assert!(matches!(
            body.next().await,
            Err(CallError::Bundle(BundleError::Mark))
        ));
    }
}
