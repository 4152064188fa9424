//! The gate: never panics; what passes is the text itself, but for a mark of byte order, and holds none of what it promises to keep out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::gate;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = gate::check(bytes) else { return };
    let marked = "\u{feff}".as_bytes();
    assert_eq!(text.as_bytes(), bytes.strip_prefix(marked).unwrap_or(bytes));
    assert!(!text.contains("<!"));
    assert!(text.matches("<?").count() <= 1);
    assert!(text.chars().all(node_wire::characters::is_xml));
});
