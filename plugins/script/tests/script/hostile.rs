//! Scripts that mean harm: each ends soon, and the memory stays small.

use std::time::{Duration, Instant};

use plugin_script::ScriptHandler;

use crate::world::{ask, source};

/// Most that all of them together may add to the memory of the process, in bytes.
const MEMORY: u64 = 64 << 20;

/// Each a whole script, after its header.
const SCRIPTS: &[&str] = &[
    "fn answer(q) { loop {} }",
    "fn answer(q) { while true { let x = 1; } }",
    "fn answer(q) { loop { try { loop {} } catch {} } }",
    "fn answer(q) { answer(q) }",
    "fn a(x) { b(x) } fn b(x) { a(x) } fn answer(q) { a(q) }",
    "fn answer(q) { let s = \"x\"; loop { s += s; } }",
    "fn answer(q) { let s = \"x\"; s.pad(1_000_000_000, 'x'); }",
    "fn answer(q) { let s = \"aaaaaaaaaaaaaaaa\"; loop { s.replace(\"a\", \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"); } }",
    "fn answer(q) { let s = \"aaaaaaaaaaaaaaaa\"; loop { s.replace('a', \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"); } }",
    "fn answer(q) { let a = []; loop { a.push(1); } }",
    "fn answer(q) { let a = []; a.pad(1_000_000_000, 1); }",
    "fn answer(q) { let a = [1]; loop { a += a; } }",
    "fn answer(q) { let s = \"\"; s.pad(16_000, 'x'); let a = []; let i = 0; loop { a.push(s + i); i += 1; } }",
    "fn answer(q) { let s = \"\"; s.pad(16_000, 'x'); let a = []; a.pad(4_000, ()); let i = 0; loop { a[i % 4000] = s + i; i += 1; } }",
    "fn answer(q) { let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; } }",
    "fn answer(q) { let s = \"\"; s.pad(16_000, 'x'); let m = #{}; let i = 0; loop { m[`k${i}`] = s + i; i += 1; } }",
    "fn answer(q) { let m = #{}; loop { m = #{ a: m, b: m }; } }",
    "fn answer(q) { let a = []; loop { a = [a, a]; } }",
    "fn answer(q) { let b = blob(1_000_000_000, 0); }",
    "fn answer(q) { let b = blob(4_000, 0); loop { b += b; } }",
    "fn answer(q) { sleep(60); }",
    "fn answer(q) { sleep(60.0); }",
    "fn answer(q) { loop { timestamp(); } }",
    "fn answer(q) { eval(\"loop {}\") }",
    "import \"/etc/passwd\" as x; fn answer(q) { }",
    "fn answer(q) { for i in 0..9_000_000_000_000_000 { let x = i; } }",
    "fn answer(q) { for f in files() { loop { f.text(); } } }",
    "fn answer(q) { loop { for f in files() { hit(f); } } }",
    "fn answer(q) { loop { print(q); debug(q); } }",
    "fn answer(q) { let f = |x| x; loop { f = f.curry(1); } }",
    "fn answer(q) { let x = 0; loop { x = -9223372036854775807 - 2; } }",
    "fn answer(q) { for f in files() { f.bytes(-9223372036854775808, 9223372036854775807); f.bytes(9223372036854775807, -1); } throw q; }",
    "fn answer(q) { throw files(); }",
    "let x = 1; loop {} fn answer(q) { }",
];

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
    for code in SCRIPTS {
        // What does not compile has ended already.
        let Ok(handler) = ScriptHandler::compile(&source("bad", 1, code)) else {
            continue;
        };
        let begun = Instant::now();
        let answered = ask(&handler, "q", files);
        let taken = begun.elapsed();
        assert!(answered.is_err(), "{code} found {answered:?}");
        assert!(taken < Duration::from_secs(1), "{code} took {taken:?}");
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
