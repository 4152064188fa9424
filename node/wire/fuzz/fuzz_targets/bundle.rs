//! Many small files in one answer, and the digests that ask for them: any cut of the bytes gives the same files, none is
//! longer than it was said to be, and what was written reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::bundle::{
    BundleError, BundlePart, BundleReader, read_digests, write_digests, write_file, write_mark,
};

/// The files of a bundle; `None` is one that is not given.
type Files = Vec<Option<Vec<u8>>>;

fn read(bytes: &[u8], sizes: &[u64], piece: usize) -> Result<(Files, bool), BundleError> {
    let mut reader = BundleReader::new(sizes.to_vec());
    let (mut files, mut current) = (Files::new(), Vec::new());
    for mut chunk in bytes.chunks(piece) {
        while let Some(part) = reader.next(&mut chunk)? {
            match part {
                BundlePart::Absent => files.push(None),
                BundlePart::Content { bytes, is_last } => {
                    current.extend_from_slice(bytes);
                    assert!(current.len() as u64 <= sizes[files.len()]);
                    if is_last {
                        files.push(Some(std::mem::take(&mut current)));
                    }
                }
            }
        }
        assert!(chunk.is_empty(), "what is not taken would be lost");
    }
    Ok((files, reader.is_whole()))
}

fuzz_target!(|input: &[u8]| {
    if let Some(digests) = read_digests(input) {
        assert_eq!(write_digests(&digests), input);
    }
    let Some((piece, input)) = input.split_first() else {
        return;
    };
    let count = usize::from(piece % 8);
    if input.len() < count {
        return;
    }
    let (sizes, bytes) = input.split_at(count);
    let sizes: Vec<u64> = sizes.iter().map(|size| u64::from(*size)).collect();
    let whole = read(bytes, &sizes, usize::MAX);
    assert_eq!(read(bytes, &sizes, usize::from(*piece).max(1)), whole);
    assert_eq!(read(bytes, &sizes, 1), whole);
    if let Ok((files, true)) = whole {
        let mut written = Vec::new();
        write_mark(&mut written);
        files
            .iter()
            .for_each(|file| write_file(file.as_deref(), &mut written));
        assert_eq!(written, bytes);
    }
});
