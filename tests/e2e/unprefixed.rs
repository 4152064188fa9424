//! A search without a prefix asks names and contents.

use e2e::{NodeProcess, http, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

use crate::world::{ctl, noded};

/// Longest time until files are searched; much less when the machine is idle.
const SOON: Duration = Duration::from_secs(20);

const POEM: &str = "first line\na poem of the sea, and no other poem\n";

/// Returns names and handlers of the hits, in their order.
fn hits(node: &NodeProcess, query: &str) -> Vec<(String, String)> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    let hits = answer["hits"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    hits.map(|hit| (text(&hit["name"]), text(&hit["handler"])))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs.iter();
    owned
        .map(|(name, handler)| ((*name).to_owned(), (*handler).to_owned()))
        .collect()
}

fn wait_for(node: &NodeProcess, query: &str, expected: &[(&str, &str)]) {
    wait_until("all is searched", SOON, || {
        let hits = hits(node, query);
        (hits == pairs(expected))
            .then_some(())
            .ok_or(format!("{query}: {hits:?}"))
    });
}

fn holder() -> NodeProcess {
    noded()
        .file("letters/to ann.txt", POEM)
        .file("poem.txt", POEM)
        .file("z poem/cover.bin", b"\0\x01")
        .file("other.txt", "nothing of it\n")
        .start()
}

#[test]
fn names_come_first_then_texts_and_a_file_comes_once() {
    let node = holder();
    let expected = [
        ("poem.txt", "name"),
        ("z poem/cover.bin", "name"),
        ("letters/to ann.txt", "text"),
    ];
    wait_for(&node, "poem", &expected);
    // A prefix narrows it, and a pattern is one of names.
    wait_for(&node, "name:poem", &expected[..2]);
    wait_for(
        &node,
        "text:poem",
        &[("letters/to ann.txt", "text"), ("poem.txt", "text")],
    );
    wait_for(&node, "poem*", &[("poem.txt", "name")]);
    // What is quoted is a name or a phrase; filters hold for both.
    wait_for(
        &node,
        "\"poem of the sea\"",
        &[("letters/to ann.txt", "text"), ("poem.txt", "text")],
    );
    wait_for(&node, "poem ext:bin", &[("z poem/cover.bin", "name")]);
    wait_for(
        &node,
        "sea -nothing",
        &[("letters/to ann.txt", "text"), ("poem.txt", "text")],
    );
    // A name that is not a query for texts still is a name.
    node.home().put("a -b.md", "x");
    wait_for(&node, "\"a -b.md\"", &[("a -b.md", "name")]);
    node.stop();
}

#[test]
fn texts_of_peers_are_found_and_people_see_which_was_which() {
    let holder = holder();
    let asker = noded().file("my poem.md", "mine").start();
    e2e::introduce(&asker.url, &holder.url);
    let expected = [
        ("my poem.md", "name"),
        ("poem.txt", "name"),
        ("z poem/cover.bin", "name"),
        ("letters/to ann.txt", "text"),
    ];
    wait_for(&asker, "poem", &expected);
    let shown = ctl(asker.home()).args(["search", "poem"]).run();
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let line = |name: &str| {
        let mut lines = shown.stdout.lines();
        lines
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(line("poem.txt").contains("name"), "{}", shown.stdout);
    assert!(line("letters/to ann.txt").contains("a poem of the sea"));
    let answer = http::get(&holder.url, "/search?q=poem").unwrap();
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    let handlers: Vec<_> = answer["hits"].as_array().unwrap().iter().collect();
    assert_eq!(handlers[0]["handler"], "name");
    assert_eq!(handlers[2]["handler"], "text");
    // Who fetches means a name.
    let fetched = ctl(asker.home()).args(["fetch", "sea"]).run();
    assert_eq!(fetched.code, 3, "{}", fetched.stderr);
    asker.stop();
    holder.stop();
}

#[test]
fn operators_mean_the_same_for_names_and_texts() {
    let node = noded()
        .file("Song [Live].mp3", b"\0")
        .file("Song.mp3", b"\0")
        .file("data.csv", "of C++ and naïve\n")
        .start();
    let both = [("Song.mp3", "name"), ("Song [Live].mp3", "name")];
    wait_for(&node, "song", &both);
    wait_for(&node, "song -live", &both[..1]);
    wait_for(&node, "name:song -live", &both[..1]);
    wait_for(&node, "-live song", &both[..1]);
    let either = [
        ("Song.mp3", "name"),
        ("Song [Live].mp3", "name"),
        ("data.csv", "text"),
    ];
    wait_for(&node, "naive OR song", &either);
    wait_for(&node, "C++", &[("data.csv", "text")]);
    wait_for(&node, "name:C++", &[]);
    // A pattern that no name fits is the beginning of a word.
    wait_for(&node, "naï*", &[("data.csv", "text")]);
    wait_for(&node, "data*", &[("data.csv", "name")]);
    let typed = ctl(node.home())
        .args(["search", "--", "-live", "song"])
        .run();
    assert_eq!(typed.code, 0, "{}", typed.stderr);
    assert!(typed.stdout.starts_with("Song.mp3"), "{}", typed.stdout);
    node.stop();
}

#[test]
fn an_operator_without_meaning_is_told_if_no_name_fits() {
    let node = noded().file("Tom AND Jerry.txt", "x").start();
    let searched = |query: &str| ctl(node.home()).args(["search", query]).run();
    for query in ["poem AND song", "NOT poem", "(", "poem || song"] {
        let refused = searched(query);
        assert_eq!(refused.code, 2, "{query}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("at character"),
            "{}",
            refused.stderr
        );
    }
    for query in ["Tom AND Jerry.txt", "tom AND jerry", "TOM and JERRY"] {
        let found = searched(query);
        assert_eq!(found.code, 0, "{query}: {}", found.stderr);
    }
    // Another node has the name; what this one refuses does not matter then.
    let asker = noded().start();
    e2e::introduce(&asker.url, &node.url);
    let found = ctl(asker.home()).args(["search", "Tom AND Jerry"]).run();
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(found.stderr.contains("answered 2"), "{}", found.stderr);
    asker.stop();
    node.stop();
}

#[test]
fn a_policy_that_hides_texts_hides_them_without_a_prefix_too() {
    let options = noded().file("letter.txt", POEM).file("poem.txt", "other\n");
    let plugins = options.home().root().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(
        plugins.join("policy.rhai"),
        "fn allow_query(q) { q.handler != \"text\" }\n",
    )
    .unwrap();
    let plugins = plugins.display().to_string();
    let holder = options.args(["--plugins", &plugins]).start();
    let asker = noded().start();
    e2e::introduce(&asker.url, &holder.url);
    wait_for(&asker, "poem", &[("poem.txt", "name")]);
    assert!(hits(&asker, "sea").is_empty());
    let answer = http::get(&holder.url, "/search?q=sea").unwrap();
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(answer["hits"], json!([]));
    asker.stop();
    holder.stop();
}

#[test]
fn a_quoted_query_has_the_exact_name_and_texts() {
    let node = holder();
    node.home().put("poem of the sea", "nothing of it");
    let expected = [
        ("poem of the sea", "name"),
        ("letters/to ann.txt", "text"),
        ("poem.txt", "text"),
    ];
    wait_for(&node, "\"poem of the sea\"", &expected);
    node.stop();
}

#[test]
fn a_query_like_a_file_name_asks_for_texts_only_to_be_sure() {
    let album = noded()
        .file("album.html", "see photo.jpg and version v1.2 there")
        .start();
    let asker = noded().args(["--peer", &album.url]).start();
    let found = [("album.html", "text")];
    // What ends in a number is no name of a file; others know by then what is there.
    wait_for(&asker, "version v1.2", &found);
    let search = |reach: &str| {
        let wanted = json!({ "query": "photo.jpg", "reach": reach });
        asker.control().must("search.query", wanted)
    };
    wait_until("the names of the peer are known", SOON, || {
        let answer = search("normal");
        let is_passed_over = answer["hits"] == json!([]) && answer["passed_over"] == json!(1);
        is_passed_over.then_some(()).ok_or(answer.to_string())
    });
    let sure = search("sure");
    assert_eq!(sure["hits"][0]["name"], "album.html", "{sure}");
    let shown = ctl(asker.home()).args(["search", "photo.jpg"]).run();
    assert_eq!(shown.code, 3, "{}", shown.stdout);
    assert!(shown.stderr.contains("--sure"), "{}", shown.stderr);
    asker.stop();
    album.stop();
}
