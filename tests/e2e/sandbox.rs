//! Limits on what a node, and the programs that it starts, can ask of the system.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{NodeProcess, eventually, wait_until, xmlrpc};
use serde_json::{Value as Json, json};

use crate::world::{ctl, noded};

fn sandbox(node: &NodeProcess) -> Json {
    node.control().must("node.status", json!({}))["sandbox"].clone()
}

/// A line of `/proc/PID/status`.
fn of_process(node: &NodeProcess, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// A handler that says in its description what its tries at the system gave: to write a file, and to make a name space.
fn trying(path: &Path) -> String {
    format!(
        r#"#!/usr/bin/env python3
import ctypes, json, os, sys
sys.stdin.readline()
try:
    open({path:?}, "w").close()
    wrote = "written"
except OSError as error:
    wrote = error.strerror
libc = ctypes.CDLL(None, use_errno=True)
unshared = os.strerror(ctypes.get_errno()) if libc.unshare(0x10000000) else "unshared"
print(json.dumps({{"sixhop": 1, "id": "try", "version": 1, "prefix": "try", "description": f"{{wrote}}, {{unshared}}",
                  "examples": [{{"query": "q", "files": {{}}, "finds": []}}]}}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "answer":
        print(json.dumps({{"type": "done", "id": message["id"]}}), flush=True)
"#
    )
}

/// Returns the words of a program that tries, under a sandbox.
fn tried(sandbox: &str, outside: &Path) -> String {
    let options = noded();
    let directory = options.home().root().join("handlers");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.join("try.py");
    // Another process writes it: a file that this one has open to write could not be run.
    let made = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(&program)
        .stdin(Stdio::piped())
        .spawn();
    let mut made = made.unwrap();
    made.stdin
        .take()
        .unwrap()
        .write_all(trying(outside).as_bytes())
        .unwrap();
    assert!(made.wait().unwrap().success());
    let node = options
        .args([
            "--sandbox".as_ref(),
            sandbox.as_ref(),
            "--plugins".as_ref(),
            directory.as_os_str(),
        ])
        .start();
    let said = wait_until("the program is loaded", Duration::from_secs(30), || {
        let list = node.control().must("plugin.list", json!({}));
        let plugins = list.as_array().expect("a list");
        let ours = plugins.iter().find(|plugin| plugin["file"] == "try.py");
        let said = ours.and_then(|plugin| plugin["description"].as_str());
        said.filter(|said| said.contains(", "))
            .map(str::to_owned)
            .ok_or_else(|| list.to_string())
    });
    node.stop();
    said
}

#[test]
fn a_program_has_the_sandbox_of_its_node() {
    let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sixhop-outside");
    drop(fs::remove_file(&outside));
    assert_eq!(tried("calls", &outside), "written, Operation not permitted");
    fs::remove_file(&outside).unwrap();
    let probe = noded().args(["--sandbox", "files"]).start();
    let has_landlock = sandbox(&probe)["files"]["state"] == "held";
    probe.stop();
    if has_landlock {
        assert_eq!(
            tried("files", &outside),
            "Permission denied, Operation not permitted"
        );
        assert!(!outside.exists());
    }
}

#[test]
fn a_node_refuses_dangerous_calls_unless_told_otherwise() {
    let node = noded().file("a.txt", "a").start();
    assert_eq!(sandbox(&node)["calls"]["state"], "held");
    assert_eq!(sandbox(&node)["files"]["state"], "off");
    assert_eq!(of_process(&node, "Seccomp:"), "2");
    assert_eq!(of_process(&node, "NoNewPrivs:"), "1");
    let status = ctl(node.home())
        .args(["status"])
        .run()
        .expect_code(0)
        .stdout;
    assert!(status.contains("system calls held, files off"), "{status}");
    assert_eq!(xmlrpc::query(&node.url, "a.txt"), Ok(b"a".to_vec()));
    node.stop();
    let node = noded().args(["--sandbox", "off"]).start();
    assert_eq!(sandbox(&node)["calls"]["state"], "off");
    assert_eq!(of_process(&node, "Seccomp:"), "0");
    node.stop();
}

#[test]
fn a_node_held_to_its_files_shares_stores_and_searches() {
    let other = noded().file("theirs.txt", "theirs, with a needle").start();
    let node = noded()
        .args(["--sandbox", "files"])
        .file("ours.txt", "ours, with a needle")
        .file("sub/deep.txt", "deep")
        .start();
    let held = sandbox(&node)["files"].clone();
    if held["state"] != "held" {
        assert!(
            held["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        println!("this kernel has no Landlock: {held}");
        return;
    }
    node.control().must("peer.add", json!({ "url": other.url }));
    assert_eq!(
        xmlrpc::query(&node.url, "ours.txt"),
        Ok(b"ours, with a needle".to_vec())
    );
    let _ = ctl(node.home())
        .args(["fetch", "theirs.txt"])
        .run()
        .expect_code(0);
    assert_eq!(
        node.home().read("theirs.txt"),
        Some(b"theirs, with a needle".to_vec())
    );
    node.home().put("sub/new.txt", b"new");
    eventually("a new file is shared", || {
        xmlrpc::query(&node.url, "sub/new.txt") == Ok(b"new".to_vec())
    });
    wait_until("its texts are found", Duration::from_secs(30), || {
        let query = json!({ "query": "text:needle", "reach": "quick" });
        let found = node.control().must("search.query", query);
        let hits = found["hits"].as_array().expect("a list");
        let names: Vec<_> = hits.iter().map(|hit| hit["name"].as_str()).collect();
        let are_found = ["ours.txt", "theirs.txt"]
            .iter()
            .all(|name| names.contains(&Some(name)));
        are_found.then_some(()).ok_or_else(|| found.to_string())
    });
    [node, other].into_iter().for_each(NodeProcess::stop);
}
