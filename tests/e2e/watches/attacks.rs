//! Watches against peers and watchers that misbehave, each with an honest user beside it.

use std::{fmt::Write as _, fs, io::Write, os::unix::fs::PermissionsExt};

use e2e::{Rogue, http};

use super::*;

#[test]
fn policy_is_asked_at_each_telling() {
    let options = noded().file("public.txt", "for all");
    let plugins = options.home().root().join("plugins");
    fs::create_dir_all(&plugins).unwrap();
    fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = plugins.join("policy.rhai");
    let text = "fn allow_query(q) { q.handler != \"grep\" }\nfn allow_fetch(f) { !f.name.starts_with(\"private/\") }\n";
    fs::write(&policy, text).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    let plugins = plugins.display().to_string();
    let holder = options.args(["--plugins", &plugins]).start();
    let watcher = noded().args(["--peer", &holder.url]).start();
    let (names, lines) = (
        watch(&watcher, "*.txt", false),
        watch(&watcher, "grep:for", false),
    );
    assert_eq!(told(&watcher, names, 0, 1), ["public.txt"]);
    wait_for_state(&watcher, &holder.url, "held");
    holder.home().put("private/hidden.txt", "for nobody");
    holder.home().put("more.txt", "for all too");
    assert_eq!(told(&watcher, names, 1, 1), ["more.txt"]);
    // What is told later comes behind what would have been told of the hidden ones.
    watcher.home().put("own.txt", "for me");
    assert_eq!(told(&watcher, lines, 0, 1), ["own.txt"]);
    let after = next(&watcher, names, 2);
    assert!(
        after.iter().all(|found| found["name"] == "own.txt"),
        "{after:?}"
    );
    holder.stop();
    watcher.stop();
}

#[test]
fn peer_that_cannot_hold_a_watch_is_asked_again_and_the_list_says_so() {
    let digest = "a".repeat(64);
    let found = format!(
        "<struct><member><name>hits</name><value><array><data><value><struct>\
         <member><name>name</name><value>old peer.txt</value></member>\
         <member><name>size</name><value><int>3</int></value></member>\
         <member><name>digest</name><value>{digest}</value></member>\
         </struct></value></data></array></value></member></struct>"
    );
    let old = Rogue::finding(&found);
    let watcher = noded().args(["--peer", &old.url]).start();
    let id = watch(&watcher, "*.txt", false);
    assert_eq!(told(&watcher, id, 0, 1), ["old peer.txt"]);
    wait_for_state(&watcher, &old.url, "asked");
    let list = watcher.control().must("watch.list", json!({}));
    let holders = list[0]["holders"].as_array().unwrap();
    let entry = holders
        .iter()
        .find(|holder| holder["node"] == old.url)
        .unwrap();
    assert!(
        entry["every"].as_u64().is_some_and(|every| every >= 30),
        "{entry}"
    );
    watcher.stop();
}

#[test]
fn peer_that_tells_of_files_that_do_not_match_is_dropped() {
    let mut hits = String::new();
    for n in 0..200 {
        let _ = write!(
            hits,
            "<value><struct><member><name>name</name><value>lie {n}.exe</value></member>\
             <member><name>size</name><value><int>3</int></value></member>\
             <member><name>digest</name><value>{n:064x}</value></member></struct></value>"
        );
    }
    let found = format!(
        "<struct><member><name>hits</name><value><array><data>{hits}</data></array></value></member></struct>"
    );
    let liar = Rogue::finding(&found);
    let honest = noded().file("true.txt", "true").start();
    let peers = ["--peer", &liar.url, "--peer", &honest.url];
    let watcher = noded().args(peers).start();
    let id = watch(&watcher, "name:* ext:txt", false);
    assert_eq!(told(&watcher, id, 0, 1), ["true.txt"]);
    wait_for_state(&watcher, &liar.url, "dropped");
    honest.home().put("more.txt", "true as well");
    assert_eq!(told(&watcher, id, 1, 1), ["more.txt"]);
    honest.stop();
    watcher.stop();
}

#[test]
fn thousand_leases_and_calls_that_are_never_read_leave_room_for_others() {
    let holder = noded().file("a.txt", "a").start();
    let refused = (0..300).filter(|n| {
        let answer = asked(&holder.url, &n.to_string(), vec![watched("*.txt", None)]);
        answer.is_err_and(|error| error.code() == Some(-32500))
    });
    assert!(
        refused.count() >= 100,
        "one address has as many leases as it likes"
    );
    // Calls that wait for half an hour, of which nobody reads the answer.
    let body = xmlrpc::request(
        "sixhop.watch",
        &[Xml::Map(vec![
            ("watcher".to_owned(), Xml::text("0")),
            (
                "watches".to_owned(),
                Xml::List(vec![watched("*.txt", None); 64]),
            ),
            ("wait".to_owned(), Xml::Int(1_800_000)),
        ])],
    );
    let head = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut silent = Vec::new();
    for _ in 0..30 {
        let mut stream = http::connect(&holder.url).expect("a connection");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        silent.push(stream);
    }
    let watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "*.txt", false);
    assert_eq!(told(&watcher, id, 0, 1), ["a.txt"]);
    wait_for_state(&watcher, &holder.url, "held");
    holder.home().put("b.txt", "b");
    assert_eq!(told(&watcher, id, 1, 1), ["b.txt"]);
    drop(silent);
    holder.stop();
    watcher.stop();
}
