//! Many small files in one answer: which are asked for, and how they come.
//!
//! The request is a list of digests, 32 bytes each. The answer is a mark and then an entry for each digest, in the
//! order of the request: four bytes, the lowest first, for the length, and the bytes. The length of content that is
//! not given is [`u32::MAX`].
//!
//! # Invariants
//! - The reader knows the sizes beforehand and takes no byte more.
//! - What is written is read back the same, however it is cut.

use crate::{digest::Digest, pieces::PIECE_SIZE};

/// Media type of a request for a bundle.
pub const DIGESTS_TYPE: &str = "application/x-sixhop-digests";

/// Media type of a bundle.
pub const BUNDLE_TYPE: &str = "application/x-sixhop-bundle";

/// Most files of one bundle.
pub const BUNDLE_FILES_MAX: usize = 512;

/// Longest file of a bundle, in bytes: one piece, which its digest checks.
pub const BUNDLE_FILE_MAX: u64 = PIECE_SIZE;

/// Most bytes of the files of one bundle (4 MiB). What would exceed them is not given.
pub const BUNDLE_BYTES_MAX: u64 = 4 << 20;

/// Longest request for a bundle, in bytes.
pub const BUNDLE_REQUEST_MAX: usize = BUNDLE_FILES_MAX * DIGEST_BYTES;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;

/// The first bytes of a bundle; no other answer begins with them.
const MARK: [u8; 16] = *b"sixhop-bundle 1\n";

/// The length of a file that is not given.
const ABSENT: u32 = u32::MAX;

/// The error of bytes that are not a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// They begin otherwise: the sender knows no bundles.
    #[error("it is no bundle of files")]
    Mark,
    /// A file has another length than its sender said before.
    #[error("a file of the bundle has another size than was said")]
    Size,
    /// There is more behind the last file.
    #[error("there is more in the bundle than was asked for")]
    Rest,
}

/// Writes a request for the content of these digests.
#[must_use]
pub fn write_digests(digests: &[Digest]) -> Vec<u8> {
    digests
        .iter()
        .flat_map(|digest| *digest.as_bytes())
        .collect()
}

/// Reads a request. `None` if it is not a list of at least one and at most [`BUNDLE_FILES_MAX`] digests.
#[must_use]
pub fn read_digests(request: &[u8]) -> Option<Vec<Digest>> {
    let (digests, rest) = request.as_chunks::<{ DIGEST_BYTES }>();
    let is_right = rest.is_empty() && (1..=BUNDLE_FILES_MAX).contains(&digests.len());
    is_right.then(|| digests.iter().copied().map(Digest::from_bytes).collect())
}

/// Writes the beginning of a bundle.
pub fn write_mark(out: &mut Vec<u8>) {
    out.extend_from_slice(&MARK);
}

/// Writes the entry of a file, or that it is not given.
pub fn write_file(file: Option<&[u8]>, out: &mut Vec<u8>) {
    let given = file.and_then(|bytes| Some((u32::try_from(bytes.len()).ok()?, bytes)));
    let (length, bytes) = given
        .filter(|(length, _)| *length != ABSENT)
        .unwrap_or((ABSENT, &[]));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads a bundle as it arrives.
#[derive(Debug)]
pub struct BundleReader {
    sizes: std::vec::IntoIter<u64>,
    state: Reading,
}

/// The part of the bundle that comes next.
#[derive(Debug)]
enum Reading {
    Mark { read: usize },
    Length { bytes: [u8; 4], read: usize },
    Content { left: u64 },
}

/// A part of a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundlePart<'c> {
    /// The next file is not given.
    Absent,
    /// Bytes of the next file.
    Content {
        /// The bytes; none if the file is empty.
        bytes: &'c [u8],
        /// True if the file ends with them.
        is_last: bool,
    },
}

impl BundleReader {
    /// Reads the files of these sizes, in this order.
    #[must_use]
    pub fn new(sizes: Vec<u64>) -> BundleReader {
        BundleReader {
            sizes: sizes.into_iter(),
            state: Reading::Mark { read: 0 },
        }
    }

    /// Returns the next part and takes it from the front of `chunk`; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`BundleError`] if it is not a bundle with these files.
    pub fn next<'c>(
        &mut self,
        chunk: &mut &'c [u8],
    ) -> Result<Option<BundlePart<'c>>, BundleError> {
        while let Some((first, rest)) = chunk.split_first() {
            match &mut self.state {
                Reading::Mark { read } => {
                    if MARK[*read] != *first {
                        return Err(BundleError::Mark);
                    }
                    *chunk = rest;
                    *read += 1;
                    if *read == MARK.len() {
                        self.state = Reading::length();
                    }
                }
                Reading::Length { bytes, read } => {
                    if self.sizes.as_slice().is_empty() {
                        return Err(BundleError::Rest);
                    }
                    *chunk = rest;
                    bytes[*read] = *first;
                    *read += 1;
                    if *read == bytes.len() {
                        let length = u32::from_le_bytes(*bytes);
                        if let Some(part) = self.begin(length)? {
                            return Ok(Some(part));
                        }
                    }
                }
                Reading::Content { left } => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (bytes, rest) = chunk.split_at(most.min(chunk.len()));
                    *chunk = rest;
                    *left -= bytes.len() as u64;
                    let is_last = *left == 0;
                    if is_last {
                        self.state = Reading::length();
                    }
                    return Ok(Some(BundlePart::Content { bytes, is_last }));
                }
            }
        }
        Ok(None)
    }

    /// Returns whether all files came.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.sizes.as_slice().is_empty() && matches!(self.state, Reading::Length { read: 0, .. })
    }

    /// Begins the next file. Returns its only part if it has no bytes.
    fn begin(&mut self, length: u32) -> Result<Option<BundlePart<'static>>, BundleError> {
        let size = self.sizes.next().ok_or(BundleError::Rest)?;
        self.state = Reading::length();
        match u64::from(length) {
            _ if length == ABSENT => Ok(Some(BundlePart::Absent)),
            length if length != size => Err(BundleError::Size),
            0 => Ok(Some(BundlePart::Content {
                bytes: &[],
                is_last: true,
            })),
            left => {
                self.state = Reading::Content { left };
                Ok(None)
            }
        }
    }
}

impl Reading {
    fn length() -> Reading {
        Reading::Length {
            bytes: [0; 4],
            read: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(
        reader: &mut BundleReader,
        chunks: &[&[u8]],
    ) -> Result<Vec<Option<Vec<u8>>>, BundleError> {
        let (mut files, mut file) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let mut chunk = *chunk;
            while let Some(part) = reader.next(&mut chunk)? {
                match part {
                    BundlePart::Absent => files.push(None),
                    BundlePart::Content { bytes, is_last } => {
                        file.extend_from_slice(bytes);
                        if is_last {
                            files.push(Some(std::mem::take(&mut file)));
                        }
                    }
                }
            }
        }
        Ok(files)
    }

    #[test]
    fn requests_of_no_and_too_many_digests_are_refused() {
        let digest = Digest::from_bytes([7; 32]);
        let many = vec![digest; BUNDLE_FILES_MAX];
        assert_eq!(read_digests(&write_digests(&many)), Some(many.clone()));
        let too_many = [many, vec![digest]].concat();
        assert_eq!(read_digests(&write_digests(&too_many)), None);
        assert_eq!(read_digests(b""), None);
        assert_eq!(read_digests(&[7; 33]), None);
    }

    #[test]
    fn answers_of_nodes_without_bundles_are_recognised() {
        let fault = b"<?xml version=\"1.0\"?><methodResponse>";
        let mut reader = BundleReader::new(vec![1]);
        assert_eq!(read(&mut reader, &[fault]), Err(BundleError::Mark));
    }

    #[test]
    fn a_file_of_another_size_is_an_error() {
        for (said, sent) in [(1, 2), (2, 1), (0, 1), (1, 0)] {
            let mut out = MARK.to_vec();
            write_file(Some(&vec![1; sent]), &mut out);
            let mut reader = BundleReader::new(vec![said]);
            assert_eq!(read(&mut reader, &[&out]), Err(BundleError::Size), "{said}");
        }
    }

    #[test]
    fn bytes_behind_the_last_file_are_an_error() {
        let mut out = MARK.to_vec();
        write_file(None, &mut out);
        out.push(0);
        let mut reader = BundleReader::new(vec![1]);
        assert_eq!(read(&mut reader, &[&out]), Err(BundleError::Rest));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_however_it_is_cut(
            files in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)), 1..20),
            at in 1..50_usize,
        ) {
            let mut out = Vec::new();
            write_mark(&mut out);
            for file in &files {
                write_file(file.as_deref(), &mut out);
            }
            let sizes = files.iter().map(|file| file.as_ref().map_or(9, Vec::len) as u64).collect();
            let mut reader = BundleReader::new(sizes);
            let chunks: Vec<&[u8]> = out.chunks(at).collect();
            prop_assert!(!reader.is_whole());
            prop_assert_eq!(read(&mut reader, &chunks).unwrap(), files);
            prop_assert!(reader.is_whole());
        }

        #[test]
        fn no_bytes_make_the_reader_give_more_than_was_asked_for(
            sizes in proptest::collection::vec(0..30_u64, 1..5),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let most: u64 = sizes.iter().sum();
            let count = sizes.len();
            let mut reader = BundleReader::new(sizes);
            let all = [&MARK[..], &bytes].concat();
            if let Ok(files) = read(&mut reader, &[&all]) {
                prop_assert!(files.len() <= count);
                let given: usize = files.iter().flatten().map(Vec::len).sum();
                prop_assert!(given as u64 <= most);
            }
        }
    }
}
