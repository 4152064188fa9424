//! Scripts that mean harm: each ends soon, and the memory stays small.

use std::time::{Duration, Instant};

use plugin_script::{FAILURES_MAX, ScriptHandler};

use crate::world::{ask, source};

/// Most that all of them together may add to the memory of the process, in bytes.
const MEMORY: u64 = 64 << 20;

/// Longest time of each.
const SOON: Duration = Duration::from_secs(1);

/// Each line a whole script, after its header. `tests/benches/hostile.py` runs them in a node.
const SCRIPTS: &str = include_str!("hostile.txt");

fn resident_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib << 10
}

#[test]
fn each_ends_within_a_second_and_memory_stays_small() {
    let content = vec![b'x'; 100_000];
    let files: &[(&str, &[u8])] = &[("a.txt", &content), ("b.txt", &content)];
    let before = resident_peak();
    for code in SCRIPTS.lines() {
        // What does not compile has ended already.
        let Ok(handler) = ScriptHandler::compile(&source("bad", 1, code)) else {
            continue;
        };
        // Scripts stand back: on a busy machine the best of a few counts.
        let tries = || {
            let begun = Instant::now();
            let answered = ask(&handler, "q", files);
            assert!(answered.is_err(), "{code} found {answered:?}");
            begun.elapsed()
        };
        let mut taken = (0..FAILURES_MAX).map(|_| tries());
        let soon = taken.any(|taken| taken < SOON);
        assert!(soon, "{code} takes more than a second");
        let grown = resident_peak().saturating_sub(before);
        assert!(grown < MEMORY, "{code} all took {} MiB", grown >> 20);
    }
}

#[test]
fn depth_and_size_of_a_script_are_limited() {
    let deep = format!("fn answer(q) {{ {}1{} }}", "(".repeat(500), ")".repeat(500));
    assert!(ScriptHandler::compile(&source("bad", 1, &deep)).is_err());
    let long = format!("fn answer(q) {{ \"{}\" }}", "x".repeat(70_000));
    assert!(ScriptHandler::compile(&source("bad", 1, &long)).is_err());
}
