//! Queries as people and peers write them: filters, quotes, mistakes, and hits that come page by page.

use e2e::{NodeProcess, xmlrpc, xmlrpc::Value as Xml};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

fn names(node: &NodeProcess, query: &str) -> Vec<String> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    let hits = answer["hits"].as_array().expect("a list of hits").iter();
    hits.filter_map(|hit| hit["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn filters_hold_here_and_at_peers() {
    let peer = noded()
        .file("report.pdf", vec![b'x'; 3_000])
        .file("report.txt", "short")
        .start();
    let node = noded()
        .args(["--peer", &peer.url])
        .file("old report.PDF", "x")
        .start();
    assert_eq!(
        names(&node, "report ext:pdf"),
        ["old report.PDF", "report.pdf"]
    );
    assert_eq!(names(&node, "report ext:pdf size:>2K"), ["report.pdf"]);
    assert_eq!(
        names(&node, "name:*report* size:<2 ext:pdf,txt"),
        ["old report.PDF"]
    );
    assert_eq!(names(&node, "report ext:txt after:1d"), ["report.txt"]);
    assert!(names(&node, "report before:2000").is_empty());
    assert_eq!(names(&node, r#""old report.PDF""#), ["old report.PDF"]);
    peer.stop();
    node.stop();
}

#[test]
fn a_mistake_in_a_query_is_told_with_its_place() {
    let node = noded().start();
    for (query, place) in [
        ("report size:big", "at character 8"),
        ("é after:lately", "at character 3"),
        ("a type:image", "kind:image"),
        ("text:a AND b", "at character 3"),
        (r#"text:"no end"#, "at character 6"),
    ] {
        let run = ctl(node.home()).args(["search", query]).run();
        let run = run.expect_code(2);
        assert!(run.stderr.contains(place), "{query}: {}", run.stderr);
        let wanted = Xml::Map(vec![("query".to_owned(), Xml::text(query))]);
        let fault = xmlrpc::call(&node.url, "sixhop.find", &[wanted]).expect_err("a fault");
        assert_eq!(fault.code(), Some(-32602), "{query}");
    }
    node.stop();
}

#[test]
fn a_search_goes_on_behind_a_cursor_that_is_good_once() {
    let node = noded();
    let node = (0..300).fold(node, |node, n| node.file(&format!("{n:03}.txt"), ""));
    let node = node.start();
    let ask = |method: &str, members: &[(&str, Xml)]| {
        let members = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        xmlrpc::call(&node.url, method, &[Xml::Map(members.collect())])
    };
    let first = [
        ("query", Xml::text("name:*.txt")),
        ("deadline", Xml::Int(5_000)),
        ("limit", Xml::Int(10_000)),
    ];
    let mut found = ask("sixhop.find", &first).expect("an answer");
    let mut count = count(&found);
    assert!(count < 300, "one page has all {count} hits");
    while let Some(cursor) = found.get("cursor").cloned() {
        let more = [("cursor", cursor)];
        found = ask("sixhop.more", &more).expect("more");
        count += self::count(&found);
        let again = ask("sixhop.more", &more).expect_err("a fault");
        assert_eq!(again.code(), Some(100));
    }
    assert_eq!(count, 300);
    assert_eq!(found.get("end"), Some(&Xml::text("complete")));
    node.stop();
}

fn count(found: &Xml) -> usize {
    match found.get("hits") {
        Some(Xml::List(hits)) => hits.len(),
        other => panic!("no hits: {other:?}"),
    }
}

#[test]
fn many_hits_of_a_peer_come_over_many_pages() {
    let peer = (0..700).fold(noded(), |peer, n| peer.file(&format!("{n:03}.txt"), ""));
    let peer = peer.start();
    let node = noded().args(["--peer", &peer.url]).start();
    let run = ctl(node.home())
        .args(["search", "*.txt", "--limit", "1000"])
        .run()
        .expect_code(0);
    assert_eq!(run.stdout.lines().count(), 700);
    let most = node
        .control()
        .must("search.query", json!({ "query": "*.txt", "limit": 500 }));
    assert_eq!(most["hits"].as_array().map(Vec::len), Some(500));
    assert_eq!(most["end"], Value::from("limit"));
    assert!(node.counter("mores_sent") > 0);
    peer.stop();
    node.stop();
}

/// Returns the `sixhop-budget-left` of a node with one peer after a query for a missing file, and the number of
/// queries that the peer then has had.
fn left_of(budget: Option<&str>) -> (Option<String>, u64) {
    let peer = noded().start();
    let node = noded().args(["--peer", &peer.url]).start();
    e2e::eventually("the peer is known as one of our kind", || {
        let peers = node.control().must("peer.list", json!({}));
        peers[0]["kind"] == "sixhop"
    });
    let body = xmlrpc::request("query", &[Xml::text("missing.txt")]);
    let headers: Vec<_> = budget
        .map(|text| ("sixhop-budget", text))
        .into_iter()
        .collect();
    let answer =
        e2e::http::request(&node.url, "POST", "/", &headers, body.as_bytes()).expect("an answer");
    let left = answer.header("sixhop-budget-left").map(str::to_owned);
    let asked = peer.counter("queries_received");
    node.stop();
    peer.stop();
    (left, asked)
}

#[test]
fn a_node_keeps_the_budget_of_a_query_and_returns_the_rest() {
    assert_eq!(left_of(Some("7")), (Some("6".to_owned()), 1));
    assert_eq!(left_of(Some("0")), (Some("0".to_owned()), 0));
    assert_eq!(left_of(Some("no number")), (None, 1));
    assert_eq!(left_of(None), (None, 1));
}

#[test]
fn a_name_comes_before_a_pattern_and_filters_alone_list() {
    let node = noded()
        .file("Song [Live].mp3", "x")
        .file("Song L.mp3", "x")
        .file("data{1}.csv", "x")
        .file("Café.txt", "x")
        .file("IMG.JPG", "x")
        .start();
    for (query, found) in [
        ("Song [Live].mp3", "Song [Live].mp3"),
        ("\"data{1}.csv\"", "data{1}.csv"),
        ("data{1}.csv", "data{1}.csv"),
        ("cafe", "Café.txt"),
        ("*.jpg", "IMG.JPG"),
        ("EXT:jpg after:yesterday", "IMG.JPG"),
        ("kind:image", "IMG.JPG"),
        ("Song [Li", "Song [Live].mp3"),
    ] {
        assert_eq!(names(&node, query), [found], "{query}");
    }
    node.stop();
}

#[test]
fn nothing_found_in_a_text_that_goes_on_in_binary_is_incomplete() {
    let node = noded().file("app.log", b"one\ntwo\n\0\nthree\n").start();
    for (args, code) in [
        (&["grep", "four"][..], 7),
        (&["grep", "four", "ext:txt"], 3),
        (&["grep", "-v", "one"], 2),
    ] {
        assert_eq!(ctl(node.home()).args(args).run().code, code, "{args:?}");
    }
    node.stop();
}

#[test]
fn grep_finds_what_ripgrep_finds_with_its_flags() {
    let lines = "c++ C++ c\nC+ foo:x foo: foo\r\nTask fixme\nÄrger\n-flag a.b axb\nword_a word\n";
    let node = noded().file("a.txt", lines).file("b.md", "C++\n").start();
    let file = node.home().share().join("a.txt");
    let flags: &[&[&str]] = &[
        &["-w", "-F", "C++"],
        &["-w", "-F", "foo:"],
        &["-w", "word"],
        &["-i", "-w", "c"],
        &["-S", "task"],
        &["-S", "Task"],
        &["-i", "ärger"],
        &["-F", "a.b"],
        &["-x", "Ärger"],
        &["-e", "fixme", "-e", "-flag"],
        &["--crlf", "foo$"],
        &["foo$"],
        &["-o", "foo"],
        &["-c", "foo|c"],
    ];
    for flags in flags {
        let rg = std::process::Command::new("rg")
            .args([
                "--no-config",
                "--no-heading",
                "--color=never",
                "-n",
                "-H",
                "--column",
            ])
            .args(*flags)
            .arg(&file)
            .output();
        let Ok(rg) = rg else {
            eprintln!("skipped: there is no rg here");
            node.stop();
            return;
        };
        let expected = behind_name(&String::from_utf8_lossy(&rg.stdout));
        let run = ctl(node.home())
            .args(["grep"])
            .args(*flags)
            .args(["ext:txt"])
            .run();
        let found = behind_name(&run.stdout);
        assert_eq!(found, expected, "{flags:?}: {}", run.stderr);
    }
    node.stop();
}

/// Returns the text behind the name of the file in each line.
fn behind_name(lines: &str) -> Vec<String> {
    let behind = |line: &str| line.rsplit_once("a.txt:").map(|(_, rest)| rest.to_owned());
    lines.lines().filter_map(behind).collect()
}
