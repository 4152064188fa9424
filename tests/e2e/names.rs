//! Names from the wire never leave the share, whatever they are and whichever way they come.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;

use e2e::names::{HARMLESS, LEAVING, NAUGHTY, NO_TEXT, UNUSABLE, in_path, too_long};
use e2e::rogue::answer_of;
use e2e::xmlrpc::{self, CallError, Value};
use e2e::{Conduct, Home, NodeProcess, Rogue, http, introduce};

use crate::world::noded;

/// Returns everything below a directory but the state of the node: names, and the bytes of regular files.
fn snapshot(home: &Home) -> BTreeMap<String, Vec<u8>> {
    fn walk(dir: &Path, state: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("the home is readable") {
            let path = entry.expect("the home is readable").path();
            let kind = std::fs::symlink_metadata(&path)
                .expect("the home is quiet")
                .file_type();
            let bytes = if kind.is_file() {
                std::fs::read(&path).expect("it is ours")
            } else {
                Vec::new()
            };
            found.insert(path.to_string_lossy().into_owned(), bytes);
            if kind.is_dir() && path != state {
                walk(&path, state, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(home.root(), &home.state(), &mut found);
    found
}

/// Starts a node with a file, and a peer that has a file for every name.
fn node_with_willing_peer() -> (NodeProcess, Rogue) {
    let node = noded()
        .file("inside.txt", "inside")
        .file("a/b", "below")
        .start();
    let rogue = Rogue::start(Conduct::Body(answer_of("<string>from the peer</string>")));
    introduce(&node.url, &rogue.url);
    (node, rogue)
}

fn fetch(node: &NodeProcess, name: &str) -> Result<Value, CallError> {
    let params = [Value::text(name), Value::text(node.home().secret())];
    xmlrpc::call(&node.url, "fetch", &params)
}

fn code<T: std::fmt::Debug>(answer: Result<T, CallError>, what: &str) -> i64 {
    match answer {
        Err(CallError::Fault { code, text }) => {
            assert!(text.chars().count() <= 200, "{what}: a long fault: {text}");
            assert!(
                !text.contains("/share"),
                "{what}: a path in a fault: {text}"
            );
            code
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn refused_names_are_refused_on_every_way() {
    let (mut node, rogue) = node_with_willing_peer();
    let before = snapshot(node.home());
    let long = too_long();
    let tables = [
        (LEAVING, &[200][..]),
        (UNUSABLE, &[100, 200]),
        (&[("too long", &long)], &[100, 200]),
    ];
    for (table, codes) in tables {
        for (why, name) in table {
            let what = format!("{why} {name:?}");
            let query = code(xmlrpc::query(&node.url, name), &what);
            assert!(codes.contains(&query), "query of {what}: fault {query}");
            let fetched = code(fetch(&node, name), &what);
            assert!(codes.contains(&fetched), "fetch of {what}: fault {fetched}");
            file_is_refused(&node, name, &what);
        }
    }
    assert_eq!(rogue.queries(), 0, "a refused name was forwarded");
    assert_eq!(snapshot(node.home()), before);
    node.assert_healthy();
    node.stop();
}

fn file_is_refused(node: &NodeProcess, name: &str, what: &str) {
    for path in [
        format!("/files/{}", in_path(name)),
        format!("/files/{}", in_path(name).replace('/', "%2f")),
    ] {
        let answer = http::get(&node.url, &path).unwrap_or_else(|e| panic!("{what}: {path}: {e}"));
        assert!(
            (400..500).contains(&answer.status),
            "{what}: {path}: {}",
            answer.status
        );
        assert!(
            !answer.text().contains(Home::OUTSIDE),
            "{what}: {path} shows the outside"
        );
    }
}

#[test]
fn what_is_no_text_is_no_name() {
    let (mut node, _rogue) = node_with_willing_peer();
    let before = snapshot(node.home());
    for (why, inside) in NO_TEXT {
        let open = b"<methodCall><methodName>query</methodName><params><param><value>";
        let close = b"</value></param></params></methodCall>";
        let body = [&open[..], inside, close].concat();
        let code = code(xmlrpc::post(&node.url, &body), why);
        assert!(
            [100, 200, -32600, -32602, -32700].contains(&code),
            "{why}: fault {code}"
        );
    }
    assert_eq!(snapshot(node.home()), before);
    node.assert_healthy();
    node.stop();
}

#[test]
fn harmless_names_are_names() {
    // Names that begin with a dot are shared because the owner says so.
    let node = HARMLESS
        .iter()
        .fold(noded(), |n, name| n.file(name, format!("of {name}")))
        .file(".sixhopignore", "!.*\n")
        .start();
    for name in HARMLESS {
        let expected = format!("of {name}").into_bytes();
        assert_eq!(
            xmlrpc::query(&node.url, name),
            Ok(expected.clone()),
            "query of {name:?}"
        );
        let path = format!("/files/{}", in_path(name));
        let answer = http::get(&node.url, &path).unwrap();
        assert_eq!((answer.status, answer.body), (200, expected), "{path}");
    }
    node.stop();
}

#[test]
fn harmless_names_are_stored_under_themselves() {
    let rogue = Rogue::start(Conduct::Body(answer_of("<string>from the peer</string>")));
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    for name in HARMLESS {
        assert_eq!(fetch(&node, name), Ok(Value::Int(0)), "fetch of {name:?}");
        assert_eq!(
            node.home().read(name).as_deref(),
            Some(&b"from the peer"[..]),
            "{name:?}"
        );
    }
    node.stop();
}

#[test]
fn naughty_strings_change_nothing_but_the_share() {
    let (mut node, _rogue) = node_with_willing_peer();
    let before = snapshot(node.home());
    for name in NAUGHTY {
        drop(xmlrpc::query(&node.url, name));
        drop(fetch(&node, name));
        let path = format!("/files/{}", in_path(name));
        let answer = http::get(&node.url, &path).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(
            !answer.text().contains(Home::OUTSIDE),
            "{path} shows the outside"
        );
    }
    let share = node.home().share();
    let mut after = snapshot(node.home());
    after.retain(|path, _| {
        before.contains_key(path) || !path.starts_with(&*share.to_string_lossy())
    });
    assert_eq!(after, before);
    node.assert_healthy();
    let log = node.stderr();
    let raw = log.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "a control character in the log: {log:?}");
    node.stop();
}

#[test]
fn only_regular_files_are_served() {
    let node = noded()
        .file("inside.txt", "inside")
        .file("dir/below.txt", "below")
        .start();
    let share = node.home().share();
    symlink("../outside.txt", share.join("link-out")).unwrap();
    symlink("/etc", share.join("link-etc")).unwrap();
    symlink("nowhere", share.join("link-dangling")).unwrap();
    symlink("..", share.join("link-up")).unwrap();
    make(&["mkfifo", "fifo"], &share);
    let listener = std::os::unix::net::UnixListener::bind(share.join("socket")).unwrap();
    let mut names = vec![
        "link-out",
        "link-etc",
        "link-etc/passwd",
        "link-dangling",
        "link-up/outside.txt",
        "fifo",
        "socket",
        "dir",
    ];
    if make(&["mknod", "zero", "c", "1", "5"], &share) {
        names.push("zero");
    }
    for name in names {
        let fault = code(xmlrpc::query(&node.url, name), name);
        assert!(
            [100, 200].contains(&fault),
            "query of {name}: fault {fault}"
        );
        let answer = http::get(&node.url, &format!("/files/{name}")).unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "GET of {name}: {}",
            answer.status
        );
    }
    let listing = node
        .control()
        .must("share.list", serde_json::json!({}))
        .to_string();
    for name in ["link-out", "link-etc", "fifo", "socket", "zero"] {
        assert!(!listing.contains(name), "{name} is listed: {listing}");
    }
    assert_eq!(
        xmlrpc::query(&node.url, "dir/below.txt"),
        Ok(b"below".to_vec())
    );
    drop(listener);
    node.stop();
}

/// Runs a command of the shell in the share; making a device needs a privilege that a test may lack.
fn make(command: &[&str], share: &Path) -> bool {
    let made = Command::new(command[0])
        .args(&command[1..])
        .current_dir(share)
        .output();
    made.is_ok_and(|o| o.status.success())
}

#[test]
fn fetch_never_writes_through_a_link() {
    let (node, _rogue) = node_with_willing_peer();
    let share = node.home().share();
    symlink("../through.txt", share.join("dangling")).unwrap();
    symlink("..", share.join("up")).unwrap();
    drop(fetch(&node, "dangling"));
    drop(fetch(&node, "up/through.txt"));
    drop(fetch(&node, "up/new/through.txt"));
    assert!(!node.home().root().join("through.txt").exists());
    assert!(!node.home().root().join("new").exists());
    node.stop();
}

#[test]
fn fetch_never_replaces_what_is_no_file() {
    let (node, _rogue) = node_with_willing_peer();
    let share = node.home().share();
    assert!(make(&["mkfifo", "fifo"], &share));
    std::fs::create_dir(share.join("dir")).unwrap();
    for name in ["fifo", "dir", "inside.txt/below"] {
        drop(fetch(&node, name));
    }
    assert!(
        std::fs::symlink_metadata(share.join("fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert!(share.join("dir").is_dir());
    assert_eq!(
        node.home().read("inside.txt").as_deref(),
        Some(&b"inside"[..])
    );
    node.stop();
}

#[test]
fn fetch_says_that_what_is_there_is_no_file() {
    let (node, _rogue) = node_with_willing_peer();
    let share = node.home().share();
    assert!(make(&["mkfifo", "fifo"], &share));
    std::fs::create_dir(share.join("dir")).unwrap();
    for name in ["fifo", "dir", "inside.txt/below"] {
        assert!(fetch(&node, name).is_err(), "fetch of {name}");
    }
    node.stop();
}

#[test]
fn names_that_differ_in_case_only_are_one_name() {
    let (node, _rogue) = node_with_willing_peer();
    let before = node.home().entries();
    for name in ["INSIDE.TXT", "Inside.txt", "A/B"] {
        assert!(fetch(&node, name).is_err(), "fetch of {name}");
    }
    assert_eq!(node.home().entries(), before);
    node.stop();
}

#[test]
fn names_of_files_do_not_break_out_of_the_page_or_the_headers() {
    let evil = [
        "\"><script>alert(0)</script>.txt",
        "a\"; filename=\"b.html",
        "<b>bold</b>.txt",
        "naïve;.txt",
    ];
    let evil = evil.map(|name| name.replace('/', "_"));
    let node = evil
        .iter()
        .fold(noded(), |n, name| n.file(name, "evil"))
        .start();
    let page = http::get(&node.url, "/").unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .is_some_and(|t| t.starts_with("text/html"))
    );
    assert!(!page.text().contains("<script"), "{}", page.text());
    assert!(
        page.header("content-security-policy")
            .is_some_and(|p| p.contains("default-src 'none'"))
    );
    for name in &evil {
        let answer = http::get(&node.url, &format!("/files/{}", in_path(name))).unwrap();
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{name}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/octet-stream"),
            "{name}"
        );
        let disposition = answer.header("content-disposition").unwrap_or_default();
        assert!(
            disposition.starts_with("attachment"),
            "{name}: {disposition}"
        );
        let quotes = disposition.replace("\\\"", "").matches('"').count();
        assert!(quotes <= 2, "{name}: {disposition}");
    }
    node.stop();
}
