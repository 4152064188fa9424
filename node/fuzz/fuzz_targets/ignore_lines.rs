//! Lines of ignore files: any text is read, each bad line is told with its number, and a line means the same among others.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../share/src/ignoring/lines.rs"]
mod lines;

fuzz_target!(|input: &str| {
    // The first line is a name, the others are the file.
    let (name, text) = input.split_once('\n').unwrap_or(("a/b.txt", input));
    let (rules, bad) = lines::parse(text);
    let count = text.split('\n').count();
    for line in &bad {
        assert!((1..=count).contains(&line.number), "{line:?}");
        assert!(!line.error.is_empty());
    }
    for is_directory in [false, true] {
        let _ = rules.matched(name, is_directory);
    }
    let commented = format!("# first\n\n{text}");
    let (_, others) = lines::parse(&commented);
    // A mark of the order of bytes counts at the beginning only.
    if !text.starts_with('\u{feff}') {
        assert_eq!(others.len(), bad.len());
    }
});
