//! A name with the signs of patterns means the file that is called so: on every route, and two hops away.

use std::{fs, os::unix::ffi::OsStrExt, time::Duration};

use e2e::{CtlRun, NodeOptions, NodeProcess, Ui, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, ctl_program, noded};

/// Names, and for each a file that it would fit if it were a pattern or a query.
const ODD: [(&str, &str); 8] = [
    ("Song [Live].mp3", "Song L.mp3"),
    ("data{1}.csv", "data1.csv"),
    ("Album [2013]/01.mp3", "Album 2/01.mp3"),
    ("Track [01.mp3", "Track 01.mp3"),
    ("{draft.txt", "draft.txt"),
    ("[a-z]{2}.txt", "b2.txt"),
    ("who?.txt", "whom.txt"),
    ("a -b OR c.txt", "c.txt"),
];

/// Starts three nodes in a row. Beside the last one, which has the files of these names, the one in the middle has
/// those that fit as patterns.
fn row() -> [NodeProcess; 3] {
    let with = |files: [&str; 8]| {
        let file = |node: NodeOptions, name: &&str| node.file(name, name);
        files.iter().fold(noded(), file).start()
    };
    let near = noded().start();
    let middle = with(ODD.map(|(_, like)| like));
    let far = with(ODD.map(|(name, _)| name));
    introduce(&near.url, &middle.url);
    introduce(&middle.url, &far.url);
    [near, middle, far]
}

fn run(node: &NodeProcess, args: &[&str]) -> CtlRun {
    ctl(node.home()).args(args).run()
}

#[test]
fn an_odd_name_two_hops_away_is_searched_and_printed() {
    let nodes = row();
    for (name, like) in ODD {
        for query in [name.to_owned(), format!("\"{name}\"")] {
            // What an operator means in a text without a prefix is not a name.
            let query = format!("name:{query}");
            let asked = json!({ "query": &query });
            let found = nodes[0].control().must("search.query", asked);
            let hits = found["hits"].as_array().unwrap();
            assert_eq!(hits[0]["name"], name, "{query}: {hits:?}");
        }
        let printed = run(&nodes[0], &["cat", name]).expect_code(0);
        assert_eq!(printed.stdout, name);
        let printed = run(&nodes[0], &["cat", &format!("\"{name}\"")]).expect_code(0);
        assert_eq!(printed.stdout, name);
        let line = run(&nodes[0], &["cat", &format!("{name}:1")]).expect_code(0);
        assert_eq!(line.stdout, name);
        let other = run(&nodes[0], &["cat", like]).expect_code(0);
        assert_eq!(other.stdout, like);
    }
    assert!(nodes[0].home().entries().is_empty(), "nothing is stored");
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn an_odd_name_two_hops_away_is_fetched_alone() {
    let nodes = row();
    let near = &nodes[0];
    let to = near.home().root().join("out");
    fs::create_dir(&to).unwrap();
    let script = near.home().root().join("names.rhai");
    let text =
        "for hit in search(\"name:\" + args[0]) { if hit.name == args[0] { print(hit.name) } }
        print(fetch(args[0]).name);";
    fs::write(&script, text).unwrap();
    for (n, (name, like)) in ODD.into_iter().enumerate() {
        let place = to.to_str().unwrap();
        let _ = run(near, &["fetch", name, "--to", place]).expect_code(0);
        let last = name.rsplit('/').next().unwrap();
        assert_eq!(fs::read_to_string(to.join(last)).unwrap(), name);
        if n % 2 == 0 {
            let _ = run(near, &["fetch", name]).expect_code(0);
        } else {
            let ran = run(near, &["run", script.to_str().unwrap(), name]).expect_code(0);
            assert_eq!(ran.stdout, format!("{name}\n{name}\n"), "{}", ran.stderr);
        }
        assert_eq!(near.home().read(name).as_deref(), Some(name.as_bytes()));
        assert_eq!(near.home().read(like), None, "{like}");
    }
    assert_eq!(fs::read_dir(&to).unwrap().count(), ODD.len());
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn the_page_finds_an_odd_name_two_hops_away() {
    let nodes = row();
    let ui = Ui::start(ctl_program(), nodes[0].home());
    let (cookie, key) = ui.enter(ui.token()).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    for (name, _) in ODD.into_iter().take(7) {
        let body = json!({ "query": name, "limit": 100, "reach": "normal" }).to_string();
        let headers = [("Cookie", cookie.as_str()), ("X-Sixhop-Key", key.as_str())];
        let answer = ui.post("/api/search", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let news = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let hits: Vec<Value> = news
            .filter_map(|news| news["hits"].as_array().cloned())
            .flatten()
            .collect();
        // What `?` fits is a hit of its own as well, and may come sooner.
        let mut hits = hits.iter().take(if name.contains('?') { 2 } else { 1 });
        assert!(hits.any(|hit| hit["name"] == name), "{text}");
    }
    drop(ui);
    nodes.into_iter().for_each(NodeProcess::stop);
}

#[test]
fn odd_names_that_are_not_shared_are_listed_with_the_reason() {
    let node = noded().file("shared.txt", "").start();
    let share = node.home().share();
    let not_text = std::ffi::OsStr::from_bytes(b"\xffodd");
    for name in [
        "a\\b [1].txt",
        "tab\there",
        "line\nbreak",
        "\u{202e}gpj.exe",
    ] {
        fs::write(share.join(name), "").unwrap();
    }
    fs::write(share.join(not_text), "").unwrap();
    fs::write(share.join(".hidden{1}"), "").unwrap();
    let listed = wait_until("all is listed", Duration::from_secs(30), || {
        let run = ctl(node.home()).args(["--json", "ls", "--skipped"]).run();
        let listed: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        let skipped = listed["skipped"].as_array().cloned().unwrap_or_default();
        (skipped.len() == 6).then_some(skipped).ok_or(run.stdout)
    });
    let names: Vec<&str> = listed.iter().filter_map(|s| s["name"].as_str()).collect();
    for name in ["a\\b [1].txt", "\u{fffd}odd", ".hidden{1}"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(listed.iter().all(|s| s["reason"].as_str() != Some("")));
    let shown = ctl(node.home()).args(["ls", "--skipped"]).run();
    let shown = shown.expect_code(0).stdout;
    assert_eq!(shown.lines().count(), 6, "{shown:?}");
    let steers = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
    assert!(!shown.contains(steers), "{shown:?}");
    let counted = ctl(node.home()).args(["ls"]).run();
    assert!(counted.stderr.contains("6 entries are"), "{counted:?}");
    node.stop();
}
