//! Ignore files: lines that make no sense are told, and no name is one too many.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_share::fuzzing::bad_ignore_lines;

fuzz_target!(|input: (&str, &str)| {
    let (text, name) = input;
    let lines = text.split('\n').count();
    let bad = bad_ignore_lines(text, name);
    assert!(bad.iter().all(|number| (1..=lines).contains(number)), "{bad:?}");
    // A line by itself means what it means among others that say nothing.
    let commented = format!("# first\n\n{text}");
    assert_eq!(bad_ignore_lines(&commented, name).len(), bad.len());
});
