//! `xmlrpc.client.ServerProxy` against a node.

use e2e::{NodeProcess, python};

use crate::world::noded;

/// The head of every program below: `s` is the node, `codes` its first dialect, `secret` its secret.
const PRELUDE: &str = r#"
import sys
from xmlrpc.client import Binary, Fault, MultiCall, ServerProxy
s = ServerProxy(sys.argv[1])
codes = ServerProxy(sys.argv[1] + "codes")
secret = open(sys.argv[2]).read().strip()
def fault(call, *args):
    try:
        call(*args)
    except Fault as f:
        return f.faultCode
    return None
def check(got, expected):
    assert got == expected, "got %r, expected %r" % (got, expected)
"#;

fn run(node: &NodeProcess, program: &str) {
    let secret = node.home().state().join("secret");
    python(
        &[PRELUDE, program].concat(),
        &[&node.url, &secret.to_string_lossy()],
    );
}

fn node() -> NodeProcess {
    noded()
        .file("test.txt", "This is a test\n")
        .file("empty.txt", "")
        .file("lines.txt", "one\r\ntwo\rthree\n")
        .file("world.txt", "Gr\u{fc}\u{df}e, \u{4e16}\u{754c} \u{1f980}\n")
        .file("bytes.bin", (0..=255u8).collect::<Vec<u8>>())
        .start()
}

#[test]
fn values_and_faults() {
    let node = node();
    run(
        &node,
        r#"
check(s.hello("http://127.0.0.1:9/"), 0)
check(s.hello("http://127.0.0.1:9/"), 0)
check(s.query("test.txt"), "This is a test\n")
check(s.query("test.txt", []), "This is a test\n")
check(s.query("test.txt", ["http://127.0.0.1:9/"]), "This is a test\n")
check(s.query("empty.txt"), "")
check(s.query("lines.txt"), "one\r\ntwo\rthree\n")
check(s.query("world.txt"), "Gr\u00fc\u00dfe, \u4e16\u754c \U0001f980\n")
check(s.query("bytes.bin").data, bytes(range(256)))
check(fault(s.query, "fooo"), 100)
check(fault(s.query, "fooo", ["http://127.0.0.1:%d/" % n for n in range(6)]), 100)
check(fault(s.query, "../outside.txt"), 200)
check(fault(s.query, "../missing.txt"), 200)
check(fault(s.fetch, "test.txt", "wrong"), 200)
check(fault(s.fetch, "fooo", secret), 100)
check(fault(s.fetch, "../fooo", secret), 200)
"#,
    );
    node.stop();
}

#[test]
fn codes() {
    let node = node();
    run(
        &node,
        r#"
check(codes.hello("http://127.0.0.1:9/"), 1)
check(codes.query("test.txt"), [1, "This is a test\n"])
check(codes.query("test.txt", []), [1, "This is a test\n"])
check(codes.query("empty.txt"), [1, ""])
check(codes.query("bytes.bin")[1].data, bytes(range(256)))
check(codes.query("fooo"), [2, ""])
check(codes.query("../outside.txt"), [2, ""])
check(codes.fetch("test.txt", "wrong"), 2)
check(codes.fetch("fooo", secret), 2)
below = ServerProxy(sys.argv[1] + "codes/RPC2")
check(below.query("test.txt"), [1, "This is a test\n"])
"#,
    );
    node.stop();
}

#[test]
fn introspection() {
    let node = node();
    run(
        &node,
        r#"
names = s.system.listMethods()
for name in ["hello", "query", "fetch", "system.listMethods", "system.methodHelp", "system.methodSignature",
             "system.getCapabilities", "system.multicall"]:
    assert name in names, name
for name in names:
    assert len(s.system.methodHelp(name)) > 10, name
    signatures = s.system.methodSignature(name)
    assert signatures and all(type(part) is str for row in signatures for part in row), signatures
check(s.system.methodSignature("hello"), [["int", "string"]])
assert type(s.system.getCapabilities()) is dict
check(fault(s.system.methodHelp, "no.such"), -32602)
check(fault(s.system.methodSignature, "no.such"), -32602)
check(fault(s.no_such), -32601)
check(fault(s._private), -32601)
"#,
    );
    node.stop();
}

#[test]
fn many_calls_in_one() {
    let node = node();
    run(
        &node,
        r#"
m = MultiCall(s)
m.query("test.txt")
m.query("fooo")
m.query("bytes.bin")
m.system.methodHelp("query")
results = m()
check(results[0], "This is a test\n")
check(fault(lambda: results[1]), 100)
check(results[2].data, bytes(range(256)))
assert len(results[3]) > 10
"#,
    );
    node.stop();
}

#[test]
fn a_fetched_file_is_the_file_of_the_peer() {
    let (near, far) = (noded().start(), node());
    e2e::introduce(&near.url, &far.url);
    run(
        &near,
        r#"
for name in ["test.txt", "empty.txt", "lines.txt", "world.txt", "bytes.bin"]:
    check(s.fetch(name, secret), 0)
"#,
    );
    for name in [
        "test.txt",
        "empty.txt",
        "lines.txt",
        "world.txt",
        "bytes.bin",
    ] {
        assert_eq!(near.home().read(name), far.home().read(name), "{name}");
    }
    near.stop();
    far.stop();
}

#[test]
fn a_fetched_file_is_fetched_in_codes_too() {
    let (near, far) = (noded().start(), node());
    e2e::introduce(&near.url, &far.url);
    run(&near, r#"check(codes.fetch("world.txt", secret), 1)"#);
    assert_eq!(near.home().read("world.txt"), far.home().read("world.txt"));
    near.stop();
    far.stop();
}
