//! Tests of the owner's policy: queries, content, and ranks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::{Home, NodeOptions, NodeProcess, http, wait_until, xmlrpc, xmlrpc::Value as Xml};
use serde_json::{Value, json};

use crate::world::{ctl, noded, repository};

/// Hides a directory, and one handler from everybody.
const HIDING: &str = r#"
fn allow_query(q) { q.handler != "said" }
fn allow_fetch(f) { !f.name.starts_with("private/") }
"#;

const SAID: &str = r#"//! id: said
//! version: 1
//! prefix: said
//! description: everything
//! example: {"query": "x", "files": {"a": "x"}, "finds": ["a"]}
fn answer(query) { for file in files() { hit(file); } }
"#;

const PUBLIC: &str = "what all may read";
const SECRET: &str = "what nobody may read";

/// Returns a plugin directory with these files, which only its owner can write.
fn directory(home: &Home, files: &[(&str, &str)]) -> PathBuf {
    let directory = home.root().join("plugins");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        put(&directory, name, text);
    }
    directory
}

fn put(directory: &Path, name: &str, text: &str) {
    let new = directory.join(".new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&new, directory.join(name)).unwrap();
}

/// Returns options of a node with a file for all and a hidden one, and its plugin directory.
fn guarded(files: &[(&str, &str)]) -> (NodeOptions, PathBuf) {
    let options = noded()
        .file("public.txt", PUBLIC)
        .file("private/secret.txt", SECRET);
    let directory = directory(options.home(), files);
    let plugins = directory.display().to_string();
    (options.args(["--plugins", &plugins]), directory)
}

/// Returns the entry of the policy in the list of plugins.
fn entry(node: &NodeProcess) -> Value {
    let list = node.control().must("plugin.list", json!({}));
    let list = list.as_array().expect("a list");
    let found = list.iter().find(|plugin| plugin["file"] == "policy.rhai");
    found.cloned().unwrap_or_default()
}

fn wait_for(node: &NodeProcess, what: &str, is: impl Fn(&Value) -> bool) {
    wait_until(what, Duration::from_secs(30), || {
        let entry = entry(node);
        if is(&entry) {
            Ok(())
        } else {
            Err(entry.to_string())
        }
    });
}

fn own_hits(node: &NodeProcess, query: &str) -> Vec<Value> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    answer["hits"].as_array().expect("hits").clone()
}

fn digest_of(node: &NodeProcess, name: &str) -> String {
    wait_until("the digest is known", Duration::from_secs(30), || {
        let hits = own_hits(node, name);
        let digest = hits.iter().find_map(|hit| hit["digest"].as_str());
        digest.map(str::to_owned).ok_or_else(|| format!("{hits:?}"))
    })
}

fn find(node: &NodeProcess, members: &[(&str, Xml)]) -> Xml {
    let members = members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    xmlrpc::call(&node.url, "sixhop.find", &[Xml::Map(members.collect())]).expect("an answer")
}

/// One way to ask for a file, and the outcome as text.
type Way = (&'static str, fn(&NodeProcess, &str, &str) -> String);

/// Each way that a stranger has to a file or to its name: its result, and the request.
const WAYS: &[Way] = &[
    ("GET /files/{*name}", |node, name, _| {
        get(node, &format!("/files/{name}"))
    }),
    ("HEAD /files/{*name}", |node, name, _| {
        head(node, &format!("/files/{name}"))
    }),
    ("GET /blobs/{digest}", |node, _, digest| {
        get(node, &format!("/blobs/{digest}"))
    }),
    ("HEAD /blobs/{digest}", |node, _, digest| {
        head(node, &format!("/blobs/{digest}"))
    }),
    ("GET /blobs/{digest}/tree", |node, _, digest| {
        get(node, &format!("/blobs/{digest}/tree"))
    }),
    ("POST /blobs", |node, _, digest| bundle(node, digest)),
    ("GET /search", |node, name, _| {
        hits(&get(node, &format!("/search?q={name}")))
    }),
    ("query", |node, name, _| {
        format!("{:?}", xmlrpc::query(&node.url, name))
    }),
    ("system.multicall", |node, name, _| {
        let call = vec![
            ("methodName".to_owned(), Xml::text("query")),
            ("params".to_owned(), Xml::List(vec![Xml::text(name)])),
        ];
        let calls = Xml::List(vec![Xml::Map(call)]);
        format!(
            "{:?}",
            xmlrpc::call(&node.url, "system.multicall", &[calls])
        )
    }),
    ("sixhop.find", |node, name, _| {
        hits_of(&find(node, &[("name", Xml::text(name))]))
    }),
    ("sixhop.find digest", |node, _, digest| {
        hits_of(&find(node, &[("digest", Xml::text(digest))]))
    }),
    ("sixhop.find query", |node, name, _| {
        hits_of(&find(node, &[("query", Xml::text(format!("name:{name}")))]))
    }),
    ("sixhop.more", |node, name, _| {
        let query = Xml::text(format!("name:{name}"));
        hits_of(&find(
            node,
            &[("query", query), ("deadline", Xml::Int(5_000))],
        ))
    }),
    ("sixhop.summary", |node, name, _| summarized(node, name)),
    ("sixhop.watch", |node, name, _| {
        let query = ("query".to_owned(), Xml::text(format!("name:{name}")));
        let watches = Xml::List(vec![Xml::Map(vec![query])]);
        let call = Xml::Map(vec![("watches".to_owned(), watches)]);
        let answer = xmlrpc::call(&node.url, "sixhop.watch", &[call]);
        match answer.as_ref().ok().and_then(|answer| answer.get("told")) {
            Some(Xml::List(told)) => hits_of(&told[0]),
            _ => format!("{answer:?}"),
        }
    }),
];

/// Returns the word of a summary's filter on a name, as docs/protocol/searching.md defines it.
fn summarized(node: &NodeProcess, name: &str) -> String {
    let summary = xmlrpc::call(&node.url, "sixhop.summary", &[]).expect("an answer");
    let bits = summary.get("files").and_then(|files| files.get("bits"));
    let Some(Xml::Bytes(bits)) = bits else {
        return format!("no filter {summary:?}");
    };
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = format!("n:{name}").bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let hash: u64 = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let hash = hash ^ (hash >> 31);
    let (low, high) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    let has = (0..11).all(|n: u64| {
        let place = low.wrapping_add(n.wrapping_mul(high)) as usize % (bits.len() * 8);
        bits[place / 8] & (1 << (place % 8)) != 0
    });
    if has {
        "found".to_owned()
    } else {
        "nothing".to_owned()
    }
}

/// The part of the peer port that names or gives no file to strangers.
const HARMLESS: &[&str] = &[
    "GET /",
    "hello",
    "sixhop.introduce",
    "fetch",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.getCapabilities",
];

fn get(node: &NodeProcess, path: &str) -> String {
    let answer = http::get(&node.url, path).expect("an answer");
    match answer.status {
        200 => format!("found {}", answer.text()),
        status => format!("{status} {}", answer.text()),
    }
}

fn head(node: &NodeProcess, path: &str) -> String {
    let answer = http::request(&node.url, "HEAD", path, &[], b"").expect("an answer");
    if answer.status == 200 {
        "found".to_owned()
    } else {
        answer.status.to_string()
    }
}

/// Asks for a bundle of one file. Its length is [`u32::MAX`] if it is not given.
fn bundle(node: &NodeProcess, digest: &str) -> String {
    let byte = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digest.len()).step_by(2).map(byte).collect();
    let kind = [("Content-Type", "application/x-sixhop-digests")];
    let answer = http::request(&node.url, "POST", "/blobs", &kind, &bytes).expect("an answer");
    let given = !answer.body.ends_with(&[0xff; 4]);
    let body = String::from_utf8_lossy(&answer.body);
    format!(
        "{} {} {body}",
        if given { "found" } else { "nothing" },
        answer.status
    )
}

fn hits(answer: &str) -> String {
    let (_, json) = answer.split_once("found ").unwrap_or(("", "{}"));
    let answer: Value = serde_json::from_str(json).expect("JSON");
    match answer["hits"].as_array() {
        Some(hits) if !hits.is_empty() => format!("found {answer}"),
        _ => format!("nothing {answer}"),
    }
}

fn hits_of(found: &Xml) -> String {
    match found.get("hits") {
        Some(Xml::List(hits)) if !hits.is_empty() => format!("found {found:?}"),
        _ => format!("nothing {found:?}"),
    }
}

fn was_found(answer: &str) -> bool {
    answer.starts_with("found") || (answer.starts_with("Ok(") && !answer.contains("faultCode"))
}

#[test]
fn every_way_to_a_file_asks_the_policy() {
    let (options, _directory) = guarded(&[("policy.rhai", HIDING)]);
    let node = options.start();
    let (public, secret) = (
        digest_of(&node, "public.txt"),
        digest_of(&node, "private/secret.txt"),
    );
    for (way, ask) in WAYS {
        let allowed = ask(&node, "public.txt", &public);
        assert!(was_found(&allowed), "{way}: {allowed}");
        let refused = ask(&node, "private/secret.txt", &secret);
        assert!(!was_found(&refused), "{way}: {refused}");
        assert!(!refused.contains(SECRET), "{way}: {refused}");
        let missing = ask(&node, "no-such.txt", &secret.replace(|c| c != '0', "0"));
        assert_eq!(
            refused.replace("private/secret.txt", ""),
            missing.replace("no-such.txt", ""),
            "{way}: a refusal shows that there is something"
        );
    }
    assert!(node.counter("policy_refusals") > 0);
    assert_eq!(node.counter("policy_failures"), 0);
    assert_eq!(
        own_hits(&node, "secret.txt").len(),
        1,
        "the owner is not asked"
    );
    node.stop();
}

/// Hits that are refused, which no limit may count: more than an answer has bytes for.
const REFUSED: usize = 1_200;

/// Returns the permitted names that a query of `limit` hits finds by `sixhop.find`, and the end.
fn found_by_pages(node: &NodeProcess, limit: i64) -> (usize, String) {
    let first = [
        ("query", Xml::text("name:*.txt")),
        ("deadline", Xml::Int(5_000)),
        ("limit", Xml::Int(limit)),
    ];
    let mut page = find(node, &first);
    let mut count = 0;
    loop {
        if let Some(Xml::List(hits)) = page.get("hits") {
            count += hits.len();
        }
        let Some(Xml::Text(cursor)) = page.get("cursor").cloned() else {
            let Some(Xml::Text(end)) = page.get("end").cloned() else {
                panic!("no end: {page:?}");
            };
            return (count, end);
        };
        let more = [
            ("cursor".to_owned(), Xml::Text(cursor)),
            ("wait".to_owned(), Xml::Int(5_000)),
        ];
        let more = Xml::Map(more.into_iter().collect());
        page = xmlrpc::call(&node.url, "sixhop.more", &[more]).expect("a page");
    }
}

#[test]
fn limits_of_an_answer_count_permitted_hits_alone() {
    let (options, directory) = guarded(&[("policy.rhai", HIDING)]);
    let long = "a".repeat(230);
    let refused = (0..REFUSED).map(|n| format!("private/{long}{n}.txt"));
    let options = refused.fold(options, |options, name| options.file(&name, ""));
    let options = options.file("zz1.txt", "1").file("zz2.txt", "2");
    let node = options.start();
    let searched = |limit: usize| {
        let text = get(&node, &format!("/search?q=name:*.txt&limit={limit}"));
        let json = text.strip_prefix("found ").expect("an answer");
        let answer: Value = serde_json::from_str(json).expect("JSON");
        (
            answer["hits"].as_array().expect("hits").len(),
            answer["complete"] == true,
        )
    };
    assert_eq!(searched(9), (3, true));
    assert_eq!(searched(3), (3, true));
    assert_eq!(searched(2), (2, false));
    assert_eq!(found_by_pages(&node, 9), (3, "complete".to_owned()));
    assert_eq!(found_by_pages(&node, 3), (3, "complete".to_owned()));
    assert_eq!(found_by_pages(&node, 2), (2, "limit".to_owned()));
    assert_eq!(own_hits(&node, "name:zz*.txt").len(), 2);
    drop(directory);
    node.stop();
}

/// A new route or method has to be listed here, with the way in which it asks the policy.
#[test]
fn no_route_and_no_method_is_forgotten() {
    let node = noded().start();
    let Ok(Xml::List(methods)) = xmlrpc::call(&node.url, "system.listMethods", &[]) else {
        panic!("no methods");
    };
    let methods = methods.into_iter().map(|method| match method {
        Xml::Text(name) => name,
        other => panic!("{other:?}"),
    });
    let source = fs::read_to_string(repository().join("node/core/src/server/routes.rs")).unwrap();
    let routes = source.split(".route(\"").skip(1);
    let routes = routes.map(|rest| {
        let (path, handler) = rest.split_once("\", ").unwrap();
        let method = if handler.starts_with("post(") {
            "POST"
        } else {
            "GET"
        };
        format!("{method} {path}")
    });
    let known = |name: &String| {
        HARMLESS.contains(&name.as_str()) || WAYS.iter().any(|(way, _)| way == name)
    };
    let forgotten: Vec<String> = methods.chain(routes).filter(|name| !known(name)).collect();
    assert_eq!(forgotten, Vec::<String>::new());
    node.stop();
}

#[test]
fn a_query_that_is_refused_has_no_hit_and_others_have() {
    let (options, _directory) = guarded(&[("policy.rhai", HIDING), ("said.rhai", SAID)]);
    let node = options.start();
    let open = noded().file("other.txt", "other").start();
    let asker = noded()
        .args(["--peer", &node.url, "--peer", &open.url])
        .start();
    wait_until("the handler is there", Duration::from_secs(30), || {
        let own = node
            .control()
            .call("search.query", json!({ "query": "said:x" }));
        own.map(|_| ()).map_err(|error| format!("{error:?}"))
    });
    assert_eq!(own_hits(&node, "said:x").len(), 2);
    let searched = ctl(asker.home()).args(["search", "said:x"]).run();
    assert!(
        !searched.stdout.contains("public.txt"),
        "{}",
        searched.stdout
    );
    let names: Vec<Value> = own_hits(&asker, "name:*.txt")
        .iter()
        .map(|hit| hit["name"].clone())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&json!("public.txt")) && names.contains(&json!("other.txt")));
    let fetched = ctl(asker.home())
        .args(["fetch", "private/secret.txt"])
        .run();
    drop(fetched.expect_code(3));
    drop(
        ctl(asker.home())
            .args(["fetch", "public.txt"])
            .run()
            .expect_code(0),
    );
    for node in [node, open, asker] {
        node.stop();
    }
}

#[test]
fn the_last_node_of_a_history_is_the_peer_that_asks() {
    let policy = "fn allow_query(q) { q.peer != \"http://bad.example/\" && within(q.from, \"127.0.0.0/8\") }";
    let (options, _directory) = guarded(&[("policy.rhai", policy)]);
    let node = options.start();
    for (last, is_allowed) in [
        ("http://bad.example/", false),
        ("http://good.example/", true),
    ] {
        let history = Xml::List(vec![Xml::text("http://first.example/"), Xml::text(last)]);
        let asked = xmlrpc::call(&node.url, "query", &[Xml::text("public.txt"), history]);
        assert_eq!(asked.is_ok(), is_allowed, "{last}: {asked:?}");
    }
    node.stop();
}

#[test]
fn a_policy_that_loops_refuses_and_the_node_goes_on() {
    let policy = "fn allow_query(q) { if q.text.contains(\"slow\") { loop {} } true }";
    let (options, _directory) = guarded(&[("policy.rhai", policy)]);
    let node = options.file("slow.txt", "slow").start();
    for _ in 0..5 {
        let refused = xmlrpc::query(&node.url, "slow.txt").expect_err("a fault");
        assert_eq!(refused.code(), Some(100));
    }
    assert!(node.counter("policy_failures") >= 5);
    assert_eq!(
        xmlrpc::query(&node.url, "public.txt").unwrap(),
        PUBLIC.as_bytes()
    );
    let problem = entry(&node)["problem"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(problem.contains("allow_query"), "{problem}");
    let listed = ctl(node.home()).args(["plugin", "ls"]).run().expect_code(0);
    for part in [
        "policy.rhai",
        "the policy: allow_query",
        "ready",
        "allow_query",
    ] {
        assert!(listed.stdout.contains(part), "{}", listed.stdout);
    }
    let since = json!({ "id": 0 });
    let events = node.control().must("events.since", since)["events"].to_string();
    assert_eq!(events.matches("policy.failed").count(), 1, "{events}");
    node.stop();
}

#[test]
fn a_broken_policy_closes_and_a_bad_update_changes_nothing() {
    let (options, directory) = guarded(&[("policy.rhai", "fn allow_fetch(f) {")]);
    let node = options.start();
    // From the first moment on.
    let refused = xmlrpc::query(&node.url, "public.txt").expect_err("a fault");
    assert_eq!(refused.code(), Some(100));
    assert!(
        !was_found(&get(&node, "/search?q=public.txt"))
            || hits(&get(&node, "/search?q=public.txt")).starts_with("nothing")
    );
    assert_eq!(entry(&node)["state"], "broken");
    assert_eq!(
        own_hits(&node, "public.txt").len(),
        1,
        "the owner is not asked"
    );
    put(&directory, "policy.rhai", HIDING);
    wait_for(&node, "it is right", |entry| entry["state"] == "ready");
    assert!(xmlrpc::query(&node.url, "public.txt").is_ok());
    put(&directory, "policy.rhai", "fn allow_fetch(f) { false");
    wait_for(&node, "the fault is told", |entry| {
        entry["problem"].is_string()
    });
    assert_eq!(entry(&node)["state"], "ready");
    assert!(xmlrpc::query(&node.url, "public.txt").is_ok());
    assert!(xmlrpc::query(&node.url, "private/secret.txt").is_err());
    let events = node.control().must("events.since", json!({ "id": 0 }))["events"].to_string();
    assert!(events.contains("the version before it holds"), "{events}");
    fs::remove_file(directory.join("policy.rhai")).unwrap();
    wait_for(&node, "it is gone", Value::is_null);
    assert!(xmlrpc::query(&node.url, "private/secret.txt").is_ok());
    node.stop();
}

#[test]
fn the_owner_ranks_the_hits_of_a_search() {
    let rank = r#"fn rank(hit) {
        if hit.name == "drop.txt" { return (); }
        if !hit.here { return 100; }
        hit.size
    }"#;
    let peer = noded().file("there.txt", "").start();
    let (options, directory) = guarded(&[("policy.rhai", rank)]);
    let node = options
        .args(["--peer", &peer.url])
        .file("a.txt", "1")
        .file("b.txt", "333")
        .file("drop.txt", "22")
        .start();
    let names = |node: &NodeProcess| -> Vec<String> {
        let hits = own_hits(node, "name:*.txt").into_iter();
        hits.map(|hit| hit["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let ranked = [
        "there.txt",
        "private/secret.txt",
        "public.txt",
        "b.txt",
        "a.txt",
    ];
    wait_until("the peer is asked", Duration::from_secs(30), || {
        let names = names(&node);
        if names == ranked {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    let streamed = ctl(node.home())
        .args(["search", "name:*.txt"])
        .run()
        .expect_code(0);
    assert!(!streamed.stdout.contains("drop.txt"), "{}", streamed.stdout);
    put(&directory, "policy.rhai", "fn rank(hit) { throw hit.name }");
    wait_until("the new version fails", Duration::from_secs(30), || {
        let names = names(&node);
        if names.contains(&"drop.txt".to_owned()) {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    assert_eq!(names(&node).len(), 6, "where it fails, nothing is left out");
    peer.stop();
    node.stop();
}

#[test]
fn the_policy_of_the_repository_passes_its_examples() {
    let home = Home::new();
    let run = |args: &[&str]| ctl(&home).current_dir(repository()).args(args).run();
    let checked = run(&["plugin", "check", "scripts/policy.rhai"]).expect_code(0);
    let said = "compiles; a policy with allow_query, allow_fetch, rank";
    assert!(checked.stdout.contains(said), "{}", checked.stdout);
    drop(run(&["plugin", "test", "scripts/policy.rhai"]).expect_code(0));
    let directory = directory(&home, &[("policy.rhai", "fn allow_fetsch(f) { false }")]);
    let wrong = ctl(&home)
        .current_dir(directory)
        .args(["plugin", "check", "policy.rhai"])
        .run()
        .expect_code(1);
    assert!(wrong.stdout.contains("allow_fetsch"), "{}", wrong.stdout);
}
