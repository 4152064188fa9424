//! Answers to `query`: any cut gives the same, and nothing grows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::{AnswerError, QueryAnswerReader, QueryOutcome};

fn read(bytes: &[u8], piece: usize) -> Result<(QueryOutcome, Vec<u8>), AnswerError> {
    let mut reader = QueryAnswerReader::new();
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece, &mut out)?;
    }
    assert!(out.len() <= bytes.len() * node_wire::encoding::GROWTH_MAX);
    Ok((reader.finish()?, out))
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_last() else {
        return;
    };
    let whole = read(bytes, usize::MAX);
    assert_eq!(read(bytes, usize::from(*piece).max(1)), whole);
    assert_eq!(read(bytes, 1), whole);
});
