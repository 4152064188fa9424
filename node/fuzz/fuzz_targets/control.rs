//! Frames of a WebSocket at the control connection: what needs no change passes as it came, and nothing that a client
//! sends makes the node keep more than one message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::control::fuzzing::{MESSAGE_MAX, passed};

/// Longest head of a frame, in bytes.
const HEAD_MAX: usize = 14;

fuzz_target!(|bytes: &[u8]| {
    let unchanged = passed(bytes, false);
    assert!(bytes.starts_with(&unchanged), "it passes as it came");
    let kept = bytes.len() - unchanged.len();
    assert!(kept <= 3 * MESSAGE_MAX + HEAD_MAX, "{kept} bytes are kept");
    let changed = passed(bytes, true);
    assert!(changed.len() <= 2 * bytes.len() + HEAD_MAX * (bytes.len() / 2 + 1));
});
