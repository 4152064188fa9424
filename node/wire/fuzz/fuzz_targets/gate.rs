//! The gate: never panics; what passes holds none of what it promises to keep out, is a small multiple as long, and passes again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::gate;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = gate::check(bytes) else { return };
    assert!(text.len() <= bytes.len() * gate::GROWTH_MAX);
    assert!(!text.contains("<!") && !text.contains("<?"));
    assert!(text.chars().all(node_wire::characters::is_xml));
    assert_eq!(gate::check(text.as_bytes()), Ok(text));
});
